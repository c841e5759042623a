//! Connections break, and clients come back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use concilium_core::channel::{ChannelAction, ChannelEvent};
use concilium_relay::{
    ActionError, Backoff, ClientConfig, ClientEvent, CloseReason, Disconnect, Relay, RelayClient, RelayConfig,
};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::support::*;

fn config(addr: SocketAddr, name: &str) -> ClientConfig {
    let mut config = ClientConfig::new(url(addr), member(name));
    config.reconnect = Some(Backoff {
        initial: Duration::from_millis(20),
        max: Duration::from_millis(200),
    });
    config
}

async fn again(addr: SocketAddr) -> Relay {
    Relay::bind(addr, RelayConfig::default()).await.unwrap()
}

/// Waits until connected again: why it was not at first, if that was still to be told.
async fn reconnected(peer: &mut Peer) -> Option<Disconnect> {
    let mut first = None;
    loop {
        match peer.next().await {
            ClientEvent::Disconnected { reason, retry_in } => {
                assert!(retry_in.unwrap() <= Duration::from_millis(200));
                first.get_or_insert(reason);
            }
            ClientEvent::Connected => return first,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_client_comes_back_after_the_relay_was_restarted_on_its_port() {
    let relay = relay().await;
    let addr = relay.local_addr();
    let mut alice = Peer::with(config(addr, "alice")).await;
    alice.act(ChannelAction::Enter);
    assert!(matches!(alice.event().await, ChannelEvent::Entered { .. }));
    relay.shutdown().await;
    // T-3: out at once, before anything else.
    assert_eq!(alice.event().await, ChannelEvent::Left);
    // A while without any relay: attempts fail and say so.
    for expected in [true, false] {
        match alice.next().await {
            ClientEvent::Disconnected {
                reason,
                retry_in: Some(_),
            } => {
                assert_eq!(
                    reason == Disconnect::Closed(CloseReason::Shutdown),
                    expected,
                    "{reason:?}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
    let relay = again(addr).await;
    reconnected(&mut alice).await;
    // It is in no channel until the driver enters.
    alice.act(ChannelAction::Enter);
    let members = set("alice");
    assert_eq!(alice.event().await, ChannelEvent::Entered { members });
    alice.send([1]);
    assert_eq!(alice.packet().await.1, [1]);
    assert_eq!(alice.client.stats().connections, 2);
    assert_eq!(relay.stats().packets_in, 1);
}

/// Passes bytes on to a relay. Told to, it drops the connection towards the client, while the relay hears
/// nothing of that and keeps its end.
async fn proxy(relay: SocketAddr) -> (SocketAddr, Arc<Notify>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let cut = Arc::new(Notify::new());
    let told = Arc::clone(&cut);
    tokio::spawn(async move {
        let mut kept = Vec::new();
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut server = TcpStream::connect(relay).await.unwrap();
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                () = told.notified() => {}
            }
            kept.push(server);
        }
    });
    (addr, cut)
}

#[tokio::test]
async fn a_client_displaces_its_dead_predecessor_and_nothing_of_the_past_arrives_later() {
    let relay = relay().await;
    let mut bob = Peer::entered(&relay, "bob").await;
    let (addr, cut) = proxy(relay.local_addr()).await;
    let mut config = config(addr, "alice");
    config.reenter = true;
    let mut alice = Peer::with(config).await;
    alice.act(ChannelAction::Enter);
    assert!(matches!(alice.event().await, ChannelEvent::Entered { .. }));
    let entered = ChannelEvent::MemberEntered {
        member: member("alice"),
    };
    let left = ChannelEvent::MemberLeft {
        member: member("alice"),
    };
    assert_eq!(bob.event().await, entered);

    cut.notify_one();
    // Long before the relay could notice by silence.
    assert_eq!(bob.event().await, left);
    assert_eq!(bob.event().await, entered);
    // The client is connected and in again, but its driver has not heard of it: what it asks for now belongs
    // to the stay that is over.
    let stale = ChannelAction::Send {
        bytes: b"of the past".to_vec(),
    };
    assert_eq!(
        alice.client.act(&alice.room, stale.clone()),
        Err(ActionError::Disconnected)
    );
    assert_eq!(alice.event().await, ChannelEvent::Left);
    assert_eq!(
        alice.client.act(&alice.room, stale.clone()),
        Err(ActionError::Disconnected)
    );
    let reason = reconnected(&mut alice).await;
    assert!(matches!(reason, Some(Disconnect::Lost(_))), "{reason:?}");
    let members = set("alice bob");
    assert_eq!(alice.event().await, ChannelEvent::Entered { members });
    alice.send(*b"of the present");
    assert_eq!(bob.packet().await.1, b"of the present");
}

#[tokio::test]
async fn what_was_queued_for_a_connection_ends_with_it() {
    let relay = relay().await;
    let mut bob = Peer::entered(&relay, "bob").await;
    let (addr, cut) = proxy(relay.local_addr()).await;
    let mut config = config(addr, "alice");
    config.reenter = true;
    let mut alice = Peer::with(config).await;
    alice.act(ChannelAction::Enter);
    assert!(matches!(alice.event().await, ChannelEvent::Entered { .. }));
    assert!(matches!(bob.event().await, ChannelEvent::MemberEntered { .. }));
    // One thread: nothing of this is written before we wait, and the cut may come first.
    for n in 0..100_u8 {
        alice.send([n]);
    }
    cut.notify_one();
    let mut stays = 0;
    let mut after = Vec::new();
    while stays == 0 || after.last() != Some(&b"new".to_vec()) {
        tokio::select! {
            event = bob.event() => match event {
                ChannelEvent::MemberEntered { .. } => stays += 1,
                ChannelEvent::Packet { bytes, .. } if stays > 0 => after.push(bytes),
                _ => {}
            },
            event = alice.next() => {
                if matches!(event, ClientEvent::Channel { event: ChannelEvent::Entered { .. }, .. }) {
                    alice.send(*b"new");
                }
            }
        }
    }
    assert_eq!(after, [b"new".to_vec()]);
}

#[tokio::test]
async fn a_channel_that_we_left_is_not_entered_again() {
    let relay = relay().await;
    let addr = relay.local_addr();
    let mut config = config(addr, "alice");
    config.reenter = true;
    let mut alice = Peer::with(config).await;
    alice.act(ChannelAction::Enter);
    alice.client.act(&channel("other"), ChannelAction::Enter).unwrap();
    alice.act(ChannelAction::Leave);
    while alice.next().await
        != (ClientEvent::Channel {
            channel: channel("room"),
            event: ChannelEvent::Left,
        })
    {}
    relay.shutdown().await;
    let other = |event| ClientEvent::Channel {
        channel: channel("other"),
        event,
    };
    assert_eq!(alice.next().await, other(ChannelEvent::Left));
    let _relay = again(addr).await;
    reconnected(&mut alice).await;
    let members = set("alice");
    assert_eq!(alice.next().await, other(ChannelEvent::Entered { members }));
    // An answer to something later comes next: nothing else was entered.
    alice.send([1]);
    assert!(matches!(alice.next().await, ClientEvent::Refused { .. }));
}

#[tokio::test]
async fn a_client_that_must_not_reconnect_ends() {
    let relay = relay().await;
    let mut config = config(relay.local_addr(), "alice");
    config.reconnect = None;
    let mut alice = Peer::with(config).await;
    alice.act(ChannelAction::Enter);
    assert!(matches!(alice.event().await, ChannelEvent::Entered { .. }));
    relay.shutdown().await;
    assert_eq!(alice.event().await, ChannelEvent::Left);
    let reason = Disconnect::Closed(CloseReason::Shutdown);
    assert_eq!(
        alice.next().await,
        ClientEvent::Disconnected {
            reason,
            retry_in: None
        }
    );
    assert_eq!(timeout(PATIENCE, alice.client.next()).await.unwrap(), None);
}

#[tokio::test]
async fn closing_writes_what_was_asked_for_and_ends_a_client_in_any_state() {
    let relay = relay().await;
    let mut bob = Peer::entered(&relay, "bob").await;
    let alice = Peer::connect(&relay, "alice").await;
    alice.act(ChannelAction::Enter);
    alice.send(*b"last words");
    alice.client.close().await;
    assert!(matches!(bob.event().await, ChannelEvent::MemberEntered { .. }));
    assert_eq!(bob.packet().await.1, b"last words");
    assert!(matches!(bob.event().await, ChannelEvent::MemberLeft { .. }));

    // Dropping does the same.
    let alice = Peer::connect(&relay, "alice").await;
    alice.act(ChannelAction::Enter);
    alice.send(*b"last words");
    drop(alice);
    assert!(matches!(bob.event().await, ChannelEvent::MemberEntered { .. }));
    assert_eq!(bob.packet().await.1, b"last words");
    assert!(matches!(bob.event().await, ChannelEvent::MemberLeft { .. }));

    // While it waits to connect again: at once, not when the wait is over.
    let mut config = config(relay.local_addr(), "carol");
    let hour = Duration::from_secs(3600);
    config.reconnect = Some(Backoff {
        initial: hour,
        max: hour,
    });
    let mut carol = Peer::with(config).await;
    relay.shutdown().await;
    assert!(matches!(carol.next().await, ClientEvent::Disconnected { .. }));
    let start = tokio::time::Instant::now();
    carol.client.close().await;
    assert!(start.elapsed() < Duration::from_secs(4));
}

/// A relay of our making: it accepts one WebSocket and hands it over after the hello.
async fn impostor() -> (
    SocketAddr,
    tokio::task::JoinHandle<tokio_tungstenite::WebSocketStream<TcpStream>>,
) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let accepted = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        assert!(matches!(socket.next().await, Some(Ok(Message::Binary(_)))));
        socket
    });
    (addr, accepted)
}

const WELCOME: &[u8] = &[0, 100];

#[tokio::test]
async fn a_relay_that_falls_silent_counts_as_lost() {
    let (addr, accepted) = impostor().await;
    let mut config = config(addr, "alice");
    config.reconnect = None;
    config.ping_interval = Duration::from_millis(50);
    config.silence_timeout = Duration::from_millis(300);
    let connecting = tokio::spawn(Peer::with(config));
    let mut socket = accepted.await.unwrap();
    socket
        .send(Message::Binary(Bytes::from_static(WELCOME)))
        .await
        .unwrap();
    let mut alice = connecting.await.unwrap();
    let reason = Disconnect::Timeout;
    assert_eq!(
        alice.next().await,
        ClientEvent::Disconnected {
            reason,
            retry_in: None
        }
    );
}

#[tokio::test]
async fn a41_a_relay_that_says_what_nobody_asked_for_is_not_believed() {
    let (addr, accepted) = impostor().await;
    let mut config = config(addr, "alice");
    config.reconnect = None;
    let connecting = tokio::spawn(Peer::with(config));
    let mut socket = accepted.await.unwrap();
    let entered = {
        let mut bytes = named(1, "room");
        bytes.extend([1, 5]);
        bytes.extend(b"alice");
        bytes
    };
    let packet = |byte| {
        let mut bytes = named(5, "room");
        bytes.extend([1, b'x', 1, byte]);
        bytes
    };
    let says = [
        WELCOME.to_vec(),
        WELCOME.to_vec(),
        packet(1),
        entered.clone(),
        named(2, "room"),
        vec![200, 1, 2, 3],
        vec![8, 99],
    ];
    for bytes in says {
        socket.send(Message::Binary(bytes.into())).await.unwrap();
    }
    let mut alice = connecting.await.unwrap();
    // A second welcome, a packet, an enter, a leave, and two of kinds that are not for us to know.
    timeout(PATIENCE, async {
        while alice.client.stats().skipped < 6 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("all of it is read and skipped");
    alice.act(ChannelAction::Enter);
    assert!(matches!(socket.next().await, Some(Ok(Message::Binary(_)))));
    for bytes in [entered.clone(), entered, packet(2), vec![1, 2, 3]] {
        socket.send(Message::Binary(bytes.into())).await.unwrap();
    }
    // Of all that, only what followed upon our wish to enter: once, and the packet after it.
    let members = set("alice");
    assert_eq!(alice.event().await, ChannelEvent::Entered { members });
    assert_eq!(alice.packet().await, (member("x"), vec![2]));
    // Garbage ends the connection.
    assert_eq!(alice.event().await, ChannelEvent::Left);
    let end = alice.next().await;
    let ClientEvent::Disconnected {
        reason: Disconnect::NotRelay(_),
        retry_in: None,
    } = end
    else {
        panic!("{end:?}")
    };
    assert_eq!(alice.client.stats().skipped, 7, "and the second enter");
    let close = loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Close(frame) => break frame.unwrap(),
            _ => continue,
        }
    };
    assert_eq!(CloseReason::from_code(close.code.into()), CloseReason::Malformed);
}

#[tokio::test]
async fn whatever_is_no_relay_is_named_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                use tokio::io::{AsyncReadExt, AsyncWriteExt};
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(b"220 mail.example.org ESMTP\r\n\r\n").await;
            });
        }
    });
    let error = RelayClient::connect(config(addr, "alice")).await.unwrap_err();
    assert!(error.to_string().contains("does not speak"), "{error}");
    drop(error);

    // Nobody there at all.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let error = RelayClient::connect(config(addr, "alice")).await.unwrap_err();
    assert!(error.to_string().contains("failed"), "{error}");

    // Somebody who never answers.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config(listener.local_addr().unwrap(), "alice");
    config.connect_timeout = Duration::from_millis(200);
    let error = RelayClient::connect(config).await.unwrap_err();
    assert!(error.to_string().contains("in time"), "{error}");
}
