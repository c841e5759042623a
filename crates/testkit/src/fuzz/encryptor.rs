//! An encryptor against the network, and against insiders.

use std::cell::RefCell;
use std::fmt::Debug;

use concilium_core::keys::{SigningKey, SubsessionKeys};
use concilium_core::{ChainHash, Context, MemberId, MessageId, PacketId, Secret, SubsessionId, Time};
use concilium_encryptor::{
    Aead, Aes256Gcm, Buckets, ChaCha20Poly1305, ChainConfirmation, Cipher, Content, KEY_BYTES, Kind,
    MessageEncryptor, NONCE_BYTES, NoPadding, OpenError, Padding, SealError, TAG_BYTES, TagError,
};

use super::Seed;
use super::input::Input;
use crate::rng;

/// Takes the bytes as a packet from the network, as a message that a member makes, as what an insider puts in the
/// place of one, or as an exported state, for both ciphers. No packet opens that no member made, none opens
/// after it was changed, what opens is what was sealed, and a state that restores is the one that was exported.
///
/// # Panics
/// Where a promise is broken.
pub fn encryptor(data: &[u8]) {
    let mut input = Input::new(data);
    let action = input.byte();
    match action % 3 {
        0 => both::<Aes256Gcm, Buckets>(action / 3, input),
        1 => both::<ChaCha20Poly1305, Buckets>(action / 3, input),
        _ => both::<Aes256Gcm, NoPadding>(action / 3, input),
    }
}

fn both<C: Cipher, P: Padding>(action: u8, mut input: Input<'_>) {
    match action % 4 {
        0 => noise::<C, P>(input.rest()),
        1 => seal::<C, P>(&mut input),
        2 => insider::<C, P>(&mut input),
        _ => restore::<C, P>(&mut input),
    }
}

/// Nobody without the keys makes a packet.
fn noise<C: Cipher, P: Padding>(packet: &[u8]) {
    let bob: Aead<C, P> = group(1);
    assert_eq!(bob.open(packet), Err(OpenError::NotDecryptable));
    assert!(Aead::<C, P>::restore(packet).is_err());
}

/// What opens is what was sealed, and nothing else opens.
fn seal<C: Cipher, P: Padding>(input: &mut Input<'_>) {
    let mut rng = rng::seeded(input.number() as u64);
    let mut alice: Aead<C, P> = group(0);
    let bob: Aead<C, P> = group(1);
    let content = content(input);
    let ascending = content.parents.is_sorted_by(|a, b| a < b);
    let sealed = match alice.seal(&content, &mut Context::new(Time::ZERO, &mut rng)) {
        Ok(sealed) => sealed,
        Err(error) => {
            assert_eq!(error, SealError::ParentsNotAscending, "the only fault here");
            assert!(!ascending);
            return;
        }
    };
    assert!(ascending, "what is not a message is not sealed");
    for reader in [&alice, &bob] {
        let opened = reader.open(&sealed.packet).expect("members read it");
        assert_eq!(
            (opened.id, opened.author, opened.content),
            (sealed.id, member(0), content.clone())
        );
    }
    let refused = |packet: &[u8]| assert_eq!(bob.open(packet), Err(OpenError::NotDecryptable));
    for _ in 0..4 {
        let mut packet = sealed.packet.clone();
        let bit = input.number() % (8 * packet.len());
        packet[bit / 8] ^= 1 << (bit % 8);
        refused(&packet);
    }
    refused(&sealed.packet[..input.number() % sealed.packet.len()]);
    refused(&[sealed.packet.as_slice(), &[input.byte()]].concat());
    refused(&[&[input.byte()], sealed.packet.as_slice()].concat());
    // not in another subsession, were the secret the same.
    let mut keys = keys(1);
    keys.subsession = SubsessionId::from_bytes([9; 32]);
    let elsewhere = Aead::<C, P>::new(&member(1), &keys).expect("a member");
    assert_eq!(elsewhere.open(&sealed.packet), Err(OpenError::NotDecryptable));
}

thread_local! {
    /// What an [`Insider`] encrypts next, instead of what it is told to.
    static PLAINTEXT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The cipher of a member who holds all keys and encrypts whatever it likes: the bytes of [`PLAINTEXT`] over those of
/// an honest message, exclusive or.
#[derive(Debug)]
struct Insider<C>(std::marker::PhantomData<C>);

impl<C: Cipher> Cipher for Insider<C> {
    /// The same, so that it has the same keys.
    const NAME: &'static str = C::NAME;

    fn encrypt(
        key: &[u8; KEY_BYTES],
        nonce: &[u8; NONCE_BYTES],
        associated_data: &[u8],
        buffer: &mut [u8],
    ) -> [u8; TAG_BYTES] {
        PLAINTEXT.with_borrow(|bytes| {
            buffer
                .iter_mut()
                .zip(bytes)
                .for_each(|(byte, other)| *byte ^= other);
        });
        C::encrypt(key, nonce, associated_data, buffer)
    }

    fn decrypt(
        key: &[u8; KEY_BYTES],
        nonce: &[u8; NONCE_BYTES],
        associated_data: &[u8],
        buffer: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), TagError> {
        C::decrypt(key, nonce, associated_data, buffer, tag)
    }
}

/// What is encrypted by a member and not what it signed does not open, and the id of what opens is the sealer's.
fn insider<C: Cipher, P: Padding>(input: &mut Input<'_>) {
    let mut rng = rng::seeded(input.number() as u64);
    // Behind the signature, or from the start.
    let from = if input.byte() < 128 { 64 } else { 0 };
    let other = [vec![0; from], input.bytes().to_vec()].concat();
    let mut insider: Aead<Insider<C>, P> = group(2);
    let content = content(input);
    let is_changed = other.iter().any(|byte| *byte != 0);
    PLAINTEXT.set(other);
    let sealed = insider.seal(&content, &mut Context::new(Time::ZERO, &mut rng));
    PLAINTEXT.take();
    let Ok(sealed) = sealed else { return };
    let alice: Aead<C, P> = group(0);
    match alice.open(&sealed.packet) {
        Ok(opened) => {
            assert_eq!(opened.id, sealed.id);
            assert_eq!((opened.author, opened.content), (member(2), content));
        }
        Err(OpenError::Malformed | OpenError::BadSignature(_)) => {
            assert!(is_changed, "an honest message opens");
        }
        Err(error) => panic!("a member made it, so it decrypts: {error}"),
    }
}

/// Exports restore as they were, and nothing else restores.
fn restore<C: Cipher, P: Padding>(input: &mut Input<'_>) {
    let bob: Aead<C, P> = group(1);
    let export = bob.export();
    let restored = Aead::<C, P>::restore(&export).expect("an export restores");
    assert_eq!(*restored.export(), *export);
    let mut damaged = export.to_vec();
    let at = input.number() % damaged.len();
    damaged[at] ^= input.byte().max(1);
    assert!(Aead::<C, P>::restore(&damaged).is_err());
    damaged.truncate(at);
    assert!(Aead::<C, P>::restore(&damaged).is_err());
    assert!(Aead::<C, P>::restore(input.rest()).is_err());
}

fn content(input: &mut Input<'_>) -> Content {
    let flags = input.byte();
    let mut parents: Vec<MessageId> = (0..input.below(5))
        .map(|_| MessageId::from_bytes([input.byte(); 32]))
        .collect();
    if flags & 1 == 0 {
        parents.sort_unstable();
        parents.dedup();
    }
    Content {
        kind: Kind::from_number(input.byte() & Kind::MAX).expect("below the limit"),
        parents,
        confirmation: (flags & 2 != 0).then(|| ChainConfirmation {
            packet: PacketId::from_bytes([input.byte(); 32]),
            chain: ChainHash::from_bytes([input.byte(); 32]),
        }),
        body: input.bytes().to_vec(),
    }
}

fn member(n: usize) -> MemberId {
    MemberId::new(["alice", "bob", "mallory"][n]).expect("a short name")
}

fn keys(n: usize) -> SubsessionKeys {
    let signing: Vec<SigningKey> = (1..=3)
        .map(|seed| SigningKey::from_seed(&Secret::new([seed; 32])))
        .collect();
    let verifying = signing
        .iter()
        .enumerate()
        .map(|(n, key)| (member(n), *key.verifying_key()))
        .collect();
    SubsessionKeys {
        subsession: SubsessionId::from_bytes([7; 32]),
        secret: Secret::new([8; 32]),
        signing: signing[n].clone(),
        verifying,
    }
}

/// The n-th member's encryptor.
fn group<E: MessageEncryptor + Debug>(n: usize) -> E {
    E::new(&member(n), &keys(n)).expect("a member")
}

pub(super) fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (cipher, name) in [(0, "aes"), (1, "chacha"), (2, "unpadded")] {
        let action = |n: u8| 3 * n + cipher;
        let content = [2, 2, 5, 7, 0, 1, 2, 5, b'h', b'e', b'l', b'l', b'o'];
        let sealed = [
            &[action(1), 0, 1],
            content.as_slice(),
            &[0, 9, 1, 200, 2, 3, 3, 8, 0, 77],
        ]
        .concat();
        seeds.push(Seed::new(
            format!("noise-{name}"),
            [&[action(0)], [0x5a; 300].as_slice()].concat(),
        ));
        seeds.push(Seed::new(format!("seal-{name}"), sealed));
        for (place, byte) in [(0, 2), (1, 0x80), (2, 250), (3, 1), (40, 0x80)] {
            let mut other = vec![0; 48];
            other[place] = byte;
            let insider = [&[action(2), 0, 1, 0, 48], other.as_slice(), content.as_slice()].concat();
            seeds.push(Seed::new(format!("insider-{name}-{place}"), insider));
        }
        let signature = [&[action(2), 0, 1, 200, 3, 1, 0, 0], content.as_slice()].concat();
        seeds.push(Seed::new(format!("insider-{name}-signature"), signature));
        seeds.push(Seed::new(
            format!("restore-{name}"),
            vec![action(3), 0, 33, 4, 1, 2, 3],
        ));
    }
    seeds
}
