//! nothing that a session prints, logs or tells of its errors holds a secret or what people say.
//!
//! One test, because the log of the whole process is caught.

mod common;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use common::{Talk as _, id, set, trio};
use concilium_core::channel::ChannelEvent;
use concilium_core::{Change, MemberId};
use concilium_testkit::network::{Happening, Network};
use tracing_subscriber::fmt::MakeWriter;

/// Catches what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

const SAID: &str = "the tea is served at five";

fn everyone() -> [MemberId; 3] {
    ["alice", "bob", "carol"].map(id)
}

/// Adds everything that can be printed of what has happened up to now.
fn print_all<G, E>(net: &mut Network<G, E>, printed: &mut String, snapshots: &mut Vec<Vec<u8>>)
where
    G: concilium_gka::GroupKeyAgreement + Debug,
    E: concilium_encryptor::MessageEncryptor + Debug,
{
    for record in net.take_records() {
        // Actions and deliveries show packets, which everybody may see.
        if let Happening::Told { event, .. } = &record.what {
            *printed += &format!("{event:?} {event:#?} ");
        }
    }
    for who in everyone() {
        let Ok(session) = net.session(&who) else { continue };
        *printed += &format!("{session:?} {session:#?} ");
        for warning in session.warnings().iter() {
            *printed += &format!("{warning} {warning:?} ");
        }
        for message in session.messages() {
            *printed += &format!("{message:?} {message:#?} ");
        }
        snapshots.push(session.snapshot().to_vec());
    }
}

#[test]
fn a21_nothing_that_a_session_prints_holds_a_secret_or_what_people_say() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let mut net = trio(21);
    let (mut printed, mut snapshots) = (String::new(), Vec::new());
    net.talk("alice", SAID);
    print_all(&mut net, &mut printed, &mut snapshots);
    net.run(Duration::from_secs(60)).unwrap();
    let bob = id("bob");
    net.command(&bob, |session, cx| session.change(Change::refresh(), cx))
        .unwrap()
        .unwrap();
    print_all(&mut net, &mut printed, &mut snapshots);
    while net.deliver_next().unwrap() {
        print_all(&mut net, &mut printed, &mut snapshots);
    }
    // Errors, of those who ask too much and of those who send what does not open.
    let error = net
        .command(&bob, |session, cx| {
            session.change(Change::include(set("alice")), cx)
        })
        .unwrap()
        .unwrap_err();
    printed += &format!("{error} {error:?} ");
    let packets = net.channel().packets().to_vec();
    for packet in &packets {
        let mut bytes = packet.bytes.clone();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        let event = ChannelEvent::Packet {
            from: packet.from.clone(),
            bytes,
        };
        net.command(&bob, |session, cx| session.handle(event, cx))
            .unwrap();
    }
    net.command(&bob, |session, cx| {
        session.change(Change::exclude(set("carol")), cx)
    })
    .unwrap()
    .unwrap();
    net.settle().unwrap();
    net.talk("bob", SAID);
    net.settle().unwrap();
    print_all(&mut net, &mut printed, &mut snapshots);
    let error = net.copy(&bob, &snapshots[0][..40]).map(|_| ()).unwrap_err();
    printed += &format!("{error} {error:?}");

    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("Message"), "the log is caught:\n{logged}");
    assert!(printed.contains("FullyAcked"), "events are printed");
    let printed: String = (printed + &logged)
        .split_whitespace()
        .collect::<String>()
        .to_lowercase();

    // A snapshot holds every secret. What is in it and was on the channel as well is none; ids are printed
    // with four bytes at most.
    let public: BTreeSet<&[u8]> = packets
        .iter()
        .flat_map(|packet| packet.bytes.windows(6))
        .collect();
    let mut searched = BTreeSet::new();
    for window in snapshots.iter().flat_map(|bytes| bytes.windows(6)) {
        let readable = window
            .iter()
            .all(|byte| *byte == 0 || byte.is_ascii_graphic() || *byte == b' ');
        if readable || public.contains(window) || !searched.insert(window) {
            continue;
        }
        let hex = window
            .iter()
            .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        let list: Vec<String> = window.iter().map(u8::to_string).collect();
        assert!(!printed.contains(&hex), "{hex} is printed");
        assert!(
            !printed.contains(&format!("[{}", list.join(","))),
            "{hex} is printed as a list"
        );
        assert!(
            !printed.contains(&format!(",{},", list.join(","))),
            "{hex} is printed as a list"
        );
    }
    assert!(
        searched.len() > 1000,
        "{} pieces were searched for",
        searched.len()
    );
    let said: Vec<String> = SAID.bytes().map(|byte| byte.to_string()).collect();
    let said = [SAID.replace(' ', ""), said.join(",")];
    for said in said {
        assert!(!printed.contains(&said), "what people say is printed: {said}");
    }
}
