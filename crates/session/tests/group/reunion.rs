//! Members of one channel who have been parted come together again (T-17).

use std::time::Duration;

use concilium_core::channel::{ChannelAction, ChannelEvent};
use concilium_core::{Change, Context, Time};
use concilium_session::{Event, Output, SessionState, Settings};
use concilium_testkit::network::{Conduct, Happening};
use concilium_testkit::rng::seeded;

use crate::common::{Net, id, set};
use crate::{MINUTE, NAMES, Process, change, copy, group, group_with, same, show, withdraw};

/// Its timers fire up to then: when it wants to leave the channel, and what it is told about it.
fn leaves(session: &mut Process, until: Time) -> Option<(Time, Option<Event>)> {
    let mut rng = seeded(17);
    loop {
        let mut coming_back = None;
        while let Some(output) = session.poll_output() {
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

#[test]
fn t17_whoever_waits_for_nobody_enters_anew_less_and_less_often() {
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
    for pair in waits.windows(2) {
        assert!(pair[1] > pair[0] * 3 / 2 && pair[1] < pair[0] * 3, "{waits:?}");
    }
    assert!(waits[0] >= MINUTE * 10 && waits[0] < MINUTE * 12, "{waits:?}");
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
fn t17_the_fewer_go_whatever_their_names() {
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
