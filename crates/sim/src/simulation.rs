//! One run: the safety phase as planned, then the liveness phase, in which nothing goes wrong any more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use concilium_core::{Change, MemberSet, SubsessionId};
use concilium_session::{SessionState, WarningKind};
use concilium_testkit::network::EPOCH;

use crate::checks::Violation;
use crate::plan::{Act, Plan, Who, name};
use crate::world::{Work, World};
use crate::{Reach, Suite, panics, secrecy};

/// How long the members have to come together after the last fault: in full-ack intervals, and in broadcast
/// latencies for each member, since the packets of an operation pass through all members.
pub const FULL_ACKS_TO_CONVERGE: u32 = 12;

/// See [`FULL_ACKS_TO_CONVERGE`].
pub const LATENCIES_TO_CONVERGE: u32 = 32;

/// The most bytes that a session may send for each byte that it receives (L-8).
pub const MOST_BYTES_OUT: u64 = 16;

/// And the most that it may send for each command and each full-ack interval besides.
const FREE_BYTES: u64 = 16 * 1024;

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What must not be, and was. Empty: all is well.
    pub violations: Vec<Violation>,
    /// How long members took to come together after the last fault: until all knew that all had read a
    /// message of each. None if there were no members to do so, or it never happened.
    pub converged: Option<Duration>,
    /// Whether members had to leave and come back by hand first.
    pub by_hand: bool,
    /// How many members there were to find together.
    pub wanting: usize,
    /// Which warnings were raised, and how often.
    pub warnings: BTreeMap<WarningKind, usize>,
    /// What it has cost.
    pub work: Work,
    /// The most bytes that a member has sent for each that it received.
    pub most_out: f64,
    /// The simulated time.
    pub span: Duration,
    /// What happened, line by line, if that was asked for.
    pub trace: Vec<String>,
}

impl Outcome {
    /// Whether all was well.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.violations.is_empty()
    }

    fn panicked(what: &str) -> Self {
        Self {
            violations: vec![Violation {
                rule: "A-40",
                at: 0,
                what: format!("panic: {what}"),
            }],
            converged: None,
            by_hand: false,
            wanting: 0,
            warnings: BTreeMap::new(),
            work: Work::default(),
            most_out: 0.0,
            span: Duration::ZERO,
            trace: Vec::new(),
        }
    }
}

/// Runs a plan with these implementations. A panic anywhere is a violation of A-40.
#[must_use]
pub fn run(plan: &Plan, suite: &Suite, trace: bool) -> Outcome {
    match panics::catch(|| Simulation::new(plan, suite, trace).run()) {
        Ok(outcome) => outcome,
        Err(what) => Outcome::panicked(&what),
    }
}

struct Simulation<'s> {
    plan: &'s Plan,
    reach: Reach,
    world: World<'s>,
}

impl<'s> Simulation<'s> {
    fn new(plan: &'s Plan, suite: &'s Suite, trace: bool) -> Self {
        let mut world = World::new(suite, plan);
        let reach = plan.faults_kept().reach();
        world.checks.one_order = reach < Reach::Order;
        world.trace = trace.then(Vec::new);
        world.saves = plan
            .kept()
            .any(|(_, step)| matches!(step.act, Act::Crash { .. } | Act::Restart));
        Self { plan, reach, world }
    }

    fn run(mut self) -> Outcome {
        for (number, step) in self.plan.kept() {
            self.world.run_until(EPOCH.after(step.at));
            self.world.note(|| format!("-- {number}: {step}"));
            self.world.carry_out_step(number, step.who, &step.act);
            if self.world.checks.is_hopeless() {
                break;
            }
        }
        self.world.run_until(EPOCH.after(self.plan.end));
        let (converged, by_hand) = if self.world.checks.is_hopeless() {
            (None, false)
        } else {
            self.find_together()
        };
        self.check_warnings();
        let most_out = self.check_bytes();
        self.check_size();
        if self.world.keeps_held {
            secrecy::check(&mut self.world);
        }
        let mut warnings = BTreeMap::new();
        for raised in &self.world.checks.raised {
            *warnings.entry(raised.warning.kind).or_default() += 1;
        }
        Outcome {
            converged,
            by_hand,
            wanting: self.wanting().len(),
            warnings,
            work: self.world.work,
            most_out,
            span: self.world.now.since(EPOCH),
            trace: self.world.trace.take().unwrap_or_default(),
            violations: std::mem::take(&mut self.world.checks.violations),
        }
    }

    // Liveness.

    fn bound(&self) -> Duration {
        let members = u32::try_from(self.plan.members).unwrap_or(u32::MAX);
        let full_acks = match self.reach {
            Reach::Order | Reach::Insider => 5 * FULL_ACKS_TO_CONVERGE,
            _ => FULL_ACKS_TO_CONVERGE,
        };
        self.world.full_ack() * full_acks + self.world.latency() * (LATENCIES_TO_CONVERGE + 8 * members)
    }

    /// The faults stop. All members that want in end up in one working session, in time and by themselves.
    /// Where members were shown different orders, it may take members that were warned to leave and come back
    /// by hand.
    fn find_together(&mut self) -> (Option<Duration>, bool) {
        self.world.note(|| "-- the faults stop".to_owned());
        self.world.heal();
        self.all_who_want_enter();
        let begin = self.world.now;
        if self.wait_until_together() {
            return (Some(self.world.now.since(begin)), false);
        }
        if self.world.checks.is_hopeless() {
            return (None, false);
        }
        let state = self.describe();
        if !self.can_meet() {
            return (None, false);
        }
        if self.reach < Reach::Order {
            self.world.checks.fail(
                "T-16",
                self.world.now,
                format!("the members have not found together in time: {state}"),
            );
            return (None, false);
        }
        // no split without a warning.
        let unwarned = self.unwarned();
        if !unwarned.is_empty() {
            self.world.checks.fail(
                "A-44",
                self.world.now,
                format!("nobody has warned {}: {state}", unwarned.join(", ")),
            );
            return (None, false);
        }
        self.world.note(|| format!("-- not together: {state}"));
        self.world
            .note(|| "-- whoever is not with the most leaves and comes back".to_owned());
        for everyone in [false, true] {
            self.leave_and_come_back(everyone);
            let begin = self.world.now;
            if self.wait_until_together() {
                return (Some(self.world.now.since(begin)), true);
            }
        }
        let state = self.describe();
        self.world.checks.fail(
            "A-44",
            self.world.now,
            format!("the members do not find together even if all come back: {state}"),
        );
        (None, true)
    }

    /// The members that are to come together: honest, and not gone by their own wish.
    fn wanting(&self) -> Vec<Who> {
        (0..self.plan.members)
            .filter(|who| {
                let liar = self.world.checks.liars.contains(who);
                let there = matches!(
                    self.world.state(*who),
                    Some(SessionState::Joining | SessionState::Joined)
                );
                !liar && (there || self.world.members[*who].wants_in)
            })
            .collect()
    }

    /// Whether some member may include those that want in: where there are moderators, an honest one.
    fn can_meet(&self) -> bool {
        let moderators = &self.plan.moderators;
        moderators.is_empty()
            || moderators
                .iter()
                .any(|who| !self.world.checks.liars.contains(who))
    }

    /// Moderators that have parted are called back: without any, no member can be included.
    fn all_who_want_enter(&mut self) {
        for who in &self.plan.moderators {
            self.world.members[*who].wants_in = true;
        }
        for who in 0..self.plan.members {
            let there = matches!(
                self.world.state(who),
                Some(SessionState::Joining | SessionState::Joined)
            );
            self.world.members[who].wants_in |= there;
            self.world.pump(who);
            self.world.reschedule(who);
        }
    }

    /// Lets time pass, and returns whether all that want in are in one working session before it is over.
    fn wait_until_together(&mut self) -> bool {
        let end = self.world.now.after(self.bound());
        let step = self.world.latency();
        let mut probes: Option<(SubsessionId, BTreeSet<Who>)> = None;
        let mut rounds = 0_u64;
        while self.world.now < end && !self.world.checks.is_hopeless() {
            self.world.run_until(self.world.now.after(step));
            rounds += 1;
            if !self.plan.auto_include && rounds.is_multiple_of(6) {
                self.users_include(rounds / 6);
            }
            let wanting = self.wanting();
            if wanting.len() < 2 {
                // There is no other member to meet: it is enough if the one that is there rests.
                if rounds > 8 {
                    return true;
                }
                continue;
            }
            let Some(subsession) = self.together(&wanting) else {
                probes = None;
                continue;
            };
            match &probes {
                Some((within, asked)) if *within == subsession => {
                    if self.all_read(&wanting, asked, subsession) {
                        return true;
                    }
                }
                _ => {
                    let mut asked = BTreeSet::new();
                    for who in &wanting {
                        let body = format!("are all here? asks {} at {:?}", name(*who), self.world.now);
                        if self.world.say(*who, body.as_bytes()) {
                            asked.insert(*who);
                        }
                    }
                    // Everyone must be able to speak.
                    probes = (asked.len() == wanting.len()).then_some((subsession, asked));
                }
            }
        }
        false
    }

    /// The one subsession that all of these are in, and besides them only liars.
    fn together(&self, wanting: &[Who]) -> Option<SubsessionId> {
        let honest: MemberSet = wanting
            .iter()
            .map(|who| self.world.members[*who].id.clone())
            .collect();
        let mut found = None;
        for who in wanting {
            let peer = self.world.peer(*who)?;
            let subsession = peer.subsession()?;
            let others = peer.members().minus(&honest);
            let only_liars = others.iter().all(|id| {
                self.world
                    .number(id)
                    .is_some_and(|who| self.world.checks.liars.contains(&who))
            });
            let fits = peer.state() == SessionState::Joined
                && only_liars
                && honest.is_subset(peer.members())
                && *found.get_or_insert(subsession) == subsession;
            if !fits {
                return None;
            }
        }
        found
    }

    /// Whether each of these knows that everyone has read the last message of each.
    fn all_read(&self, wanting: &[Who], asked: &BTreeSet<Who>, subsession: SubsessionId) -> bool {
        let checks = &self.world.checks;
        let latest: Vec<_> = checks
            .written
            .iter()
            .filter(|(_, written)| {
                written.subsession == subsession
                    && asked.contains(&written.author)
                    && written.body.starts_with(b"are all here?")
            })
            .map(|(id, _)| *id)
            .collect();
        // A liar among the readers may never answer.
        let liars = !checks.liars.is_empty();
        latest.len() >= asked.len()
            && latest.iter().all(|id| {
                wanting.iter().all(|who| {
                    let view = self.world.peer(*who).and_then(|peer| {
                        peer.message(id).map(|view| {
                            view.fully_acked
                                || (liars
                                    && view.unacked.iter().all(|id| {
                                        self.world
                                            .number(id)
                                            .is_some_and(|who| checks.liars.contains(&who))
                                    }))
                        })
                    });
                    view == Some(true)
                })
            })
    }

    /// Without auto-include users have to include the waiting members.
    fn users_include(&mut self, turn: u64) {
        for who in 0..self.plan.members {
            let Some(peer) = self.world.peer(who) else {
                continue;
            };
            let (members, channel) = (peer.members().clone(), peer.channel().cloned());
            let Some(channel) = channel.filter(|_| peer.state() == SessionState::Joined) else {
                continue;
            };
            // The first member that certainly may: a moderator if there is one, and otherwise moderators are
            // included first.
            let present = members.intersection(&channel);
            let moderators: MemberSet = (self.plan.moderators.iter())
                .map(|who| self.world.members[*who].id.clone())
                .collect();
            let theirs = present.intersection(&moderators);
            let mut waiting = channel.minus(&members);
            if theirs.is_empty() && !moderators.is_empty() {
                waiting = waiting.intersection(&moderators);
            }
            if !turn.is_multiple_of(2) {
                // One of them may be the one that does not answer.
                let place = (turn / 2) as usize % waiting.len().max(1);
                waiting = waiting.into_iter().skip(place).take(1).collect();
            }
            let first = theirs.iter().next().or_else(|| present.iter().next());
            if first == Some(&self.world.members[who].id) && !waiting.is_empty() && peer.operation().is_none()
            {
                let change = Change {
                    include: waiting,
                    exclude: MemberSet::new(),
                };
                self.world
                    .command(who, |peer, cx| peer.change(change, cx).is_ok());
            }
        }
    }

    /// The members that wrongly take an honest member for being in their session, and have never been warned
    /// of anything. A member that sees that the others are gone is not deceived, though it may have to look
    /// for them by hand.
    fn unwarned(&self) -> Vec<String> {
        let warned: BTreeSet<Who> = self.world.checks.raised.iter().map(|raised| raised.who).collect();
        let wanting = self.wanting();
        let subsession = |who: Who| self.world.peer(who).and_then(|peer| peer.subsession());
        let is_deceived = |who: Who| {
            let Some(peer) = self.world.peer(who) else {
                return false;
            };
            let others = wanting
                .iter()
                .filter(|other| **other != who && peer.members().contains(&self.world.members[**other].id));
            others.copied().any(|other| subsession(other) != subsession(who))
        };
        let unwarned = wanting
            .iter()
            .filter(|who| !warned.contains(who) && is_deceived(**who));
        unwarned.map(|who| name(*who)).collect()
    }

    /// Members outside of the largest group with one subsession lose their connections, and so enter again;
    /// or all members do.
    fn leave_and_come_back(&mut self, everyone: bool) {
        let mut groups: BTreeMap<Option<SubsessionId>, Vec<Who>> = BTreeMap::new();
        for who in self.wanting() {
            let subsession = self.world.peer(who).and_then(|peer| peer.subsession());
            groups.entry(subsession).or_default().push(who);
        }
        groups.remove(&None);
        let most = groups.into_values().max_by_key(Vec::len).unwrap_or_default();
        for who in 0..self.plan.members {
            if everyone || !most.contains(&who) {
                self.world.disconnect(who);
            }
        }
    }

    fn describe(&self) -> String {
        let all: Vec<String> = (0..self.plan.members)
            .filter_map(|who| {
                let peer = self.world.peer(who)?;
                let id = peer
                    .subsession()
                    .map_or_else(|| "none".to_owned(), |id| format!("{id:.8}"));
                Some(format!(
                    "{} is {} with {} in {id}{}",
                    name(who),
                    peer.state(),
                    peer.members(),
                    if peer.operation().is_some() {
                        ", operating"
                    } else {
                        ""
                    },
                ))
            })
            .collect();
        all.join("; ")
    }

    // What holds of the whole run.

    /// T-16: the members that must not be warned at all, and the warnings that no member may get.
    fn check_warnings(&mut self) {
        let liars: MemberSet = (self.world.checks.liars.iter())
            .map(|who| self.world.members[*who].id.clone())
            .collect();
        let got_bad_keys: MemberSet = (self.world.checks.raised.iter())
            .filter(|raised| raised.warning.kind == WarningKind::BadShare)
            .map(|raised| self.world.members[raised.who].id.clone())
            .collect();
        let honest_server = !self
            .plan
            .faults_kept()
            .0
            .iter()
            .any(|fault| fault.reach() == Reach::Order);
        let mut wrong = Vec::new();
        for raised in &self.world.checks.raised {
            let kind = raised.warning.kind;
            let names_a_liar = !liars.intersection(&raised.warning.members).is_empty();
            let allowed = match self.reach {
                Reach::Members => may_be_raised_in_peace(kind),
                Reach::Time | Reach::Packets => !accuses(kind),
                // What a liar is warned of is its own affair.
                _ if self.world.checks.liars.contains(&raised.who) => true,
                Reach::Order => !is_proof(kind),
                // Only liars are accused: of faults that no server can cause, and of any fault where the
                // server is honest.
                Reach::Insider if is_proof(kind) => names_a_liar,
                // Bad keys may have no known culprit, and a member that says that it got some is named to the
                // others.
                Reach::Insider if kind == WarningKind::BadShare && honest_server => {
                    names_a_liar || raised.warning.members.is_subset(&got_bad_keys)
                }
                Reach::Insider if honest_server && accuses(kind) => names_a_liar,
                Reach::Insider => true,
            };
            if !allowed {
                wrong.push((
                    raised.at,
                    format!("{} is warned: {}", name(raised.who), raised.warning),
                    raised.warning.kind,
                ));
            }
        }
        for (at, what, kind) in wrong.into_iter().take(4) {
            self.world
                .checks
                .fail("T-16", at, format!("{what} ({})", kind.word()));
        }
    }

    /// L-8: no session sends much more than it receives.
    fn check_bytes(&mut self) -> f64 {
        let intervals = self.world.now.since(EPOCH).as_millis() / self.world.full_ack().as_millis().max(1);
        let intervals = u64::try_from(intervals).unwrap_or(u64::MAX);
        let mut most: f64 = 0.0;
        for who in 0..self.plan.members {
            let member = &self.world.members[who];
            let free = FREE_BYTES * (member.commands + 1) + 2_048 * intervals;
            let (received, sent) = (member.bytes_in, member.bytes_out);
            if received > 0 {
                most = most.max(sent as f64 / received as f64);
            }
            if sent > received * MOST_BYTES_OUT + free {
                let what = format!("{} sent {sent} bytes and received {received}", name(who));
                self.world.checks.fail("L-8", self.world.now, what);
            }
        }
        most
    }
}

/// The most bytes that a session may keep for each byte that it has received or sent.
const MOST_BYTES_KEPT: u64 = 8;

impl Simulation<'_> {
    /// no session keeps much more than came and went: its queues are bounded.
    fn check_size(&mut self) {
        for who in 0..self.plan.members {
            let Some(peer) = self.world.peer(who) else {
                continue;
            };
            let kept = peer.snapshot().len() as u64;
            let member = &self.world.members[who];
            let allowed = 64 * 1024 + MOST_BYTES_KEPT * (member.bytes_in + member.bytes_out);
            if kept > allowed {
                let what = format!("{} keeps {kept} bytes, more than {allowed}", name(who));
                self.world.checks.fail("A-37", self.world.now, what);
            }
        }
    }
}

/// The warnings that may occur on an honest channel: members that all want something at once may refuse each
/// other's proposals.
fn may_be_raised_in_peace(kind: WarningKind) -> bool {
    kind == WarningKind::ProposalStarved
}

/// Whether it accuses a member, and does not only say that something is late or missing.
fn accuses(kind: WarningKind) -> bool {
    is_proof(kind) || matches!(kind, WarningKind::InconsistentHistory | WarningKind::BadShare)
}

/// Whether it says that a member did what no honest member does: no server can make it look so (S).
fn is_proof(kind: WarningKind) -> bool {
    matches!(kind, WarningKind::AuthorFork | WarningKind::BadMessage)
}
