//! `concilium demo`: a whole session on one machine, from the first meeting to the last goodbye, with real
//! keys over real sockets; and a comparison of all members' views after each step.
//!
//! It fails, loudly, if two members disagree, if any warning is raised, if an excluded member can read on, or
//! if it does not end in time.

mod error;
mod exclusion;
mod facts;
mod process;
mod report;
mod story;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use concilium::gka::Identity;
use concilium::keys::VerifyingKey;
use concilium::sessions::{Owner, Sessions as _};
use concilium::{
    Change, Event, MemberId, MemberSet, MessageId, NameError, Secret, SessionName, SessionState, Settings,
    SubsessionId, Summary, Timing,
};
use concilium_parts::Parts;
use concilium_relay::{ClientConfig, Rate, Relay, RelayClient, RelayConfig};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

pub(crate) use self::error::DemoError;
use self::exclusion::{Excluded, Spoken};
use self::facts::{Expected, Facts, disagreements};
use self::process::{GoneError, Handle, News, Told};
use self::report::Report;
use self::story::{Step, story};
use crate::args::DemoArgs;
use crate::clock::Clock;
use crate::driver::Driver;

const CHANNEL: &str = "the demo";

/// On one machine packets take no time, but a busy machine does.
const BROADCAST_LATENCY: Duration = Duration::from_millis(100);

/// How many speak at the same time, so that the graph of messages branches.
const CHORUS: usize = 3;

/// Every time after this many rounds, several members speak at once.
const ROUNDS_PER_CHORUS: usize = 3;

/// How often to look at what no event tells.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

const NAMES: [&str; 26] = [
    "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "kim", "leo", "mia",
    "nico", "olga", "pia", "quinn", "rosa", "sam", "tara", "uma", "victor", "wanda", "xenia", "yuri", "zoe",
];

const PHRASES: [&str; 10] = [
    "good morning",
    "shall we begin?",
    "I am for it",
    "so am I",
    "has everyone read the draft?",
    "not all of it yet",
    "the second part is better now",
    "let us meet on Thursday",
    "Thursday suits me",
    "then it is settled",
];

/// Runs the demo.
pub(crate) async fn run(args: DemoArgs) -> Result<(), DemoError> {
    let clock = Clock::start();
    let members = usize::from(args.members);
    let names = (0..members).map(name).collect::<Result<Vec<_>, _>>()?;
    let mut report = Report::new(args.json, clock.now(), names.clone());
    let limit = args
        .deadline
        .unwrap_or(Duration::from_secs(60 + 2 * u64::from(args.members)));
    let result = Demo::set_up(clock, names, args.parts.parts(), limit).await;
    let result = match result {
        Ok(mut demo) => {
            let result = demo.play(usize::from(args.messages), &mut report).await;
            demo.end().await;
            result
        }
        Err(error) => Err(error),
    };
    result.inspect_err(|error| report.failed(clock.now(), &error.to_string()))
}

fn name(i: usize) -> Result<MemberId, NameError> {
    match NAMES.get(i) {
        Some(name) => MemberId::new(name),
        None => MemberId::new(format!("member-{}", i + 1)),
    }
}

/// What a member's events have told so far.
#[derive(Debug, Default)]
struct Board {
    entered: bool,
    /// The members of the channel that are not in the session.
    around: MemberSet,
    state: Option<SessionState>,
    members: MemberSet,
    subsession: Option<SubsessionId>,
    messages: BTreeSet<MessageId>,
    /// Messages that some members have perhaps not seen.
    unacked: BTreeSet<MessageId>,
}

#[derive(Debug)]
struct Demo {
    clock: Clock,
    names: Vec<MemberId>,
    parts: Parts,
    identities: Vec<Arc<Identity>>,
    directory: Arc<BTreeMap<MemberId, VerifyingKey>>,
    handles: Vec<Handle>,
    boards: Vec<Board>,
    inbox: mpsc::UnboundedReceiver<Told>,
    relay: Relay,
    limit: Duration,
    deadline: Instant,
    /// The members of the session now.
    inside: BTreeSet<usize>,
    expected: Vec<Expected>,
    /// The excluded member, and what was said in the subsession before.
    excluded: Option<Excluded>,
    /// All leave: operations may fail from now on, as their members leave.
    parting: bool,
}

fn settings(members: usize) -> Settings {
    let mut settings = Settings::default();
    // Acknowledgements come after an eighth to a quarter of the full-ack interval. When all speak, as in
    // parting, each of the N members checks N messages of each of the N others, here all on one machine.
    let members = u64::try_from(members).unwrap_or(u64::MAX);
    let crowded = members.saturating_sub(32);
    let full_ack = Duration::from_millis(3000 + 40 * members + 10 * crowded * crowded);
    settings.timing = Timing::new(BROADCAST_LATENCY, full_ack);
    // No member leaves before the story says so.
    settings.stay_if_last = true;
    settings
}

impl Demo {
    async fn set_up(
        clock: Clock,
        names: Vec<MemberId>,
        parts: Parts,
        limit: Duration,
    ) -> Result<Self, DemoError> {
        let deadline = Instant::now() + limit;
        let mut config = RelayConfig::default();
        // The members are ours: none floods.
        config.message_rate = Rate::new(1_000_000, 1_000_000);
        config.byte_rate = Rate::new(1 << 30, 1 << 30);
        let relay = Relay::bind("127.0.0.1:0", config)
            .await
            .map_err(DemoError::Relay)?;
        let mut identities = Vec::new();
        for name in &names {
            let seed: Secret<32> = clock.with_context(|cx| cx.secret())?;
            identities.push(Arc::new(Identity::new(name.clone(), &seed)));
        }
        let key = |identity: &Arc<Identity>| (identity.member().clone(), *identity.verifying_key());
        let directory: Arc<BTreeMap<_, _>> = Arc::new(identities.iter().map(key).collect());
        let (news, inbox) = mpsc::unbounded_channel();
        let mut demo = Self {
            clock,
            boards: names.iter().map(|_| Board::default()).collect(),
            names,
            parts,
            identities,
            directory,
            handles: Vec::new(),
            inbox,
            relay,
            limit,
            deadline,
            inside: BTreeSet::new(),
            expected: Vec::new(),
            excluded: None,
            parting: false,
        };
        for (who, name) in demo.names.clone().into_iter().enumerate() {
            let mut config = ClientConfig::new(demo.url(), name);
            config.reconnect = None;
            let client = RelayClient::connect(config).await?;
            let session = parts.begin(demo.owner(who)?);
            demo.handles.push(process::start(
                who,
                Driver::new(session, client, clock),
                news.clone(),
            ));
        }
        Ok(demo)
    }

    fn url(&self) -> String {
        format!("ws://{}", self.relay.local_addr())
    }

    fn owner(&self, who: usize) -> Result<Owner, DemoError> {
        let identity = self.identities.get(who).ok_or(GoneError)?;
        Ok(Owner {
            identity: Identity::clone(identity),
            directory: self.directory.clone(),
            name: channel()?,
            settings: settings(self.names.len()),
        })
    }

    fn name(&self, who: usize) -> Result<&MemberId, GoneError> {
        self.names.get(who).ok_or(GoneError)
    }

    fn set(&self, who: impl IntoIterator<Item = usize>) -> MemberSet {
        who.into_iter()
            .filter_map(|who| self.names.get(who))
            .cloned()
            .collect()
    }

    fn handle(&self, who: usize) -> Result<&Handle, GoneError> {
        self.handles.get(who).ok_or(GoneError)
    }

    async fn end(self) {
        for handle in self.handles {
            handle.end().await;
        }
        self.relay.shutdown().await;
    }

    /// The whole story.
    async fn play(&mut self, messages: usize, report: &mut Report) -> Result<(), DemoError> {
        report.begin(self.clock.now(), &self.url(), messages);
        let story = story(self.names.len());
        let talks = story
            .iter()
            .filter(|step| matches!(step, Step::Talk))
            .count()
            .max(1);
        let mut talked = 0;
        let mut proven = Vec::new();
        for step in story {
            let (since, before) = (self.clock.now(), self.relay.stats());
            let name = match step {
                Step::Establish => {
                    self.establish(report).await?;
                    "establish"
                }
                Step::Talk => {
                    // The rest goes to the first talks.
                    let share = messages / talks + usize::from(talked < messages % talks);
                    talked += 1;
                    if share == 0 {
                        continue;
                    }
                    self.talk(share, report).await?;
                    "talk"
                }
                Step::Include { by, whom } => {
                    self.include(by, whom, report).await?;
                    "include"
                }
                Step::Exclude { by, whom } => {
                    self.exclude(by, whom, report).await?;
                    "exclude"
                }
                Step::Refresh { by } => {
                    self.refresh(by, report).await?;
                    "refresh"
                }
                Step::Part => {
                    self.wait_for_confirmation(report).await?;
                    proven.extend(self.prove_exclusion(report).await?);
                    self.part(report).await?;
                    "part"
                }
            };
            report.flush_acks(self.clock.now());
            if !matches!(step, Step::Part) {
                self.compare(name, matches!(step, Step::Talk), report).await?;
            }
            let now = self.clock.now();
            report.step_done(now, name, now.since(since), before, self.relay.stats());
        }
        proven.insert(
            0,
            format!(
                "after every step all members agreed on who is in, the subsession, the chain of operations, the \
                 exported secret, and all {} messages with their authors and what they answer",
                self.expected.len()
            ),
        );
        proven.push("no warning was raised anywhere".to_owned());
        report.end(self.clock.now(), &proven);
        Ok(())
    }

    /// All but a late one enter; the first brings the others in.
    async fn establish(&mut self, report: &mut Report) -> Result<(), DemoError> {
        let founders = match self.names.len() {
            n @ ..=2 => n,
            n => n - 1,
        };
        report.step(
            self.clock.now(),
            "establish",
            &format!("{founders} members meet in the channel and agree on keys"),
        );
        // The first one is the witness of what passes over the channel.
        self.handle(0)?
            .ask(|process| process.tap = Some(Spoken::new()))
            .await?;
        self.enter(0, 0, report).await?;
        for who in 1..founders {
            self.enter(who, 0, report).await?;
        }
        self.inside = (0..founders).collect();
        self.change(0, Change::include(self.set(1..founders)), report)
            .await
    }

    /// Enters the channel, and founds the session if the channel is empty. Returns when `host` has seen it,
    /// which then need not invite.
    async fn enter(&mut self, who: usize, host: usize, report: &mut Report) -> Result<(), DemoError> {
        self.handle(who)?
            .ask(|process| process.driver.with(|session, cx| session.join(cx)))
            .await??;
        let what = format!("{} to enter the channel", self.name(who)?);
        let name = self.name(who)?.clone();
        self.until(&what, report, |boards| {
            let entered = boards.get(who).is_some_and(|board| board.entered);
            entered && (who == host || boards.get(host).is_some_and(|board| board.around.contains(&name)))
        })
        .await
    }

    async fn include(&mut self, by: usize, whom: usize, report: &mut Report) -> Result<(), DemoError> {
        let what = format!(
            "{0} comes late; {1} brings {0} in",
            self.name(whom)?,
            self.name(by)?
        );
        report.step(self.clock.now(), "include", &what);
        self.enter(whom, by, report).await?;
        self.inside.insert(whom);
        self.change(by, Change::include(self.set([whom])), report).await
    }

    async fn exclude(&mut self, by: usize, whom: usize, report: &mut Report) -> Result<(), DemoError> {
        let what = format!("{} puts {} out", self.name(by)?, self.name(whom)?);
        report.step(self.clock.now(), "exclude", &what);
        let subsession = self.boards.first().and_then(|board| board.subsession);
        let witness = self.handle(0)?;
        let before = witness
            .ask(|process| process.tap.replace(Spoken::new()).unwrap_or_default())
            .await?;
        let name = self.name(whom)?;
        let said_before = self
            .expected
            .iter()
            .filter(|message| message.subsession == subsession && message.readers.contains(name))
            .count();
        self.handle(whom)?
            .ask(|process| process.keep_last_words = true)
            .await?;
        self.inside.remove(&whom);
        self.change(by, Change::exclude(self.set([whom])), report).await?;
        let what = format!("{} to be put out of the channel", self.name(whom)?);
        self.until(&what, report, |boards| {
            boards
                .get(whom)
                .is_some_and(|board| board.state == Some(SessionState::Parted))
        })
        .await?;
        self.handle(whom)?
            .ask(|process| process.keep_last_words = false)
            .await?;
        self.excluded = Some(Excluded {
            whom,
            before,
            said_before,
            sent_until_then: self.expected.len(),
        });
        Ok(())
    }

    async fn refresh(&mut self, by: usize, report: &mut Report) -> Result<(), DemoError> {
        report.step(
            self.clock.now(),
            "refresh",
            &format!("{} makes new keys for all", self.name(by)?),
        );
        self.change(by, Change::refresh(), report).await
    }

    /// Proposes a change, and waits until everyone inside has made it.
    async fn change(&mut self, by: usize, change: Change, report: &mut Report) -> Result<(), DemoError> {
        let before: Vec<Option<SubsessionId>> = self.boards.iter().map(|board| board.subsession).collect();
        self.handle(by)?
            .ask(|process| process.driver.with(|session, cx| session.change(change, cx)))
            .await??;
        let (inside, members) = (self.inside.clone(), self.set(self.inside.clone()));
        let alone = members.len() == 1;
        self.until("everyone inside to make the change", report, move |boards| {
            inside
                .iter()
                .all(|who| match (boards.get(*who), before.get(*who)) {
                    (Some(board), Some(before)) => {
                        board.members == members
                            && board.subsession != *before
                            && (alone || board.subsession.is_some())
                    }
                    _ => false,
                })
        })
        .await
    }

    /// Some messages, one after another and sometimes several at once, until all know that all have seen
    /// them.
    async fn talk(&mut self, count: usize, report: &mut Report) -> Result<(), DemoError> {
        report.step(
            self.clock.now(),
            "talk",
            &match count {
                1 => "one message".to_owned(),
                _ => format!("{count} messages, some of them at the same time"),
            },
        );
        let inside: Vec<usize> = self.inside.iter().copied().collect();
        let subsession = self.boards.first().and_then(|board| board.subsession);
        let mut speakers = inside.iter().copied().cycle();
        let (mut left, mut round) = (count, 0_usize);
        let mut latest = None;
        while left > 0 {
            round += 1;
            let chorus = if round % ROUNDS_PER_CHORUS == 2 { CHORUS } else { 1 };
            let at_once = chorus.min(left).min(inside.len());
            left -= at_once;
            let mut answers = Vec::new();
            for who in speakers.by_ref().take(at_once) {
                let number = self.expected.len() + answers.len();
                let phrase = PHRASES.get(number % PHRASES.len()).copied().unwrap_or_default();
                let body = phrase.as_bytes().to_vec();
                let send = {
                    let body = body.clone();
                    self.handle(who)?
                        .begin(move |process| process.driver.with(|session, cx| session.send(&body, cx)))
                };
                answers.push((who, body, send));
            }
            let mut ids = Vec::new();
            for (who, body, answer) in answers {
                let id = answer.await.map_err(|_| GoneError)??;
                ids.push(id);
                latest = Some((who, id));
                self.expected.push(Expected {
                    id,
                    author: self.name(who)?.clone(),
                    body,
                    readers: self.set(inside.iter().copied()),
                    subsession,
                });
            }
            let readers = inside.clone();
            self.until("everyone to receive what was said", report, move |boards| {
                let has_all = |board: &Board| ids.iter().all(|id| board.messages.contains(id));
                readers.iter().all(|who| boards.get(*who).is_some_and(has_all))
            })
            .await?;
        }
        if let Some((who, id)) = latest {
            let waits_for = self
                .handle(who)?
                .ask(move |process| process.session().message(&id).map(|view| view.unacked))
                .await?;
            report.waits(self.clock.now(), who, &id, &waits_for.unwrap_or_default());
        }
        self.until(
            "everyone to know that everyone has seen everything",
            report,
            move |boards| {
                inside
                    .iter()
                    .all(|who| boards.get(*who).is_some_and(|board| board.unacked.is_empty()))
            },
        )
        .await
    }

    /// Waits until everyone knows that everyone has accepted the same operations (O-10).
    async fn wait_for_confirmation(&mut self, report: &mut Report) -> Result<(), DemoError> {
        for who in self.inside.clone() {
            let what = format!("{} to see the chain of operations confirmed", self.name(who)?);
            while self
                .handle(who)?
                .ask(|process| process.session().is_provisional())
                .await?
            {
                // The session makes no event of it: looked at from time to time.
                let look_again = Instant::now() + LOOK_AGAIN;
                while Instant::now() < look_again {
                    self.take_next(&what, look_again, report).await?;
                }
            }
        }
        Ok(())
    }

    /// Compares everyone inside.
    async fn compare(&mut self, step: &str, fully_acked: bool, report: &mut Report) -> Result<(), DemoError> {
        let mut facts = Vec::new();
        for who in &self.inside {
            facts.push(
                self.handle(*who)?
                    .ask(|process| Facts::of(process.session()))
                    .await?,
            );
        }
        let found = disagreements(&facts, &self.expected, fully_acked);
        if !found.is_empty() {
            return Err(DemoError::Disagreement {
                step: step.to_owned(),
                found,
            });
        }
        let what = match facts.first().and_then(|first| first.chain) {
            Some(chain) => format!("all {} agree, chain {chain:.8}", facts.len()),
            None => format!("all {} agree", facts.len()),
        };
        report.agreed(self.clock.now(), &what);
        self.sum_up(report).await
    }

    /// How things stand for everyone inside, as each sees it.
    async fn sum_up(&mut self, report: &mut Report) -> Result<(), DemoError> {
        let mut views: Vec<(Summary, MemberSet)> = Vec::new();
        for who in &self.inside {
            let name = self.name(*who)?.clone();
            let summary = self
                .handle(*who)?
                .ask(|process| process.session().summary())
                .await?;
            match views.iter_mut().find(|(known, _)| *known == summary) {
                Some((_, members)) => {
                    members.insert(name);
                }
                None => views.push((summary, MemberSet::of(name))),
            }
        }
        report.standing(self.clock.now(), &views);
        Ok(())
    }

    /// Shows that the excluded member, with all that it held when it went, cannot read what was said later.
    /// And shows that this means something: it can read what was said before, and the others can read what
    /// was said later.
    async fn prove_exclusion(&mut self, report: &mut Report) -> Result<Option<String>, DemoError> {
        let Some(excluded) = self.excluded.take() else {
            return Ok(None);
        };
        let whom = excluded.whom;
        let name = self.name(whom)?.clone();
        let later = self
            .handle(0)?
            .ask(|process| process.tap.take())
            .await?
            .unwrap_or_default();
        let last_words = self
            .handle(whom)?
            .ask(|process| process.last_words.take())
            .await?;
        let last_words =
            last_words.ok_or_else(|| DemoError::Exclusion(format!("{name} held nothing when it went")))?;
        let then = self.parts.restore(self.owner(whom)?, &last_words)?;
        let said_later = self.expected.len().saturating_sub(excluded.sent_until_then);
        let reads = |packet: &[u8]| then.reads(packet).is_some();
        let shown =
            exclusion::judge(&name, &excluded, reads, &later, said_later).map_err(DemoError::Exclusion)?;
        if let Some(line) = &shown {
            report.agreed(self.clock.now(), line);
        }
        Ok(shown)
    }

    /// Everyone parts, all at the same time.
    async fn part(&mut self, report: &mut Report) -> Result<(), DemoError> {
        report.step(
            self.clock.now(),
            "part",
            "everyone says goodbye, all at the same time",
        );
        self.parting = true;
        let mut answers = Vec::new();
        for who in &self.inside {
            let handle = self.handle(*who)?;
            answers.push(handle.begin(|process| process.driver.with(|session, cx| session.part(cx))));
        }
        for answer in answers {
            answer.await.map_err(|_| GoneError)??;
        }
        let inside = std::mem::take(&mut self.inside);
        self.until("everyone to part", report, move |boards| {
            inside.iter().all(|who| {
                boards
                    .get(*who)
                    .is_some_and(|board| board.state == Some(SessionState::Parted))
            })
        })
        .await
    }

    /// Takes news until something has come to be.
    async fn until(
        &mut self,
        what: &str,
        report: &mut Report,
        done: impl Fn(&[Board]) -> bool,
    ) -> Result<(), DemoError> {
        loop {
            while let Ok(told) = self.inbox.try_recv() {
                self.take(&told, report)?;
            }
            if done(&self.boards) {
                return Ok(());
            }
            self.take_next(what, self.deadline, report).await?;
        }
    }

    /// Waits for the next news, and no longer than until then.
    async fn take_next(&mut self, what: &str, then: Instant, report: &mut Report) -> Result<(), DemoError> {
        match timeout_at(then.min(self.deadline), self.inbox.recv()).await {
            Ok(Some(told)) => self.take(&told, report),
            Ok(None) => Err(GoneError.into()),
            Err(_) if then < self.deadline => Ok(()),
            Err(_) => Err(DemoError::Deadline {
                limit: self.limit,
                waiting_for: what.to_owned(),
                members: self.standing(),
            }),
        }
    }

    /// How far each member is, for finding out what went wrong.
    fn standing(&self) -> String {
        let mut groups: BTreeMap<String, MemberSet> = BTreeMap::new();
        for (name, board) in self.names.iter().zip(&self.boards) {
            let state = board
                .state
                .map_or_else(|| "not begun".to_owned(), |state| state.to_string());
            let (members, unacked) = (board.members.len(), board.unacked.len());
            let standing = format!("{state} among {members}, {unacked} messages not seen by all");
            groups.entry(standing).or_default().insert(name.clone());
        }
        let lines: Vec<String> = groups
            .iter()
            .map(|(standing, who)| format!("{}: {standing}", report::crowd(who)))
            .collect();
        lines.join("; ")
    }

    /// Takes one piece of news; fails on what must not happen.
    fn take(&mut self, told: &Told, report: &mut Report) -> Result<(), DemoError> {
        report.told(told);
        let member = self.name(told.who)?.clone();
        let board = self.boards.get_mut(told.who).ok_or(GoneError)?;
        match &told.news {
            News::Message { id, .. } => {
                board.messages.insert(*id);
                board.unacked.insert(*id);
            }
            News::Event(Event::FullyAcked { id }) => {
                board.unacked.remove(id);
            }
            News::Entered => board.entered = true,
            News::Event(Event::SomeoneEntered { member }) => {
                board.around.insert(member.clone());
            }
            News::Event(Event::SomeoneLeft { member }) => {
                board.around.remove(member);
            }
            News::Event(Event::StateChanged(state)) => {
                board.state = Some(*state);
                board.entered &= *state != SessionState::Parted;
            }
            News::Event(Event::MembershipChanged {
                subsession, members, ..
            }) => {
                board.subsession = *subsession;
                board.members = members.clone();
            }
            News::Event(Event::WarningRaised(warning)) => {
                return Err(DemoError::Warned {
                    member,
                    warning: warning.to_string(),
                });
            }
            News::Event(Event::OperationFailed { cause, .. }) if !self.parting => {
                return Err(DemoError::OperationFailed {
                    member,
                    cause: cause.to_string(),
                });
            }
            News::Trouble(what) => {
                return Err(DemoError::Trouble {
                    member,
                    what: what.clone(),
                });
            }
            News::Event(_) => {}
        }
        Ok(())
    }
}

fn channel() -> Result<SessionName, NameError> {
    SessionName::new(CHANNEL)
}
