//! What ends an operation, and who is first.

use concilium_core::channel::{ChannelAction, ChannelEvent};
use concilium_core::testing::rng::seeded;
use concilium_core::{Change, Context};
use concilium_server_order::Outcome;
use concilium_session::{ActionOutcome, ActionStage, Event, RejectionCause, WarningKind};
use concilium_testkit::channel::Channel;
use concilium_testkit::network::Happening;

use crate::common::{Net, id};
use crate::{
    MINUTE, NAMES, Process, change, copy, group, is_operation, orders, packet_of, same, sent_by, withdraw,
};

/// Something that may end the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Final,
    Abort(usize),
    Leave(usize),
}

/// The group of `n` just before the packet that ends the including of the last of them, and that packet.
fn before_the_end(n: usize) -> (Net, ChannelEvent) {
    let begin = || {
        let mut net = group(n - 1, 1, 27 + n as u64);
        change(&mut net, "alice", Change::include([id(NAMES[n - 1])]));
        net
    };
    let mut dry = begin();
    let mut events = 0;
    while dry.deliver_next().unwrap() {
        events += 1;
    }
    let mut net = begin();
    for _ in 1..events {
        net.deliver_next().unwrap();
    }
    let last = NAMES[..n]
        .iter()
        .map(|who| withdraw(&mut net, who))
        .next_back()
        .unwrap();
    (net, last.into_iter().next().unwrap())
}

/// All of them see these ends in this order; whoever leaves sees nothing more.
fn play(net: &Net, n: usize, last: &ChannelEvent, ends: &[End]) -> Vec<Process> {
    let now = net.now();
    let mut sessions: Vec<Process> = NAMES[..n].iter().map(|who| copy(net, who)).collect();
    let mut is_out = vec![false; n];
    let aborts: Vec<Vec<u8>> = (0..n)
        .map(|who| {
            let mut session = copy(net, NAMES[who]);
            session.abort(&mut Context::new(now, &mut seeded(1))).unwrap();
            sent_by(&mut session).remove(0)
        })
        .collect();
    for end in ends {
        let (event, leaver) = match end {
            End::Final => (last.clone(), None),
            End::Abort(who) => (packet_of(NAMES[*who], aborts[*who].clone()), None),
            End::Leave(who) => (
                ChannelEvent::MemberLeft {
                    member: id(NAMES[*who]),
                },
                Some(*who),
            ),
        };
        for (who, session) in sessions.iter_mut().enumerate() {
            if is_out[who] {
                continue;
            }
            let event = if leaver == Some(who) {
                ChannelEvent::Left
            } else {
                event.clone()
            };
            session.handle(event, &mut Context::new(now, &mut seeded(2)));
            let _ = session.drain().unsaved().count();
        }
        if let Some(who) = leaver {
            is_out[who] = true;
        }
    }
    sessions
}

/// Two aborts, a leave and the final packet, by everybody and in every order: the first of them decides, for
/// everyone.
#[test]
fn a27_o11_t05_every_interleaving_has_one_winner_for_all() {
    let mut cases = 0;
    for n in 2..=4 {
        let (net, last) = before_the_end(n);
        for abort in 0..n {
            for other in 0..n {
                for leave in 0..n {
                    for order in orders(4) {
                        let all = [
                            End::Final,
                            End::Abort(abort),
                            End::Abort(other),
                            End::Leave(leave),
                        ];
                        let ends: Vec<End> = order.iter().map(|place| all[*place]).collect();
                        // Who is out aborts nothing any more.
                        let gone = ends.iter().position(|end| *end == End::Leave(leave)).unwrap();
                        if ends[gone..].contains(&End::Abort(leave)) || (abort == other && order[1] == 0) {
                            continue;
                        }
                        let sessions = play(&net, n, &last, &ends);
                        let expected = match ends[0] {
                            End::Final => Outcome::Finished,
                            End::Abort(who) => Outcome::Aborted { by: id(NAMES[who]) },
                            End::Leave(who) => Outcome::Left { who: id(NAMES[who]) },
                        };
                        let joiner = n - 1;
                        let finished = ends[0] == End::Final;
                        let mut chains = Vec::new();
                        for (who, session) in sessions.iter().enumerate().filter(|(who, _)| *who != leave) {
                            let case = format!("{n} members, {ends:?}, {}", NAMES[who]);
                            assert_eq!(session.operation(), None, "{case}");
                            if who == joiner && !finished {
                                // Left alone, it starts a session of its own (T-11).
                                assert!(
                                    session
                                        .members()
                                        .iter()
                                        .all(|member| *member == id(NAMES[joiner])),
                                    "{case}"
                                );
                                continue;
                            }
                            let record = session.history().last().unwrap();
                            assert_eq!(record.outcome, expected, "{case}");
                            let in_it = if finished { n } else { n - 1 };
                            assert_eq!(session.members().len(), in_it, "{case}");
                            chains.push(session.chain());
                            assert!(session.warnings().ever().is_empty(), "{case}");
                        }
                        assert!(
                            chains.windows(2).all(|pair| pair[0] == pair[1]),
                            "{n} members, {ends:?}"
                        );
                        cases += 1;
                    }
                }
            }
        }
    }
    assert!(cases > 1_000, "{cases}");
}

/// What the queues of a channel hold is Alice's newest packet: the server keeps it until Bob's is through.
fn keep_back(channel: &mut Channel, names: &[&str]) -> Vec<(String, ChannelEvent)> {
    let mut kept = Vec::new();
    for name in names {
        while let Some(delivery) = channel.take(&id(name)) {
            kept.push(((*name).to_owned(), delivery.event));
        }
    }
    kept
}

/// whenever Alice proposes, the server lets Bob know and his proposal comes first.
#[test]
fn a43_t14_a_server_that_always_lets_a_colluder_win_is_shown_and_not_fought_for_ever() {
    let trio = ["alice", "bob", "carol"];
    let mut net = group(3, 1, 43);
    net.command(&id("dave"), |session, cx| session.join(cx))
        .unwrap()
        .unwrap();
    net.settle().unwrap();
    let _ = net.take_records();
    change(&mut net, "alice", Change::include([id("dave")]));
    let (mut lost, mut told, mut settled) = (0, 0, None);
    let everyone = ["alice", "bob", "carol", "dave"];
    let end = net.now().after(MINUTE * 60);
    let mut read = |net: &mut Net, lost: &mut usize, settled: &mut Option<ActionOutcome>| {
        let mut proposed = false;
        for record in net.take_records() {
            match record.what {
                Happening::Asked {
                    by,
                    action: ChannelAction::Send { bytes },
                    ..
                } => {
                    proposed |= by == id("alice") && is_operation(&bytes);
                }
                Happening::Told { member, event } if member == id("alice") => match event {
                    Event::ProposalRejected { cause, .. } => {
                        assert_eq!(cause, RejectionCause::AnotherFirst);
                        told += 1;
                    }
                    Event::Action {
                        stage: ActionStage::Settled(outcome),
                        ..
                    } => *settled = Some(outcome),
                    _ => {}
                },
                _ => {}
            }
        }
        *lost += usize::from(proposed);
        proposed
    };
    let limit = concilium_session::Settings::default().max_proposals as usize;
    while net.now() < end && lost <= limit {
        if read(&mut net, &mut lost, &mut settled) {
            let kept = keep_back(net.channel_mut(), &everyone);
            change(&mut net, "bob", Change::refresh());
            let bobs = keep_back(net.channel_mut(), &everyone);
            for (who, event) in bobs.into_iter().chain(kept) {
                crate::show(&mut net, &who, event);
            }
        } else {
            net.run(MINUTE / 60).unwrap();
        }
    }
    assert_eq!(
        (lost, told),
        (limit, limit),
        "as often as she may, and each time she is told"
    );
    assert_eq!(
        settled,
        Some(ActionOutcome::Rejected(RejectionCause::AnotherFirst))
    );
    let warnings = net.session(&id("alice")).unwrap().warnings();
    assert!(warnings.ever().contains(&WarningKind::ProposalStarved));
    assert!(same(&net, &trio), "the session itself is as well as it was");

    // As soon as the server plays fair again, she gets what she wanted.
    change(&mut net, "alice", Change::include([id("dave")]));
    net.run(MINUTE).unwrap();
    assert!(same(&net, &everyone));
    let alice = net.session(&id("alice")).unwrap();
    assert!(alice.warnings().is_empty(), "and the warning is gone");
}
