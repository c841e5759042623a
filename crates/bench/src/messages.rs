//! Sealing and opening messages.

use std::hint::black_box;

use concilium_core::keys::{SigningKey, SubsessionKeys};
use concilium_core::testing::rng::seeded;
use concilium_core::{Context, MemberId, MessageId, Secret, SubsessionId, Time, packet};
use concilium_encryptor::{
    Aead, Aes256Gcm, Buckets, Cipher, Content, DefaultEncryptor, Kind, MessageEncryptor, NoPadding, Ratchet,
};

use crate::measure::{Effort, in_turn};
use crate::report::Row;

/// Seal and open at some sizes, beside one signature (or strict verification) of 64 bytes, one pass of
/// AES-256-GCM and one of BLAKE3 over the body; and the bytes that a packet adds.
pub fn rows(effort: Effort, report: &mut dyn FnMut(Row)) {
    for bytes in [64, 1024, 16 * 1024] {
        of_size::<NoPadding>("", bytes, effort, report);
    }
    // With padding, the passes go over the padded bytes.
    for bytes in [64, 1024, 16 * 1024] {
        of_size::<Buckets>(", padded", bytes, effort, report);
    }
}

/// Seal and open with the ratchet, beside the default.
pub fn ratchet_rows(effort: Effort, report: &mut dyn FnMut(Row)) {
    type Forgetful = Ratchet<Aes256Gcm, Buckets>;
    let (me, keys) = alone();
    for bytes in [64, 1024, 16 * 1024] {
        let content = content(bytes);
        let (mut random, mut other) = (seeded(1), seeded(1));
        let mut default = DefaultEncryptor::new(&me, &keys).unwrap();
        let mut ratchet = Forgetful::new(&me, &keys).unwrap();
        let mut cx = Context::new(Time::ZERO, &mut random);
        let packet = default.seal(&content, &mut cx).unwrap().packet;
        let ratcheted = ratchet.seal(&content, &mut cx).unwrap().packet;
        let opener = DefaultEncryptor::new(&me, &keys).unwrap();
        let winder = Forgetful::new(&me, &keys).unwrap();
        let [floor_seal, seal, floor_open, open] = in_turn(
            effort,
            [
                &mut || {
                    let mut cx = Context::new(Time::ZERO, &mut random);
                    black_box(default.seal(black_box(&content), &mut cx).unwrap());
                },
                &mut || {
                    let mut cx = Context::new(Time::ZERO, &mut other);
                    black_box(ratchet.seal(black_box(&content), &mut cx).unwrap());
                },
                &mut || {
                    black_box(opener.open(black_box(&packet)).unwrap());
                },
                &mut || {
                    black_box(winder.open(black_box(&ratcheted)).unwrap());
                },
            ],
        );
        let row = |name, measured, floor| {
            Row::time(format!("{name} {bytes} B"), measured, floor, "the default cipher").at_most(1.15)
        };
        report(row("ratchet seal", seal, floor_seal));
        report(row("ratchet open", open, floor_open));
    }
}

/// A subsession of one member.
fn alone() -> (MemberId, SubsessionKeys) {
    let me = MemberId::new("alice").unwrap();
    let signing = SigningKey::from_seed(&Secret::new([1; 32]));
    let keys = SubsessionKeys {
        subsession: SubsessionId::from_bytes([2; 32]),
        secret: Secret::new([3; 32]),
        verifying: [(me.clone(), *signing.verifying_key())].into(),
        signing,
    };
    (me, keys)
}

fn content(bytes: usize) -> Content {
    Content {
        kind: Kind::DATA,
        parents: vec![MessageId::from_bytes([4; 32])],
        confirmation: None,
        body: vec![5; bytes],
    }
}

fn of_size<P: concilium_encryptor::Padding>(
    note: &str,
    bytes: usize,
    effort: Effort,
    report: &mut dyn FnMut(Row),
) {
    let (me, keys) = alone();
    let signing = keys.signing.clone();
    let mut encryptor = Aead::<Aes256Gcm, P>::new(&me, &keys).unwrap();
    let content = content(bytes);
    let mut random = seeded(1);
    let packet = encryptor
        .seal(&content, &mut Context::new(Time::ZERO, &mut random))
        .unwrap()
        .packet;
    let overhead = packet.len() + packet::FRAME_BYTES - bytes;
    let opener = Aead::<Aes256Gcm, P>::new(&me, &keys).unwrap();

    let message = [6; 64];
    let signature = signing.sign(&message);
    let mut passed = vec![5; if note.is_empty() { bytes } else { packet.len() }];
    let hashed = vec![5; bytes];
    let [seal, open, sign, verify, encrypt, hash] = in_turn(
        effort,
        [
            &mut || {
                let mut cx = Context::new(Time::ZERO, &mut random);
                black_box(encryptor.seal(black_box(&content), &mut cx).unwrap());
            },
            &mut || {
                black_box(opener.open(black_box(&packet)).unwrap());
            },
            &mut || {
                black_box(signing.sign(black_box(&message)));
            },
            &mut || {
                signing
                    .verifying_key()
                    .verify(black_box(&message), &signature)
                    .unwrap()
            },
            &mut || {
                black_box(Aes256Gcm::encrypt(
                    &[7; 32],
                    &[8; 12],
                    &[],
                    black_box(&mut passed),
                ));
            },
            &mut || {
                black_box(blake3::hash(black_box(&hashed)));
            },
        ],
    );
    let passes = encrypt + hash;
    let row = |name, measured, floor, beside| {
        Row::time(format!("{name} {bytes} B{note}"), measured, floor, beside).at_most(1.15)
    };
    report(row("seal", seal, sign + passes, "sign + AES-256-GCM + BLAKE3"));
    report(row(
        "open",
        open,
        verify + passes,
        "verify + AES-256-GCM + BLAKE3",
    ));
    if note.is_empty() {
        let name = format!("packet overhead, one parent, {bytes} B");
        report(Row::new(name, overhead as f64, 130.0, "B", "130 bytes before padding").at_most(1.0));
    }
}
