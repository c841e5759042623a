//! An encryptor against the network, and against insiders.

use std::cell::RefCell;
use std::fmt::Debug;

use concilium_core::keys::{SigningKey, SubsessionKeys};
use concilium_core::{ChainHash, Context, MemberId, MessageId, PacketId, Secret, SubsessionId, Time};
use concilium_encryptor::{
    Aead, Aes256Gcm, Buckets, ChaCha20Poly1305, ChainConfirmation, Cipher, Content, KEY_BYTES, Kind,
    MessageEncryptor, NONCE_BYTES, NoPadding, OpenError, Ratchet, SealError, TAG_BYTES, TagError,
};

use super::Seed;
use super::input::Input;
use concilium_core::testing::rng;

/// Takes the bytes as a packet from the network, as a message that a member makes, as what an insider puts in
/// the place of one, as an exported state, or as what becomes of the packets of a conversation, for all
/// suites. No packet opens that no member made, none opens after it was changed, what opens is
/// what was sealed, keys that are erased open nothing, and a state that restores is the one that was
/// exported.
///
/// # Panics
/// Where a promise is broken.
pub fn encryptor(data: &[u8]) {
    let mut input = Input::new(data);
    let action = input.byte();
    match action % 4 {
        0 => suite::<Aead<Aes256Gcm, Buckets>, Aead<Insider<Aes256Gcm>, Buckets>>(action / 4, input),
        1 => suite::<Aead<ChaCha20Poly1305, Buckets>, Aead<Insider<ChaCha20Poly1305>, Buckets>>(
            action / 4,
            input,
        ),
        2 => suite::<Aead<Aes256Gcm, NoPadding>, Aead<Insider<Aes256Gcm>, NoPadding>>(action / 4, input),
        _ => suite::<Ratchet<Aes256Gcm, Buckets>, Ratchet<Insider<Aes256Gcm>, Buckets>>(action / 4, input),
    }
}

/// One suite, as members have it and as an insider does.
fn suite<E: MessageEncryptor, I: MessageEncryptor>(action: u8, mut input: Input<'_>) {
    match action % 5 {
        0 => noise::<E>(input.rest()),
        1 => seal::<E>(&mut input),
        2 => insider::<E, I>(&mut input),
        3 => restore::<E>(&mut input),
        _ => history::<E>(&mut input),
    }
}

/// What a call for an encryptor gives, without what depends on the encryptor.
fn opens<E: MessageEncryptor>(
    reader: &E,
    packet: &[u8],
) -> Result<(MessageId, MemberId, Content), OpenError> {
    let opened = reader.open(packet)?;
    Ok((opened.id, opened.author, opened.content))
}

/// Nobody without the keys makes a packet.
fn noise<E: MessageEncryptor>(packet: &[u8]) {
    let bob: E = group(1);
    assert_eq!(opens(&bob, packet), Err(OpenError::NotDecryptable));
    assert_eq!(bob.recognise(packet), None);
    assert!(E::restore(packet).is_err());
}

/// What opens is what was sealed, and nothing else opens.
fn seal<E: MessageEncryptor>(input: &mut Input<'_>) {
    let mut rng = rng::seeded(input.number() as u64);
    let mut alice: E = group(0);
    let bob: E = group(1);
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
        let opened = opens(reader, &sealed.packet).expect("members read it");
        assert_eq!(opened, (sealed.id, member(0), content.clone()));
    }
    let refused = |packet: &[u8]| assert_eq!(opens(&bob, packet), Err(OpenError::NotDecryptable));
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
    let elsewhere = E::new(&member(1), &keys).expect("a member");
    assert_eq!(opens(&elsewhere, &sealed.packet), Err(OpenError::NotDecryptable));
}

/// A conversation whose packets come to one reader in any order, again, altered, or not at all, while
/// everybody has some of them and the reader starts anew from what it stored.
fn history<E: MessageEncryptor>(input: &mut Input<'_>) {
    let mut rng = rng::seeded(input.number() as u64);
    let mut authors: [E; 2] = [group(0), group(1)];
    let mut reader: E = group(2);
    let mut sent = Vec::new();
    for n in 0..2 + input.below(30) {
        let author = usize::from(input.byte() % 2);
        let content = Content {
            kind: Kind::DATA,
            parents: vec![],
            confirmation: None,
            body: n.to_le_bytes().to_vec(),
        };
        let sealed = authors[author].seal(&content, &mut Context::new(Time::ZERO, &mut rng));
        sent.push((author, sealed.expect("nothing is wrong with it"), content));
    }
    // Per author, how many of the first of all messages everybody has.
    let mut everybody = [0; 2];
    for _ in 0..2 * sent.len() {
        let at = input.below(sent.len());
        let (author, sealed, content) = &sent[at];
        match input.below(8) {
            0 => {
                reader.fully_acked(&sealed.packet);
                // Only if it was here can everybody have it.
                if reader.recognise(&sealed.packet).is_some() {
                    everybody[*author] = everybody[*author].max(at + 1);
                }
            }
            1 => reader = E::restore(&reader.export()).expect("an export restores"),
            2 => {
                let mut altered = sealed.packet.clone();
                let bit = input.number() % (8 * altered.len());
                altered[bit / 8] ^= 1 << (bit % 8);
                let before = reader.export();
                assert_eq!(opens(&reader, &altered), Err(OpenError::NotDecryptable));
                assert_eq!(reader.export(), before);
            }
            _ => match reader.open(&sealed.packet) {
                Ok(opened) => {
                    assert_eq!(
                        (opened.id, opened.author, &opened.content),
                        (sealed.id, member(*author), content)
                    );
                    assert!(at >= everybody[*author], "an erased key opens");
                    reader.commit(opened.step);
                }
                Err(error) => {
                    assert_eq!(error, OpenError::NotDecryptable);
                    assert!(at < everybody[*author], "it is not erased and does not open");
                    assert_eq!(reader.recognise(&sealed.packet), Some(sealed.id));
                }
            },
        }
    }
}

thread_local! {
    /// What an [`Insider`] encrypts next, instead of what it is told to.
    static PLAINTEXT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The cipher of a member who holds all keys and encrypts whatever it likes: the bytes of [`PLAINTEXT`] over
/// those of an honest message, exclusive or.
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

/// What is encrypted by a member and not what it signed does not open, and the id of what opens is the
/// sealer's.
fn insider<E: MessageEncryptor, I: MessageEncryptor>(input: &mut Input<'_>) {
    let mut rng = rng::seeded(input.number() as u64);
    // Behind the signature, or from the start.
    let from = if input.byte() < 128 { 64 } else { 0 };
    let other = [vec![0; from], input.bytes().to_vec()].concat();
    let mut insider: I = group(2);
    let content = content(input);
    let is_changed = other.iter().any(|byte| *byte != 0);
    PLAINTEXT.set(other);
    let sealed = insider.seal(&content, &mut Context::new(Time::ZERO, &mut rng));
    PLAINTEXT.take();
    let Ok(sealed) = sealed else { return };
    let alice: E = group(0);
    match opens(&alice, &sealed.packet) {
        Ok(opened) => assert_eq!(opened, (sealed.id, member(2), content)),
        Err(OpenError::Malformed | OpenError::BadSignature(_) | OpenError::KeyNotNamed(_)) => {
            assert!(is_changed, "an honest message opens");
        }
        Err(error) => panic!("a member made it, so it decrypts: {error}"),
    }
}

/// Exports restore as they were, and nothing else restores.
fn restore<E: MessageEncryptor>(input: &mut Input<'_>) {
    let bob: E = group(1);
    let export = bob.export();
    let restored = E::restore(&export).expect("an export restores");
    assert_eq!(*restored.export(), *export);
    let mut damaged = export.to_vec();
    let at = input.number() % damaged.len();
    damaged[at] ^= input.byte().max(1);
    assert!(E::restore(&damaged).is_err());
    damaged.truncate(at);
    assert!(E::restore(&damaged).is_err());
    assert!(E::restore(input.rest()).is_err());
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
fn group<E: MessageEncryptor>(n: usize) -> E {
    E::new(&member(n), &keys(n)).expect("a member")
}

pub(super) fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (cipher, name) in [(0, "aes"), (1, "chacha"), (2, "unpadded"), (3, "ratchet")] {
        let action = |n: u8| 4 * n + cipher;
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
        // Six messages; the last first, then everybody has the third, and all come once more.
        let deliveries = [
            5, 7, 2, 7, 2, 0, 0, 7, 1, 7, 2, 7, 3, 7, 0, 1, 4, 7, 5, 2, 0, 9, 5, 7,
        ];
        let history = [&[action(4), 0, 1, 4, 0, 1, 0, 0, 1, 0], deliveries.as_slice()].concat();
        seeds.push(Seed::new(format!("history-{name}"), history));
    }
    seeds
}
