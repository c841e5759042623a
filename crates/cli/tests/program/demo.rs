//! `concilium demo`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::process::run;

fn events(arguments: &[&str]) -> (Option<i32>, Vec<Value>, Vec<String>) {
    let ended = run([&["demo", "--json"], arguments].concat());
    let parse = |line: &String| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    (ended.code, ended.stdout.iter().map(parse).collect(), ended.stderr)
}

#[test]
fn three_members_and_five_messages() {
    let (code, events, stderr) = events(&["--members", "3", "--messages", "5"]);
    let last = events.last().expect("it says something");
    assert_eq!(
        (code, last["ok"].as_bool()),
        (Some(0), Some(true)),
        "{stderr:?} {last}"
    );
    assert!(stderr.is_empty(), "{stderr:?}");
    let named = |name: &str| {
        events
            .iter()
            .filter(|event| event["event"] == name)
            .collect::<Vec<_>>()
    };

    // Who has read what: two talk, then three, then two again, twice.
    let mut readers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for message in named("message") {
        let (id, member) = (
            message["id"].as_str().unwrap(),
            message["member"].as_str().unwrap(),
        );
        readers.entry(id).or_default().push(member);
    }
    let mut lists: Vec<Vec<&str>> = readers.into_values().collect();
    lists.iter_mut().for_each(|list| list.sort_unstable());
    lists.sort_unstable();
    let expected = [
        vec!["alice", "bob"],
        vec!["alice", "bob"],
        vec!["alice", "bob", "carol"],
        vec!["alice", "carol"],
        vec!["alice", "carol"],
    ];
    assert_eq!(lists, expected);

    let steps: Vec<&str> = named("step-done")
        .iter()
        .filter_map(|event| event["step"].as_str())
        .collect();
    let story = [
        "establish",
        "talk",
        "include",
        "talk",
        "exclude",
        "talk",
        "refresh",
        "talk",
        "part",
    ];
    assert_eq!(steps, story);
    assert!(
        named("step-done")
            .iter()
            .all(|event| event["packets"].as_u64() > Some(0))
    );
    assert!(named("warning-raised").is_empty());
    // Who has not acknowledged the last message of a talk, as its author sees it.
    let waits = named("unacked");
    assert!(!waits.is_empty());
    for wait in waits {
        let by = wait["by"].as_array().unwrap();
        assert!(!by.is_empty() && !by.contains(&wait["member"]), "{wait}");
    }
    // How things stand after each step but the last, for each who is inside.
    let summaries = named("summary");
    let views = summaries
        .iter()
        .map(|summary| summary["members"].as_array().unwrap().len());
    assert_eq!(views.sum::<usize>(), 2 + 2 + 3 + 3 + 2 + 2 + 2 + 2);
    for summary in summaries {
        assert_eq!(summary["lines"][0], "not missing any message", "{summary}");
        assert_eq!(summary["lines"][2], "everyone is here", "{summary}");
    }
    let proven = last["proven"].to_string();
    assert!(proven.contains("bob, excluded, reads none of"), "{proven}");
}

#[test]
fn two_members_and_no_messages() {
    let (code, events, stderr) = events(&["--members", "2", "--messages", "0"]);
    assert_eq!(code, Some(0), "{stderr:?}");
    assert!(events.iter().all(|event| event["event"] != "message"));
    assert_eq!(events.last().unwrap()["ok"], true);
}

#[test]
fn it_is_told_to_people_too() {
    let ended = run(["demo", "--members", "4", "--messages", "8"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let text = ended.stdout.join("\n");
    for part in [
        "ESTABLISH",
        "#1 alice: good morning",
        "✓ #",
        "checked: all 4 agree",
        " is not yet acknowledged by ",
        "not missing any message; ",
        "no warning",
        "All of it took",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn it_fails_loudly_when_its_time_is_over() {
    let (code, events, stderr) = events(&["--members", "3", "--deadline", "1ms"]);
    assert_eq!(code, Some(1));
    assert_eq!(events.last().unwrap()["ok"], false);
    assert_eq!(stderr.len(), 1, "{stderr:?}");
    assert!(
        stderr[0].contains("still waiting for") && stderr[0].contains("--deadline"),
        "{stderr:?}"
    );
}
