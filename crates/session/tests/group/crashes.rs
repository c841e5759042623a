//! Processes that vanish between saving their state and acting upon it.

use concilium_core::Change;
use concilium_session::{SessionState, Settings};
use concilium_testkit::network::Conduct;

use crate::common::{Net, establish, id};
use crate::{MINUTE, NAMES, all_talk, same};

/// A longer run of everything: who has crashed does nothing, and the others go on.
fn live(net: &mut Net) {
    let say = |net: &mut Net, who: &str, text: &str| {
        let _ = net.command(&id(who), |session, cx| session.send(text.as_bytes(), cx));
    };
    let want = |net: &mut Net, who: &str, change: Change| {
        let _ = net.command(&id(who), |session, cx| session.change(change, cx));
    };
    let _ = net.command(&id("alice"), |session, cx| session.join(cx));
    net.settle().unwrap();
    want(net, "alice", Change::include([id("bob"), id("carol")]));
    net.run(MINUTE / 6).unwrap();
    say(net, "alice", "one");
    say(net, "bob", "two");
    net.run(MINUTE).unwrap();
    want(net, "bob", Change::refresh());
    say(net, "carol", "three");
    net.run(MINUTE / 6).unwrap();
    want(net, "alice", Change::include([id("dave")]));
    net.run(MINUTE / 6).unwrap();
    say(net, "dave", "four");
    want(net, "carol", Change::exclude([id("dave")]));
    net.run(MINUTE).unwrap();
    say(net, "carol", "five");
    net.run(MINUTE).unwrap();
}

fn outside(conduct: Conduct) -> Net {
    let members = NAMES[..4].iter().map(|name| id(name)).collect();
    let name = concilium_core::SessionName::new("s").unwrap();
    let mut settings = Settings::default();
    settings.stay_if_last = true;
    Net::of(members, name, settings, 29, conduct)
}

/// Everybody is to be in one session with Alice, by hand where it must be.
fn meet_again(net: &mut Net, case: &str) {
    let trio = ["alice", "bob", "carol"];
    for _ in 0..12 {
        if same(net, &trio) {
            break;
        }
        for who in trio {
            if net.session(&id(who)).unwrap().state() == SessionState::Parted {
                let _ = net.command(&id(who), |session, cx| session.join(cx)).unwrap();
            }
        }
        net.run(MINUTE).unwrap();
        for who in trio {
            let session = net.session(&id(who)).unwrap();
            let waiting: Vec<_> = trio
                .iter()
                .map(|other| id(other))
                .filter(|other| net.channel().members().contains(other) && !session.members().contains(other))
                .collect();
            if session.state() == SessionState::Joined && !waiting.is_empty() {
                let _ = net
                    .command(&id(who), |session, cx| {
                        session.change(Change::include(waiting), cx)
                    })
                    .unwrap();
                break;
            }
        }
        net.run(MINUTE).unwrap();
    }
    assert!(same(net, &trio), "{case}: they do not find together");
    all_talk(net, &trio, case);
    for who in trio {
        let ever = net.session(&id(who)).unwrap().warnings().ever().clone();
        let accused = ever
            .iter()
            .any(|kind| kind.severity() == concilium_session::Severity::Security);
        assert!(!accused, "{case}: {who} was told {ever:?}");
    }
}

/// Each member in turn vanishes with each save of its state, nothing of what follows leaves, and it starts
/// again from that state, from one that is a few saves older, or from nothing: all find together, and nobody
/// is accused of anything.
#[test]
fn a29_t03_t12_a_crash_at_every_save_and_all_converge() {
    let keep = Conduct {
        keep_history: true,
        ..Conduct::default()
    };
    let mut cases = 0;
    for who in ["alice", "bob", "carol"] {
        let mut dry = outside(Conduct::default());
        live(&mut dry);
        let saves = dry.saves(&id(who)).unwrap();
        assert!(saves > 40, "{who} saves {saves} times");
        for number in 1..=saves {
            let mut net = outside(keep);
            net.vanish_at_save(&id(who), number).unwrap();
            live(&mut net);
            assert!(!net.is_running(&id(who)), "{who} has vanished at {number}");
            let age = [0, 1, 3, 10][number % 4];
            let case = format!("{who} vanishes with save {number} and starts from {age} before");
            let held = net.held(&id(who));
            let snapshot = held
                .iter()
                .rev()
                .nth(age.min(held.len() - 1))
                .unwrap()
                .snapshot
                .clone();
            net.restore_from(&id(who), &snapshot).unwrap();
            assert_eq!(net.session(&id(who)).unwrap().members().len(), 0, "{case}: T-3");
            net.run(MINUTE).unwrap();
            meet_again(&mut net, &case);
            cases += 1;
        }
    }
    assert!(cases > 120, "{cases}");
}

/// A process that starts again in place, with its connection kept by its transport, from each state that it
/// ever saved last: nobody notices, wherever it is.
#[test]
fn a29_k13_a_restart_in_place_at_every_step_changes_nothing() {
    let run = |restart_always| {
        let mut net = outside(Conduct {
            restart_always,
            ..Conduct::default()
        });
        live(&mut net);
        let packets: Vec<_> = net
            .channel()
            .packets()
            .iter()
            .map(|packet| packet.bytes.clone())
            .collect();
        packets
    };
    assert!(run(true) == run(false), "the same packets to the last byte");
    let mut net = outside(Conduct::default());
    establish(&mut net, "alice", "bob carol");
    assert!(same(&net, &["alice", "bob", "carol"]));
}
