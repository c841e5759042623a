//! Every file in `scenarios/`, with every implementation, and the runner itself: what holds must pass, what
//! does not hold must fail, and what is no scenario must be refused.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::path::{Path, PathBuf};

use concilium_scenario::{Options, Report, Verdict, run_file, run_text};
use concilium_test_parts::{Cipher, Gka};

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "scn"))
        .collect();
    files.sort();
    assert!(files.len() > 40, "the folder of scenarios is where it was");
    files
}

fn run(text: &str, options: &Options) -> (Report, String) {
    let mut out = Vec::new();
    let report = run_text("t.scn", text, options, &mut out).unwrap();
    (report, String::from_utf8(out).unwrap())
}

/// Runs every file and tells all that failed, each as the report has it.
fn all_pass(options: &Options) {
    all_pass_but(&[], options);
}

/// The same, but for some files.
fn all_pass_but(others: &[&str], options: &Options) {
    let mut failures = String::new();
    let is_other = |path: &PathBuf| others.iter().any(|other| path.ends_with(other));
    for path in files().into_iter().filter(|path| !is_other(path)) {
        let mut out = Vec::new();
        let report = run_file(&path, std::fs::read(&path), options, &mut out).unwrap();
        if report.exit_code() != 0 {
            failures.push_str(&String::from_utf8(out).unwrap());
        }
    }
    assert_eq!(failures, "");
}

fn with(gka: Gka, cipher: Cipher) -> Options {
    Options {
        gka: Some(gka),
        cipher: Some(cipher),
        ..Options::default()
    }
}

/// About the size of packets, which a ratchet's header adds to.
const OF_SIZES: [&str; 1] = ["m03-short-messages-look-alike.scn"];

#[test]
fn every_scenario_holds_with_every_cipher() {
    for cipher in Cipher::ALL.iter().filter(|cipher| cipher.is_secret()) {
        let others = if *cipher == Cipher::Ratchet {
            &OF_SIZES[..]
        } else {
            &[]
        };
        all_pass_but(others, &with(Gka::Cliques, *cipher));
    }
}

/// About operations of one packet, as the default's exclusions and refreshes are: how many packets there are,
/// how large, and who is left behind without one that everybody else does not wait for.
const OF_ONE_PACKET: [&str; 9] = [
    "a24-partial-view.scn",
    "c03-refresh.scn",
    "l06-finish-timeout.scn",
    "o01-who-was-there.scn",
    "o05-two-orders-two-chains.scn",
    "o09-one-packet.scn",
    "t11-gone-over-to-nobody.scn",
    "t17-left-behind-comes-back.scn",
    "t17-two-sessions-become-one.scn",
];

/// About operations of several packets, which somebody may hold up or abort, and about how many packets there
/// are and how large.
const OF_SEVERAL_PACKETS: [&str; 11] = [
    "a10-an-old-proposal-takes-nobody-out.scn",
    "c03-refresh.scn",
    "left-in-the-middle.scn",
    "m01-the-old-membership-hears-it.scn",
    "o03-packets-of-an-operation-before.scn",
    "o11-abort.scn",
    "o11-deadline.scn",
    "t01-told-only.scn",
    "t02-invitations-wait.scn",
    "t11-gone-over-to-nobody.scn",
    "t18-put-out-and-back.scn",
];

/// The files that do not hold with a key agreement.
fn missed_by(gka: Gka) -> Vec<String> {
    let options = with(gka, Cipher::Aead);
    let fails = |path: &PathBuf| {
        let mut out = Vec::new();
        let report = run_file(path, std::fs::read(path), &options, &mut out).unwrap();
        report.exit_code() != 0
    };
    let missed = files().into_iter().filter(fails);
    missed
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_other_scenario_holds_where_everybody_takes_part_in_everything() {
    assert_eq!(missed_by(Gka::BurmesterDesmedt), OF_ONE_PACKET);
}

#[test]
fn every_other_scenario_holds_where_every_change_is_one_packet() {
    assert_eq!(missed_by(Gka::Mls), OF_SEVERAL_PACKETS);
}

/// Another key agreement plugs in. The files count the packets of the default, so this has a scenario of its
/// own, in which newcomers enter and announce themselves (K-14) before anybody includes them.
#[test]
fn k14_a_group_meets_and_talks_with_every_key_agreement() {
    let text = "members alice bob carol\nalice: join\nsettle\nbob: join\ncarol: join\nsettle\n\
                alice: include bob carol\nsettle\nexpect same alice bob carol\nalice: send \"x\"\nrun 3m\n\
                expect log carol = \"x\"\nexpect acked bob \"x\"\nbob: exclude carol\nsettle\nexpect same alice bob\n\
                alice: send \"y\"\nsettle\nexpect secret carol cannot read \"y\"\nexpect warned alice = none";
    for gka in Gka::ALL.iter().filter(|gka| gka.is_secret()) {
        let (report, out) = run(text, &with(*gka, Cipher::Aead));
        assert_eq!((report.exit_code(), report.gka), (0, *gka), "{out}");
    }
}

/// What the channel shows again of what somebody announced lets nobody in, and accuses nobody.
#[test]
fn a10_k14_an_old_announcement_accuses_nobody() {
    let begin = "members alice bob\noption stay-if-last on\noption reunite on\nalice: join\nsettle\nbob: join\nsettle\n\
                 alice: include bob\nsettle\nexpect same alice bob\nbob: part\nrun 2m\n";
    // While he is not there it is not even heard.
    let away = "server: replay 3\nrun 1m\nbob: join\ndeliver 1\nalice: include bob\nsettle\n\
                expect same alice bob\nexpect warned alice = none\nexpect warned bob = none";
    // While he waits it takes the place of the newer one. He is not in, and the others have to learn it.
    let there = "bob: join\nsettle\nserver: replay 3\nsettle\nalice: include bob\nrun 10s\n\
                 expect members alice = alice bob\nexpect state bob = joining\nrun 5m\n\
                 expect members alice = alice\nalice: include bob\nrun 5m\nexpect same alice bob\n\
                 expect warned bob = none\n\
                 expect warned alice = not-fully-acked chain-unconfirmed member-absent";
    for rest in [away, there] {
        let (report, out) = run(&format!("{begin}{rest}"), &with(Gka::Mls, Cipher::Aead));
        assert_eq!(report.exit_code(), 0, "{out}");
    }
}

/// What a scenario expects must not hang on luck.
#[test]
fn every_scenario_holds_with_other_seeds() {
    for seed in [1, 2, u64::MAX] {
        all_pass(&Options {
            seed,
            ..Options::default()
        });
    }
}

/// A-29, K-13: when every process is restarted from its snapshot after each input, everything happens exactly
/// as it does without, to the last byte of the trace.
#[test]
fn a29_nobody_notices_a_restart_at_every_step() {
    for path in files() {
        let trace = |restart| {
            let options = Options {
                trace: true,
                restart,
                ..Options::default()
            };
            let mut out = Vec::new();
            let report = run_file(&path, std::fs::read(&path), &options, &mut out).unwrap();
            assert_eq!(report.exit_code(), 0, "{report}");
            String::from_utf8(out).unwrap()
        };
        let (with, without) = (trace(true), trace(false));
        let difference = with
            .lines()
            .zip(without.lines())
            .find(|(with, without)| with != without);
        assert_eq!(difference, None, "{}", path.display());
        assert_eq!(with.len(), without.len(), "{}", path.display());
    }
}

#[test]
fn every_scenario_says_what_it_is_about() {
    for path in files() {
        let text = std::fs::read_to_string(&path).unwrap();
        let first = text.lines().next().unwrap_or_default();
        let cites = first.split([' ', ',', ':']).any(|word| {
            word.split_once('-')
                .is_some_and(|(letter, number)| letter.len() == 1 && number.parse::<u8>().is_ok())
        });
        let second = text.lines().nth(1).unwrap_or_default();
        assert!(
            first.starts_with("# ") && (cites || second.contains('-')),
            "{}: the first comment cites the rule",
            path.display()
        );
    }
}

/// alice and bob are in a session and have talked; carol has gone; dave was never there.
const BASE: &str = "\
members alice bob carol dave
alice: join
settle
alice: include bob carol
settle
alice: send \"hello\"
settle
run 3m
alice: exclude carol
settle
run 5m
bob: send \"hi\"
settle
run 3m
expect event bob message
mark
";

/// Each expectation, true and false, one after the other.
const PAIRS: &[(&str, &str)] = &[
    (
        "expect members alice = alice bob",
        "expect members alice = alice bob carol",
    ),
    ("expect members carol =", "expect members alice ="),
    ("expect channel = alice bob", "expect channel = alice"),
    ("expect state carol = parted", "expect state carol = joined"),
    (
        "expect log bob = \"hello\" \"hi\"",
        "expect log bob = \"hi\" \"hello\"",
    ),
    ("expect log carol = \"hello\"", "expect log carol = none"),
    ("expect log dave = none", "expect log dave = \"none\""),
    (
        "expect log bob has \"hi\" \"hello\"",
        "expect log bob has \"hi\" \"ho\"",
    ),
    (
        "expect parents alice \"hi\" = \"hello\"",
        "expect parents alice \"hi\" = none",
    ),
    (
        "expect parents alice \"hello\" = none",
        "expect parents alice \"hello\" = \"hi\"",
    ),
    ("expect acked alice \"hi\"", "expect acked alice \"unheard\""),
    (
        "expect unacked alice \"hi\" =",
        "expect unacked alice \"hi\" = bob",
    ),
    ("expect present bob = alice", "expect present bob = none"),
    ("expect present carol =", "expect present carol = bob"),
    ("expect warnings bob = none", "expect warnings bob any"),
    ("expect warnings bob =", "expect warnings bob = bad-share"),
    (
        "expect warned bob = none",
        "expect warned bob has not-fully-acked",
    ),
    ("expect warned bob = none", "expect warned bob any"),
    (
        "expect event alice message",
        "expect event alice operation-failed",
    ),
    (
        "expect no-event alice operation-failed",
        "expect no-event alice message",
    ),
    ("expect same alice bob", "expect same alice bob carol"),
    ("expect same alice", "expect same carol"),
    ("expect differ alice carol", "expect differ alice bob"),
    (
        "expect secret carol cannot read \"hi\"",
        "expect secret carol cannot read \"hello\"",
    ),
    (
        "expect secret dave cannot read \"hello\"",
        "expect secret bob cannot read \"hello\"",
    ),
    (
        "expect secret dave cannot read \"hi\"",
        "expect secret dave cannot read \"never said\"",
    ),
    ("expect packets < 1", "expect packets < 0"),
    ("expect packets = 0", "expect packets > 0"),
    ("expect bytes = 0", "expect bytes > 0"),
    ("expect bytes < 1", "expect bytes < 0"),
    ("alice: send \"x\"", "carol: send \"x\""),
    ("carol: send \"x\" -> error", "alice: send \"x\" -> error"),
    (
        "carol: send \"x\" -> error not-joined",
        "carol: send \"x\" -> error alone",
    ),
    (
        "alice: exclude alice -> error exclude-self",
        "alice: exclude bob -> error exclude-self",
    ),
    ("bob: disconnect", "carol: disconnect"),
    ("bob: crash", "server: kick carol"),
    ("server: replay 1", "server: replay 1000"),
    ("server: flip 1 0", "server: flip 1 1000000"),
    ("server: flip 1 0", "server: flip 1000 0"),
];

#[test]
fn every_expectation_holds_when_true_and_fails_when_false() {
    for (yes, no) in PAIRS {
        let (report, out) = run(&format!("{BASE}{yes}"), &Options::default());
        assert_eq!(report.exit_code(), 0, "{out}");
        let (report, out) = run(&format!("{BASE}{no}"), &Options::default());
        assert_eq!(report.exit_code(), 1, "{no}\n{out}");
        let Verdict::Failed(failure) = &report.verdict else {
            panic!("{no}")
        };
        assert_eq!(failure.line, BASE.lines().count() + 1, "{no}");
        assert_eq!(failure.text, *no);
        assert_ne!(failure.expected, failure.seen, "{no}");
        for part in [
            &format!("t.scn:{}: {no}", failure.line),
            &failure.expected,
            &failure.seen,
        ] {
            assert!(out.contains(part), "{out}");
        }
    }
}

/// What fails only after something has happened.
#[test]
fn expectations_follow_what_happens() {
    for (text, exit) in [
        // An event is expected once.
        (
            "bob: send \"x\"\nexpect event bob message\nexpect event bob message",
            1,
        ),
        (
            "bob: send \"x\"\nsettle\nexpect event alice message\nexpect event bob message",
            0,
        ),
        // Under way, and due by itself.
        ("bob: send \"x\"\nexpect quiet", 1),
        ("bob: send \"x\"\nsettle\nexpect quiet", 1),
        ("bob: send \"x\"\nsettle\nrun 3m\nexpect quiet", 0),
        // What waits for Alice's answer is sent again some time, though not soon.
        (
            "server: drop 99 from alice\nbob: send \"x\"\nrun 20m\nexpect quiet",
            1,
        ),
        ("bob: send \"x\"\nsettle\nexpect acked bob \"x\"", 1),
        ("bob: send \"x\"\nsettle\nexpect unacked bob \"x\" = alice", 0),
        ("bob: send \"x\"\nexpect packets = 1\nexpect bytes > 10", 0),
        ("bob: send \"x\"\nmark\nexpect packets = 0\nexpect bytes = 0", 0),
        // Warnings that come, are remembered, and can be named.
        (
            "server: drop 9 from alice\nbob: send \"x\"\nrun 2m\nexpect warnings bob = none",
            1,
        ),
        (
            "server: drop 9 from alice\nbob: send \"x\"\nrun 2m\nexpect warnings bob has not-fully-acked",
            0,
        ),
        (
            "server: drop 9 from alice\nbob: send \"x\"\nrun 2m\nexpect warned bob = bad-share",
            1,
        ),
        (
            "server: drop 9 from alice\nbob: send \"x\"\nrun 2m\nexpect warned bob any",
            0,
        ),
        // Nothing moves but by command.
        ("bob: send \"x\"\nexpect log alice has \"x\"", 1),
        ("bob: send \"x\"\ndeliver 1 to bob\nexpect log alice has \"x\"", 1),
        (
            "bob: send \"x\"\ndeliver 1 to alice\nexpect log alice has \"x\"",
            0,
        ),
        ("bob: send \"x\"\ndeliver\nexpect log alice has \"x\"", 0),
        ("bob: send \"x\"\nadvance 5m\nexpect log alice has \"x\"", 1),
        ("bob: send \"x\"\nrun 400ms\nexpect log alice has \"x\"", 1),
        ("bob: send \"x\"\nrun 500ms\nexpect log alice has \"x\"", 0),
        (
            "server: drop 1 to alice\nbob: send \"x\"\nsettle\nexpect log alice has \"x\"",
            1,
        ),
        (
            "server: drop 1 from bob\nbob: send \"x\"\nsettle\nexpect log alice has \"x\"",
            1,
        ),
        // Swapped for bob: each of the two comes where the other was.
        (
            "server: swap for bob\nalice: send \"x\"\nalice: send \"y\"\ndeliver 1\nexpect log bob has \"x\"",
            1,
        ),
        (
            "server: swap for bob\nalice: send \"x\"\nalice: send \"y\"\ndeliver 2\nexpect log bob has \"x\" \"y\"",
            0,
        ),
        (
            "alice: send \"x\"\nbob: send \"y\"\nserver: swap for alice\ndeliver 1 to alice\nexpect log alice has \"y\"",
            0,
        ),
        // Crashed is crashed: who is gone does nothing and is in nothing, though what it has shown was shown.
        ("bob: crash\nbob: send \"x\"", 1),
        ("bob: crash\nbob: send \"x\" -> error not-running", 0),
        ("bob: crash\nbob: crash -> error", 0),
        ("bob: crash\nexpect log bob = \"hello\" \"hi\"", 0),
        ("bob: crash\nexpect log bob = none", 1),
        (
            "bob: crash\nexpect parents bob \"hi\" = \"hello\"\nexpect acked bob \"hello\"",
            0,
        ),
        (
            "bob: crash\nexpect state bob = parted\nexpect members bob = none",
            0,
        ),
        ("bob: crash\nexpect state bob = joined", 1),
        ("bob: crash\nexpect members bob = alice bob", 1),
        ("bob: crash\nexpect differ alice bob\nexpect same bob", 1),
        (
            "bob: crash\nexpect warnings bob = none\nexpect warned bob = none",
            0,
        ),
        (
            "server: drop 9 from alice\nbob: send \"x\"\nrun 2m\nbob: crash\nexpect warnings bob = none\n\
             expect warned bob = none",
            1,
        ),
        ("bob: crash\nbob: restore\nexpect state bob = parted", 0),
        ("bob: disconnect -> error", 1),
        ("bob: disconnect\nbob: disconnect -> error not-in-channel", 0),
        ("bob: restore -> error", 1),
        ("bob: restore\nexpect same alice bob", 0),
        // A secret is one for somebody: what the server withheld from him is his to read all the same.
        (
            "server: drop 1 to bob\nalice: send \"x\"\nsettle\nexpect secret bob cannot read \"x\"",
            1,
        ),
        (
            "server: drop 1 from alice\nalice: send \"x\"\nsettle\nexpect secret bob cannot read \"x\"",
            1,
        ),
        // He missed the new keys, but with the packet that the server withheld he has them.
        (
            "server: drop 1 to bob\nalice: refresh\nsettle\nalice: send \"x\"\nsettle\n\
             expect differ alice bob\nexpect log bob = \"hello\" \"hi\"\nexpect secret bob cannot read \"x\"",
            1,
        ),
        (
            "alice: send \"x\"\nsettle\nbob: crash\nexpect secret bob cannot read \"x\"",
            1,
        ),
    ] {
        let (report, out) = run(&format!("{BASE}{text}"), &Options::default());
        assert_eq!(report.exit_code(), exit, "{text}\n{out}");
        if let Verdict::Failed(failure) = report.verdict {
            let last = (BASE.lines().count() + text.lines().count(), text.lines().last());
            assert_eq!((failure.line, Some(failure.text.as_str())), last, "{out}");
        }
    }
}

#[test]
fn what_is_no_scenario_is_refused_with_its_line() {
    for (text, line) in [
        ("", 1),
        ("members alice\ndance", 2),
        ("members alice\n\n# so far so good\nalice: send \"open", 4),
        ("members alice\nbob: join", 2),
        ("members alice\nexpect event alice fireworks", 2),
        ("members alice\nsettle\noption auto-include on", 3),
        ("members alice\ngka nonesuch", 2),
    ] {
        let (report, out) = run(text, &Options::default());
        assert_eq!(report.exit_code(), 2, "{text}");
        assert!(out.starts_with(&format!("t.scn:{line}: ")), "{out}");
    }
    let mut out = Vec::new();
    let nowhere = Path::new("no/such/file.scn");
    let report = run_file(nowhere, std::fs::read(nowhere), &Options::default(), &mut out).unwrap();
    assert_eq!(report.exit_code(), 2);
    assert!(String::from_utf8(out).unwrap().contains("no/such/file.scn"));
    let mut out = Vec::new();
    let bytes = b"members alice\n# fine: \xc3\xa9\nalice: send \"\xff\"\n".to_vec();
    let report = run_file(Path::new("odd.scn"), Ok(bytes), &Options::default(), &mut out).unwrap();
    assert_eq!(report.exit_code(), 2);
    assert!(String::from_utf8(out).unwrap().starts_with("odd.scn:3: "));
}

#[test]
fn one_seed_one_trace() {
    let trace = |seed, json| {
        let options = Options {
            seed,
            trace: true,
            json,
            ..Options::default()
        };
        run(BASE, &options).1
    };
    assert_eq!(trace(7, false), trace(7, false));
    assert_ne!(trace(7, false), trace(8, false));
    assert_eq!(trace(7, true), trace(7, true));
}

#[test]
fn json_is_one_object_a_line_and_ends_with_the_verdict() {
    let options = Options {
        json: true,
        ..Options::default()
    };
    for (text, exit) in [
        (BASE.to_owned(), 0),
        (format!("{BASE}expect channel = none"), 1),
        ("dance".to_owned(), 2),
    ] {
        let out = run(&text, &options).1;
        let objects: Vec<serde_json::Value> = out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert!(objects.iter().all(|object| object["type"].is_string()));
        let last = objects.last().unwrap();
        assert_eq!((&last["type"], &last["exit"]), (&"result".into(), &exit.into()));
        if exit == 0 {
            let said = objects
                .iter()
                .filter(|object| object["what"] == "message" && object["body"] == "hi");
            assert_eq!(said.count(), 2, "once for alice, once for bob");
        }
    }
}

/// The examples in the description of the language are scenarios themselves.
#[test]
fn the_description_tells_no_tales() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/scenarios.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut blocks = 0;
    for block in text.split("```scn\n").skip(1) {
        let block = block.split("```").next().unwrap();
        let (report, out) = run(block, &Options::default());
        assert_eq!(report.exit_code(), 0, "{block}\n{out}");
        blocks += 1;
    }
    assert!(blocks > 0);
}
