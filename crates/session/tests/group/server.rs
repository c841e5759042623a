//! A server that says who comes and goes, and makes up packets.

use concilium_core::channel::ChannelEvent;
use concilium_core::testing::rng::seeded;
use concilium_core::{Context, MemberSet, SessionName};
use concilium_session::{SessionState, Settings};
use concilium_testkit::network::{Conduct, EPOCH};

use crate::common::{Net, id, set};
use crate::{
    MINUTE, all_who_are_deceived_are_warned, copy, group, group_with, is_operation, members, packet_of,
    sent_by, show,
};

fn auto_include() -> Settings {
    let mut settings = Settings::default();
    settings.auto_include = true;
    settings
}

/// Whatever a server can make up out of its own mind: enters, leaves, and packets in everybody's name, those
/// of a group with other keys under the same names among them.
fn made_up(net: &Net) -> Vec<ChannelEvent> {
    let mut events = vec![
        ChannelEvent::Left,
        ChannelEvent::Entered {
            members: MemberSet::new(),
        },
        ChannelEvent::Entered {
            members: set("alice"),
        },
        ChannelEvent::Entered {
            members: set("alice bob carol dave mallory"),
        },
    ];
    for name in ["alice", "bob", "carol", "dave", "mallory"] {
        events.push(ChannelEvent::MemberEntered { member: id(name) });
        events.push(ChannelEvent::MemberLeft { member: id(name) });
    }
    let mut strangers = Net::trio_of(SessionName::new("s").unwrap(), 99);
    strangers.settle().unwrap();
    let theirs = strangers
        .channel()
        .packets()
        .iter()
        .map(|packet| packet.bytes.clone());
    let ours = net.channel().packets().iter().map(|packet| packet.bytes.clone());
    let mut packets: Vec<_> = theirs.chain(ours).filter(|packet| is_operation(packet)).collect();
    for at in 0..packets.len() {
        let mut bent = packets[at].clone();
        let middle = bent.len() / 2;
        bent[middle] ^= 1;
        packets.push(bent);
    }
    for from in ["alice", "bob", "carol", "dave", "mallory"] {
        events.extend(packets.iter().map(|bytes| packet_of(from, bytes.clone())));
    }
    events
}

/// One session alone with a server that lies: nobody comes in, and nobody goes but itself (T-3).
#[test]
fn a22_k15_t03_what_the_server_makes_up_changes_nobodys_members() {
    for settings in [Settings::default(), auto_include()] {
        let net = group_with(3, 1, 22, settings, Conduct::default());
        let events = made_up(&net);
        assert!(events.len() > 100);
        for who in ["alice", "bob", "carol"] {
            for event in &events {
                let mut session = copy(&net, who);
                let mut rng = seeded(5);
                session.handle(event.clone(), &mut Context::new(net.now(), &mut rng));
                let end = net.now().after(MINUTE * 60);
                loop {
                    let seen = session.members().clone();
                    let about_us = matches!(event, ChannelEvent::Left | ChannelEvent::Entered { .. })
                        || matches!(event, ChannelEvent::MemberLeft { member } if *member == id(who));
                    let is_out = about_us && seen.iter().all(|member| *member == id(who));
                    assert!(
                        seen == set("alice bob carol") || is_out,
                        "{who} sees {seen} after {event:?}"
                    );
                    let _ = sent_by(&mut session);
                    let Some(at) = session.next_timeout().filter(|at| *at <= end) else {
                        break;
                    };
                    session.handle_timeout(&mut Context::new(at, &mut rng));
                }
            }
        }
    }
}

/// A group whose server lies to some of them, and is honest otherwise. What changes then, members have
/// proposed and all accepted; whoever was told otherwise finds out.
#[test]
fn a22_members_change_by_operations_of_members_alone() {
    let lies = [
        ChannelEvent::MemberEntered { member: id("dave") },
        ChannelEvent::MemberEntered {
            member: id("mallory"),
        },
        ChannelEvent::MemberLeft { member: id("bob") },
    ];
    for (number, lie) in lies.iter().enumerate() {
        for told in [vec!["alice"], vec!["carol"], vec!["alice", "carol"]] {
            let mut net = group_with(3, 1, 23 + number as u64, auto_include(), Conduct::default());
            net.crash(&id("dave")).unwrap(); // He is not there, whatever the server says.
            for who in &told {
                show(&mut net, who, lie.clone());
            }
            net.run(MINUTE * 15).unwrap();
            let case = format!("{lie:?} to {told:?}");
            let trio = ["alice", "bob", "carol"];
            all_who_are_deceived_are_warned(&net, &trio, &case);
            for who in trio {
                let session = net.session(&id(who)).unwrap();
                assert!(
                    session.members().is_subset(&set("alice bob carol")),
                    "{case}: {}",
                    members(&net, who)
                );
                for record in session.history() {
                    assert!(
                        set("alice bob carol").contains(&record.author),
                        "{case}: {record:?}"
                    );
                }
                if *session.members() != set("alice bob carol") && session.state() == SessionState::Joined {
                    let excluded = session
                        .history()
                        .iter()
                        .any(|record| record.outcome.is_success() && !record.exclude.is_empty());
                    assert!(
                        excluded || session.members().len() == 1,
                        "{case}: somebody went without an operation"
                    );
                }
            }
        }
    }
}

/// A stream of made-up packets before and during an operation: it succeeds as if nothing had been.
#[test]
fn a22_a46_an_operation_succeeds_amid_made_up_packets() {
    let mut net = group(3, 1, 26);
    let packets: Vec<_> = made_up(&net)
        .into_iter()
        .filter_map(|event| match event {
            ChannelEvent::Packet { from, bytes } => Some((from, bytes)),
            _ => None,
        })
        .collect();
    crate::change(&mut net, "alice", concilium_core::Change::include(set("dave")));
    for (from, bytes) in packets {
        net.channel_mut().forge(&from, bytes, EPOCH);
        net.deliver_next().unwrap();
    }
    net.settle().unwrap();
    assert!(crate::same(&net, &["alice", "bob", "carol", "dave"]));
    for who in ["alice", "bob", "carol", "dave"] {
        assert_eq!(crate::warned(&net, who), [].into(), "{who}");
    }
}
