//! Carries out a scenario, line by line.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use concilium_core::{MemberId, SessionName};
use concilium_session::{Event, WarningKind};
use concilium_test_parts::Parts;
use concilium_testkit::channel::Sent;
use concilium_testkit::network::{Conduct, EPOCH, Happening, NetworkError, NetworkOf};

use super::ast::{Act, Command, Expectation, Fault, Refusal, Scenario, Step};
use super::report::{Failure, Report, Verdict};
use super::trace::Tracer;
use super::{EventKind, Options};

/// A scenario, to be run with whichever implementations.
pub(super) struct Runner<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) parts: Parts,
    pub(super) options: &'a Options,
    pub(super) out: &'a mut dyn Write,
}

/// A line that does not hold: what was expected, and what was seen.
pub(super) struct Mismatch {
    pub(super) expected: String,
    pub(super) seen: String,
}

impl Mismatch {
    pub(super) fn new(expected: impl Into<String>, seen: impl Into<String>) -> Self {
        Self {
            expected: expected.into(),
            seen: seen.into(),
        }
    }
}

/// A command that cannot be done at all.
impl From<NetworkError> for Mismatch {
    fn from(error: NetworkError) -> Self {
        Self::new("a run that can go on", error.to_string())
    }
}

/// The state of a run.
pub(super) struct Run {
    pub(super) network: NetworkOf<Parts>,
    /// Events that were not expected yet.
    pub(super) events: BTreeSet<(MemberId, EventKind)>,
    /// Every kind of warning that was ever raised.
    pub(super) warned: BTreeMap<MemberId, BTreeSet<WarningKind>>,
    /// What had been sent at the last mark.
    pub(super) mark: Sent,
}

/// Runs a scenario with these implementations.
pub(super) fn run(runner: Runner<'_>) -> io::Result<Report> {
    let Runner {
        scenario,
        options,
        out,
        ..
    } = runner;
    let asks_for_secrecy = |step: &Step| matches!(step.command, Command::Expect(Expectation::Secret(..)));
    let conduct = Conduct {
        keep_history: scenario.steps.iter().any(asks_for_secrecy),
        restart_always: options.restart,
        never_save: false,
    };
    #[expect(clippy::expect_used, reason = "a fixed name of fitting length")]
    let name = SessionName::new("scenario").expect("fits");
    let mut run = Run {
        network: NetworkOf::of(
            runner.parts,
            scenario.setup.members.iter().cloned(),
            name,
            scenario.setup.settings.clone(),
            options.seed,
            conduct,
        ),
        events: BTreeSet::new(),
        warned: BTreeMap::new(),
        mark: Sent::default(),
    };
    let mut verdict = Verdict::Passed;
    let mut expectations = 0;
    let mut tracer = Tracer { options, out };
    for step in &scenario.steps {
        tracer.step(step, run.network.now())?;
        let result = run.step(&step.command);
        for record in run.network.take_records() {
            tracer.record(&record)?;
            run.remember(record.what);
        }
        if let Err(mismatch) = result {
            verdict = Verdict::Failed(Failure {
                line: step.line,
                text: step.text.clone(),
                expected: mismatch.expected,
                seen: mismatch.seen,
            });
            break;
        }
        expectations += usize::from(matches!(step.command, Command::Expect(_)));
    }
    let sent = run.network.channel().sent();
    let report = Report {
        file: scenario.file.clone(),
        gka: runner.parts.gka,
        cipher: runner.parts.cipher,
        seed: options.seed,
        expectations,
        packets: sent.packets,
        bytes: sent.bytes,
        span: run.network.now().since(EPOCH),
        verdict,
    };
    report.write(options, out)?;
    Ok(report)
}

impl Run {
    fn remember(&mut self, what: Happening) {
        let Happening::Told { member, event } = what else {
            return;
        };
        if let Event::WarningRaised(warning) = &event {
            self.warned
                .entry(member.clone())
                .or_default()
                .insert(warning.kind);
        }
        self.events.insert((member, EventKind::of(&event)));
    }

    fn step(&mut self, command: &Command) -> Result<(), Mismatch> {
        let network = &mut self.network;
        match command {
            Command::Member { who, act, refusal } => self.act(who, act, refusal.as_ref()),
            Command::Deliver { count, to } => self.deliver(*count, to.as_ref()),
            Command::Settle => Ok(network.settle()?),
            Command::Advance(span) => Ok(network.advance(*span)?),
            Command::Run(span) => Ok(network.run(*span)?),
            Command::Server(fault) => self.fault(fault),
            Command::Mark => {
                self.mark = network.channel().sent();
                Ok(())
            }
            Command::Expect(expectation) => self.expect(expectation),
        }
    }

    fn deliver(&mut self, count: Option<usize>, to: Option<&MemberId>) -> Result<(), Mismatch> {
        let network = &mut self.network;
        match (count, to) {
            (None, None) => network.deliver_queued()?,
            (Some(count), None) => {
                for _ in 0..count {
                    if !network.deliver_next()? {
                        break;
                    }
                }
            }
            (count, Some(who)) => {
                let count = count.unwrap_or_else(|| network.channel().pending(who));
                for _ in 0..count {
                    if !network.deliver_next_to(who)? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// What a member answers that is to do something, if the run can go on.
    fn answer(
        &mut self,
        who: &MemberId,
        act: &Act,
    ) -> Result<Result<(), (&'static str, String)>, NetworkError> {
        let network = &mut self.network;
        match act {
            Act::Crash => network.crash(who).map(Ok),
            Act::Disconnect => network.disconnect(who).map(Ok),
            Act::Restore => network.restore(who).map(Ok),
            Act::Join => {
                network.start(who)?;
                network.command(who, |session, cx| action(session.join(cx)))
            }
            Act::Part => network.command(who, |session, cx| action(session.part(cx))),
            Act::Change(change) => {
                network.command(who, |session, cx| action(session.change(change.clone(), cx)))
            }
            Act::Abort => network.command(who, |session, cx| action(session.abort(cx))),
            Act::Send(body) => network.command(who, |session, cx| sending(session.send(body.as_bytes(), cx))),
            Act::Ack => network.command(who, |session, cx| sending(session.ack(cx))),
        }
    }

    fn act(&mut self, who: &MemberId, act: &Act, refusal: Option<&Refusal>) -> Result<(), Mismatch> {
        // What is refused: the kind of the error, and the error in words.
        let answer: Result<(), (&'static str, String)> = match self.answer(who, act) {
            Ok(answer) => answer,
            Err(error) => match error.refusal() {
                Some(word) => Err((word, error.to_string())),
                None => return Err(error.into()),
            },
        };
        match (answer, refusal) {
            (Ok(()), None) | (Err(_), Some(Refusal::Any)) => Ok(()),
            (Err((word, _)), Some(Refusal::Kind(kind))) if word == kind => Ok(()),
            (Err((word, error)), Some(Refusal::Kind(kind))) => Err(Mismatch::new(
                format!("the error {kind}"),
                format!("the error {word}: {error}"),
            )),
            (Err((word, error)), None) => Err(Mismatch::new(
                "that the session does it",
                format!("the error {word}: {error}"),
            )),
            (Ok(()), Some(_)) => Err(Mismatch::new(
                "that the session refuses it",
                "the session does it",
            )),
        }
    }

    fn fault(&mut self, fault: &Fault) -> Result<(), Mismatch> {
        let now = self.network.now();
        let channel = self.network.channel_mut();
        match fault {
            Fault::Heal(who) => self.network.channel_mut().heal(who),
            Fault::Kick(who) => {
                if !channel.members().contains(who) {
                    return Err(NetworkError::NotInChannel(who.clone()).into());
                }
                channel.leave(who, now);
            }
            Fault::DropFrom(count, who) => channel.drop_from(who, *count),
            Fault::DropTo(count, who) => channel.drop_to(who, *count),
            Fault::Duplicate(count) => channel.duplicate(*count),
            Fault::Swap(who) => channel.swap(who),
            Fault::Forge(who, bytes) => {
                channel.forge(who, bytes.clone(), now);
            }
            Fault::Replay(number) => {
                if channel.replay(*number, now, Some).is_none() {
                    return Err(self.no_packet(*number));
                }
            }
            Fault::Flip(number, bit) => {
                let flipped = channel.replay(*number, now, |mut bytes| {
                    *bytes.get_mut(bit / 8)? ^= 1 << (bit % 8);
                    Some(bytes)
                });
                if flipped.is_none() {
                    return Err(self.no_packet(*number));
                }
            }
        }
        Ok(())
    }

    fn no_packet(&self, number: usize) -> Mismatch {
        let packets = self.network.channel().packets();
        let seen = match packets.get(number.wrapping_sub(1)) {
            Some(packet) => format!("packet {number} has {} bits", packet.bytes.len() * 8),
            None => format!("there are {} packets so far", packets.len()),
        };
        Mismatch::new(format!("a packet {number} with that bit"), seen)
    }
}

fn action<T>(answer: Result<T, concilium_session::ActionError>) -> Result<(), (&'static str, String)> {
    answer
        .map(drop)
        .map_err(|error| (error.word(), error.to_string()))
}

fn sending<T>(answer: Result<T, concilium_session::SendError>) -> Result<(), (&'static str, String)> {
    answer
        .map(drop)
        .map_err(|error| (error.word(), error.to_string()))
}
