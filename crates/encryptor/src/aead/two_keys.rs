//! a ciphertext with one valid tag under two keys, and how it is refused here.
//!
//! AES-GCM does not commit to its key: an attacker with two keys can solve one block of a ciphertext so that
//! one tag fits both (Dodis, Grubbs, Ristenpart, Woodage, "Fast message franking: from invisible salamanders
//! to encryptment", 2018). The attacker here is in two groups, and has found a salt under which the two
//! decryptions are well-formed messages too. Only the signature tells them apart.

use super::tests::{Exact, group};
use super::*;
use concilium_core::keys::Signature;
use concilium_core::packet;

use crate::party::SIGNATURE_BYTES;
use crate::schedule::{MessageKey, SALT_BYTES, TextDigest};
use crate::{layout, padding};

/// What packets of this suite are authenticated with.
const FRAME: [u8; packet::FRAME_BYTES] = packet::header(packet::PacketKind::Message);

/// Multiplication in GF(2^128) as GCM has it: the first bit is the coefficient of 1 (NIST SP 800-38D, 6.3).
fn multiply(x: u128, y: u128) -> u128 {
    let (mut product, mut shifted) = (0, y);
    for bit in (0..128).rev() {
        if x >> bit & 1 == 1 {
            product ^= shifted;
        }
        shifted = (shifted >> 1) ^ if shifted & 1 == 1 { 0xe1 << 120 } else { 0 };
    }
    product
}

const ONE: u128 = 1 << 127;

fn power(x: u128, exponent: u128) -> u128 {
    (0..128).rev().fold(ONE, |power, bit| {
        let square = multiply(power, power);
        if exponent >> bit & 1 == 1 {
            multiply(square, x)
        } else {
            square
        }
    })
}

/// By Fermat: x to the 2^128 - 2.
fn inverse(x: u128) -> u128 {
    power(x, u128::MAX - 1)
}

#[test]
fn the_field_is_a_field() {
    let (x, y) = (
        0x0388_dace_60b6_a392_f328_c2b9_71b2_fe78,
        0x66e9_4bd4_ef8a_2c3b_884c_fa59_ca34_2b2e,
    );
    // From the GCM specification, test case 2: the first block of GHASH.
    assert_eq!(multiply(x, y), 0x5e2e_c746_9170_6288_2c85_b068_5353_deb7);
    assert_eq!(multiply(x, ONE), x);
    assert_eq!(multiply(x, inverse(x)), ONE);
}

/// AES-GCM under one key and nonce, taken apart by asking it for tags only.
struct Opened {
    key: MessageKey,
    /// The hash key H, and what the hash is masked with.
    hash: u128,
    mask: u128,
    keystream: Vec<u8>,
}

impl Opened {
    fn new(key: MessageKey, bytes: usize) -> Self {
        let tag = |associated: &[u8]| {
            u128::from_be_bytes(Aes256Gcm::encrypt(
                key.key.expose(),
                &key.nonce,
                associated,
                &mut [],
            ))
        };
        let mask = tag(&[]);
        let one_zero_block = tag(&[0; 16]) ^ mask;
        let mut keystream = vec![0; bytes];
        Aes256Gcm::encrypt(key.key.expose(), &key.nonce, &[], &mut keystream);
        Self {
            hash: multiply(one_zero_block, inverse(128 << 64)),
            mask,
            keystream,
            key,
        }
    }

    /// The tag of a ciphertext with our associated data.
    fn tag(&self, ciphertext: &[u8]) -> u128 {
        let blocks = [FRAME.as_slice()]
            .into_iter()
            .chain(ciphertext.chunks(16))
            .map(|chunk| {
                let mut block = [0; 16];
                block[..chunk.len()].copy_from_slice(chunk);
                u128::from_be_bytes(block)
            });
        let lengths = (FRAME.len() as u128 * 8) << 64 | (ciphertext.len() as u128 * 8);
        let hash = blocks
            .chain([lengths])
            .fold(0, |hash, block| multiply(hash ^ block, self.hash));
        hash ^ self.mask
    }

    fn decrypt(&self, ciphertext: &[u8], tag: &[u8; 16]) -> Option<Vec<u8>> {
        let mut plain = ciphertext.to_vec();
        Aes256Gcm::decrypt(self.key.key.expose(), &self.key.nonce, &FRAME, &mut plain, tag).ok()?;
        Some(plain)
    }
}

const MEMBERS: usize = 8;

/// A salt under which a text starts well under both keys: authors within the groups, their first keys, and no
/// parents. One salt in about sixteen thousand is such.
fn common_salt(groups: [&Exact; 2]) -> Salt {
    (0_u64..1 << 20)
        .map(|counter| {
            let mut salt = [0; SALT_BYTES];
            salt[..8].copy_from_slice(&counter.to_le_bytes());
            salt
        })
        .find(|salt| {
            let [one, two] = groups.map(|group| {
                let key = group.lock.key(salt);
                let mut head = [0; SIGNATURE_BYTES + 3];
                Aes256Gcm::encrypt(key.key.expose(), &key.nonce, &[], &mut head);
                head
            });
            let flags = (one[65] ^ two[65]) & 0x40;
            flags == 0 && usize::from(one[64] ^ two[64]) < MEMBERS && one[66] == two[66]
        })
        .unwrap()
}

#[test]
fn a17_one_ciphertext_two_keys_two_meanings_is_accepted_by_nobody() {
    let groups = [1, 2].map(|number| group(MEMBERS, number, number).remove(0));
    let [one, two]: &[Exact; 2] = &groups;
    let salt = common_salt([one, two]);
    let keys = [one, two].map(|group| Opened::new(group.lock.key(&salt), 8192));

    // A length at which both texts end with the marker, as they must: where the two key streams agree.
    let last = (200..)
        .find(|&at| keys[0].keystream[at] == keys[1].keystream[at])
        .unwrap();
    // The first meaning as its author would send it, with its signature; the second follows from it.
    let mut text = vec![0, 0, 0];
    text.resize(last - SIGNATURE_BYTES, b'a');
    let digest = TextDigest::new(&one.party.binding, &text, &[]).finish(&salt);
    let plain = [
        one.party.state.signing.sign(&digest).as_bytes(),
        text.as_slice(),
        &[padding::MARKER],
    ]
    .concat();
    let mut ciphertext: Vec<u8> = plain.iter().zip(&keys[0].keystream).map(|(a, b)| a ^ b).collect();

    // Sixteen bytes in the middle of the body make the two tags equal.
    const SOLVED: std::ops::Range<usize> = 96..112;
    ciphertext[SOLVED].fill(0);
    let blocks_after = (ciphertext.len().div_ceil(16) - SOLVED.start / 16) as u128 + 1;
    let difference = keys[0].tag(&ciphertext) ^ keys[1].tag(&ciphertext);
    let weight = power(keys[0].hash, blocks_after) ^ power(keys[1].hash, blocks_after);
    let block = multiply(difference, inverse(weight));
    ciphertext[SOLVED].copy_from_slice(&block.to_be_bytes());
    let tag = keys[0].tag(&ciphertext).to_be_bytes();

    // The attack on the cipher works: two groups, two decryptions, both well-formed, both with the right tag.
    let meanings = keys.each_ref().map(|key| {
        let plain = key.decrypt(&ciphertext, &tag).unwrap();
        let text = &padding::strip::<crate::NoPadding>(&plain).unwrap()[SIGNATURE_BYTES..];
        let read = layout::read(text).unwrap();
        (usize::from(read.author), read.body.to_vec())
    });
    assert_ne!(meanings[0].1, meanings[1].1);

    // The attack on the groups does not: neither holds a signature of the author that it claims.
    let packet = [&salt[..], &ciphertext, &tag].concat();
    for (group, (author, _)) in groups.iter().zip(&meanings) {
        let author = group.party.state.members[*author].0.clone();
        assert_eq!(group.open(&packet), Err(OpenError::BadSignature(author)));
    }
}

#[test]
fn a17_the_same_bytes_have_another_id_under_another_key() {
    let [one, two]: [Exact; 2] = [1, 2].map(|number| group(2, number, number).remove(0));
    let (salt, signature) = ([1; SALT_BYTES], Signature::from_bytes([2; 64]));
    let id = |of: &Exact, digest| of.party.state.schedule.message_id(&salt, digest, &signature, 100);
    let digest = |of: &Exact| TextDigest::new(&of.party.binding, b"text", &[]).finish(&salt);
    assert_ne!(digest(&one), digest(&two), "what is signed differs");
    assert_ne!(
        id(&one, &digest(&one)),
        id(&two, &digest(&one)),
        "and were it equal, the id would differ"
    );
}
