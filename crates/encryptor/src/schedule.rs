//! Every secret of a subsession, and every hash that a message goes through. Derivations are in
//! `docs/spec/encryptor.md`.

use std::fmt;

use blake3::Hasher;
use concilium_core::keys::{Signature, VerifyingKey};
use concilium_core::{Context, FramedHash, MemberId, MessageId, RandomnessError, Secret, SubsessionId};
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroize as _;

use crate::cipher::{KEY_BYTES, NONCE_BYTES};

/// Bytes of the salt in front of every packet. A group that sends 2^32 messages in one subsession repeats a
/// salt with probability 2^-33.
pub(crate) const SALT_BYTES: usize = 12;

/// What a packet shows of the randomness that went into it.
pub(crate) type Salt = [u8; SALT_BYTES];

/// What the author signs.
pub(crate) const DIGEST_BYTES: usize = 64;

/// The source of a subsession's secrets: HKDF-SHA256 (RFC 5869) with the subsession's id as salt. So the same
/// group secret gives other keys in another subsession or under another suite. Not kept.
pub(crate) struct GroupSecret<'a> {
    hkdf: Hkdf<Sha256>,
    suite: &'a str,
}

impl<'a> GroupSecret<'a> {
    pub(crate) fn new(suite: &'a str, subsession: &SubsessionId, secret: &Secret<32>) -> Self {
        let hkdf = Hkdf::<Sha256>::new(Some(subsession.as_bytes()), secret.expose());
        Self { hkdf, suite }
    }

    /// The secret for one purpose.
    pub(crate) fn expand(&self, label: &str) -> Secret<32> {
        let mut key = Secret::zeroed();
        // Suites and labels hold no slash.
        let info = ["concilium 2026-11 v1 encryptor/", self.suite, "/", label].map(str::as_bytes);
        #[expect(
            clippy::expect_used,
            reason = "HKDF refuses only beyond 255 blocks; this is one"
        )]
        self.hkdf
            .expand_multi_info(&info, key.expose_mut())
            .expect("one block");
        key
    }
}

/// The secrets that last as long as the subsession, one for each purpose, and one value that may become
/// public.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Schedule {
    message_id: Secret<32>,
    salt: Secret<32>,
    exporter: Secret<32>,
    /// Tells nothing of the group secret, and belongs to no other one.
    commitment: [u8; 32],
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Schedule(..)")
    }
}

impl Schedule {
    pub(crate) fn derive(source: &GroupSecret<'_>) -> Self {
        Self {
            message_id: source.expand("message id key"),
            salt: source.expand("salt key"),
            exporter: source.expand("exporter"),
            commitment: *source.expand("commitment").expose(),
        }
    }

    /// The binding of every signature of the subsession (M-4): suite, subsession, group key, and readers.
    pub(crate) fn binding(
        &self,
        suite: &str,
        subsession: &SubsessionId,
        members: &[(MemberId, VerifyingKey)],
    ) -> [u8; 32] {
        members
            .iter()
            .fold(
                FramedHash::new("concilium 2026-11 v1 encryptor binding")
                    .field(suite.as_bytes())
                    .field(subsession.as_bytes())
                    .field(&self.commitment)
                    .number(members.len() as u64),
                |hash, (member, key)| hash.field(member.as_bytes()).field(key.as_bytes()),
            )
            .finish()
    }

    /// A salt for the text in `digest`. Fresh randomness alone would do. The text and a secret are mixed in,
    /// in case the source repeats itself unnoticed, as in a copied virtual machine. It then repeats a salt
    /// only where it repeats the whole message of the same author.
    pub(crate) fn fresh_salt(
        &self,
        digest: &TextDigest,
        cx: &mut Context<'_>,
    ) -> Result<Salt, RandomnessError> {
        let mut input = [0; 64];
        let (random, text) = input.split_at_mut(32);
        random.copy_from_slice(&cx.random::<32>()?);
        text.copy_from_slice(digest.0.finalize().as_bytes());
        let hash = blake3::keyed_hash(self.salt.expose(), &input);
        let mut salt = [0; SALT_BYTES];
        for (byte, from) in salt.iter_mut().zip(hash.as_bytes()) {
            *byte = *from;
        }
        Ok(salt)
    }

    /// The message's id (M-5). It commits to the whole packet without hashing it again: the packet is a
    /// function of the group's keys and of the fields hashed here. `docs/spec/encryptor.md` has the argument.
    pub(crate) fn message_id(
        &self,
        salt: &Salt,
        digest: &[u8; DIGEST_BYTES],
        signature: &Signature,
        packet_bytes: usize,
    ) -> MessageId {
        let mut input = [0; SALT_BYTES + DIGEST_BYTES + 64 + 8];
        let length = (packet_bytes as u64).to_le_bytes();
        let fields: [&[u8]; 4] = [salt, digest, signature.as_bytes(), &length];
        for (byte, from) in input.iter_mut().zip(fields.into_iter().flatten()) {
            *byte = *from;
        }
        MessageId::from_bytes(*blake3::keyed_hash(self.message_id.expose(), &input).as_bytes())
    }

    /// A secret for the application, the same for all members.
    pub(crate) fn export<const N: usize>(&self, label: &[u8], context: &[u8]) -> Secret<N> {
        let mut secret = Secret::zeroed();
        let mut hasher = Hasher::new_keyed(self.exporter.expose());
        for field in [label, context] {
            hasher.update(&(field.len() as u64).to_le_bytes());
            hasher.update(field);
        }
        hasher.finalize_xof().fill(secret.expose_mut());
        hasher.zeroize();
        secret
    }
}

/// The key and nonce of one message.
pub(crate) struct MessageKey {
    pub(crate) key: Secret<KEY_BYTES>,
    pub(crate) nonce: [u8; NONCE_BYTES],
}

impl MessageKey {
    /// Of the one message that is made from this secret with this salt (A-16: no crash sets a salt back).
    pub(crate) fn derive(secret: &Secret<32>, salt: &Salt) -> Self {
        let mut bytes = Secret::<{ KEY_BYTES + NONCE_BYTES }>::zeroed();
        let mut hasher = Hasher::new_keyed(secret.expose());
        hasher.update(salt);
        hasher.finalize_xof().fill(bytes.expose_mut());
        hasher.zeroize();
        let mut key = Self {
            key: Secret::zeroed(),
            nonce: [0; NONCE_BYTES],
        };
        let (first, last) = bytes.expose().split_at(KEY_BYTES);
        key.key.expose_mut().copy_from_slice(first);
        key.nonce.copy_from_slice(last);
        key
    }
}

/// The one pass over a message's text: the text, the binding, other signed fields, and at the end the salt.
/// No lengths are needed in between: all fields except the text have fixed lengths in one suite, which the
/// binding names, and the text stands first. The text goes first because BLAKE3 hashes many chunks at
/// once only from an aligned start.
pub(crate) struct TextDigest(Hasher);

impl TextDigest {
    pub(crate) fn new(binding: &[u8; 32], text: &[u8], signed: &[u8]) -> Self {
        let mut hasher = Hasher::new_derive_key("concilium 2026-11 v1 encryptor message signature");
        hasher.update(text);
        hasher.update(binding);
        hasher.update(signed);
        Self(hasher)
    }

    /// What the author signs.
    pub(crate) fn finish(mut self, salt: &Salt) -> [u8; DIGEST_BYTES] {
        let mut digest = [0; DIGEST_BYTES];
        self.0.update(salt);
        self.0.finalize_xof().fill(&mut digest);
        digest
    }
}

#[cfg(test)]
mod tests;
