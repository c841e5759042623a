//! Values as bytes, the outermost frame, and packets signed with identity keys.

use std::collections::BTreeMap;

use concilium_core::keys::VerifyingKey;
use concilium_core::packet::{self, PacketKind};
use concilium_core::{
    ChainHash, Change, Context, MemberId, MemberSet, MessageId, PacketId, Secret, SessionName, Time,
    wire as codec,
};
use concilium_gka::{AssociatedData, GroupKeyAgreement as _, Identity, Role, signed as packets};
use concilium_gka_mls::Mls;
use serde_json::{Value, json};

use crate::hex;
use crate::source::Source;

pub(crate) fn id(name: &str) -> MemberId {
    MemberId::new(name).expect("a good name")
}

pub(crate) fn set(names: &str) -> MemberSet {
    names.split_whitespace().map(id).collect()
}

pub(crate) fn names(members: &MemberSet) -> Vec<String> {
    members.iter().map(ToString::to_string).collect()
}

/// The identity of a member in these files: the seed of its key is its name, filled up with zeros.
pub(crate) fn identity(name: &MemberId) -> Identity {
    Identity::new(name.clone(), &Secret::new(identity_seed(name)))
}

pub(crate) fn identity_seed(name: &MemberId) -> [u8; 32] {
    let mut seed = [0; 32];
    for (to, from) in seed.iter_mut().zip(name.as_bytes()) {
        *to = *from;
    }
    seed
}

/// Who is who.
pub(crate) fn directory(members: &MemberSet) -> BTreeMap<MemberId, VerifyingKey> {
    let key = |member: &MemberId| (member.clone(), *identity(member).verifying_key());
    members.iter().map(key).collect()
}

/// `wire.json`.
pub(crate) fn wire() -> Value {
    let integers = [
        0_u64,
        1,
        250,
        251,
        255,
        65_535,
        65_536,
        4_294_967_295,
        4_294_967_296,
        u64::MAX,
    ];
    let integers = integers.map(|number| json!({"value": number, "bytes": hex(codec::encode(&number))}));
    let change = Change {
        include: set("carol dave"),
        exclude: set("bob"),
    };
    let time = Time::from_millis(1_700_000_000_123);
    json!({
        "what": "values in the encoding of docs/spec/wire.md",
        "integers": integers,
        "values": [
            {"type": "member", "value": "alice", "bytes": hex(codec::encode(&id("alice")))},
            {"type": "members", "value": ["alice", "bob"], "bytes": hex(codec::encode(&set("bob alice")))},
            {"type": "change", "include": ["carol", "dave"], "exclude": ["bob"], "bytes": hex(codec::encode(&change))},
            {"type": "time", "value": time.as_millis(), "bytes": hex(codec::encode(&time))},
        ],
        "malformed": [
            {"type": "integer", "bytes": "fb0100", "why": "a number below 251 is one byte"},
            {"type": "integer", "bytes": "fcffff0000", "why": "a longer form than the number needs"},
            {"type": "members", "bytes": "0203626f6205616c696365", "why": "members do not ascend"},
            {"type": "members", "bytes": "0203626f6203626f62", "why": "a member stands twice"},
            {"type": "member", "bytes": "00", "why": "a name has a byte at least"},
            {"type": "member", "bytes": "0361", "why": "bytes are missing"},
            {"type": "member", "bytes": "016100", "why": "a byte is left over"},
        ],
    })
}

/// `frame.json`.
pub(crate) fn frame() -> Value {
    let framed = [
        ("operation", PacketKind::Operation),
        ("message", PacketKind::Message),
        ("announcement", PacketKind::Announcement),
    ];
    let framed = framed.map(|(name, kind)| {
        json!({"kind": name, "body": hex("body"), "packet": hex(packet::frame(kind, b"body"))})
    });
    json!({
        "what": "the outermost frame of packets",
        "framed": framed,
        "malformed": [
            {"packet": "", "why": "shorter than a frame"},
            {"packet": "01", "why": "shorter than a frame"},
            {"packet": "0201626f6479", "why": "another version"},
            {"packet": "0100626f6479", "why": "an unknown kind"},
            {"packet": "0104626f6479", "why": "an unknown kind"},
        ],
    })
}

/// The associated data of an operation in these files.
pub(crate) fn data(suite: &str, before: &str, after: &str, latest: Vec<MessageId>) -> AssociatedData {
    AssociatedData {
        session: SessionName::new("tea").expect("a good name"),
        suite: suite.to_owned(),
        parent: PacketId::from_bytes([0x11; 32]),
        chain: ChainHash::from_bytes([0x22; 32]),
        latest,
        before: set(before),
        after: set(after),
    }
}

/// `signed.json`.
pub(crate) fn signed() -> Value {
    let session = SessionName::new("tea").expect("a good name");
    let alice = id("alice");
    let data = data(
        "cliques-ristretto255/aes256gcm+buckets",
        "alice bob",
        "alice carol",
        vec![MessageId::from_bytes([0x33; 32])],
    );
    let initial = PacketId::from_bytes([0x44; 32]);
    let roles = [
        ("initial", Role::Initial(data.clone())),
        ("later", Role::Later { initial }),
        ("abort", Role::Abort { initial }),
    ];
    let sealed = roles.map(|(name, role)| {
        let payload = if name == "abort" {
            vec![]
        } else {
            b"payload".to_vec()
        };
        let packet = packets::seal(&identity(&alice), &session, role, payload.clone()).expect("it is short");
        json!({"role": name, "payload": hex(payload), "body": hex(packet)})
    });
    let bodies: Vec<String> = sealed
        .iter()
        .filter_map(|entry| entry["body"].as_str().map(str::to_owned))
        .collect();
    let body = bodies.get(1).expect("there are three");
    let flipped = format!(
        "{}{}",
        &body[..body.len() - 2],
        if body.ends_with("00") { "01" } else { "00" }
    );
    json!({
        "what": "packets signed with identity keys (K-15), without the outermost frame",
        "session": "tea",
        "author": "alice",
        "identity_seed": hex(identity_seed(&alice)),
        "identity_key": hex(identity(&alice).verifying_key().as_bytes()),
        "associated_data": {
            "suite": data.suite,
            "parent": data.parent.to_string(),
            "chain": data.chain.to_string(),
            "latest": data.latest.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "before": names(&data.before),
            "after": names(&data.after),
        },
        "initial_packet": initial.to_string(),
        "packets": sealed,
        "refused": [
            {"body": flipped, "from": "alice", "session": "tea", "why": "the signature does not fit"},
            {"body": body, "from": "bob", "session": "tea", "why": "the channel says that another member sent it"},
            {"body": body, "from": "alice", "session": "coffee", "why": "it was signed for another session"},
            {"body": format!("{body}00"), "from": "alice", "session": "tea", "why": "a byte is left over"},
        ],
    })
}

/// `announcements.json`.
pub(crate) fn announcements() -> Value {
    let session = SessionName::new("tea").expect("a good name");
    let alice = id("alice");
    let members = set("alice");
    let mut mls = Mls::new(identity(&alice), std::sync::Arc::new(directory(&members)));
    let mut source = Source::new(77);
    let announcement = mls
        .announce(&session, &mut Context::new(Time::ZERO, &mut source))
        .expect("the source works")
        .expect("MLS announces");
    json!({
        "what": "announcements (K-14) of MLS, without the outermost frame; the key package is RFC 9420's",
        "session": "tea",
        "author": "alice",
        "identity_key": hex(identity(&alice).verifying_key().as_bytes()),
        "announcement": hex(announcement),
    })
}
