//! Messages of each cipher.

use concilium_core::keys::{SigningKey, SubsessionKeys};
use concilium_core::{
    ChainHash, Context, MessageId, PacketId, RandomSource, RandomnessError, Secret, SubsessionId, Time,
};
use concilium_encryptor::{
    Aead, Aes256Gcm, Buckets, ChaCha20Poly1305, ChainConfirmation, Content, Kind, MessageEncryptor,
    NoPadding, Padding, Ratchet,
};
use serde_json::{Value, json};

use crate::frames::{id, set};
use crate::hex;

/// Gives these bytes, and then others that nobody looks at.
struct Given(Vec<u8>);

impl RandomSource for Given {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomnessError> {
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = self.0.get(place).copied().unwrap_or(0xa5);
        }
        self.0.clear();
        Ok(())
    }
}

/// `messages.json`.
pub(crate) fn messages() -> Value {
    json!({
        "what": "messages of a subsession of alice and bob, without the outermost frame; in the order of sealing",
        "subsession": hex([1; 32]),
        "secret": hex([2; 32]),
        "members": [
            {"member": "alice", "signing_seed": hex([3; 32]), "verifying_key": hex(key(3).verifying_key().as_bytes())},
            {"member": "bob", "signing_seed": hex([4; 32]), "verifying_key": hex(key(4).verifying_key().as_bytes())},
        ],
        "suites": [
            suite::<Aead<Aes256Gcm, Buckets>>(),
            suite::<Aead<Aes256Gcm, NoPadding>>(),
            suite::<Aead<ChaCha20Poly1305, Buckets>>(),
            suite::<Ratchet<Aes256Gcm, Buckets>>(),
        ],
        "padded_lengths": {
            "buckets": padded::<Buckets>(),
            "unpadded": padded::<NoPadding>(),
        },
    })
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&Secret::new([seed; 32]))
}

/// Some lengths, and what they are padded to.
fn padded<P: Padding>() -> [[usize; 2]; 6] {
    [1, 127, 128, 129, 300, 5_000].map(|len| [len, P::padded(len)])
}

fn suite<E: MessageEncryptor>() -> Value {
    let keys = |signing| SubsessionKeys {
        subsession: SubsessionId::from_bytes([1; 32]),
        secret: Secret::new([2; 32]),
        signing,
        verifying: [
            (id("alice"), *key(3).verifying_key()),
            (id("bob"), *key(4).verifying_key()),
        ]
        .into(),
    };
    let mut parties = [("alice", 3), ("bob", 4)].map(|(name, seed)| {
        let encryptor = E::new(&id(name), &keys(key(seed))).expect("the keys fit");
        (name, encryptor)
    });
    let confirmation = ChainConfirmation {
        packet: PacketId::from_bytes([0xaa; 32]),
        chain: ChainHash::from_bytes([0xbb; 32]),
    };
    let mut parents: Vec<MessageId> = Vec::new();
    let mut messages = Vec::new();
    let course: [(usize, Kind, &[u8], bool); 6] = [
        (0, Kind::DATA, b"hello", true),
        (1, Kind::AUTOMATIC_ACK, b"", true),
        (1, Kind::DATA, &[0x61; 300], false),
        (0, Kind::CONSISTENCY, b"", false),
        (
            0,
            Kind::from_number(63).expect("it is a number of a kind"),
            b"to come",
            false,
        ),
        (1, Kind::FINISH, b"", false),
    ];
    for (number, (author, kind, body, confirms)) in (0_u8..).zip(course) {
        let content = Content {
            kind,
            parents: parents.clone(),
            confirmation: confirms.then_some(confirmation),
            body: body.to_vec(),
        };
        let random: Vec<u8> = (0..32).map(|byte| byte ^ (number << 5)).collect();
        let mut given = Given(random.clone());
        let (name, encryptor) = parties.get_mut(author).expect("there are two");
        let name = *name;
        let sealed = encryptor
            .seal(&content, &mut Context::new(Time::ZERO, &mut given))
            .expect("it is short");
        for (_, reader) in &mut parties {
            let opened = reader.open(&sealed.packet).expect("it is for both");
            reader.commit(opened.step);
        }
        messages.push(json!({
            "author": name,
            "kind": kind.number(),
            "parents": parents.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "confirmation": confirms.then(|| json!({
                "packet": confirmation.packet.to_string(),
                "chain": confirmation.chain.to_string(),
            })),
            "body": hex(body),
            "random": hex(random),
            "packet": hex(&sealed.packet),
            "id": sealed.id.to_string(),
        }));
        parents = vec![sealed.id];
    }
    let first = messages
        .first()
        .and_then(|message| message["packet"].as_str())
        .unwrap_or_default();
    let last = first.get(first.len().saturating_sub(2)..).unwrap_or_default();
    let flipped = if last == "00" { "01" } else { "00" };
    let damaged = format!(
        "{}{flipped}",
        first.get(..first.len().saturating_sub(2)).unwrap_or_default()
    );
    json!({
        "suite": E::SUITE,
        "members": set("alice bob").iter().map(ToString::to_string).collect::<Vec<_>>(),
        "messages": messages,
        "refused": [{"packet": damaged, "why": "the tag does not fit"}],
    })
}
