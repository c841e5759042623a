//! Members of one channel who have been parted come together again (T-17).

use std::time::Duration;

use concilium_core::channel::{ChannelAction, ChannelEvent};
use concilium_core::testing::rng::seeded;
use concilium_core::{Change, Context, Time};
use concilium_session::{Event, Output, SessionState, Settings};
use concilium_testkit::network::{Conduct, Happening};

use crate::common::{Net, id, set};
use crate::{MINUTE, NAMES, Process, change, copy, group, group_with, members, same, show, withdraw};
use concilium_core::packet::{self, PacketKind};

/// Its timers fire up to then: when it wants to leave the channel, and what it is told about it.
fn leaves(session: &mut Process, until: Time) -> Option<(Time, Option<Event>)> {
    let mut rng = seeded(17);
    loop {
        let mut coming_back = None;
        for output in session.drain().unsaved() {
            match output {
                Output::Channel(ChannelAction::Leave) => {
                    let at = session.next_timeout().unwrap_or(Time::ZERO);
                    return Some((at, coming_back));
                }
                Output::Event(event @ Event::ComingBack { .. }) => coming_back = Some(event),
                _ => {}
            }
        }
        let at = session.next_timeout().filter(|at| *at <= until)?;
        session.handle_timeout(&mut Context::new(at, &mut rng));
    }
}

/// Each wait is about twice as long as the one before.
fn assert_doubling(waits: &[Duration]) {
    for pair in waits.windows(2) {
        assert!(pair[1] > pair[0] * 3 / 2 && pair[1] < pair[0] * 3, "{waits:?}");
    }
}

#[test]
fn a44_t17_whoever_waits_for_nobody_enters_anew_less_and_less_often() {
    let net = group(2, 1, 1);
    let mut carol = copy(&net, "carol");
    let mut rng = seeded(3);
    let start = net.now();
    carol.join(&mut Context::new(start, &mut rng)).unwrap();
    let (mut now, mut waits) = (start, Vec::new());
    let end = start.after(Duration::from_secs(24 * 3600));
    while now <= end {
        // The channel says that alice is there, who never says anything.
        let members = set("alice carol");
        let entered_at = now;
        carol.handle(
            ChannelEvent::Entered { members },
            &mut Context::new(now, &mut rng),
        );
        let Some((at, told)) = leaves(&mut carol, end) else {
            break;
        };
        assert!(matches!(told, Some(Event::ComingBack { elsewhere }) if elsewhere.is_empty()));
        waits.push(at.since(entered_at));
        now = at;
        carol.handle(ChannelEvent::Left, &mut Context::new(now, &mut rng));
        assert_eq!(carol.state(), SessionState::Joining, "she still wants in");
    }
    // Ten minutes and a little, then twice as long each time.
    assert!(waits.len() >= 5 && waits.len() <= 8, "{waits:?}");
    assert_doubling(&waits);
    assert!(waits[0] >= MINUTE * 10 && waits[0] < MINUTE * 12, "{waits:?}");
}

#[test]
fn t17_whoever_is_not_let_in_by_those_whom_it_hears_enters_anew() {
    let net = group(2, 1, 1);
    let mut carol = copy(&net, "carol");
    let mut rng = seeded(3);
    let mut now = net.now();
    let end = now.after(MINUTE * 60 * 24);
    carol.join(&mut Context::new(now, &mut rng)).unwrap();
    let mut waits = Vec::new();
    while now < end {
        let members = set("alice carol");
        carol.handle(
            ChannelEvent::Entered { members },
            &mut Context::new(now, &mut rng),
        );
        let entered_at = now;
        let gone = loop {
            now = now.after(MINUTE * 5);
            if now >= end {
                break None;
            }
            if let Some((at, _)) = leaves(&mut carol, now) {
                break Some(at);
            }
            let packet = ChannelEvent::Packet {
                from: id("alice"),
                bytes: packet::frame(PacketKind::Message, b"what only members can read"),
            };
            carol.handle(packet, &mut Context::new(now, &mut rng));
            assert_eq!(carol.state(), SessionState::Joining);
        };
        let Some(at) = gone else { break };
        waits.push(at.since(entered_at));
        now = at;
        carol.handle(ChannelEvent::Left, &mut Context::new(now, &mut rng));
        assert_eq!(carol.state(), SessionState::Joining, "she still wants in");
    }
    // Twenty minutes and a little, then twice as long each time.
    assert!(waits.len() >= 4 && waits.len() <= 7, "{waits:?}");
    assert_doubling(&waits);
    assert!(waits[0] >= MINUTE * 20 && waits[0] < MINUTE * 24, "{waits:?}");
}

/// A race of two proposals, of which some are shown the other one first.
fn parted(net: &mut Net, others: &[&str]) {
    change(net, "alice", Change::refresh());
    change(net, "erin", Change::refresh());
    let under_way: Vec<_> = others.iter().map(|who| (who, withdraw(net, who))).collect();
    for (who, events) in under_way {
        for event in events.into_iter().rev() {
            show(net, who, event);
        }
    }
    net.settle().unwrap();
}

#[test]
fn a44_t17_the_fewer_go_whatever_their_names() {
    for others in [&["alice"][..], &["alice", "bob"], &["erin"], &["dave", "erin"]] {
        let mut settings = Settings::default();
        settings.auto_include = true;
        let mut net = group_with(5, 0, 4, settings, Conduct::default());
        parted(&mut net, others);
        let rest: Vec<&str> = NAMES.into_iter().filter(|name| !others.contains(name)).collect();
        for side in [&rest[..], others] {
            assert!(same(&net, side), "{others:?}: {side:?}");
        }
        assert!(!same(&net, &NAMES));
        let _ = net.take_records();
        net.run(MINUTE * 15).unwrap();
        assert!(same(&net, &NAMES), "{others:?} are back");
        let records = net.take_records();
        for name in NAMES {
            let back = records.iter().any(|record| {
                matches!(&record.what, Happening::Told { member, event: Event::ComingBack { .. } } if *member == id(name))
            });
            assert_eq!(back, others.contains(&name), "{name}, with {others:?} parted");
        }
    }
}

#[test]
fn t17_those_who_are_told_that_the_others_are_gone_look_for_them() {
    let pair = ["alice", "bob"];
    let mut settings = Settings::default();
    (settings.auto_include, settings.stay_if_last) = (true, true);
    let mut net = group_with(2, 0, 5, settings, Conduct::default());
    // The server tells each that the other is gone, and hides for a while what the other says.
    for (who, gone) in [("alice", "bob"), ("bob", "alice")] {
        show(&mut net, who, ChannelEvent::MemberLeft { member: id(gone) });
    }
    for _ in 0..120 {
        net.advance(Duration::from_secs(1)).unwrap();
        for who in pair {
            for event in withdraw(&mut net, who) {
                if matches!(&event, ChannelEvent::Packet { from, .. } if *from == id(who)) {
                    show(&mut net, who, event);
                }
            }
        }
    }
    for who in pair {
        assert_eq!(members(&net, who), who, "each is alone");
    }
    net.run(MINUTE * 7).unwrap();
    assert!(!same(&net, &pair), "neither hears of the other");
    net.run(MINUTE * 8).unwrap();
    assert!(same(&net, &pair), "whoever enters anew is told the truth");
}

#[test]
fn t17_whoever_is_alone_looks_for_others_less_and_less_often() {
    let mut settings = Settings::default();
    settings.stay_if_last = true;
    let mut net = group_with(1, 1, 6, settings, Conduct::default());
    let _ = net.take_records();
    net.run(MINUTE * 60 * 48).unwrap();
    let times = net
        .take_records()
        .iter()
        .filter(|record| {
            matches!(
                &record.what,
                Happening::Told {
                    event: Event::ComingBack { .. },
                    ..
                }
            )
        })
        .count();
    assert!((5..10).contains(&times), "less and less often: {times}");
    assert_eq!(members(&net, "alice"), "alice");
}

/// Carol enters and is told, at once, of somebody who is not there. Whoever sees other members in the channel
/// names every operation otherwise (O-1), and takes part in none.
fn told_of_dave(net: &mut Net, who: &[&str]) {
    net.command(&id("carol"), |session, cx| session.join(cx))
        .unwrap()
        .unwrap();
    net.deliver_next_to(&id("carol")).unwrap();
    for who in who {
        show(net, who, ChannelEvent::MemberEntered { member: id("dave") });
    }
}

/// Who is in the channel, as far as the member is told.
fn seen(net: &Net, who: &str) -> String {
    let session = net.session(&id(who)).unwrap();
    session.channel().map(ToString::to_string).unwrap_or_default()
}

#[test]
fn t18_whoever_was_told_something_else_and_is_included_in_vain_is_put_out_and_comes_in() {
    let mut settings = Settings::default();
    settings.auto_include = true;
    let mut net = group_with(2, 1, 7, settings, Conduct::default());
    told_of_dave(&mut net, &["carol"]);
    net.run(MINUTE * 2).unwrap();
    assert!(!same(&net, &["alice", "bob", "carol"]), "included in vain");
    net.run(MINUTE * 10).unwrap();
    assert!(same(&net, &["alice", "bob", "carol"]));
}

#[test]
fn a50_t18_members_who_were_all_told_of_somebody_who_is_not_there_learn_it() {
    // The same if nobody is included without being asked for, and dave therefore never was to be.
    for auto_include in [true, false] {
        let mut settings = Settings::default();
        settings.auto_include = auto_include;
        let mut net = group_with(2, 1, 8, settings, Conduct::default());
        told_of_dave(&mut net, &["alice", "bob"]);
        assert_eq!(seen(&net, "alice"), "alice bob dave");
        for _ in 0..5 {
            if !auto_include && !same(&net, &["alice", "bob", "carol"]) {
                let include = Change::include(set("carol"));
                let _ = net.command(&id("alice"), |session, cx| session.change(include, cx));
            }
            net.run(MINUTE * 4).unwrap();
        }
        assert!(same(&net, &["alice", "bob", "carol"]), "{auto_include}");
        for who in ["alice", "bob"] {
            assert_eq!(seen(&net, who), "alice bob carol");
        }
    }
}
