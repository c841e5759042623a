//! opening and restoring use memory in proportion to their input, whatever the input announces.
//!
//! One test, because the allocator counts for the whole process.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a check fails by panicking"
)]

use concilium_core::keys::{SigningKey, SubsessionKeys};
use concilium_core::testing::{
    memory::{PeakAlloc, peak},
    rng::seeded,
};
use concilium_core::{Context, MemberId, Secret, SubsessionId, Time};
use concilium_encryptor::{Aes256Gcm, Buckets, Content, DefaultEncryptor, Kind, MessageEncryptor, Ratchet};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// For names, errors and other things that do not grow.
const SMALL: usize = 2048;

#[test]
fn a37_memory_is_at_most_a_constant_times_the_input() {
    bounded::<DefaultEncryptor>();
    bounded::<Ratchet<Aes256Gcm, Buckets>>();
}

fn bounded<E: MessageEncryptor>() {
    let me = MemberId::new("alice").unwrap();
    let signing = SigningKey::from_seed(&Secret::new([1; 32]));
    let keys = SubsessionKeys {
        subsession: SubsessionId::from_bytes([2; 32]),
        secret: Secret::new([3; 32]),
        verifying: [(me.clone(), *signing.verifying_key())].into(),
        signing,
    };
    let mut encryptor = E::new(&me, &keys).unwrap();

    for body in [0, 1000, 64 * 1024] {
        let content = Content {
            kind: Kind::DATA,
            parents: vec![],
            confirmation: None,
            body: vec![1; body],
        };
        let mut random = seeded(1);
        let mut packet = Vec::new();
        let sealing = peak(&MEMORY, || {
            let sealed = encryptor.seal(&content, &mut Context::new(Time::ZERO, &mut random));
            packet = sealed.unwrap().packet;
        });
        assert!(
            sealing <= 2 * packet.len() + SMALL,
            "sealing {body} bytes holds {sealing}"
        );
        let opening = peak(&MEMORY, || encryptor.open(&packet).unwrap());
        assert!(
            opening <= 2 * packet.len() + SMALL,
            "opening {} bytes holds {opening}",
            packet.len()
        );
        packet[0] ^= 1;
        let refusing = peak(&MEMORY, || encryptor.open(&packet).unwrap_err());
        assert!(
            refusing <= packet.len() + SMALL,
            "refusing {} bytes holds {refusing}",
            packet.len()
        );
    }

    let huge = vec![0; 8 * 1024 * 1024];
    let refusing = peak(&MEMORY, || encryptor.open(&huge).unwrap_err());
    assert!(
        refusing <= SMALL,
        "what no message is long as costs nothing, not {refusing}"
    );

    let export = encryptor.export();
    for at in 0..export.len() {
        let mut damaged = export.to_vec();
        damaged[at] = 0xff;
        let restoring = peak(&MEMORY, || E::restore(&damaged));
        assert!(
            restoring <= 4 * export.len() + SMALL,
            "damaged at {at}: {restoring}"
        );
    }
    let restoring = peak(&MEMORY, || E::restore(&huge).unwrap_err());
    assert!(restoring <= SMALL, "{restoring}");
}
