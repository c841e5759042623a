//! Attacks by two members together, with the server's help.
//!
//! For key agreements whose packets are those of [`crate::signed`], as in [`insider`](super::insider).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::GroupKeyAgreement;
use concilium_core::testing::{SeededRng, name, names, rng};
use concilium_core::{MemberId, MemberSet};

use super::insider::payload_len;
use super::{PEOPLE, resigned};
use crate::conformance::{Echo, Group, Make, Reaction, Saved};

/// To whom two colluders show the other version of a packet of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Nobody,
    All,
    /// The server shows every second honest member the one, the rest the other.
    Half,
}

/// What the other version of the colluders' packets is.
#[derive(Clone, Copy, Debug)]
enum Other {
    /// What the two would send had they drawn other random numbers and shown that to each other.
    Twin,
    /// The packet with one bit of its payload's byte turned.
    Turned(usize),
}

/// A group before an operation, and the same again, in which two members make the other version of their
/// packets.
struct Collusion<G: GroupKeyAgreement> {
    group: Group<G>,
    twin: Group<G>,
    before: BTreeMap<MemberId, Saved>,
    random: SeededRng,
    by: MemberId,
    after: MemberSet,
}

/// How an operation with colluders went.
struct Course {
    /// Who of the honest finished.
    finished: BTreeSet<MemberId>,
    /// The author of each packet of the two, and how long its payload is.
    packets: Vec<(MemberId, Option<usize>)>,
}

impl<G: GroupKeyAgreement> Collusion<G> {
    fn new(make: impl Make<G>, by: usize, after: MemberSet) -> Self {
        let established = || {
            let mut group: Group<G> = Group::new(PEOPLE, 77, &make);
            group.run(&name(0), &names(0..3));
            // What a proposal has joiners announce is the same for both.
            group.announce(&after.minus(&names(0..3)));
            group
        };
        let group = established();
        let people = group.people.iter();
        Self {
            before: people.map(|(who, member)| (who.clone(), member.save())).collect(),
            twin: established(),
            group,
            random: rng::seeded(78),
            by: name(by),
            after,
        }
    }

    /// Runs the operation in which `pair` shows the other version of its packets, in their order, as `plan`
    /// says.
    fn run(&mut self, pair: &MemberSet, other: Other, plan: &[Shown]) -> Course {
        for group in [&mut self.group, &mut self.twin] {
            for (who, saved) in &self.before {
                group.member(who).reset(saved);
            }
        }
        let twin = pair.contains(&self.by).then(|| {
            let proposed = self.twin.propose_with(&self.by, &self.after, &mut self.random);
            proposed.expect("a proposal is made")
        });
        let packet = self.group.propose(&self.by, &self.after);
        let first = self.group.echo(&self.by, packet.expect("a proposal is made"));
        let mut queue = VecDeque::from([(first, twin)]);
        let (mut finished, mut packets) = (BTreeSet::new(), Vec::new());
        let mut plan = plan.iter().copied();
        let mut is_initial = true;
        while let Some((echo, twin)) = queue.pop_front() {
            let session = self.group.session();
            let mut shown = Shown::Nobody;
            if pair.contains(&echo.from) {
                packets.push((echo.from.clone(), payload_len(session, &echo)));
                shown = plan.next().unwrap_or(shown);
            }
            // An initial packet in two versions would be two operations, for the server order to tell apart
            // (O-4).
            if is_initial && shown == Shown::Half {
                shown = Shown::All;
            }
            is_initial = false;
            let bytes = match other {
                Other::Twin => twin,
                Other::Turned(byte) => resigned(session, &echo, |role, mut payload| {
                    if let Some(byte) = payload.get_mut(byte) {
                        *byte ^= 1;
                    }
                    (role, payload)
                }),
            };
            let other_echo = Echo {
                bytes: bytes.unwrap_or_else(|| echo.bytes.clone()),
                ..echo.clone()
            };
            let mut to_other = false;
            for who in &self.after {
                let mut twins = VecDeque::new();
                if pair.contains(who) {
                    self.group.deliver(who, &echo);
                    self.twin.deliver_with(who, &other_echo, &mut self.random);
                    twins.extend(self.twin.outbox.drain(..));
                } else {
                    to_other = !to_other;
                    let is_shown = match shown {
                        Shown::Nobody => false,
                        Shown::All => true,
                        Shown::Half => to_other,
                    };
                    let reaction = self
                        .group
                        .deliver(who, if is_shown { &other_echo } else { &echo });
                    if reaction == Reaction::Finished {
                        finished.insert(who.clone());
                    }
                }
                for echo in self.group.flush() {
                    queue.push_back((echo, twins.pop_front().map(|(_, packet)| packet)));
                }
            }
        }
        Course { finished, packets }
    }

    /// Runs the operation so. All honest members who finish hold the same keys.
    fn assert_agreed(&mut self, pair: &MemberSet, other: Other, plan: &[Shown]) {
        let finished = self.run(pair, other, plan).finished;
        // A colluder of whom the halves hold different signing keys can no more than be silent towards one of
        // them.
        let is_one_view = !plan.contains(&Shown::Half);
        let keys = finished.iter().map(|who| {
            let keys = self.group.people[who].keys.as_ref().expect("has finished");
            let verifying = is_one_view.then(|| format!("{:?}", keys.verifying));
            (*keys.secret.expose(), keys.subsession, verifying)
        });
        let distinct: BTreeSet<_> = keys.collect();
        assert!(
            distinct.len() <= 1,
            "K-7: {finished:?} hold different keys, {pair} having shown {other:?} {plan:?}"
        );
    }
}

/// K-7, A-06: two members together lead no two honest ones to different keys. In place of any packet of
/// theirs they show what they would have sent with other random numbers, to all or, with the server's help,
/// to every second one; or they turn the same bit in a packet each.
///
/// Not tried: two versions of an initial packet, which are two operations, and for the server order to tell
/// apart; and values that two work out by the formulas of their key agreement so that they cancel out. Of
/// these its own tests must speak, and not every one promises the same: in Burmester and Desmedt's two
/// neighbours can do it if the server helps.
pub fn k07_a06_who_finishes_agrees_whatever_two_members_do_together<G: GroupKeyAgreement>(
    make: impl Make<G>,
) {
    for (by, after) in [(0, names(0..4)), (2, names(1..5))] {
        let mut collusion = Collusion::new(&make, by, after.clone());
        for (at, first) in after.iter().enumerate() {
            for second in after.iter().skip(at + 1) {
                let pair: MemberSet = [first.clone(), second.clone()].into_iter().collect();
                let honest = collusion.run(&pair, Other::Twin, &[]);
                assert_eq!(honest.finished.len(), after.len() - 2, "an honest run succeeds");
                for plan in plans(honest.packets.len()) {
                    collusion.assert_agreed(&pair, Other::Twin, &plan);
                }
                for (plan, len) in both(&honest.packets) {
                    for byte in (0..len).step_by(1 + len / 4) {
                        collusion.assert_agreed(&pair, Other::Turned(byte), &plan);
                    }
                }
            }
        }
    }
}

/// What can be done with so many packets: everything where they are few, and else a sample.
fn plans(packets: usize) -> impl Iterator<Item = Vec<Shown>> {
    let ways = 3_usize.pow(u32::try_from(packets).expect("few packets"));
    // The step is no multiple of 3, so that each packet is shown in each way.
    (0..ways).step_by(1 + ways / 18).map(move |mut way| {
        let shown = (0..packets).map(|_| {
            let shown = [Shown::Nobody, Shown::All, Shown::Half][way % 3];
            way /= 3;
            shown
        });
        shown.collect()
    })
}

/// Each two packets of equal length, one of each author, shown in their other version to all; and that
/// length.
fn both(packets: &[(MemberId, Option<usize>)]) -> Vec<(Vec<Shown>, usize)> {
    let mut plans = Vec::new();
    for (i, (author, len)) in packets.iter().enumerate() {
        for (j, (other, other_len)) in packets.iter().enumerate().skip(i + 1) {
            if let Some(len) = len
                && author != other
                && Some(*len) == *other_len
            {
                let shown = |at| {
                    if at == i || at == j {
                        Shown::All
                    } else {
                        Shown::Nobody
                    }
                };
                plans.push(((0..packets.len()).map(shown).collect(), *len));
            }
        }
    }
    plans
}
