//! What a line of the user means.

use concilium::MemberId;

use crate::text::{self, NameTextError};

/// A line, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Nothing to do.
    Nothing,
    /// To be said.
    Say(Vec<u8>),
    /// Bring these in.
    Include(Vec<MemberId>),
    /// Put these out.
    Exclude(Vec<MemberId>),
    /// New keys for the same members.
    Refresh,
    /// End the running operation.
    Abort,
    /// Enter again after having been put out.
    Join,
    /// Say goodbye and end.
    Part,
    /// Trust the key that this member has shown.
    Trust(MemberId),
    /// Shows the members.
    Members,
    /// What has not been seen by everyone.
    Acks,
    /// What is wrong now.
    Warnings,
    /// The operations that led to the present members.
    History,
    /// How to use all this.
    Help,
}

/// The reason why a line is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(super) enum CommandError {
    /// No such command.
    #[error(
        "there is no command /{0}; /help lists them, and // at the beginning says a line that begins with /"
    )]
    Unknown(String),
    /// A command about members, without any.
    #[error("/{0} needs a name, as in /{0} bob")]
    NoName(&'static str),
    /// A command about one member, with several.
    #[error("/{0} takes one name at a time; a space in a name is written \\x20")]
    OneName(&'static str),
    /// A command that takes no name, with something behind it.
    #[error("/{0} stands alone on its line")]
    Alone(&'static str),
    /// A name that is none.
    #[error("{0}")]
    Name(#[from] NameTextError),
}

/// What `/help` prints.
pub(super) const HELP: [&str; 13] = [
    "a line without / at its beginning is said to all members; // begins a line that begins with /",
    "/include NAME..   bring somebody in who is in the channel, or invite them",
    "/exclude NAME..   put somebody out; they can read nothing that is said later",
    "/refresh          new keys for the same members",
    "/members          who is in, and who else is in the channel",
    "/acks             messages that not everybody is known to have seen, and by whom not",
    "/warnings         what is wrong now",
    "/history          the changes of membership, and the hash of their chain, to compare with others",
    "/trust NAME       trust the key that NAME has shown, after comparing its fingerprint with them",
    "/abort            end the running change of membership as failed",
    "/join             enter again after having been put out",
    "/part             say goodbye and end, as do ctrl-d and ctrl-c",
    "a name is written as it is shown; a space in it is \\x20, a backslash \\\\",
];

/// Understands a line, without its end.
pub(super) fn parse(line: &[u8]) -> Result<Command, CommandError> {
    let Some(command) = line.strip_prefix(b"/") else {
        let empty = line.trim_ascii().is_empty();
        return Ok(if empty {
            Command::Nothing
        } else {
            Command::Say(line.to_vec())
        });
    };
    if command.starts_with(b"/") {
        return Ok(Command::Say(command.to_vec()));
    }
    let end = command
        .iter()
        .position(u8::is_ascii_whitespace)
        .unwrap_or(command.len());
    let (word, rest) = command.split_at_checked(end).unwrap_or((command, &[]));
    let rest = rest.trim_ascii();
    let some = |word| match text::members(rest)? {
        names if names.is_empty() => Err(CommandError::NoName(word)),
        names => Ok(names),
    };
    let one = |word| match <[MemberId; 1]>::try_from(some(word)?) {
        Ok([name]) => Ok(name),
        Err(_) => Err(CommandError::OneName(word)),
    };
    let alone = |word, command| {
        if rest.is_empty() {
            Ok(command)
        } else {
            Err(CommandError::Alone(word))
        }
    };
    match word {
        b"include" => Ok(Command::Include(some("include")?)),
        b"exclude" => Ok(Command::Exclude(some("exclude")?)),
        b"trust" => Ok(Command::Trust(one("trust")?)),
        b"refresh" => alone("refresh", Command::Refresh),
        b"abort" => alone("abort", Command::Abort),
        b"join" => alone("join", Command::Join),
        b"part" => alone("part", Command::Part),
        b"members" => alone("members", Command::Members),
        b"acks" => alone("acks", Command::Acks),
        b"warnings" => alone("warnings", Command::Warnings),
        b"history" => alone("history", Command::History),
        b"help" => alone("help", Command::Help),
        other => Err(CommandError::Unknown(text::body(other).to_string())),
    }
}

/// The answer to a question, if the line is one.
pub(super) fn answer(line: &[u8]) -> Option<bool> {
    match line.trim_ascii().to_ascii_lowercase().as_slice() {
        b"y" | b"yes" => Some(true),
        b"n" | b"no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_mean_what_the_help_says() {
        let name = |bytes: &[u8]| MemberId::new(bytes).unwrap();
        let cases: &[(&[u8], Command)] = &[
            (b"", Command::Nothing),
            (b"  ", Command::Nothing),
            (b" hello /part ", Command::Say(b" hello /part ".to_vec())),
            (b"//etc", Command::Say(b"/etc".to_vec())),
            (
                b"/include bob  carol",
                Command::Include(vec![name(b"bob"), name(b"carol")]),
            ),
            (br"/exclude a\x20b\xff", Command::Exclude(vec![name(b"a b\xff")])),
            (
                b"/exclude b\xc3\xb6b",
                Command::Exclude(vec![name("böb".as_bytes())]),
            ),
            (b"/trust __proto__", Command::Trust(name(b"__proto__"))),
            (b"/part\r", Command::Part),
            (b"/help", Command::Help),
        ];
        for (line, command) in cases {
            assert_eq!(parse(line).as_ref(), Ok(command));
        }
        let wrong: &[(&[u8], &str)] = &[
            (b"/", "there is no command /;"),
            (b"/quit\x1b[2J", r"there is no command /quit\u{1b}[2J;"),
            (b"/include", "/include needs a name"),
            (b"/trust a b", "one name at a time"),
            (b"/part now", "/part stands alone"),
            (br"/include a\q", "after a backslash"),
        ];
        for (line, part) in wrong {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        for word in HELP.iter().filter_map(|line| line.strip_prefix('/')) {
            let word = word.split([' ', ',']).next().unwrap();
            let line = format!("/{word} x");
            assert!(
                !matches!(parse(line.as_bytes()), Err(CommandError::Unknown(_))),
                "{line}"
            );
        }
    }

    #[test]
    fn only_plain_answers_are_answers() {
        assert_eq!(answer(b"y"), Some(true));
        assert_eq!(answer(b" YES\r"), Some(true));
        assert_eq!(answer(b"no"), Some(false));
        assert_eq!(answer(b"yes please"), None);
        assert_eq!(answer(b""), None);
    }

    proptest! {
        #[test]
        fn a40_no_line_panics(line: Vec<u8>) {
            let _ = parse(&[b"/".as_slice(), &line].concat());
            let _ = parse(&[b"/include ".as_slice(), &line].concat());
        }
    }
}
