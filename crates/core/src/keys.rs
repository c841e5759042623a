//! Ed25519 keys with one verdict everywhere, and the keys of a subsession.
//!
//! [`VerifyingKey`] exists only for canonical encodings of points of large order, and verifies strictly
//! ([`ed25519_dalek::VerifyingKey::verify_strict`]), so that no two paths through this workspace can disagree
//! on an odd signature (A-13, "Taming the many EdDSAs", Chalkias, Garillot, Nikolaenko, 2020).

use std::collections::BTreeMap;
use std::fmt;

use ed25519_dalek::Signer as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{MemberId, MemberSet, Secret, SubsessionId, wire};

/// The bytes are not an acceptable Ed25519 public key: not a point, not canonically encoded, or of small order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an acceptable Ed25519 public key; ask its owner for the right one")]
pub struct KeyError;

/// The signature is not this key's over these bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct SignatureError;

/// An Ed25519 public key, decompressed once, verifying strictly.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey(ed25519_dalek::VerifyingKey);

impl VerifyingKey {
    /// Reads the 32-byte encoding of RFC 8032.
    ///
    /// # Errors
    /// Not a point, not the canonical encoding of one, or of small order (K-11).
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        // A y that is not below the prime 2^255 - 19 is the one way not to be canonical, but for a sign on x = 0,
        // and the points with that x have small order.
        let [first, middle @ .., last] = bytes;
        let below_prime = last & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff) || *first < 0xed;
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| KeyError)?;
        if below_prime && !key.is_weak() {
            Ok(Self(key))
        } else {
            Err(KeyError)
        }
    }

    /// The 32-byte encoding.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Checks a signature, strictly.
    ///
    /// # Errors
    /// It is not this key's over these bytes.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), SignatureError> {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.0
            .verify_strict(message, &signature)
            .map_err(|_| SignatureError)
    }
}

/// By the order of the encodings, so that keys can stand in sets.
impl Ord for VerifyingKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl PartialOrd for VerifyingKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey(")?;
        for byte in self.as_bytes().iter().take(4) {
            write!(f, "{byte:02x}")?;
        }
        write!(f, ")")
    }
}

impl Serialize for VerifyingKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        wire::array::serialize(self.as_bytes(), serializer)
    }
}

impl<'de> Deserialize<'de> for VerifyingKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = wire::array::deserialize(deserializer)?;
        Self::from_bytes(&bytes).map_err(serde::de::Error::custom)
    }
}

/// An Ed25519 signature: 64 bytes, not verified by itself.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature(#[serde(with = "wire::array")] [u8; 64]);

impl Signature {
    /// Takes the bytes as a signature.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature(..)")
    }
}

/// An Ed25519 signing key with its public half kept beside it: erased when dropped, redacted when printed.
/// It serialises as its 32 secret bytes, for snapshots only ([`wire::encode_secret`]).
#[derive(Clone)]
pub struct SigningKey {
    key: ed25519_dalek::SigningKey,
    verifying: VerifyingKey,
}

impl SigningKey {
    /// The key whose secret is this seed (RFC 8032). Any 32 random bytes are one.
    #[must_use]
    pub fn from_seed(seed: &Secret<32>) -> Self {
        let key = ed25519_dalek::SigningKey::from_bytes(seed.expose());
        let verifying = VerifyingKey(key.verifying_key());
        Self { key, verifying }
    }

    /// The public half.
    #[must_use]
    pub const fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// The secret seed, for an export that its owner keeps.
    #[must_use]
    pub fn seed(&self) -> Secret<32> {
        Secret::new(*self.key.as_bytes())
    }

    /// Signs.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.key.sign(message).to_bytes())
    }
}

/// Whether both hold the same key, by their public halves.
impl PartialEq for SigningKey {
    fn eq(&self, other: &Self) -> bool {
        self.verifying == other.verifying
    }
}

impl Eq for SigningKey {}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(.., {:?})", self.verifying)
    }
}

impl Serialize for SigningKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        wire::array::serialize(self.key.as_bytes(), serializer)
    }
}

impl<'de> Deserialize<'de> for SigningKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Secret::<32>::deserialize(deserializer).map(|seed| Self::from_seed(&seed))
    }
}

/// What a successful operation hands over: everything that one member needs to talk in a subsession (K-4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubsessionKeys {
    /// The subsession's id, the same for all members.
    pub subsession: SubsessionId,
    /// The group secret: uniformly random to everybody else.
    pub secret: Secret<32>,
    /// Our signing key for this subsession.
    pub signing: SigningKey,
    /// Every member's verifying key for this subsession, our own included.
    pub verifying: BTreeMap<MemberId, VerifyingKey>,
}

impl SubsessionKeys {
    /// The subsession's members.
    #[must_use]
    pub fn members(&self) -> MemberSet {
        self.verifying.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&Secret::new([seed; 32]))
    }

    #[test]
    fn signs_and_verifies() {
        let (ours, theirs) = (key(1), key(2));
        let signature = ours.sign(b"message");
        assert_eq!(ours.verifying_key().verify(b"message", &signature), Ok(()));
        assert_eq!(
            ours.verifying_key().verify(b"massage", &signature),
            Err(SignatureError)
        );
        assert_eq!(
            theirs.verifying_key().verify(b"message", &signature),
            Err(SignatureError)
        );
        assert_eq!(
            wire::decode::<SigningKey>(&wire::encode_secret(&ours), 32),
            Ok(ours)
        );
    }

    #[test]
    fn a21_signing_keys_do_not_print() {
        let printed = format!("{:?}", key(0xa5));
        assert!(printed.starts_with("SigningKey(.., "), "{printed}");
        assert!(!printed.contains("a5a5"), "{printed}");
    }

    #[test]
    fn a13_small_order_and_non_canonical_keys_are_refused() {
        // The eight points of small order with their non-canonical encodings, from "Taming the many EdDSAs".
        let small = [
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            "0100000000000000000000000000000000000000000000000000000000000080",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        ];
        for hex in small {
            assert_eq!(VerifyingKey::from_bytes(&unhex(hex)), Err(KeyError), "{hex}");
        }
    }

    fn unhex(hex: &str) -> [u8; 32] {
        std::array::from_fn(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
    }

    #[test]
    fn a13_signatures_with_s_out_of_range_are_refused() {
        let ours = key(1);
        let mut signature = *ours.sign(b"m").as_bytes();
        // S + L, with L the group order, little-endian: the malleated twin that loose verifiers take.
        let order = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
        let order = unhex(order);
        let mut carry = 0_u16;
        for (byte, add) in signature[32..].iter_mut().zip(order) {
            carry += u16::from(*byte) + u16::from(add);
            *byte = carry.to_le_bytes()[0];
            carry >>= 8;
        }
        assert_eq!(
            ours.verifying_key().verify(b"m", &Signature(signature)),
            Err(SignatureError)
        );
    }
}
