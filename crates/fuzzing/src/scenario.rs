//! The reader of scenarios.

use std::path::Path;

use concilium_scenario::{Options, Scenario, Verdict, parse, run_file};

use super::Seed;
use super::input::Input;

/// Lines of a text made of words. A fuzzer tries many.
const MAX_LINES: usize = 40;

/// What lines are made of: all that means something at some place, and some of what does not.
const WORDS: [&str; 78] = [
    "members",
    "alice",
    "bob",
    "carol",
    "alice:",
    "bob:",
    "carol:",
    "server:",
    "server",
    "none",
    "any",
    "gka",
    "cipher",
    "cliques",
    "aes-256-gcm",
    "option",
    "policy",
    "open",
    "moderators",
    "deliver",
    "settle",
    "advance",
    "run",
    "mark",
    "expect",
    "join",
    "part",
    "include",
    "exclude",
    "change",
    "refresh",
    "send",
    "ack",
    "abort",
    "read",
    "drop",
    "duplicate",
    "swap",
    "flip",
    "forge",
    "replay",
    "heal",
    "kick",
    "crash",
    "restore",
    "disconnect",
    "1",
    "2",
    "10",
    "0",
    "18446744073709551616",
    "1s",
    "3m",
    "5ms",
    "2h",
    "1d",
    "999999999999d",
    "to",
    "from",
    "for",
    "=",
    "<=",
    "state",
    "channel",
    "same",
    "differ",
    "warned",
    "warnings",
    "packets",
    "bytes",
    "secret",
    "log",
    "present",
    "acked",
    "\"some text\"",
    "\"",
    "#",
    "error",
];

/// Takes the bytes as a file, or as choices of words that make one. Nothing makes the reader panic. It
/// complains of the first line that is wrong, and no earlier and no later one; what it takes, it takes with
/// the same meaning amid comments, empty lines and spaces.
///
/// # Panics
/// Where a promise is broken.
pub fn scenario(data: &[u8]) {
    run(data);
}

/// How far a text got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    NoText,
    Refused,
    Steps(usize),
}

fn run(data: &[u8]) -> Reached {
    let mut input = Input::new(data);
    let text = match input.byte() % 2 {
        0 => words(&mut input),
        _ => match std::str::from_utf8(input.rest()) {
            Ok(text) => text.to_owned(),
            Err(error) => {
                no_text(&data[1..], error.valid_up_to());
                return Reached::NoText;
            }
        },
    };
    match parse("f", &text) {
        Ok(scenario) => {
            taken(&text, &scenario);
            Reached::Steps(scenario.steps.len())
        }
        Err(error) => {
            refused(&text, error.line);
            Reached::Refused
        }
    }
}

/// A text of these words; a byte of 240 and more ends a line, one of 200 and more glues two words together.
fn words(input: &mut Input<'_>) -> String {
    let mut text = String::new();
    let mut lines = 0;
    while let Some(byte) = input.next() {
        match byte {
            240.. => {
                text.push('\n');
                lines += 1;
            }
            200.. => text.truncate(text.trim_end_matches(' ').len()),
            _ => {
                text.push_str(WORDS[usize::from(byte) % WORDS.len()]);
                text.push(' ');
            }
        }
        if lines >= MAX_LINES {
            break;
        }
    }
    text
}

/// The first line that is no text is named.
fn no_text(bytes: &[u8], good: usize) {
    let line = 1 + bytes[..good].iter().filter(|byte| **byte == b'\n').count();
    let mut out = Vec::new();
    let report = run_file(Path::new("f"), Ok(bytes.to_vec()), &Options::default(), &mut out);
    match report.expect("a buffer takes everything").verdict {
        Verdict::Unreadable(reason) => assert!(reason.starts_with(&format!("f:{line}:")), "{reason}"),
        other => panic!("{other:?} of what is no text"),
    }
}

/// The line complained of is the first that is wrong, or the last of a text in which nobody takes part.
fn refused(text: &str, line: usize) {
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        (1..=lines.len().max(1)).contains(&line),
        "line {line} of {}",
        lines.len()
    );
    // Each line with its end: an empty last line is a line too.
    let error_of = |count: usize| parse("f", &format!("{}\n", lines[..count].join("\n"))).err();
    let earlier = error_of(line - 1);
    let is_sound = earlier.is_none_or(|error| error.reason.starts_with("nobody takes part"));
    assert!(is_sound, "a line before {line} is wrong");
    let cut = error_of(line.min(lines.len())).map(|error| error.line);
    assert_eq!(
        cut,
        Some(line),
        "what follows the first wrong line does not matter"
    );
}

/// Every step is a line of the text, and the text means the same amid what means nothing.
fn taken(text: &str, scenario: &Scenario) {
    let lines: Vec<&str> = text.lines().collect();
    assert!(!scenario.setup.members.is_empty());
    assert!(scenario.steps.is_sorted_by(|a, b| a.line < b.line));
    for step in &scenario.steps {
        assert_eq!(step.text, lines[step.line - 1].trim(), "a step is its line");
    }
    let padded: Vec<String> = lines
        .iter()
        .map(|line| format!("# word\n\n \t{line} # \"\r\n"))
        .collect();
    let padded = parse("f", &padded.concat()).expect("comments and spaces mean nothing");
    let meaning = |scenario: &Scenario| {
        let commands: Vec<_> = scenario.steps.iter().map(|step| &step.command).collect();
        format!("{:?} {commands:?}", scenario.setup)
    };
    assert_eq!(meaning(&padded), meaning(scenario));
}

pub(super) fn seeds() -> Vec<Seed> {
    let of_words = |lines: &[&str]| {
        let of_line = |line: &&str| {
            let words = line.split(' ').map(|word| {
                let at = WORDS.iter().position(|known| *known == word);
                u8::try_from(at.expect("a word of the list")).expect("a short list")
            });
            words.chain([255]).collect::<Vec<u8>>()
        };
        [vec![0], lines.iter().flat_map(of_line).collect()].concat()
    };
    let of_text = |text: &str| [&[1], text.as_bytes()].concat();
    let meet = [
        "members alice bob carol",
        "alice: join",
        "settle",
        "alice: include bob carol",
        "settle",
    ];
    let with = |lines: &[&str]| of_words(&[&meet, lines].concat());
    vec![
        Seed::new(
            "changes",
            with(&[
                "bob: exclude carol",
                "run 3m",
                "alice: refresh",
                "bob: abort",
                "carol: part",
            ]),
        ),
        Seed::new(
            "expectations",
            with(&[
                "mark",
                "expect packets <= 10",
                "expect same alice bob",
                "expect warned alice any",
            ]),
        ),
        Seed::new(
            "faults",
            with(&[
                "server: drop 1 to carol",
                "server: duplicate 2",
                "server: swap for bob",
                "deliver 1 to bob",
            ]),
        ),
        Seed::new("late", with(&["members bob"])),
        Seed::new("nobody", of_words(&["settle"])),
        Seed::new("no-text", [1, b'#', b'\n', 0xff, b'\n']),
        Seed::new(
            "text",
            of_text("members a b\na: send \"hello # b\"\nsettle # end\nexpect channel = none\n"),
        ),
        Seed::new(
            "text-odd",
            of_text("members \u{202e} \"\"\n\u{85}settle\u{a0}\r\n"),
        ),
        Seed::new("time", with(&["advance 5ms", "run 999999999999d"])),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_reach_scenarios_refusals_and_what_is_no_text() {
        let reached: Vec<Reached> = seeds().iter().map(|seed| run(&seed.bytes)).collect();
        assert!(reached.contains(&Reached::NoText), "{reached:?}");
        assert!(
            reached
                .iter()
                .filter(|reached| **reached == Reached::Refused)
                .count()
                >= 2,
            "{reached:?}"
        );
        let long = |reached: &&Reached| matches!(reached, Reached::Steps(steps) if *steps >= 7);
        assert!(reached.iter().filter(long).count() >= 2, "{reached:?}");
    }
}
