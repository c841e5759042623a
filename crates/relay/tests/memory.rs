//! A-37, measured: alone in its process, because it looks at the memory of all of it.
#![cfg(target_os = "linux")]

use concilium_relay::{MAX_PACKET_BYTES, PROTOCOL, Relay, RelayConfig};
use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Bytes, Message};

#[cfg(test)]
/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

#[tokio::test]
async fn a37_announced_lengths_cost_no_memory_until_the_bytes_are_there() {
    const CONNECTIONS: usize = 200;
    let relay = Relay::bind("127.0.0.1:0", RelayConfig::default()).await.unwrap();
    let mut open = Vec::new();
    for n in 0..CONNECTIONS {
        let stream = TcpStream::connect(relay.local_addr()).await.unwrap();
        let url = format!("ws://{}", relay.local_addr());
        let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        let mut hello = vec![0, PROTOCOL, 2];
        hello.extend((n as u16).to_be_bytes());
        hello.extend([1; 16]);
        socket.send(Message::Binary(Bytes::from(hello))).await.unwrap();
        assert!(matches!(socket.next().await, Some(Ok(Message::Binary(_)))));
        open.push(socket);
    }
    let before = resident();
    for socket in &mut open {
        // The header of a frame as long as is allowed, and one byte of it.
        let mut header = vec![0x82, 0xff];
        header.extend((MAX_PACKET_BYTES as u64).to_be_bytes());
        header.extend([0; 5]);
        socket.get_mut().write_all(&header).await.unwrap();
        // A ping would wait behind the frame; let the relay read the header.
        tokio::task::yield_now().await;
    }
    // Whoever comes later is served after all the headers were read: the runtime has one thread.
    for _ in 0..CONNECTIONS {
        tokio::task::yield_now().await;
    }
    let stream = TcpStream::connect(relay.local_addr()).await.unwrap();
    let url = format!("ws://{}", relay.local_addr());
    let _ = tokio_tungstenite::client_async(url, stream).await.unwrap();
    let grown = resident().saturating_sub(before);
    assert_eq!(
        relay.stats().connections as usize,
        CONNECTIONS + 1,
        "all are open still"
    );
    // Announced are 100 MiB. A buffer of 16 KiB for each would be 3 MiB.
    assert!(
        grown < 20 * 1024 * 1024,
        "{grown} bytes for {CONNECTIONS} headers"
    );
}
