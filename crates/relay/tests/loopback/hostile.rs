//! What the relay does about clients that do not keep to the protocol.

use concilium_core::channel::ChannelEvent;
use concilium_relay::{CloseReason, PROTOCOL};
use futures_util::SinkExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::support::*;

/// Numbers that look random and are the same in every run.
fn scramble(n: u64) -> u64 {
    let mut x = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[tokio::test]
async fn a40_whoever_breaks_the_protocol_is_closed_with_the_reason() {
    let relay = relay().await;
    let addr = relay.local_addr();
    let cases: [(&[&[u8]], CloseReason); 9] = [
        (&[&[]], CloseReason::Malformed),
        (&[b"garbage"], CloseReason::Malformed),
        // To enter, before any hello.
        (&[&[1, 1, b'x']], CloseReason::Malformed),
        (&[&hello(PROTOCOL + 1, "x", 1)], CloseReason::Protocol),
        // A hello of another version that looks different otherwise.
        (&[&[0, 77, 255]], CloseReason::Protocol),
        // An empty name, and bytes after a hello.
        (&[&hello(PROTOCOL, "", 1)], CloseReason::Malformed),
        (
            &[&[hello(PROTOCOL, "x", 1), vec![0]].concat()],
            CloseReason::Malformed,
        ),
        // Two hellos.
        (
            &[&hello(PROTOCOL, "x", 1), &hello(PROTOCOL, "x", 1)],
            CloseReason::Malformed,
        ),
        // A length that is not there.
        (
            &[
                &hello(PROTOCOL, "x", 1),
                &[3, 1, b'r', 253, 0, 0, 0, 0, 0, 0, 0, 128],
            ],
            CloseReason::Malformed,
        ),
    ];
    for (says, reason) in cases {
        let mut raw = Raw::open(addr).await;
        for bytes in says {
            raw.say(bytes.to_vec()).await;
        }
        assert_eq!(raw.closed().await, Some(reason), "{says:?}");
    }
    // Text, before and after the hello.
    let mut raw = Raw::open(addr).await;
    raw.0.send(Message::text("hello")).await.unwrap();
    assert_eq!(raw.closed().await, Some(CloseReason::Text));
    let mut raw = Raw::hello(addr, "x", 2).await;
    raw.0.send(Message::text("hello")).await.unwrap();
    assert_eq!(raw.closed().await, Some(CloseReason::Text));
    // A ping where the hello belongs.
    let mut raw = Raw::open(addr).await;
    raw.0.send(Message::Ping(Bytes::new())).await.unwrap();
    assert_eq!(raw.closed().await, Some(CloseReason::Malformed));
    // Nobody else noticed.
    let mut alice = Peer::entered(&relay, "alice").await;
    alice.send([1]);
    assert_eq!(alice.packet().await.1, [1]);
}

#[tokio::test]
async fn a40_frames_that_break_rfc_6455_end_the_connection() {
    let relay = relay().await;
    let frames: [(&[u8], CloseReason); 6] = [
        // Not masked.
        (&[0x82, 0x01, 0x00], CloseReason::WebSocket),
        // Reserved bits.
        (&[0xf2, 0x81, 0, 0, 0, 0, 0], CloseReason::WebSocket),
        // A reserved kind of frame.
        (&[0x83, 0x81, 0, 0, 0, 0, 0], CloseReason::WebSocket),
        // A continuation of nothing.
        (&[0x80, 0x81, 0, 0, 0, 0, 0], CloseReason::WebSocket),
        // Text that is not UTF-8.
        (&[0x81, 0x81, 0, 0, 0, 0, 0xff], CloseReason::WebSocket),
        // 2^62 bytes are announced; refused at the header, before any of them came.
        (
            &[0x82, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            CloseReason::TooLarge,
        ),
    ];
    for (frame, reason) in frames {
        let mut raw = Raw::hello(relay.local_addr(), "raw", 1).await;
        raw.0.get_mut().write_all(frame).await.unwrap();
        assert_eq!(raw.closed().await, Some(reason), "{frame:?}");
    }
}

#[tokio::test]
async fn a37_fragments_add_up_to_no_more_than_one_message() {
    let relay = relay_with(|config| config.max_packet_bytes = 10_000).await;
    let mut raw = Raw::hello(relay.local_addr(), "raw", 1).await;
    let mut first = true;
    // Never the last fragment. The relay may close while we still write.
    for _ in 0..100 {
        let opcode = if first { 0x02 } else { 0x00 };
        first = false;
        let mut frame = vec![opcode, 0xfe, 0x10, 0x00, 0, 0, 0, 0];
        frame.extend([0; 0x1000]);
        if raw.0.get_mut().write_all(&frame).await.is_err() {
            break;
        }
    }
    let reason = raw.closed().await;
    assert!(matches!(reason, Some(CloseReason::TooLarge) | None), "{reason:?}");
    let mut alice = Peer::entered(&relay, "raw").await;
    alice.send([1]);
    assert_eq!(alice.packet().await.1, [1], "the name is free again");
}

#[tokio::test]
async fn a41_unknown_kinds_are_skipped_and_reported_and_the_rest_goes_on() {
    let relay = relay().await;
    let mut raw = Raw::hello(relay.local_addr(), "raw", 1).await;
    raw.say(named(1, "room")).await;
    assert_eq!(raw.hear().await.unwrap()[0], 1, "entered");
    raw.say(vec![6, 1, 2, 3]).await;
    raw.say(vec![255]).await;
    let mut send = named(3, "room");
    send.extend([1, 9]);
    raw.say(send).await;
    assert_eq!(raw.hear().await.unwrap()[..], [8, 6]);
    assert_eq!(raw.hear().await.unwrap()[..], [8, 255]);
    let packet = raw.hear().await.unwrap();
    assert_eq!((packet[0], packet[packet.len() - 1]), (5, 9));
}

#[tokio::test]
async fn a40_no_garbage_disturbs_the_others() {
    let relay = relay_with(|config| config.handshake_timeout = std::time::Duration::from_secs(2)).await;
    let addr = relay.local_addr();
    let mut alice = Peer::entered(&relay, "alice").await;
    for n in 0..60_u64 {
        let bytes: Vec<u8> = (0..scramble(n) % 300)
            .map(|i| scramble(n << 32 | i) as u8)
            .collect();
        // As a TCP stream, as a first message, and after a hello, behind every known kind.
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let _ = stream.write_all(&bytes).await;
        Raw::open(addr).await.say(bytes.clone()).await;
        let mut raw = Raw::hello(addr, &format!("raw {n}"), 1).await;
        raw.say([&[(n % 7) as u8], bytes.as_slice()].concat()).await;
    }
    // HTTP that never ends its headers.
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let _ = stream.write_all(b"GET / HTTP/1.1\r\n").await;
    let _ = stream.write_all(&[b'x'; 100_000]).await;
    let end = timeout(PATIENCE, stream.read(&mut [0; 10]))
        .await
        .expect("closed in time");
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");

    alice.send([1]);
    let packet = ChannelEvent::Packet {
        from: member("alice"),
        bytes: vec![1],
    };
    assert_eq!(alice.event().await, packet, "nobody entered, nothing was sent");
    drop(alice);
    timeout(PATIENCE, async {
        while relay.stats().connections > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("every connection is gone");
}
