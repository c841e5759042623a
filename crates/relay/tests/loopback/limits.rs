//! Every limit of the relay is reached once, and what happens then is seen.

use std::time::Duration;

use concilium_core::channel::{ChannelAction, ChannelEvent};
use concilium_relay::{
    ActionError, ClientConfig, ClientEvent, CloseReason, ConnectError, Disconnect, QueueLimit, Rate, Refusal,
    Relay, RelayClient, RelayConfig,
};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::support::*;

const PLENTY: Rate = Rate::new(u32::MAX, u32::MAX);

fn refused(room: &str, refusal: Refusal) -> ClientEvent {
    let channel = channel(room);
    ClientEvent::Refused { channel, refusal }
}

#[tokio::test]
async fn packets_up_to_the_size_limit_pass_and_longer_ones_do_not() {
    let relay = relay_with(|config| config.max_packet_bytes = 1000).await;
    let mut alice = Peer::entered(&relay, "alice").await;
    alice.send([5; 1000]);
    assert_eq!(alice.packet().await.1, [5; 1000]);
    let bytes = vec![5; 1001];
    let error = alice
        .client
        .act(&alice.room, ChannelAction::Send { bytes })
        .unwrap_err();
    assert_eq!(
        error,
        ActionError::PacketTooLarge {
            len: 1001,
            limit: 1000
        }
    );
    alice.send([6]);
    assert_eq!(alice.packet().await.1, [6], "nothing was lost by that");

    // A client that does not care is closed: just over the limit, and far over it.
    for len in [1001_u16, 60_000] {
        let mut raw = Raw::hello(relay.local_addr(), "raw", 1).await;
        let mut send = named(3, "room");
        send.push(251);
        send.extend(len.to_le_bytes());
        send.extend(vec![0; usize::from(len)]);
        raw.say(send).await;
        assert_eq!(raw.closed().await, Some(CloseReason::TooLarge), "{len}");
    }
}

#[tokio::test]
async fn the_longest_packet_by_default_passes() {
    let relay = relay().await;
    let mut alice = Peer::entered(&relay, vec![b'a'; 255]).await;
    let packet = vec![7; concilium_relay::MAX_PACKET_BYTES];
    alice.send(packet.clone());
    assert!(alice.packet().await.1 == packet);
}

#[tokio::test]
async fn the_numbers_of_channels_and_members_are_limited() {
    let relay = relay_with(|config| {
        config.channels = 2;
        config.members_per_channel = 2;
        config.channels_per_connection = 1;
    })
    .await;
    let mut alice = Peer::entered(&relay, "alice").await;
    alice
        .client
        .act(&channel("second"), ChannelAction::Enter)
        .unwrap();
    assert_eq!(alice.next().await, refused("second", Refusal::TooManyOwnChannels));

    let _bob = Peer::entered(&relay, "bob").await;
    assert!(matches!(alice.event().await, ChannelEvent::MemberEntered { .. }));
    let mut carol = Peer::connect(&relay, "carol").await;
    carol.act(ChannelAction::Enter);
    assert_eq!(carol.next().await, refused("room", Refusal::ChannelFull));

    carol.room = channel("second");
    carol.act(ChannelAction::Enter);
    assert!(matches!(carol.event().await, ChannelEvent::Entered { .. }));
    let mut dave = Peer::connect(&relay, "dave").await;
    dave.room = channel("third");
    dave.act(ChannelAction::Enter);
    assert_eq!(dave.next().await, refused("third", Refusal::TooManyChannels));

    // An emptied channel makes room.
    carol.act(ChannelAction::Leave);
    assert_eq!(carol.event().await, ChannelEvent::Left);
    dave.act(ChannelAction::Enter);
    assert!(matches!(dave.event().await, ChannelEvent::Entered { .. }));
}

#[tokio::test]
async fn connections_over_the_limit_are_told_so_and_room_is_used_again() {
    let relay = relay_with(|config| config.connections = 1).await;
    let alice = Peer::connect(&relay, "alice").await;
    let config = ClientConfig::new(url(relay.local_addr()), member("bob"));
    let error = RelayClient::connect(config.clone()).await.unwrap_err();
    assert!(
        matches!(error, ConnectError::Failed(Disconnect::Busy)),
        "{error:?}"
    );
    assert_eq!(relay.stats().connections_refused, 1);
    alice.client.close().await;
    timeout(PATIENCE, async {
        while RelayClient::connect(config.clone()).await.is_err() {}
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a39_who_sends_too_fast_is_held_back() {
    let relay = relay_with(|config| config.message_rate = Rate::new(50, 2)).await;
    let start = Instant::now();
    let mut alice = Peer::entered(&relay, "alice").await;
    for n in 0..10 {
        alice.send([n]);
    }
    for n in 0..10 {
        assert_eq!(alice.packet().await.1, [n], "held back, not lost");
    }
    // Eleven messages, two of them at once, the others at fifty per second.
    assert!(start.elapsed() >= Duration::from_millis(9 * 20));
}

#[tokio::test]
async fn a39_who_does_so_for_too_long_is_cut_off_and_others_are_not() {
    let by_messages = |config: &mut RelayConfig| config.message_rate = Rate::new(20, 10);
    let by_bytes = |config: &mut RelayConfig| config.byte_rate = Rate::new(2000, 1000);
    for limit in [&by_messages as &dyn Fn(&mut RelayConfig), &by_bytes] {
        let relay = relay_with(|config| {
            limit(config);
            config.rate_patience = Duration::from_millis(200);
        })
        .await;
        let mut bob = Peer::entered(&relay, "bob").await;
        let mut raw = Raw::hello(relay.local_addr(), "flood", 1).await;
        raw.say(named(1, "room")).await;
        for _ in 0..30 {
            let mut send = named(3, "room");
            send.push(100);
            send.extend([0; 100]);
            raw.say(send).await;
        }
        assert_eq!(raw.closed().await, Some(CloseReason::TooFast));
        assert!(matches!(bob.event().await, ChannelEvent::MemberEntered { .. }));
        while bob.event().await
            != (ChannelEvent::MemberLeft {
                member: member("flood"),
            })
        {}
        bob.send([1]);
        assert_eq!(bob.packet().await.1, [1]);
        drop(raw);
        timeout(PATIENCE, async {
            while relay.stats().connections_cut == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a39_a_slow_reader_is_cut_off_while_the_others_go_on() {
    const PACKET: usize = 32 * 1024;
    let relay = relay_with(|config| {
        config.message_rate = PLENTY;
        config.byte_rate = PLENTY;
        config.queue = QueueLimit::new(1000, 4 * PACKET);
    })
    .await;
    let mut alice = Peer::entered(&relay, "alice").await;
    let mut bob = Peer::entered(&relay, "bob").await;
    alice.event().await;
    let mut slow = Raw::hello(relay.local_addr(), "slow", 1).await;
    slow.say(named(1, "room")).await;
    let entered = ChannelEvent::MemberEntered {
        member: member("slow"),
    };
    assert_eq!(alice.event().await, entered);
    assert_eq!(bob.event().await, entered);

    // From here on it reads nothing. What the kernel buffers for it is some megabytes.
    let mut packets = 0_u32;
    'cut: loop {
        let mut packet = packets.to_le_bytes().to_vec();
        packet.resize(PACKET, 0);
        alice.send(packet.clone());
        packets += 1;
        assert!(packets < 4000, "128 MB unread, and it was not cut off");
        for peer in [&mut alice, &mut bob] {
            match peer.event().await {
                ChannelEvent::Packet { bytes, .. } => assert!(bytes == packet),
                // The news of it may come before or after the packet that was too much: in any case for both.
                ChannelEvent::MemberLeft { member: who } => {
                    assert_eq!(who, member("slow"));
                    break 'cut;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    // The others have missed nothing.
    alice.send(*b"end");
    for peer in [&mut alice, &mut bob] {
        loop {
            match peer.event().await {
                ChannelEvent::Packet { bytes, .. } if bytes == b"end" => break,
                ChannelEvent::Packet { .. } | ChannelEvent::MemberLeft { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
    // What it reads now is the past, and then the end.
    let reason = slow.closed().await;
    assert!(matches!(reason, None | Some(CloseReason::TooSlow)), "{reason:?}");
}

#[tokio::test]
async fn who_says_no_hello_in_time_is_closed() {
    let relay = relay_with(|config| config.handshake_timeout = Duration::from_millis(200)).await;
    let mut raw = Raw::open(relay.local_addr()).await;
    assert_eq!(raw.closed().await, Some(CloseReason::NoHello));
    // And so is who does not even speak HTTP.
    let mut mute = TcpStream::connect(relay.local_addr()).await.unwrap();
    let read = timeout(PATIENCE, mute.read(&mut [0; 9]))
        .await
        .expect("closed in time");
    assert!(matches!(read, Ok(0) | Err(_)));
}

#[tokio::test]
async fn who_answers_no_ping_is_closed_and_who_does_is_not() {
    let silence = Duration::from_millis(1500);
    let relay = relay_with(|config| {
        config.ping_interval = Duration::from_millis(100);
        config.silence_timeout = silence;
    })
    .await;
    // The client's own pings are too rare to keep it alive.
    let mut bob = Peer::entered(&relay, "bob").await;
    let mut raw = Raw::hello(relay.local_addr(), "mute", 1).await;
    raw.say(named(1, "room")).await;
    assert!(matches!(bob.event().await, ChannelEvent::MemberEntered { .. }));
    let start = Instant::now();
    // Nobody reads from `raw`, so nobody answers its pings.
    assert_eq!(
        bob.event().await,
        ChannelEvent::MemberLeft {
            member: member("mute")
        }
    );
    assert!(start.elapsed() > silence / 2);
    bob.send([1]);
    assert_eq!(bob.packet().await.1, [1]);
    assert_eq!(raw.closed().await, Some(CloseReason::Silent));
}

#[tokio::test]
async fn a_clients_queue_is_limited_and_says_so() {
    let relay = relay().await;
    let mut config = ClientConfig::new(url(relay.local_addr()), member("alice"));
    config.queue = QueueLimit::new(3, 10_000);
    // On this runtime of one thread the task behind the client runs only while we wait.
    let mut alice = Peer::with(config).await;
    for _ in 0..3 {
        alice.act(ChannelAction::Enter);
    }
    let full = alice.client.act(&alice.room, ChannelAction::Leave);
    assert_eq!(full, Err(ActionError::QueueFull));
    assert!(matches!(alice.event().await, ChannelEvent::Entered { .. }));
    let bytes = vec![0; 10_000];
    let full = alice.client.act(&alice.room, ChannelAction::Send { bytes });
    assert_eq!(full, Err(ActionError::QueueFull));
    alice.send([1]);
}

#[tokio::test]
async fn shutting_down_tells_everyone_and_ends_even_if_some_do_not_listen() {
    let relay = relay_with(|config| config.shutdown_timeout = Duration::from_secs(3)).await;
    let addr = relay.local_addr();
    let mut alice = Peer::entered(&relay, "alice").await;
    let mut raw = Raw::hello(addr, "raw", 1).await;
    let mut no_hello = Raw::open(addr).await;
    let _mute = TcpStream::connect(addr).await.unwrap();
    let start = Instant::now();
    timeout(PATIENCE, relay.shutdown()).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(alice.event().await, ChannelEvent::Left);
    let reason = Disconnect::Closed(CloseReason::Shutdown);
    assert!(matches!(alice.next().await, ClientEvent::Disconnected { reason: r, .. } if r == reason));
    assert_eq!(raw.closed().await, Some(CloseReason::Shutdown));
    assert_eq!(no_hello.closed().await, Some(CloseReason::Shutdown));
    assert!(TcpStream::connect(addr).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn dropping_the_relay_ends_it_at_once() {
    let relay = relay().await;
    let addr = relay.local_addr();
    let mut alice = Peer::entered(&relay, "alice").await;
    drop(relay);
    assert_eq!(alice.event().await, ChannelEvent::Left);
    timeout(PATIENCE, async {
        while TcpStream::connect(addr).await.is_ok() {}
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn nonsense_in_the_configuration_is_refused() {
    let mut config = RelayConfig::default();
    config.max_packet_bytes = usize::MAX;
    let error = Relay::bind("127.0.0.1:0", config).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}
