//! Attacks that need the group's keys, and the promises of the format.

use std::collections::BTreeSet;

use concilium_core::keys::Signature;
use concilium_core::testing::rng::seeded;
use concilium_core::{ChainHash, PacketId, SubsessionId, Time, packet};
use proptest::prelude::*;

use super::*;
use crate::layout;
use crate::party::SIGNATURE_BYTES;
use crate::sample::{self, content, ids, name, seal, text};
use crate::schedule::{DIGEST_BYTES, SALT_BYTES, TextDigest};
use crate::{ChaCha20Poly1305, ChainConfirmation, Kind, MAX_BODY_BYTES, MAX_PARENTS, NoPadding};

pub(super) type Exact = Aead<Aes256Gcm, NoPadding>;

/// Everyone in a group of `size`, in subsession `subsession` with the group secret `secret`.
pub(super) fn group<C: Cipher, P: Padding>(size: usize, subsession: u8, secret: u8) -> Vec<Aead<C, P>> {
    sample::group(size, subsession, secret)
}

fn pair() -> [Exact; 2] {
    group(2, 1, 2).try_into().unwrap()
}

const SALT: Salt = [3; SALT_BYTES];

/// What an insider can make: any text with any signature, correctly encrypted.
fn forge<C: Cipher, P: Padding>(by: &Aead<C, P>, signature: &[u8], text: &[u8]) -> Vec<u8> {
    forge_with(by, SALT, signature, text)
}

fn forge_with<C: Cipher, P: Padding>(by: &Aead<C, P>, salt: Salt, signature: &[u8], text: &[u8]) -> Vec<u8> {
    let mut packet = [&[0; SALT_BYTES], signature, text].concat();
    // The id stands in no packet of these suites.
    let (digest, unsigned) = ([0; DIGEST_BYTES], Signature::from_bytes([0; SIGNATURE_BYTES]));
    by.party
        .encrypt::<C, P, _>(&by.lock, &salt, &digest, &unsigned, &mut packet);
    packet
}

/// The same, signed by the insider as an honest author signs.
fn forge_signed<C: Cipher, P: Padding>(by: &Aead<C, P>, text: &[u8]) -> Vec<u8> {
    let signature = by.party.state.signing.sign(&digest(by, text));
    forge(by, signature.as_bytes(), text)
}

fn digest<C: Cipher, P: Padding>(by: &Aead<C, P>, text: &[u8]) -> [u8; 64] {
    TextDigest::new(&by.party.binding, text, &[]).finish(&SALT)
}

#[test]
fn forging_with_nothing_changed_is_sealing() {
    let [alice, bob] = pair();
    let content = content(2, b"body");
    let opened = bob.open(&forge_signed(&alice, &text(0, &content))).unwrap();
    assert_eq!((opened.author, opened.content), (name(0), content));
}

#[test]
fn m03_overhead_is_130_bytes_with_the_frame_and_one_parent() {
    for (size, author) in [(1, 0), (127, 126), (251, 250)] {
        let mut group = group::<Aes256Gcm, NoPadding>(size, 1, 2);
        for body in [0, 1, 100, 1000, MAX_BODY_BYTES] {
            let sealed = seal(&mut group[author], &content(1, &vec![5; body]), 1);
            let framed = packet::frame(packet::PacketKind::Message, &sealed.packet);
            assert_eq!(framed.len() - body, 130, "{size} members, {body} bytes");
        }
    }
    let mut group = group::<Aes256Gcm, NoPadding>(252, 1, 2);
    let sealed = seal(&mut group[251], &content(1, b""), 1);
    assert_eq!(sealed.packet.len() + 2, 132, "two more for authors beyond 250");
    assert_eq!(group[0].open(&sealed.packet).unwrap().author, name(251));
}

#[test]
fn m03_the_format_has_not_changed() {
    // docs/spec/encryptor.md gives the same vector. A change of it is a new version of the protocol.
    let [mut alice, _] = pair();
    let mut sample = content(1, b"hello");
    sample.confirmation = Some(ChainConfirmation {
        packet: PacketId::from_bytes([0xaa; 32]),
        chain: ChainHash::from_bytes([0xbb; 32]),
    });
    struct Counting(u8);
    impl concilium_core::RandomSource for Counting {
        fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomnessError> {
            for byte in bytes {
                *byte = self.0;
                self.0 = self.0.wrapping_add(1);
            }
            Ok(())
        }
    }
    let sealed = alice
        .seal(&sample, &mut Context::new(Time::ZERO, &mut Counting(0)))
        .unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(
        [
            hex(&sealed.packet),
            sealed.id.to_string(),
            hex(alice.exporter::<16>(b"l", b"c").expose())
        ],
        [
            concat!(
                "541147c625682af6c1457ae91721200a2c37eb13058f40f4b003510956876839a848e1e9f4a1ebcad7b5cdb2f79b7c7b",
                "e739edd94e49db89466d50903f579d348afb030a34abf8f78df5659d2291052eb81c73a33fa99a25917eb1e012c29756",
                "20e9fb0972afce2a28b6994104ed870594655815a1eb3ba3db0f11d1102a23c630e1586adc6b56b98ba1e3545466eced",
                "8dd471c5cbad8fe81c0092a78a63b7214b0490ab0d48584bf187cde4f7992a12cd565aec3346dea2a0657bc896bca4f8",
                "9512f7b625",
            ),
            "7a998f20c66dc4e90a4df0190ca6f9d158ab4438a4619548a8f13386c9131bf0",
            "16f860572b5f9cbb5c6882e95d2389f1",
        ]
    );
}

#[test]
fn m04_a16_no_salt_key_or_nonce_repeats() {
    // The part of sealing that could repeat one, without the signature that would make a million too slow.
    let sends = if cfg!(debug_assertions) {
        100_000
    } else {
        1_000_000
    };
    let [alice, bob] = pair();
    let mut random = seeded(1);
    let cx = &mut Context::new(Time::ZERO, &mut random);
    let (mut salts, mut keys, mut nonces) = (Vec::new(), Vec::new(), Vec::new());
    for send in 0..sends {
        let member = if send % 2 == 0 { &alice } else { &bob };
        let digest = TextDigest::new(&member.party.binding, b"always the same", &[]);
        let salt = member.party.state.schedule.fresh_salt(&digest, cx).unwrap();
        let key = member.lock.key(&salt);
        salts.push(salt);
        keys.push(*key.key.expose());
        nonces.push(key.nonce);
    }
    fn all_differ<const N: usize>(mut items: Vec<[u8; N]>) -> bool {
        items.sort_unstable();
        items.is_sorted_by(|a, b| a < b)
    }
    assert!(all_differ(salts) && all_differ(keys) && all_differ(nonces));
}

#[test]
fn m04_a16_a_repeating_source_repeats_no_key_for_another_text_or_author() {
    let [mut alice, mut bob] = pair();
    let salt = |sealed: &Sealed| sealed.packet[..SALT_BYTES].to_vec();
    let first = seal(&mut alice, &content(1, b"attack"), 5);
    assert_ne!(salt(&first), salt(&seal(&mut alice, &content(1, b"defend"), 5)));
    assert_ne!(salt(&first), salt(&seal(&mut bob, &content(1, b"attack"), 5)));
    // A crash, an older state, and the same randomness again, as in a copied virtual machine.
    let mut again = Exact::restore(&alice.export()).unwrap();
    assert_ne!(salt(&first), salt(&seal(&mut again, &content(2, b"attack"), 5)));
    assert_eq!(
        first,
        seal(&mut again, &content(1, b"attack"), 5),
        "the same packet, nothing new"
    );
}

#[test]
fn m05_the_id_covers_all_that_the_packet_follows_from() {
    let schedule = |secret| {
        let secret = Secret::new([secret; 32]);
        Schedule::derive(&GroupSecret::new(
            "s",
            &SubsessionId::from_bytes([1; 32]),
            &secret,
        ))
    };
    let signature = |byte| Signature::from_bytes([byte; 64]);
    let ids = [
        schedule(1).message_id(&[1; 12], &[1; 64], &signature(1), 1),
        schedule(1).message_id(&[2; 12], &[1; 64], &signature(1), 1),
        schedule(1).message_id(&[1; 12], &[2; 64], &signature(1), 1),
        schedule(1).message_id(&[1; 12], &[1; 64], &signature(2), 1),
        schedule(1).message_id(&[1; 12], &[1; 64], &signature(1), 2),
        schedule(2).message_id(&[1; 12], &[1; 64], &signature(1), 1),
    ];
    assert_eq!(BTreeSet::from(ids).len(), ids.len());
}

fn any_content() -> impl Strategy<Value = Content> {
    let confirmation = proptest::option::of((any::<[u8; 32]>(), any::<[u8; 32]>()));
    let body = proptest::collection::vec(any::<u8>(), 0..300);
    (0..=Kind::MAX, 0..300_usize, confirmation, body).prop_map(|(kind, parents, confirmation, body)| {
        Content {
            kind: Kind::from_number(kind).unwrap(),
            parents: ids(parents),
            confirmation: confirmation.map(|(packet, chain)| ChainConfirmation {
                packet: PacketId::from_bytes(packet),
                chain: ChainHash::from_bytes(chain),
            }),
            body,
        }
    })
}

fn read_back(text: &[u8]) -> Option<((u16, bool), Content)> {
    layout::read(text).map(|read| {
        let content = Content {
            kind: read.kind,
            parents: read.parents,
            confirmation: read.confirmation,
            body: read.body.to_vec(),
        };
        ((read.author, read.control), content)
    })
}

proptest! {
    #[test]
    fn a09_a_text_stands_for_one_content(author: u16, control: bool, content in any_content()) {
        let mut text = Vec::new();
        layout::write(author, control, &content, &mut text);
        prop_assert_eq!(read_back(&text), Some(((author, control), content)));
    }

    #[test]
    fn a09_a_content_has_one_text(
        head in proptest::collection::vec(prop_oneof![0..4_u8, 249..=255_u8, any::<u8>()], 0..8),
        tail in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let bytes = [head, tail].concat();
        if let Some(((author, control), content)) = read_back(&bytes) {
            let mut text = Vec::new();
            layout::write(author, control, &content, &mut text);
            prop_assert_eq!(text, bytes);
        }
    }
}

#[test]
fn a09_an_insiders_malformed_texts_are_refused() {
    let [alice, bob] = pair();
    let (one, two) = (ids(2)[0], ids(2)[1]);
    let parents = |list: &[MessageId]| {
        let mut unchecked = content(0, b"");
        unchecked.parents = list.to_vec();
        text(0, &unchecked)
    };
    let malformed = [
        ("nothing", vec![]),
        ("no parents' count", vec![0, 0]),
        ("an author beyond the members", text(2, &content(0, b""))),
        ("a small number in the long form", vec![251, 0, 0, 0, 0]),
        ("half a number", vec![251, 0]),
        ("numbers of forms not in use", vec![252, 0, 0, 0, 0]),
        ("parents in descending order", parents(&[two, one])),
        ("a parent twice", parents(&[one, one])),
        ("fewer parents than announced", vec![0, 0, 2, 1, 2, 3]),
        (
            "more parents than allowed",
            text(0, &content(MAX_PARENTS + 1, b"")),
        ),
        ("half a confirmation", [&[0, 0x80, 0][..], &[1; 63]].concat()),
        (
            "too long a body",
            text(0, &content(0, &vec![0; MAX_BODY_BYTES + 1])),
        ),
    ];
    for (what, text) in malformed {
        assert_eq!(
            bob.open(&forge_signed(&alice, &text)),
            Err(OpenError::Malformed),
            "{what}"
        );
    }
}

#[test]
fn m03_an_insiders_other_paddings_are_refused() {
    let [alice, bob]: [DefaultEncryptor; 2] = group(2, 1, 2).try_into().unwrap();
    let text = text(0, &content(0, b"body"));
    let signature = *alice.party.state.signing.sign(&digest(&alice, &text)).as_bytes();
    let packed = |padding: &[u8]| {
        let mut plain = [&signature, text.as_slice(), padding].concat();
        let key = alice.lock.key(&SALT);
        let tag = Aes256Gcm::encrypt(
            key.key.expose(),
            &key.nonce,
            &packet::header(packet::PacketKind::Message),
            &mut plain,
        );
        bob.open(&[&SALT[..], &plain, &tag].concat())
            .map(|opened| opened.content)
    };
    let room = 128 - 64 - text.len();
    let mut padding = vec![0; room];
    padding[0] = 0x80;
    assert_eq!(packed(&padding), Ok(content(0, b"body")));
    let mut hidden = padding.clone();
    hidden[room - 1] = 7;
    let mut longer = padding.clone();
    longer.resize(room + 128, 0);
    for bad in [
        hidden,
        longer,
        padding[..room - 1].to_vec(),
        vec![0; room],
        vec![],
    ] {
        assert_eq!(packed(&bad), Err(OpenError::Malformed), "{bad:?}");
    }
}

#[test]
fn a12_a14_a45_a_signature_serves_one_text_and_one_author() {
    let [alice, bob] = pair();
    let mut original = content(2, b"body");
    original.confirmation = Some(ChainConfirmation {
        packet: PacketId::from_bytes([1; 32]),
        chain: ChainHash::from_bytes([2; 32]),
    });
    let signature = alice
        .party
        .state
        .signing
        .sign(&digest(&alice, &text(0, &original)));
    let shown =
        |author, content: &Content| bob.open(&forge(&bob, signature.as_bytes(), &text(author, content)));
    assert!(shown(0, &original).is_ok());

    for kind in 1..=Kind::MAX {
        let mut changed = original.clone();
        changed.kind = Kind::from_number(kind).unwrap();
        assert_eq!(
            shown(0, &changed),
            Err(OpenError::BadSignature(name(0))),
            "A-12: kind {kind}"
        );
    }
    assert_eq!(
        shown(1, &original),
        Err(OpenError::BadSignature(name(1))),
        "A-14: another author"
    );
    let change = |edit: &dyn Fn(&mut Content)| {
        let mut changed = original.clone();
        edit(&mut changed);
        assert_ne!(changed, original);
        assert_eq!(
            shown(0, &changed),
            Err(OpenError::BadSignature(name(0))),
            "{changed:?}"
        );
    };
    change(&|c| c.parents.truncate(1));
    change(&|c| c.confirmation = None);
    change(&|c| c.confirmation.as_mut().unwrap().chain = ChainHash::from_bytes([3; 32]));
    change(&|c| c.body.push(0));
    change(&|c| c.body.truncate(3));
    change(&|c| c.body[0] ^= 1);
    // The last parent and the first 32 bytes of what follows, told apart by the count alone.
    change(&|c| {
        let last = c.parents.pop().unwrap();
        let confirmation = c.confirmation.take().unwrap();
        c.body = [
            last.as_bytes(),
            confirmation.packet.as_bytes(),
            confirmation.chain.as_bytes(),
            &c.body[..],
        ]
        .concat();
    });
}

#[test]
fn a45_a13_a_missing_empty_swapped_or_malleated_signature_is_refused() {
    let [alice, bob] = pair();
    let text = text(0, &content(1, b"body"));
    let digest = digest(&alice, &text);
    let bad = |signature: &[u8]| bob.open(&forge(&bob, signature, &text));
    let good = *alice.party.state.signing.sign(&digest).as_bytes();
    assert!(bad(&good).is_ok());

    let refused = Err(OpenError::BadSignature(name(0)));
    assert_eq!(bad(&[0; 64]), refused, "empty");
    assert_eq!(
        bad(bob.party.state.signing.sign(&digest).as_bytes()),
        refused,
        "by another member"
    );
    assert_eq!(
        bad(alice.party.state.signing.sign(&text).as_bytes()),
        refused,
        "over something else"
    );
    let mut identity = [0; 64];
    identity[0] = 1;
    assert_eq!(bad(&identity), refused, "A-13: R the identity, S zero");
    // S plus the group's order, which loose verifiers take.
    let order = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10_u8,
    ];
    let (mut malleated, mut carry) = (good, 0_u16);
    for (byte, add) in malleated[32..].iter_mut().zip(order) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry as u8;
        carry >>= 8;
    }
    assert_eq!(bad(&malleated), refused);
    for stripped in [0, 1, 32, 63] {
        assert!(bad(&good[..stripped]).is_err(), "{stripped} bytes of it");
    }
}

#[test]
fn m04_a12_a_signature_serves_one_salt_and_one_subsession() {
    // C-8 allows a member to keep its signing key from one subsession to the next.
    let [alice, bob] = pair();
    let text = text(0, &content(1, b"body"));
    let signature = alice.party.state.signing.sign(&digest(&alice, &text));
    assert!(bob.open(&forge(&bob, signature.as_bytes(), &text)).is_ok());
    for (size, subsession, secret) in [(2, 9, 2), (2, 1, 9), (3, 1, 2)] {
        let other = &group::<Aes256Gcm, NoPadding>(size, subsession, secret)[1];
        let packet = forge(other, signature.as_bytes(), &text);
        assert_eq!(other.open(&packet).err(), Some(OpenError::BadSignature(name(0))));
    }
    let packet = forge_with(&bob, [4; SALT_BYTES], signature.as_bytes(), &text);
    assert_eq!(
        bob.open(&packet).err(),
        Some(OpenError::BadSignature(name(0))),
        "another salt"
    );
}

#[test]
fn a41_a_message_shown_under_another_frame_does_not_open() {
    let [alice, bob] = pair();
    let text = text(0, &content(0, b"body"));
    let signature = alice.party.state.signing.sign(&digest(&alice, &text));
    let key = alice.lock.key(&SALT);
    let framed = |associated: &[u8]| {
        let mut plain = [signature.as_bytes().as_slice(), text.as_slice(), &[0x80]].concat();
        let tag = Aes256Gcm::encrypt(key.key.expose(), &key.nonce, associated, &mut plain);
        bob.open(&[&SALT[..], &plain, &tag].concat())
            .map(|opened| opened.content)
    };
    assert!(framed(&packet::header(packet::PacketKind::Message)).is_ok());
    for other in [&[packet::VERSION + 1, 2][..], &[packet::VERSION, 1], &[]] {
        assert_eq!(framed(other), Err(OpenError::NotDecryptable));
    }
}

#[test]
fn suites_do_not_read_each_other() {
    fn sealed<C: Cipher, P: Padding>() -> (Vec<u8>, Vec<u8>) {
        let mut group = group::<C, P>(2, 1, 2);
        let sealed = seal(&mut group[0], &content(0, b"body"), 1);
        assert!(group[1].open(&sealed.packet).is_ok());
        (sealed.packet, group[0].export().to_vec())
    }
    let others = [
        sealed::<ChaCha20Poly1305, NoPadding>(),
        sealed::<ChaCha20Poly1305, Buckets>(),
        sealed::<Aes256Gcm, Buckets>(),
    ];
    let bob = &pair()[1];
    for (packet, export) in others {
        assert_eq!(bob.open(&packet), Err(OpenError::NotDecryptable));
        assert_eq!(Exact::restore(&export).err(), Some(RestoreError));
    }
    let names = [
        DefaultEncryptor::SUITE,
        Exact::SUITE,
        Aead::<ChaCha20Poly1305, Buckets>::SUITE,
        Aead::<ChaCha20Poly1305, NoPadding>::SUITE,
    ];
    assert_eq!(
        names[1..],
        [
            "aes256gcm+unpadded",
            "chacha20poly1305+buckets",
            "chacha20poly1305+unpadded"
        ]
    );
    assert_eq!(names[0], "aes256gcm+buckets");
}

#[test]
fn exporters_agree_among_members_and_differ_in_everything_else() {
    let [alice, bob] = pair();
    let secret = |of: &Exact, label: &[u8], context: &[u8]| *of.exporter::<32>(label, context).expose();
    assert_eq!(secret(&alice, b"file", b"1"), secret(&bob, b"file", b"1"));
    let restored = Exact::restore(&alice.export()).unwrap();
    assert_eq!(secret(&alice, b"file", b"1"), secret(&restored, b"file", b"1"));
    let others = [
        secret(&alice, b"file", b"1"),
        secret(&alice, b"file", b"2"),
        secret(&alice, b"file1", b""),
        secret(&alice, b"", b"file1"),
        secret(&group(2, 9, 2)[0], b"file", b"1"),
        secret(&group(2, 1, 9)[0], b"file", b"1"),
    ];
    assert_eq!(BTreeSet::from(others).len(), others.len());
}

#[test]
fn the_group_secret_itself_is_not_kept() {
    let [alice, _] = pair();
    assert!(!alice.export().windows(8).any(|window| window == [2; 8]));
}

#[test]
fn restoring_checks_more_than_the_checksum() {
    let [alice, _] = pair();
    let export = |edit: &dyn Fn(&mut PartyState)| {
        let mut altered = Exact::restore(&alice.export()).unwrap();
        edit(&mut altered.party.state);
        Exact::restore(&altered.export()).err()
    };
    assert_eq!(export(&|_| ()), None);
    assert_eq!(export(&|state| state.members.reverse()), Some(RestoreError));
    assert_eq!(export(&|state| state.me = name(7)), Some(RestoreError));
    assert_eq!(
        export(&|state| state.me = name(1)),
        Some(RestoreError),
        "another's key"
    );
    assert_eq!(export(&|state| state.members.clear()), Some(RestoreError));
}
