//! Ed25519 keys with one verdict everywhere, and the keys of a subsession.
//!
//! [`VerifyingKey`] exists only for canonical encodings of points of large order, and verifies strictly
//! ([`ed25519_dalek::VerifyingKey::verify_strict`]), so that no two paths through this workspace can disagree
//! on an odd signature (A-13, "Taming the many EdDSAs", Chalkias, Garillot, Nikolaenko, 2020).

use std::fmt;

use ed25519_dalek::Signer as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{MemberMap, MemberSet, Secret, SubsessionId, wire};

/// The bytes are not an acceptable Ed25519 public key: not a point, not canonically encoded, or of small
/// order.
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
        // Not canonical are a y that is not below the prime 2^255 - 19, and a sign on x = 0. The points with
        // that x have small order.
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
    /// The group secret: uniformly random to all others.
    pub secret: Secret<32>,
    /// Our signing key for this subsession.
    pub signing: SigningKey,
    /// Every member's verifying key for this subsession, our own included.
    pub verifying: MemberMap<VerifyingKey>,
}

impl SubsessionKeys {
    /// The subsession's members.
    #[must_use]
    pub fn members(&self) -> MemberSet {
        self.verifying.members().clone()
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

    /// Message, key, signature, and whether strict verification takes it: the cases of the paper's section 5,
    /// from its authors' `ed25519-speccheck`. The paper's libraries disagree on every case except the fourth.
    #[rustfmt::skip]
    const DISPUTED: [(&str, &str, &str, bool); 10] = [
        // Key and R of small order; S = 0.
        ("8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a0000000000000000000000000000000000000000000000000000000000000000", false),
        // Key of small order, R of mixed order.
        ("9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa", "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04", false),
        // Key of mixed order, R of small order.
        ("aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab", "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa8c4bd45aecaca5b24fb97bc10ac27ac8751a7dfe1baff8b953ec9f5833ca260e", false),
        // Key and R of mixed order; both verification equations hold.
        ("9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79", "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d", "9046a64750444938de19f227bb80485e92b83fdb4b6506c160484c016cc1852f87909e14428a7a1d62e9f22f3d3ad7802db02eb2e688b6c52fcd6648a98bd009", true),
        // The same, but only the cofactored equation holds.
        ("e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c", "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d", "160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed5125ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09", false),
        ("e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c", "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d", "21122a84e0b5fca4052f5b1235c80a537878b38f3142356b2c2384ebad4668b7e40bc836dac0f71076f9abe3a53f9c03c1ceeeddb658d0030494ace586687405", false),
        // S not below the group order, by a little and by much.
        ("85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40", "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623", "e96f66be976d82e60150baecff9906684aebb1ef181f67a7189ac78ea23b6c0e547f7690a0e2ddcd04d87dbc3490dc19b3b3052f7ff0538cb68afb369ba3a514", false),
        ("85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40", "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623", "8ce5b96c8f26d0ab6c47958c9e68b937104cd36e13c33566acd2fe8d38aa19427e71f98a473474f2f13f06f97c20d58cc3f54b8bd0d272f42b695dd7e89a8c22", false),
        // R of small order in a form that is not canonical.
        ("fdaebc429f4a735932a160da1301080c13280eea8bc280d1b392c6b9e6ba3a5a", "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f454d370c8d9fc323a41450f8d513eafeb5b0697390c1e505a0d4ddc71f566607", false),
        ("84b698d39be126ff55fe45079e6c8bf64a0d7db6994560b4e96b7021eb39c1a1", "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f084d5b99c2a9463d9c8bd5026916996984eeec87ddf1d3be329006ace1b37b09", false),
    ];

    #[test]
    fn a13_signatures_on_which_libraries_differ_have_one_verdict() {
        for (i, (message, key, signature, expected)) in DISPUTED.iter().enumerate() {
            let mut bytes = [0; 64];
            bytes[..32].copy_from_slice(&unhex(&signature[..64]));
            bytes[32..].copy_from_slice(&unhex(&signature[64..]));
            let made = VerifyingKey::from_bytes(&unhex(key));
            // The other way in: a key inside a packet or a snapshot.
            let read = wire::decode::<VerifyingKey>(&unhex(key), 32);
            assert_eq!(made.ok(), read.ok(), "case {i}");
            let taken = made.is_ok_and(|key| key.verify(&unhex(message), &Signature(bytes)).is_ok());
            assert_eq!(taken, *expected, "case {i}");
        }
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
