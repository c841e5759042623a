//! Reads a scenario.

use std::time::Duration;

use concilium_core::{Change, MemberId, MemberSet};
use concilium_parts::UnknownPart;
use concilium_session::{SessionState, WarningKind};

use super::EventKind;
use super::ast::{
    Act, Bound, Command, Expectation, Fault, Kinds, ParseError, Refusal, Scenario, Setup, Step,
};
use super::option::Options;
use super::words::{Word, split};

/// Words that mean something where a member's name may stand.
const RESERVED: [&str; 3] = ["server", "none", "any"];

/// Reads a scenario. `file` is its name in error messages.
///
/// # Errors
/// The first line that is not in the language, or that uses an undeclared name.
pub fn parse(file: &str, text: &str) -> Result<Scenario, ParseError> {
    let mut scenario = Scenario {
        file: file.to_owned(),
        setup: Setup::default(),
        steps: Vec::new(),
    };
    let mut options = Options::default();
    let mut last = 0;
    for (number, line) in (1..).zip(text.lines()) {
        last = number;
        read_line(&mut scenario, &mut options, number, line.trim()).map_err(|reason| ParseError {
            file: file.to_owned(),
            line: number,
            reason,
        })?;
    }
    if scenario.setup.members.is_empty() {
        return Err(ParseError {
            file: file.to_owned(),
            line: last.max(1),
            reason: "nobody takes part: a line such as `members alice bob` is missing".to_owned(),
        });
    }
    scenario.setup.settings = options.settings;
    Ok(scenario)
}

fn read_line(scenario: &mut Scenario, options: &mut Options, line: usize, text: &str) -> Result<(), String> {
    let words = split(text)?;
    let Some((first, rest)) = words.split_first() else {
        return Ok(());
    };
    let mut words = Words {
        words: rest,
        setup: &scenario.setup,
    };
    if !first.quoted && ["members", "gka", "cipher", "option"].contains(&first.text.as_str()) {
        if !scenario.steps.is_empty() {
            return Err(format!("`{}` must stand before anything happens", first.text));
        }
        return read_setup(&mut scenario.setup, options, &first.text, rest);
    }
    let command = match first.text.as_str() {
        _ if first.quoted => Err("a line starts with a command, not with text".to_owned()),
        "deliver" => words.deliver(),
        "settle" => Ok(Command::Settle),
        "advance" => words.duration().map(Command::Advance),
        "run" => words.duration().map(Command::Run),
        "mark" => Ok(Command::Mark),
        "expect" => words.expectation().map(Command::Expect),
        "server:" => words.fault().map(Command::Server),
        name => match name.strip_suffix(':') {
            Some(who) => words.member_command(who),
            None => Err(format!("there is no command `{name}`")),
        },
    }?;
    words.end()?;
    scenario.steps.push(Step {
        line,
        text: text.to_owned(),
        command,
    });
    Ok(())
}

fn read_setup(setup: &mut Setup, options: &mut Options, keyword: &str, words: &[Word]) -> Result<(), String> {
    match (keyword, words) {
        ("members", []) => Err("`members` needs at least one name".to_owned()),
        ("members", names) => {
            for name in names {
                if RESERVED.contains(&name.text.as_str()) || name.text.ends_with(':') {
                    return Err(format!("`{}` cannot be a member's name", name.text));
                }
                let member = MemberId::new(&name.text).map_err(|error| error.to_string())?;
                if setup.members.contains(&member) {
                    return Err(format!("{member} is declared twice"));
                }
                setup.members.push(member);
            }
            Ok(())
        }
        ("gka", [name]) => {
            setup.gka = Some(
                name.text
                    .parse()
                    .map_err(|error: UnknownPart| error.to_string())?,
            );
            Ok(())
        }
        ("cipher", [name]) => {
            setup.cipher = Some(
                name.text
                    .parse()
                    .map_err(|error: UnknownPart| error.to_string())?,
            );
            Ok(())
        }
        ("option", [name, value, names @ ..])
            if name.text == "policy" && value.text == "moderators" && !names.is_empty() =>
        {
            let declared = |name: &Word| {
                let known = setup
                    .members
                    .iter()
                    .find(|member| member.as_bytes() == name.text.as_bytes());
                known
                    .cloned()
                    .ok_or_else(|| format!("`{}` is not declared as a member", name.text))
            };
            options.moderate(names.iter().map(declared).collect::<Result<_, _>>()?);
            Ok(())
        }
        ("option", [name, value]) => options.set(&name.text, &value.text),
        ("option", _) => Err("`option` needs a name and a value".to_owned()),
        (keyword, _) => Err(format!("`{keyword}` needs one name")),
    }
}

/// A duration: a number and its unit.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration: write for example 200ms, 30s, 5m or 2h");
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let millis = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        "d" => number.checked_mul(86_400_000),
        _ => None,
    };
    millis.map(Duration::from_millis).ok_or_else(wrong)
}

/// The words of a line that are not read yet.
struct Words<'a> {
    words: &'a [Word],
    setup: &'a Setup,
}

impl<'a> Words<'a> {
    fn next(&mut self, what: &str) -> Result<&'a Word, String> {
        let (first, rest) = self
            .words
            .split_first()
            .ok_or_else(|| format!("{what} is missing"))?;
        self.words = rest;
        Ok(first)
    }

    /// Takes the next word if it is that keyword.
    fn take(&mut self, keyword: &str) -> bool {
        match self.words.split_first() {
            Some((first, rest)) if first.is(keyword) => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }

    fn keyword(&mut self, keyword: &str) -> Result<(), String> {
        if self.take(keyword) {
            Ok(())
        } else {
            Err(format!("`{keyword}` is missing"))
        }
    }

    fn end(&self) -> Result<(), String> {
        match self.words.first() {
            None => Ok(()),
            Some(word) => Err(format!("`{}` is one word too many", word.text)),
        }
    }

    fn declared(&self, name: &str) -> Result<MemberId, String> {
        self.setup
            .members
            .iter()
            .find(|member| member.as_bytes() == name.as_bytes())
            .cloned()
            .ok_or_else(|| format!("`{name}` is not declared: add it to the line `members`"))
    }

    fn member(&mut self) -> Result<MemberId, String> {
        let word = self.next("a member's name")?;
        self.declared(&word.text)
    }

    /// All that is left, as members, at least one.
    fn members(&mut self) -> Result<Vec<MemberId>, String> {
        let mut members = vec![self.member()?];
        while !self.words.is_empty() {
            members.push(self.member()?);
        }
        Ok(members)
    }

    /// What stands after `=`: nothing, `none`, or words.
    fn list(&mut self) -> Result<&'a [Word], String> {
        self.keyword("=")?;
        let words = std::mem::take(&mut self.words);
        match words {
            [word] if word.is("none") => Ok(&[]),
            words => Ok(words),
        }
    }

    fn set(&mut self) -> Result<MemberSet, String> {
        self.list()?
            .iter()
            .map(|word| self.declared(&word.text))
            .collect()
    }

    fn bodies(&mut self) -> Result<Vec<String>, String> {
        Ok(texts(self.list()?))
    }

    fn body(&mut self) -> Result<String, String> {
        Ok(self.next("a text in double quotes")?.text.clone())
    }

    fn number<N: std::str::FromStr>(&mut self, what: &str) -> Result<N, String> {
        let word = self.next(what)?;
        word.text
            .parse()
            .map_err(|_| format!("`{}` is not a number: {what} is wanted", word.text))
    }

    /// A number of at least one.
    fn count(&mut self, what: &str) -> Result<usize, String> {
        match self.number(what)? {
            0 => Err(format!("{what} must be at least 1")),
            count => Ok(count),
        }
    }

    fn duration(&mut self) -> Result<Duration, String> {
        duration(&self.next("a duration")?.text)
    }

    fn deliver(&mut self) -> Result<Command, String> {
        let count = match self.words.first() {
            Some(word) if !word.is("to") => Some(self.count("how many events")?),
            _ => None,
        };
        let to = if self.take("to") {
            Some(self.member()?)
        } else {
            None
        };
        Ok(Command::Deliver { count, to })
    }

    fn member_command(&mut self, who: &str) -> Result<Command, String> {
        let who = self.declared(who)?;
        let refusal = match self.words.iter().position(|word| word.is("->")) {
            None => None,
            Some(arrow) => {
                let (act, refusal) = self.words.split_at(arrow);
                self.words = act;
                Some(match refusal {
                    [_, error] if error.is("error") => Refusal::Any,
                    [_, error, kind] if error.is("error") => Refusal::Kind(kind.text.clone()),
                    _ => return Err("after `->` stands `error`, or `error` and its kind".to_owned()),
                })
            }
        };
        let act = self.act()?;
        Ok(Command::Member { who, act, refusal })
    }

    fn act(&mut self) -> Result<Act, String> {
        let verb = self.next("what the member does")?;
        Ok(match verb.text.as_str() {
            "join" => Act::Join,
            "part" => Act::Part,
            "include" => Act::Change(Change::include(self.members()?)),
            "exclude" => Act::Change(Change::exclude(self.members()?)),
            "change" => Act::Change(self.change()?),
            "refresh" => Act::Change(Change::refresh()),
            "send" => Act::Send(self.body()?),
            "ack" => Act::Ack,
            "abort" => Act::Abort,
            "crash" => Act::Crash,
            "disconnect" => Act::Disconnect,
            "restore" => Act::Restore,
            other => return Err(format!("a member cannot `{other}`")),
        })
    }

    fn change(&mut self) -> Result<Change, String> {
        let mut change = Change::default();
        while !self.words.is_empty() {
            let word = self.next("a member with + or -")?;
            if let Some(name) = word.text.strip_prefix('+') {
                change.include.insert(self.declared(name)?);
            } else if let Some(name) = word.text.strip_prefix('-') {
                change.exclude.insert(self.declared(name)?);
            } else {
                return Err(format!("`{}` needs a + or a - in front", word.text));
            }
        }
        if change.is_refresh() {
            return Err(
                "`change` needs at least one +member or -member; new keys alone: `refresh`".to_owned(),
            );
        }
        Ok(change)
    }

    fn fault(&mut self) -> Result<Fault, String> {
        let verb = self.next("what the server does")?;
        Ok(match verb.text.as_str() {
            "kick" => Fault::Kick(self.member()?),
            "drop" => {
                let count = self.count("how many packets")?;
                if self.take("from") {
                    Fault::DropFrom(count, self.member()?)
                } else {
                    self.keyword("to")
                        .map_err(|_| "after `drop` and a number stands `from` or `to`".to_owned())?;
                    Fault::DropTo(count, self.member()?)
                }
            }
            "heal" => Fault::Heal(self.member()?),
            "duplicate" => Fault::Duplicate(self.count("how many events")?),
            "swap" => {
                self.keyword("for")?;
                Fault::Swap(self.member()?)
            }
            "forge" => Fault::Forge(self.member()?, hex(&self.body()?)?),
            "replay" => Fault::Replay(self.count("a packet's number")?),
            "flip" => Fault::Flip(self.count("a packet's number")?, self.number("a bit's number")?),
            other => return Err(format!("the server cannot `{other}`")),
        })
    }

    fn expectation(&mut self) -> Result<Expectation, String> {
        let what = self.next("what to expect")?;
        Ok(match what.text.as_str() {
            "members" => Expectation::Members(self.member()?, self.set()?),
            "channel" => Expectation::Channel(self.set()?),
            "state" => Expectation::State(self.member()?, self.state()?),
            "log" => {
                let who = self.member()?;
                if self.take("has") {
                    Expectation::LogHas(who, self.some_texts()?)
                } else {
                    Expectation::Log(who, self.bodies()?)
                }
            }
            "parents" => Expectation::Parents(self.member()?, self.body()?, self.bodies()?),
            "acked" => Expectation::Acked(self.member()?, self.body()?),
            "unacked" => Expectation::Unacked(self.member()?, self.body()?, self.set()?),
            "present" => Expectation::Present(self.member()?, self.set()?),
            "warnings" => Expectation::Warnings(self.member()?, self.kinds()?),
            "warned" => Expectation::Warned(self.member()?, self.kinds()?),
            "event" => Expectation::Event(self.member()?, self.event_kind()?),
            "no-event" => Expectation::NoEvent(self.member()?, self.event_kind()?),
            "same" => Expectation::Same(self.members()?),
            "differ" => match self.members()? {
                one if one.len() < 2 => return Err("`differ` needs two members".to_owned()),
                several => Expectation::Differ(several),
            },
            "secret" => {
                let who = self.member()?;
                for keyword in ["cannot", "read"] {
                    self.keyword(keyword)?;
                }
                Expectation::Secret(who, self.body()?)
            }
            "packets" => Expectation::Packets(self.bound()?, self.number("how many packets")?),
            "bytes" => Expectation::Bytes(self.bound()?, self.number("how many bytes")?),
            "quiet" => Expectation::Quiet,
            other => return Err(format!("one cannot expect `{other}`")),
        })
    }

    fn some_texts(&mut self) -> Result<Vec<String>, String> {
        if self.words.is_empty() {
            return Err("a text in double quotes is missing".to_owned());
        }
        Ok(texts(std::mem::take(&mut self.words)))
    }

    fn state(&mut self) -> Result<SessionState, String> {
        self.keyword("=")?;
        let word = self.next("a state")?;
        [
            SessionState::Parted,
            SessionState::Joining,
            SessionState::Joined,
            SessionState::Parting,
        ]
        .into_iter()
        .find(|state| state.to_string() == word.text)
        .ok_or_else(|| format!("`{}` is no state: parted, joining, joined or parting", word.text))
    }

    fn kinds(&mut self) -> Result<Kinds, String> {
        if self.take("any") {
            Ok(Kinds::Any)
        } else if self.take("has") {
            if self.words.is_empty() {
                return Err("a kind of warning is missing".to_owned());
            }
            warning_kinds(std::mem::take(&mut self.words)).map(Kinds::Have)
        } else {
            warning_kinds(self.list()?).map(Kinds::Are)
        }
    }

    fn event_kind(&mut self) -> Result<EventKind, String> {
        let word = self.next("a kind of event")?;
        EventKind::named(&word.text).ok_or_else(|| format!("`{}` is no kind of event", word.text))
    }

    fn bound(&mut self) -> Result<Bound, String> {
        let word = self.next("<, = or >")?;
        [Bound::Below, Bound::Equal, Bound::Above]
            .into_iter()
            .find(|bound| bound.to_string() == word.text)
            .ok_or_else(|| format!("`{}` does not compare: write <, = or >", word.text))
    }
}

fn texts(words: &[Word]) -> Vec<String> {
    words.iter().map(|word| word.text.clone()).collect()
}

fn warning_kinds(words: &[Word]) -> Result<Vec<WarningKind>, String> {
    words
        .iter()
        .map(|word| {
            WarningKind::ALL
                .into_iter()
                .find(|kind| kind.word() == word.text)
                .ok_or_else(|| format!("`{}` is no kind of warning", word.text))
        })
        .collect()
}

fn hex(text: &str) -> Result<Vec<u8>, String> {
    let wrong = || format!("`{text}` is not a whole number of bytes in hexadecimal");
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()
        .ok_or_else(wrong)?;
    digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Ok(high << 4 | low),
            _ => Err(wrong()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Result<Vec<Step>, ParseError> {
        parse("t.scn", &format!("members alice bob carol\n{text}")).map(|scenario| scenario.steps)
    }

    fn one(line: &str) -> Command {
        let steps = lines(line).unwrap();
        assert_eq!(steps.len(), 1, "{line}");
        assert_eq!(steps[0].line, 2);
        steps[0].command.clone()
    }

    #[test]
    fn every_command_reads() {
        for line in [
            "alice: join",
            "alice: include bob carol",
            "alice: exclude bob",
            "alice: change +carol -bob",
            "alice: refresh",
            "alice: part",
            "alice: send \"hello\"",
            "alice: ack",
            "alice: abort",
            "alice: crash",
            "alice: disconnect",
            "alice: restore",
            "alice: join -> error",
            "alice: send \"x\" -> error not-joined",
            "alice: crash -> error",
            "alice: disconnect -> error not-in-channel",
            "alice: restore -> error",
            "deliver",
            "settle",
            "deliver 3",
            "deliver 2 to bob",
            "deliver to bob",
            "advance 30s",
            "run 5m",
            "server: kick bob",
            "server: drop 1 from alice",
            "server: drop 1 to bob",
            "server: heal bob",
            "server: duplicate 1",
            "server: swap for bob",
            "server: forge alice \"00 fF\"",
            "server: replay 3",
            "server: flip 3 0",
            "expect members alice = alice bob",
            "expect members alice =",
            "expect channel = alice bob carol",
            "expect state bob = joined",
            "expect log bob = \"hello\" \"hi\"",
            "expect log bob has \"hello\"",
            "expect parents bob \"hi\" = \"hello\"",
            "expect parents bob \"hi\" = none",
            "expect acked alice \"hello\"",
            "expect unacked alice \"hello\" = carol",
            "expect present alice = bob",
            "expect warnings bob = none",
            "expect warnings bob has not-fully-acked",
            "expect warnings bob any",
            "expect warned bob = none",
            "expect warned bob any",
            "expect event carol membership-changed",
            "expect no-event carol membership-changed",
            "expect same alice bob carol",
            "expect differ alice bob",
            "expect secret bob cannot read \"bye\"",
            "expect packets < 40",
            "expect bytes < 20000",
            "mark",
            "expect quiet",
        ] {
            one(line);
        }
    }

    #[test]
    fn none_and_nothing_are_the_same_but_text_is_text() {
        for (line, bodies) in [
            ("expect log bob =", vec![]),
            ("expect log bob = none", vec![]),
            ("expect log bob = \"none\"", vec!["none".to_owned()]),
        ] {
            let Command::Expect(Expectation::Log(_, seen)) = one(line) else {
                panic!("{line}")
            };
            assert_eq!(seen, bodies, "{line}");
        }
    }

    #[test]
    fn numbers_and_text_arrive_whole() {
        let Command::Server(Fault::Forge(who, bytes)) = one("server: forge alice \"00fF\"") else {
            panic!()
        };
        assert_eq!(
            (who.to_string().as_str(), bytes.as_slice()),
            ("alice", [0, 255].as_slice())
        );
        assert!(matches!(one("run 200ms"), Command::Run(span) if span == Duration::from_millis(200)));
        assert!(matches!(one("run 5m"), Command::Run(span) if span == Duration::from_secs(300)));
        let Command::Member { refusal, .. } = one("alice: part -> error not-joined") else {
            panic!()
        };
        assert_eq!(refusal, Some(Refusal::Kind("not-joined".to_owned())));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for line in [
            "dance",
            "alice dances",
            "alice: dance",
            "alice: join now",
            "alice: join -> ok",
            "alice: join -> error not joined",
            "alice: -> error",
            "alice: include",
            "alice: include dora",
            "alice: change carol",
            "alice: change",
            "alice: send",
            "alice: send \"open",
            "dora: join",
            "\"alice\" join",
            "deliver 0",
            "deliver many",
            "deliver 2 to",
            "settle now",
            "advance",
            "advance 30",
            "advance 30 s",
            "run fast",
            "run 99999999999999999999s",
            "run 99999999999999999d",
            "server: dance",
            "server: drop bob",
            "server: drop 1 bob",
            "server: swap bob",
            "server: forge alice \"0\"",
            "server: forge alice \"zz\"",
            "server: replay 0",
            "server: flip 1",
            "expect",
            "expect miracles",
            "expect members alice bob",
            "expect members alice = dora",
            "expect state bob = asleep",
            "expect state bob =",
            "expect log bob",
            "expect log bob has",
            "expect warnings bob = strange",
            "expect warnings bob has",
            "expect event bob strange",
            "expect differ alice",
            "expect same",
            "expect secret bob can read \"x\"",
            "expect packets 3",
            "expect packets ~ 3",
            "expect packets < many",
            "expect quiet now",
            "mark here",
            "members dora",
        ] {
            let line = &format!("alice: join\n\n{line}");
            let error = lines(line).expect_err(line);
            assert_eq!((error.file.as_str(), error.line), ("t.scn", 4), "{line}");
        }
    }

    #[test]
    fn set_up_is_checked() {
        for (text, line) in [
            ("", 1),
            ("# nobody\n\n", 2),
            ("members", 1),
            ("members alice alice", 1),
            ("members alice\nmembers alice", 2),
            ("members alice server", 1),
            ("members \"\"", 1),
            ("members alice\ngka unheard-of", 2),
            ("members alice\ngka", 2),
            ("members alice\ncipher rot13", 2),
            ("members alice\noption shoe-size 43", 2),
            ("members alice\noption auto-include perhaps", 2),
            ("members alice\noption auto-include", 2),
            ("members alice\noption full-ack 30", 2),
            ("members alice\noption policy moderators", 2),
            ("members alice\noption policy moderators bob", 2),
            ("members alice\noption policy somebody", 2),
            ("members alice\noption max-proposals some", 2),
            ("members alice\nmark\noption auto-include on", 3),
        ] {
            assert_eq!(parse("t.scn", text).expect_err(text).line, line, "{text}");
        }
    }
}
