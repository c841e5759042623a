//! Attacks that need the chains, and the contents of an export.

use std::collections::BTreeMap;

use concilium_core::keys::Signature;
use concilium_core::testing::rng::seeded;
use proptest::prelude::*;

use super::*;
use crate::party::SIGNATURE_BYTES;
use crate::sample::{content, group, name, seal, text};
use crate::schedule::{DIGEST_BYTES, SALT_BYTES, TextDigest};
use crate::{Aes256Gcm, Buckets, NoPadding};

type Exact = Ratchet<Aes256Gcm, NoPadding>;

fn three() -> [Exact; 3] {
    group(3, 1, 2).try_into().ok().unwrap()
}

fn pair() -> [Exact; 2] {
    group(2, 1, 2).try_into().ok().unwrap()
}

/// Opens and takes.
fn take(by: &mut Exact, packet: &[u8]) -> MessageId {
    let opened = by.open(packet).unwrap();
    by.commit(opened.step);
    opened.id
}

const SALT: Salt = [3; SALT_BYTES];

/// What an insider can make: any signature over anything, at any place of any chain, under any header.
struct Forgery<'a> {
    by: &'a Exact,
    author: u16,
    generation: u32,
    /// The header, if it is to be another one than fits.
    header: Option<Header>,
}

impl Forgery<'_> {
    fn digest(&self, text: &[u8]) -> [u8; DIGEST_BYTES] {
        TextDigest::new(&self.by.party.binding, text, &self.generation.to_le_bytes()).finish(&SALT)
    }

    fn packet(&self, signature: &Signature, text: &[u8]) -> Vec<u8> {
        let front = SALT_BYTES + HEADER_BYTES;
        let plain = [signature.as_bytes().as_slice(), text, &[0x80]].concat();
        let bytes = front + plain.len() + 16;
        let schedule = &self.by.party.state.schedule;
        let id = schedule.message_id(&SALT, &self.digest(text), signature, bytes);
        let header = self.header.unwrap_or(Header {
            author: self.author,
            generation: self.generation,
            id,
        });
        let header = header.mask(&self.by.header_key, &SALT);
        let chain = &self.by.chains[usize::from(self.author)];
        let secret = chain.secret(self.generation, usize::MAX).unwrap();
        let (key, mut plain) = (MessageKey::derive(&secret, &SALT), plain);
        let tag = Aes256Gcm::encrypt(
            key.key.expose(),
            &key.nonce,
            &party::associated_data(&header),
            &mut plain,
        );
        [&SALT[..], &header, &plain, &tag].concat()
    }

    /// Signed by the insider itself.
    fn signed(&self, text: &[u8]) -> Vec<u8> {
        let signature = self.by.party.state.signing.sign(&self.digest(text));
        self.packet(&signature, text)
    }
}

#[test]
fn forging_with_nothing_changed_is_sealing() {
    let [alice, bob] = pair();
    let forgery = Forgery {
        by: &alice,
        author: 0,
        generation: 5,
        header: None,
    };
    let opened = bob.open(&forgery.signed(&text(0, &content(2, b"body")))).unwrap();
    assert_eq!((opened.author, opened.content), (name(0), content(2, b"body")));
}

#[test]
fn m08_overhead_is_38_bytes_more_than_the_defaults() {
    let [mut alice, _] = pair();
    for body in [0, 1, 100, 1000, crate::MAX_BODY_BYTES] {
        let sealed = seal(&mut alice, &content(1, &vec![5; body]), 1);
        assert_eq!(sealed.packet.len() + 2 - body, 130 + 38, "{body} bytes");
    }
    assert_eq!(<Ratchet<Aes256Gcm, Buckets>>::SUITE, "ratchet+aes256gcm+buckets");
}

/// The secrets of a chain and of its messages, from the first up to and without a generation.
fn secrets_before(of: &Exact, author: u16, generation: u32) -> Vec<(&'static str, Vec<u8>)> {
    let mut found = Vec::new();
    for at in 0..generation {
        let mut chain = Exact::restore(&of.export())
            .unwrap()
            .chains
            .remove(usize::from(author));
        let secret = chain.secret(at, usize::MAX).unwrap();
        found.push(("the secret of a message", secret.expose().to_vec()));
        if at > 0 {
            chain.take(at - 1, usize::MAX);
        }
        found.push(("a place of the chain", wire::encode_secret(&chain)[..32].to_vec()));
    }
    found
}

#[test]
fn m08_a20_no_export_holds_a_key_of_what_everybody_has() {
    let [mut alice, mut bob, mut carol] = three();
    let early = secrets_before(&bob, 0, 5);
    let holds = |of: &Exact, secret: &[u8]| of.export().windows(secret.len()).any(|at| at == secret);
    let sealed: Vec<_> = (0..6)
        .map(|n| seal(&mut alice, &content(1, b"body"), n))
        .collect();
    let keys = |sealed: &Sealed, secret: &[u8]| {
        let secret = Secret::new(secret.try_into().unwrap());
        let key = MessageKey::derive(&secret, sealed.packet[..SALT_BYTES].try_into().unwrap());
        *key.key.expose()
    };
    // Bob has them in order, Carol from the last to the first, and 3 never reaches her.
    for sealed in &sealed[..5] {
        take(&mut bob, &sealed.packet);
    }
    for n in [4, 2, 1, 0] {
        take(&mut carol, &sealed[n].packet);
    }
    let everyone = [&alice, &bob, &carol];
    for of in everyone {
        let found = early.iter().filter(|(_, secret)| holds(of, secret)).count();
        assert_eq!(
            found, 5,
            "the search finds what is there: a secret for each message"
        );
    }
    for of in [&mut alice, &mut bob, &mut carol] {
        of.fully_acked(&sealed[4].packet);
        for (what, secret) in &early {
            assert!(!holds(of, secret), "{what} lingers");
            for sealed in &sealed {
                assert!(!holds(of, &keys(sealed, secret)), "a key lingers");
            }
        }
        for sealed in &sealed[..5] {
            assert_eq!(of.open(&sealed.packet).err(), Some(OpenError::NotDecryptable));
            assert_eq!(of.recognise(&sealed.packet), Some(sealed.id));
        }
        assert!(of.open(&sealed[5].packet).is_ok(), "what is to come opens");
    }
}

#[test]
fn m08_what_all_keys_come_from_is_in_no_export() {
    let [alice, _] = pair();
    let id = concilium_core::SubsessionId::from_bytes([1; 32]);
    let secret = Secret::new([2; 32]);
    let root = GroupSecret::new(Exact::SUITE, &id, &secret).expand("ratchet root");
    assert!(
        *alice.chains[0].secret(0, 0).unwrap().expose()
            == *Chain::new(ChainSecret::first(&root, 0))
                .secret(0, 0)
                .unwrap()
                .expose(),
        "this is what they come from"
    );
    let export = alice.export();
    for gone in [root.expose(), secret.expose()] {
        assert!(!export.windows(8).any(|at| at == &gone[..8]));
    }
}

#[test]
fn m08_a16_a_fork_at_one_place_of_a_chain_has_other_keys() {
    let [mut alice, mut bob] = pair();
    let mut again = Exact::restore(&alice.export()).unwrap();
    let [one, two] = [
        seal(&mut alice, &content(1, b"attack"), 1),
        seal(&mut again, &content(1, b"attack"), 2),
    ];
    let key = |sealed: &Sealed| {
        let secret = bob.chains[0].secret(0, 0).unwrap();
        let key = MessageKey::derive(&secret, sealed.packet[..SALT_BYTES].try_into().unwrap());
        (*key.key.expose(), key.nonce)
    };
    let (one_key, two_key) = (key(&one), key(&two));
    assert!(one_key.0 != two_key.0 && one_key.1 != two_key.1);
    // G-3: both are evidence, for members that accepted either first.
    assert_ne!(take(&mut bob, &one.packet), take(&mut bob, &two.packet));
    // The same randomness too, as in a copied virtual machine: the same packet, or another key.
    let mut again = Exact::restore(&alice.export()).unwrap();
    let third = seal(&mut alice, &content(1, b"attack"), 3);
    assert_eq!(seal(&mut again, &content(1, b"attack"), 3), third);
    let mut again = Exact::restore(&again.export()).unwrap();
    assert_ne!(
        seal(&mut again, &content(1, b"attack"), 3).packet[..SALT_BYTES],
        third.packet[..SALT_BYTES],
        "at the next place"
    );
}

#[test]
fn m04_a16_a_million_sends_and_crashes_repeat_no_key() {
    let sends = if cfg!(debug_assertions) {
        50_000
    } else {
        1_000_000_u32
    };
    let [alice, bob] = pair();
    let mut random = seeded(1);
    let cx = &mut Context::new(concilium_core::Time::ZERO, &mut random);
    let (mut keys, mut dice) = (Vec::new(), seeded(2));
    let mut chains: Vec<Chain> = alice.chains;
    let mut crashes = 0;
    for _ in 0..sends {
        // The part of sealing that could repeat one, without the signature that would make a million too
        // slow.
        let author = (dice.next_u32() % 2) as usize;
        let chain = &mut chains[author];
        let generation = chain.next();
        let secret = chain.secret(generation, 0).unwrap();
        let digest = TextDigest::new(&bob.party.binding, b"always the same", &generation.to_le_bytes());
        let salt = bob.party.state.schedule.fresh_salt(&digest, cx).unwrap();
        let key = MessageKey::derive(&secret, &salt);
        keys.push((*key.key.expose(), key.nonce));
        // A crash after this send, whose state was never saved.
        if dice.next_u32().is_multiple_of(4) {
            crashes += 1;
        } else {
            chain.take(generation, 0);
            chain.erase_through(generation);
        }
    }
    assert!(crashes > sends / 8);
    let (mut nonces, mut keys): (Vec<_>, Vec<_>) = keys.into_iter().map(|(key, nonce)| (nonce, key)).unzip();
    nonces.sort_unstable();
    keys.sort_unstable();
    assert!(nonces.is_sorted_by(|a, b| a < b) && keys.is_sorted_by(|a, b| a < b));
}

#[test]
fn m08_a19_a_demand_for_an_enormous_skip_is_refused() {
    let [alice, bob] = pair();
    let text = text(0, &content(0, b"body"));
    let before = bob.export();
    let demanded = |author, generation| {
        let id = MessageId::from_bytes([0; 32]);
        let header = Some(Header {
            author,
            generation,
            id,
        });
        let forgery = Forgery {
            by: &alice,
            author: 0,
            generation: 0,
            header,
        };
        forgery.signed(&text)
    };
    // The steps that it takes to refuse it.
    let refusing = |packet: &[u8]| {
        let steps = chain::steps();
        assert_eq!(bob.open(packet).err(), Some(OpenError::NotDecryptable));
        chain::steps() - steps
    };
    let limit = MAX_SKIPPED_OF_AUTHOR as u32;
    for far in [limit + 1, 1 << 20, u32::MAX - 1, u32::MAX] {
        assert_eq!(refusing(&demanded(0, far)), 0, "{far}");
    }
    for author in [2, 255, u16::MAX] {
        assert_eq!(refusing(&demanded(author, 0)), 0, "no member {author}");
    }
    let farthest = refusing(&demanded(0, limit));
    assert_eq!(farthest, MAX_SKIPPED_OF_AUTHOR + 1, "not with that key");
    assert!(bob.export() == before);
}

#[test]
fn m08_a19_all_that_is_kept_has_a_limit_and_nobody_suffers_for_another() {
    for (members, expected) in [(1, 1024), (64, 1024), (65, 1008), (1000, 65), (1024, 64)] {
        assert_eq!(share(members), expected);
        assert!(members * share(members) <= MAX_SKIPPED);
    }
    let [mut alice, mut bob, mut carol] = three();
    let sealed: Vec<_> = (0..=MAX_SKIPPED_OF_AUTHOR as u64 + 1)
        .map(|n| seal(&mut alice, &content(0, b""), n).packet)
        .collect();
    let (last, before) = (&sealed[MAX_SKIPPED_OF_AUTHOR + 1], &sealed[MAX_SKIPPED_OF_AUTHOR]);
    assert_eq!(carol.open(last).err(), Some(OpenError::NotDecryptable), "too far");
    take(&mut carol, before);
    take(&mut carol, last);
    // Alice's share is used up, and Bob's is as it was.
    let of_bob: Vec<_> = (0..3)
        .map(|n| seal(&mut bob, &content(0, b""), n).packet)
        .collect();
    for packet in of_bob.iter().rev() {
        take(&mut carol, packet);
    }
    for packet in sealed.iter().rev() {
        take(&mut carol, packet);
    }
    let kept = carol.export().len();
    assert!(kept < 2 * 40 * MAX_SKIPPED_OF_AUTHOR + 1000, "{kept} bytes");
}

#[test]
fn m08_a45_an_insider_cannot_move_a_message_to_another_place_or_name() {
    let [alice, bob] = pair();
    let says = text(0, &content(1, b"body"));
    let at = |generation| Forgery {
        by: &bob,
        author: 0,
        generation,
        header: None,
    };
    let signature = alice.party.state.signing.sign(&at(1).digest(&says));
    assert!(bob.open(&at(1).packet(&signature, &says)).is_ok());
    assert_eq!(
        bob.open(&at(2).packet(&signature, &says)).err(),
        Some(OpenError::BadSignature(name(0))),
        "another place"
    );
    let in_bobs_chain = Forgery { author: 1, ..at(1) };
    assert_eq!(
        bob.open(&in_bobs_chain.packet(&signature, &says)).err(),
        Some(OpenError::Malformed),
        "another's chain"
    );
    let id = MessageId::from_bytes([9; 32]);
    let misnamed = Forgery {
        header: Some(Header {
            author: 0,
            generation: 1,
            id,
        }),
        ..at(1)
    };
    assert_eq!(
        bob.open(&misnamed.packet(&signature, &says)).err(),
        Some(OpenError::Malformed),
        "another's name"
    );
    let short = Signature::from_bytes([0; SIGNATURE_BYTES]);
    assert_eq!(
        bob.open(&at(1).packet(&short, &says)).err(),
        Some(OpenError::BadSignature(name(0)))
    );
}

#[test]
fn m08_a18_headers_cannot_be_altered() {
    let [mut alice, mut bob] = pair();
    let sealed: Vec<_> = (0..3)
        .map(|n| seal(&mut alice, &content(1, b"body"), n))
        .collect();
    take(&mut bob, &sealed[2].packet);
    let before = bob.export();
    for bit in 0..8 * (SALT_BYTES + HEADER_BYTES) {
        for of in &sealed {
            let mut altered = of.packet.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                bob.open(&altered).err(),
                Some(OpenError::NotDecryptable),
                "bit {bit}"
            );
        }
    }
    assert!(bob.export() == before);
}

#[test]
fn m05_what_was_never_here_is_not_recognised() {
    let [mut alice, mut bob] = pair();
    let sealed: Vec<_> = (0..3)
        .map(|n| seal(&mut alice, &content(1, b"body"), n))
        .collect();
    assert_eq!(bob.recognise(&sealed[0].packet), None);
    take(&mut bob, &sealed[1].packet);
    assert_eq!(bob.recognise(&sealed[1].packet), Some(sealed[1].id));
    assert_eq!(bob.recognise(&sealed[2].packet), None);
    for nothing in [&[][..], &[0; 12], &[0; 49], &[0; 50], &[7; 300]] {
        assert_eq!(bob.recognise(nothing), None);
    }
    let elsewhere = &group::<Exact>(2, 9, 2)[1];
    assert_eq!(elsewhere.recognise(&sealed[1].packet), None);
}

proptest! {
    /// With any losses, repetitions, delays and restarts: a message that arrives within the limits is read,
    /// and is the one sent. None is read once all have it.
    #[test]
    fn m08_any_order_drops_and_duplicates(
        // Which of the packets so far arrives; whether all have it then; whether the reader restarts.
        arrivals in proptest::collection::vec((0..100_usize, 0..6_u8, 0..10_u8), 1..120),
        authors in proptest::collection::vec(0..2_usize, 1..40),
    ) {
        let [alice, bob, mut carol] = three();
        let mut writers = [alice, bob];
        let sent: Vec<_> = authors.iter().enumerate().map(|(n, author)| {
            let says = content(1, format!("message {n}").as_bytes());
            (*author, seal(&mut writers[*author], &says, n as u64), says)
        }).collect();
        // The naive model: what each member has had, and up to where all have everything.
        let mut read: BTreeMap<usize, usize> = BTreeMap::new();
        let mut erased = [0_usize; 2];
        for (at, acked, restart) in arrivals {
            let at = at % sent.len();
            let (author, sealed, says) = &sent[at];
            let place = sent[..at].iter().filter(|(by, ..)| by == author).count();
            if restart == 0 {
                carol = Exact::restore(&carol.export()).unwrap();
            }
            match carol.open(&sealed.packet) {
                Ok(opened) => {
                    prop_assert!(place >= erased[*author], "read although everybody has it");
                    prop_assert_eq!((&opened.content, opened.id), (says, sealed.id));
                    prop_assert_eq!(opened.author, name(*author));
                    carol.commit(opened.step);
                    *read.entry(at).or_default() += 1;
                }
                Err(error) => {
                    prop_assert_eq!(error, OpenError::NotDecryptable);
                    prop_assert!(place < erased[*author], "not read although it could be");
                    prop_assert_eq!(carol.recognise(&sealed.packet), Some(sealed.id));
                }
            }
            if acked == 0 {
                carol.fully_acked(&sealed.packet);
                erased[*author] = erased[*author].max(place + 1);
            }
        }
    }
}
