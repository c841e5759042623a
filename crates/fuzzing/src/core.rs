//! Every decoder of the lower crates.

use std::fmt::Debug;

use concilium_core::channel::{ChannelAction, ChannelEvent};
use concilium_core::keys::{Signature, SigningKey, SubsessionKeys, VerifyingKey};
use concilium_core::{Change, MemberId, MemberSet, SessionName, Time, packet, wire};
use concilium_encryptor::Content;
use concilium_gka::AssociatedData;
use concilium_server_order::{Initial, Record, Resolver};
use concilium_session::{Output, Settings};
use serde::{Deserialize, Serialize};

use super::Seed;

/// Reads the bytes as everything that can be read: names, member sets, changes, channel events, keys,
/// packets, and what the crates above keep. Whatever decodes encodes to the same bytes again, so nothing has
/// two encodings, and nothing is read that is longer than it says.
///
/// # Panics
/// Where a promise is broken.
pub fn core(data: &[u8]) {
    one_encoding::<MemberId>(data);
    one_encoding::<SessionName>(data);
    one_encoding::<MemberSet>(data);
    one_encoding::<Change>(data);
    one_encoding::<ChannelEvent>(data);
    one_encoding::<ChannelAction>(data);
    one_encoding::<Time>(data);
    one_encoding::<VerifyingKey>(data);
    one_encoding::<Signature>(data);
    one_encoding::<SigningKey>(data);
    one_encoding::<SubsessionKeys>(data);
    one_encoding::<AssociatedData>(data);
    one_encoding::<Content>(data);
    one_encoding::<Initial>(data);
    one_encoding::<Record>(data);
    one_encoding::<Resolver>(data);
    one_encoding::<Settings>(data);
    one_encoding::<Output>(data);
    changes(data);
    frames(data);
    names(data);
}

pub(super) fn one_encoding<T: Serialize + for<'de> Deserialize<'de> + Debug + PartialEq>(data: &[u8]) {
    let Ok(value) = wire::decode::<T>(data, data.len()) else {
        return;
    };
    let encoded = wire::encode(&value);
    assert_eq!(encoded, data, "{value:?} has two encodings");
    assert_eq!(
        *wire::encode_secret(&value),
        encoded,
        "with secrets or without, the same"
    );
    assert!(
        wire::decode::<T>(data, data.len() - 1).is_err(),
        "the limit is kept"
    );
    let longer = [data, &[0]].concat();
    assert!(
        wire::decode::<T>(&longer, longer.len()).is_err(),
        "nothing trails a value"
    );
}

fn changes(data: &[u8]) {
    let Ok((before, change)) = wire::decode::<(MemberSet, Change)>(data, data.len()) else {
        return;
    };
    if let Ok(after) = change.apply(&before) {
        assert_eq!(
            Change::between(&before, &after),
            change,
            "a change is what it does"
        );
        assert!(!after.is_empty());
    }
}

fn frames(data: &[u8]) {
    if let Ok((kind, body)) = packet::read(data) {
        assert_eq!(packet::frame(kind, body), data, "a frame has one form");
    }
}

fn names(data: &[u8]) {
    let (front, back) = data.split_at(data.len() / 2);
    let (Ok(front), Ok(back)) = (MemberId::new(front), MemberId::new(back)) else {
        return;
    };
    let (printed, other) = (front.to_string(), back.to_string());
    assert!(
        !printed.chars().any(char::is_control),
        "A-48: a name prints on one line"
    );
    assert_eq!(
        front == back,
        printed == other,
        "A-48: two names print differently"
    );
}

pub(super) fn seeds() -> Vec<Seed> {
    let set = |names: &[&str]| -> MemberSet { names.iter().map(|name| member(name)).collect() };
    let event = ChannelEvent::Packet {
        from: member("alice"),
        bytes: vec![1, 2, 3],
    };
    let entered = ChannelEvent::Entered {
        members: set(&["alice", "bob"]),
    };
    let kick = ChannelAction::Kick {
        member: member("bob"),
    };
    let change = (set(&["alice", "bob"]), Change::exclude([member("bob")]));
    let mut resolver = Resolver::found(member("alice"), concilium_core::PacketId::from_bytes([7; 32]));
    let head = resolver.head().expect("just founded").clone();
    let initial = Initial {
        id: concilium_core::PacketId::from_bytes([8; 32]),
        parent: head.link,
        author: member("alice"),
        before: head.members,
        after: set(&["alice", "bob"]),
    };
    let _ = resolver.initial(&initial, &set(&["alice", "bob"]));
    let content = Content {
        kind: concilium_encryptor::Kind::DATA,
        parents: vec![concilium_core::MessageId::from_bytes([9; 32])],
        confirmation: None,
        body: b"hello".to_vec(),
    };
    // associated data whose suite announces more text than there is memory. It once aborted the reader.
    let bomb = [&[1, b's', 253][..], &(1_u64 << 62).to_le_bytes(), &[0; 80]].concat();
    vec![
        Seed::new("bomb-text", bomb),
        // A number of one byte, written in three.
        Seed::new("not-canonical", [251, 5, 0]),
        Seed::new("change", wire::encode(&change)),
        Seed::new("channel-action", wire::encode(&kick)),
        Seed::new("channel-entered", wire::encode(&entered)),
        Seed::new("channel-packet", wire::encode(&event)),
        Seed::new("content", wire::encode(&content)),
        Seed::new("frame", packet::frame(packet::PacketKind::Message, b"body")),
        Seed::new("initial", wire::encode(&initial)),
        Seed::new("member-set", wire::encode(&set(&["a", "bob", "carol"]))),
        Seed::new("name", wire::encode(&member("a\n\\\u{202e}b"))),
        Seed::new("output", wire::encode(&Output::Channel(kick))),
        Seed::new("resolver", wire::encode(&resolver)),
        Seed::new("settings", wire::encode(&Settings::default())),
    ]
}

fn member(name: &str) -> MemberId {
    MemberId::new(name).expect("a short name")
}
