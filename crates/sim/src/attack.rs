//! Attacks that must be noticed: each is launched against a group that talks, and it is recorded which
//! members are warned when.

use std::collections::BTreeSet;
use std::time::Duration;

use concilium_core::channel::ChannelEvent;
use concilium_core::{Change, Time};
use concilium_session::{SessionState, WarningKind};
use concilium_testkit::network::EPOCH;

use crate::plan::{Plan, Split, Who, name};
use crate::world::World;
use crate::{Rules, Suite, Wishes, panics};

/// By when all must be warned, in full-ack intervals after the attack has begun. The attack may show only by
/// the next packet that a member sends. That packet must go unanswered for one interval, or two for a finish.
pub const FULL_ACKS_TO_WARN: u32 = 3;

/// An attack.
#[derive(Clone, Copy, Debug)]
pub struct Attack {
    /// Its name.
    pub name: &'static str,
    /// What the server, or a member, does.
    pub what: &'static str,
    /// Any of these warnings tells of it.
    pub told_by: &'static [WarningKind],
    /// Whether it concerns everyone, or the actor alone.
    pub concerns: Concerns,
    launch: fn(&mut World<'_>, Who, Who),
}

/// Whom an attack concerns: these must be warned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concerns {
    /// All honest members.
    All,
    /// All but the victim.
    Others,
    /// The member whose packets it is about.
    Actor,
}

/// How one attack went.
#[derive(Clone, Debug)]
pub struct Noticed {
    /// Whether there was a group to attack.
    pub launched: bool,
    /// The members concerned that were not warned in time.
    pub unwarned: Vec<String>,
    /// How long it took until the last of the others was warned.
    pub after: Duration,
    /// The full-ack interval of the run.
    pub full_ack: Duration,
}

const MISSED: &[WarningKind] = &[
    WarningKind::NotFullyAcked,
    WarningKind::MemberAbsent,
    WarningKind::ChainUnconfirmed,
    WarningKind::FinishTimeout,
];

const PARTED_WAYS: &[WarningKind] = &[
    WarningKind::InconsistentHistory,
    WarningKind::ChainUnconfirmed,
    WarningKind::NotDecryptable,
    WarningKind::NotFullyAcked,
    WarningKind::MemberAbsent,
    WarningKind::BadShare,
];

/// All attacks whose discovery is promised.
pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "withhold",
        what: "one member is given no message any more (A-33)",
        told_by: MISSED,
        concerns: Concerns::All,
        launch: |world, victim, _| world.members[victim].link.miss(usize::MAX, true),
    },
    Attack {
        name: "withhold-one",
        what: "one message never reaches one member, those that answer it do (A-30, A-33)",
        told_by: &[
            WarningKind::MissingParents,
            WarningKind::NotFullyAcked,
            WarningKind::MemberAbsent,
            WarningKind::ChainUnconfirmed,
        ],
        concerns: Concerns::All,
        launch: |world, victim, actor| {
            let before = world.channel.packets().len();
            world.say(actor, b"not for all");
            // What was just sent is on its way already, and taken back.
            let sent: Vec<Vec<u8>> = world.channel.packets()[before..]
                .iter()
                .map(|packet| packet.bytes.clone())
                .collect();
            for bytes in sent {
                world.members[victim].link.take_back(&bytes);
                world.members[victim].link.never(bytes);
            }
        },
    },
    Attack {
        name: "partition",
        what: "two parts of the group hear nothing of each other (A-24)",
        told_by: MISSED,
        concerns: Concerns::All,
        launch: |world, victim, _| world.split(BTreeSet::from([victim]), Time::NEVER, Split::Lost),
    },
    Attack {
        name: "drop-operation",
        what: "one member is given no packet of an operation (A-24, A-25)",
        told_by: PARTED_WAYS,
        concerns: Concerns::All,
        launch: |world, victim, actor| {
            world.members[victim].link.miss_operations(usize::MAX);
            refresh(world, actor);
        },
    },
    Attack {
        name: "reorder-operations",
        what: "two proposals race, and one member sees the other one first (A-24)",
        told_by: PARTED_WAYS,
        concerns: Concerns::All,
        launch: |world, victim, actor| {
            world.members[victim].link.hold_next(1);
            refresh(world, actor);
            let other = (0..world.members.len()).find(|who| *who != victim && *who != actor);
            refresh(world, other.unwrap_or(victim));
        },
    },
    Attack {
        name: "false-leave",
        what: "one member is told that another left, who did not (A-22)",
        told_by: PARTED_WAYS,
        concerns: Concerns::Others,
        launch: |world, victim, actor| {
            let member = world.members[actor].id.clone();
            world.tell(victim, ChannelEvent::MemberLeft { member });
            let other = (0..world.members.len()).find(|who| *who != victim && *who != actor);
            refresh(world, other.unwrap_or(victim));
        },
    },
    Attack {
        name: "silence",
        what: "a member answers nothing any more (A-28)",
        told_by: MISSED,
        concerns: Concerns::Others,
        launch: |world, victim, _| {
            world.members[victim].stalled_until = Time::NEVER;
            world.reschedule(victim);
        },
    },
    Attack {
        name: "starve",
        what: "nothing that one member sends reaches anyone (A-43)",
        told_by: &[
            WarningKind::ProposalStarved,
            WarningKind::NotFullyAcked,
            WarningKind::MemberAbsent,
        ],
        concerns: Concerns::Actor,
        launch: |world, _, actor| {
            world.members[actor].lose = usize::MAX;
            refresh(world, actor);
        },
    },
    Attack {
        name: "fork",
        what: "a member says two things from one state, each to a part of the group (A-32)",
        told_by: &[
            WarningKind::AuthorFork,
            WarningKind::NotFullyAcked,
            WarningKind::MissingParents,
        ],
        concerns: Concerns::Others,
        launch: |world, victim, _| world.fork(0, victim),
    },
];

fn refresh(world: &mut World<'_>, who: Who) {
    world.command(who, |peer, cx| peer.change(Change::refresh(), cx).is_ok());
}

/// Launches an attack against the group of this seed.
///
/// # Errors
/// A panic, with its message.
pub fn launch(attack: &Attack, seed: u64, suite: &Suite) -> Result<Noticed, String> {
    panics::catch(|| attacked(attack, seed, suite))
}

fn attacked(attack: &Attack, seed: u64, suite: &Suite) -> Noticed {
    let wishes = Wishes {
        members: Some(3 + (seed % 4) as usize),
        faults: crate::Faults::none(),
        auto_include: Some(true),
        policy: Some(Rules::Everybody),
        deniable: Some(false),
        ..Wishes::default()
    };
    let mut plan = Plan::new(seed, &wishes);
    plan.steps.clear();
    let mut world = World::new(suite, &plan);
    (world.saves, world.keeps_held) = (false, false);
    let full_ack = world.full_ack();
    let mut noticed = Noticed {
        launched: false,
        unwarned: Vec::new(),
        after: Duration::ZERO,
        full_ack,
    };
    if !establish(&mut world) {
        return noticed;
    }
    let victim = world.dice.index(plan.members);
    let actor = (victim + 1 + world.dice.index(plan.members - 1)) % plan.members;
    talk(&mut world, full_ack / 2);
    noticed.launched = true;
    let begun = world.now;
    (attack.launch)(&mut world, victim, actor);
    let in_time = full_ack * FULL_ACKS_TO_WARN + world.latency() * 8;
    talk(&mut world, in_time);
    for who in 0..plan.members {
        let concerned = match attack.concerns {
            Concerns::All => true,
            Concerns::Others => who != victim,
            Concerns::Actor => who == actor,
        };
        let warned = world.checks.raised.iter().filter(|raised| {
            raised.who == who && raised.at >= begun && attack.told_by.contains(&raised.warning.kind)
        });
        // A member that finds itself out of the session knows as well.
        let put_out = world
            .checks
            .put_out
            .iter()
            .filter(|(out, at)| *out == who && *at >= begun);
        let first = warned
            .map(|raised| raised.at)
            .chain(put_out.map(|(_, at)| *at))
            .min();
        match first {
            Some(at) if concerned => noticed.after = noticed.after.max(at.since(begun)),
            None if concerned => noticed.unwarned.push(name(who)),
            _ => {}
        }
    }
    noticed
}

/// Everyone joins, and is in one session.
pub(crate) fn establish(world: &mut World<'_>) -> bool {
    for who in 0..world.members.len() {
        world.members[who].wants_in = true;
        world.command(who, |peer, cx| peer.join(cx).is_ok());
    }
    let end = EPOCH.after(world.full_ack() * 8 + world.latency() * 64);
    while world.now < end {
        world.run_until(world.now.after(world.latency()));
        if is_one(world) {
            // The confirmations of the chain go round.
            world.run_until(world.now.after(world.full_ack()));
            return is_one(world);
        }
    }
    false
}

/// Whether all are in one subsession.
pub(crate) fn is_one(world: &World<'_>) -> bool {
    let first = world.peer(0).and_then(|peer| peer.subsession());
    first.is_some()
        && (0..world.members.len()).all(|who| {
            world.peer(who).is_some_and(|peer| {
                peer.state() == SessionState::Joined
                    && peer.subsession() == first
                    && peer.members().len() == world.members.len()
            })
        })
}

/// Everyone says something now and then.
fn talk(world: &mut World<'_>, span: Duration) {
    let end = world.now.after(span);
    let mut count = 0_u64;
    while world.now < end {
        for who in 0..world.members.len() {
            let at = world.now.after(world.full_ack() / 12);
            world.run_until(at.min(end));
            count += 1;
            let body = format!("{count} of {} at {:?}", name(who), world.now);
            world.say(who, body.as_bytes());
        }
    }
}
