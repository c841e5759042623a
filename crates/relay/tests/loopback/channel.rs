//! What a group channel promises.

use concilium_core::channel::{ChannelAction, ChannelEvent};
use concilium_relay::{ClientEvent, CloseReason, ConnectError, Disconnect, Refusal, RelayClient};
use proptest::prelude::*;

use crate::support::*;

#[tokio::test]
async fn enters_leaves_and_kicks_are_told_to_everyone() {
    let relay = relay().await;
    let mut alice = Peer::connect(&relay, "alice").await;
    alice.act(ChannelAction::Enter);
    let members = set("alice");
    assert_eq!(alice.event().await, ChannelEvent::Entered { members });

    let mut bob = Peer::connect(&relay, "bob").await;
    bob.act(ChannelAction::Enter);
    let members = set("alice bob");
    assert_eq!(bob.event().await, ChannelEvent::Entered { members });
    let entered = |name| ChannelEvent::MemberEntered { member: member(name) };
    let left = |name| ChannelEvent::MemberLeft { member: member(name) };
    assert_eq!(alice.event().await, entered("bob"));

    alice.act(ChannelAction::Kick {
        member: member("bob"),
    });
    assert_eq!(bob.event().await, ChannelEvent::Left);
    assert_eq!(alice.event().await, left("bob"));

    // Kicked is not banned: the relay has no policy.
    bob.act(ChannelAction::Enter);
    assert!(matches!(bob.event().await, ChannelEvent::Entered { .. }));
    assert_eq!(alice.event().await, entered("bob"));
    bob.act(ChannelAction::Leave);
    assert_eq!(bob.event().await, ChannelEvent::Left);
    assert_eq!(alice.event().await, left("bob"));

    // A client that closes leaves as well.
    bob.act(ChannelAction::Enter);
    assert_eq!(alice.event().await, entered("bob"));
    bob.client.close().await;
    assert_eq!(alice.event().await, left("bob"));
}

#[tokio::test]
async fn packets_come_back_to_the_sender_and_reach_only_the_channel() {
    let relay = relay().await;
    let mut alice = Peer::entered(&relay, "alice").await;
    let mut bob = Peer::entered(&relay, "bob").await;
    let mut carol = Peer::connect(&relay, "carol").await;
    carol.room = channel("another");
    carol.act(ChannelAction::Enter);
    alice.event().await;
    assert!(matches!(carol.event().await, ChannelEvent::Entered { .. }));

    alice.send(*b"to the room");
    let expected = (member("alice"), b"to the room".to_vec());
    assert_eq!(alice.packet().await, expected);
    assert_eq!(bob.packet().await, expected);
    // Carol hears her own packet first: nothing of the other channel came before it.
    carol.send(*b"alone");
    assert_eq!(carol.packet().await, (member("carol"), b"alone".to_vec()));

    let stats = relay.stats();
    assert_eq!((stats.packets_in, stats.packets_out), (2, 3));
    assert_eq!((stats.bytes_in, stats.bytes_out), (16, 27));
    assert_eq!((stats.connections, stats.connections_accepted), (3, 3));
    let stats = alice.client.stats();
    assert_eq!((stats.packets_sent, stats.bytes_sent), (1, 11));
    assert_eq!((stats.packets_received, stats.bytes_received), (1, 11));
}

#[tokio::test]
async fn invitations_reach_whoever_is_connected_and_not_in() {
    let relay = relay().await;
    let mut alice = Peer::entered(&relay, "alice").await;
    let mut bob = Peer::connect(&relay, "bob").await;
    alice.act(ChannelAction::Invite {
        member: member("bob"),
    });
    let by = member("alice");
    let invited = ClientEvent::Invited {
        channel: channel("room"),
        by,
    };
    assert_eq!(bob.next().await, invited);

    let refused = |refusal| ClientEvent::Refused {
        channel: channel("room"),
        refusal,
    };
    alice.act(ChannelAction::Invite {
        member: member("nobody"),
    });
    assert_eq!(alice.next().await, refused(Refusal::NotConnected));
    alice.act(ChannelAction::Invite {
        member: member("alice"),
    });
    assert_eq!(alice.next().await, refused(Refusal::AlreadyMember));
    alice.act(ChannelAction::Kick {
        member: member("bob"),
    });
    let gone = ChannelEvent::MemberLeft {
        member: member("bob"),
    };
    assert_eq!(
        alice.event().await,
        gone,
        "whoever took bob for being here learns it"
    );
    assert_eq!(alice.next().await, refused(Refusal::NotMember));
    alice.act(ChannelAction::Enter);
    assert_eq!(alice.next().await, refused(Refusal::AlreadyIn));
    // Who is not in may do nothing there.
    bob.send(*b"x");
    assert_eq!(bob.next().await, refused(Refusal::NotIn));
    bob.act(ChannelAction::Invite {
        member: member("alice"),
    });
    assert_eq!(bob.next().await, refused(Refusal::NotIn));
    bob.act(ChannelAction::Kick {
        member: member("alice"),
    });
    assert_eq!(bob.next().await, refused(Refusal::NotIn));
    bob.act(ChannelAction::Leave);
    assert_eq!(bob.next().await, refused(Refusal::NotIn));
    // And nothing of it reached alice.
    alice.send(*b"y");
    assert_eq!(alice.packet().await.1, b"y");
}

#[tokio::test]
async fn actions_are_acted_upon_in_the_order_asked() {
    let relay = relay().await;
    let mut alice = Peer::connect(&relay, "alice").await;
    for round in 0..20_u8 {
        alice.act(ChannelAction::Enter);
        alice.send([round]);
        alice.act(ChannelAction::Leave);
    }
    for round in 0..20 {
        let members = set("alice");
        assert_eq!(alice.event().await, ChannelEvent::Entered { members });
        assert_eq!(alice.packet().await, (member("alice"), vec![round]));
        assert_eq!(alice.event().await, ChannelEvent::Left);
    }
}

/// What one member saw, from where the last of them had entered.
async fn log(peer: &mut Peer, events: usize) -> Vec<ChannelEvent> {
    let mut log = Vec::new();
    while log.len() < events {
        log.push(peer.event().await);
    }
    log
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everyone_sees_one_total_order_of_packets_enters_and_leaves() {
    const SENDERS: usize = 5;
    const PACKETS: usize = 200;
    const VISITS: usize = 30;
    let relay = relay().await;
    let mut peers = Vec::new();
    for i in 0..SENDERS {
        peers.push(Peer::entered(&relay, [b'a' + i as u8]).await);
    }
    for (i, peer) in peers.iter_mut().enumerate() {
        for _ in i + 1..SENDERS {
            assert!(matches!(peer.event().await, ChannelEvent::MemberEntered { .. }));
        }
    }
    let visitor = Peer::connect(&relay, "visitor").await;
    let visits = tokio::spawn(async move {
        let mut visitor = visitor;
        for _ in 0..VISITS {
            visitor.act(ChannelAction::Enter);
            while !matches!(visitor.event().await, ChannelEvent::Entered { .. }) {}
            visitor.act(ChannelAction::Leave);
            while visitor.event().await != ChannelEvent::Left {}
        }
    });
    let runs: Vec<_> = peers
        .into_iter()
        .map(|mut peer| {
            tokio::spawn(async move {
                let mut log = Vec::new();
                for n in 0..PACKETS {
                    peer.send(n.to_le_bytes());
                    if n % 3 == 0 {
                        log.push(peer.event().await);
                    }
                }
                let rest = SENDERS * PACKETS + 2 * VISITS - log.len();
                log.extend(self::log(&mut peer, rest).await);
                log
            })
        })
        .collect();
    visits.await.unwrap();
    let mut logs = Vec::new();
    for run in runs {
        logs.push(run.await.unwrap());
    }
    for log in &logs[1..] {
        assert!(*log == logs[0], "two members saw different orders");
    }
    // Each sender's packets are in its own order.
    for i in 0..SENDERS {
        let own = logs[0].iter().filter_map(|event| match event {
            ChannelEvent::Packet { from, bytes } if *from == member([b'a' + i as u8]) => Some(bytes.clone()),
            _ => None,
        });
        assert!(own.eq((0..PACKETS).map(|n| n.to_le_bytes().to_vec())));
    }
}

#[tokio::test]
async fn one_client_may_be_in_several_channels() {
    let relay = relay().await;
    let mut alice = Peer::entered(&relay, "alice").await;
    let other = channel("other");
    alice.client.act(&other, ChannelAction::Enter).unwrap();
    assert!(matches!(alice.next().await, ClientEvent::Channel { channel, .. } if channel == other));
    alice
        .client
        .act(&other, ChannelAction::Send { bytes: vec![1] })
        .unwrap();
    assert!(matches!(alice.next().await, ClientEvent::Channel { channel, .. } if channel == other));
    alice.send([2]);
    assert_eq!(alice.packet().await.1, [2]);
}

#[tokio::test]
async fn a_name_belongs_to_the_first_who_comes() {
    let relay = relay().await;
    let mut alice = Peer::entered(&relay, "alice").await;
    let config = concilium_relay::ClientConfig::new(url(relay.local_addr()), member("alice"));
    let error = RelayClient::connect(config.clone()).await.unwrap_err();
    let taken = Disconnect::Closed(CloseReason::NameTaken);
    assert!(
        matches!(&error, ConnectError::Failed(reason) if *reason == taken),
        "{error:?}"
    );
    assert!(error.to_string().contains("name"), "{error}");
    alice.send([1]);
    assert_eq!(alice.packet().await.1, [1], "the first is not disturbed");
    alice.client.close().await;
    RelayClient::connect(config).await.unwrap();
}

#[tokio::test]
async fn the_holder_of_the_token_takes_its_own_place_at_once() {
    let relay = relay().await;
    let mut bob = Peer::entered(&relay, "bob").await;
    let addr = relay.local_addr();
    let mut first = Raw::hello(addr, "alice", 7).await;
    first.say(named(1, "room")).await;
    first.hear().await.unwrap();
    assert_eq!(
        bob.event().await,
        ChannelEvent::MemberEntered {
            member: member("alice")
        }
    );

    let mut thief = Raw::open(addr).await;
    thief.say(hello(concilium_relay::PROTOCOL, "alice", 8)).await;
    assert_eq!(thief.closed().await, Some(CloseReason::NameTaken));

    let mut second = Raw::hello(addr, "alice", 7).await;
    assert_eq!(first.closed().await, Some(CloseReason::Displaced));
    // The successor is in no channel until it enters; the others saw the leave.
    assert_eq!(
        bob.event().await,
        ChannelEvent::MemberLeft {
            member: member("alice")
        }
    );
    second.say(named(1, "room")).await;
    assert_eq!(
        bob.event().await,
        ChannelEvent::MemberEntered {
            member: member("alice")
        }
    );
    // The end of the first connection's task does not take the second one's seat.
    drop(first);
    bob.act(ChannelAction::Kick {
        member: member("alice"),
    });
    assert_eq!(
        bob.event().await,
        ChannelEvent::MemberLeft {
            member: member("alice")
        }
    );
}

#[test]
fn a48_names_of_members_and_channels_and_packets_travel_exactly() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let relay = runtime.block_on(relay());
    let odd: Vec<Vec<u8>> = vec![
        b"a\nb\r\n".to_vec(),
        b"__proto__".to_vec(),
        vec![0xff; 255],
        b"\0".to_vec(),
        b"/../?#%00:@".to_vec(),
        "\u{202e}\u{1f600}".as_bytes().to_vec(),
    ];
    let round_trip = |name: &[u8], other: &[u8], packet: &[u8]| {
        runtime.block_on(async {
            let mut alice = Peer::connect(&relay, name).await;
            let mut bob = Peer::connect(&relay, other).await;
            (alice.room, bob.room) = (channel(other), channel(other));
            alice.act(ChannelAction::Enter);
            let members = concilium_core::MemberSet::of(member(name));
            assert_eq!(alice.event().await, ChannelEvent::Entered { members });
            bob.act(ChannelAction::Enter);
            let members = [member(name), member(other)].into_iter().collect();
            assert_eq!(bob.event().await, ChannelEvent::Entered { members });
            assert_eq!(
                alice.event().await,
                ChannelEvent::MemberEntered {
                    member: member(other)
                }
            );
            alice.send(packet);
            let expected = (member(name), packet.to_vec());
            assert_eq!(alice.packet().await, expected);
            assert_eq!(bob.packet().await, expected);
            alice.act(ChannelAction::Kick {
                member: member(other),
            });
            assert_eq!(bob.event().await, ChannelEvent::Left);
            alice.act(ChannelAction::Invite {
                member: member(other),
            });
            let invited = ClientEvent::Invited {
                channel: channel(other),
                by: member(name),
            };
            assert_eq!(bob.next().await, invited);
            alice.client.close().await;
            bob.client.close().await;
        });
    };
    for name in &odd {
        round_trip(name, b"other", name);
        round_trip(b"other", name, b"");
    }
    let names = || proptest::collection::vec(any::<u8>(), 1..=255);
    let config = ProptestConfig {
        cases: 30,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(a in names(), b in names())| {
        prop_assume!(a != b);
        round_trip(&a, &b, &a);
    });
}
