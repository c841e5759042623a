//! Our identity, and the directory of long-term keys that we trust.

use std::collections::BTreeMap;

use concilium_core::keys::{Signature, SigningKey, VerifyingKey};
use concilium_core::{Context, MemberId, RandomnessError, Secret};

/// A member's own long-term identity. Needed for membership operations only, never for messages.
#[derive(Clone, Debug)]
pub struct Identity {
    member: MemberId,
    key: SigningKey,
}

impl Identity {
    /// The identity of `member`, whose Ed25519 key has this seed.
    #[must_use]
    pub fn new(member: MemberId, seed: &Secret<32>) -> Self {
        Self {
            member,
            key: SigningKey::from_seed(seed),
        }
    }

    /// A new identity, whose Ed25519 key is drawn from the context's random source.
    ///
    /// # Errors
    /// The random source fails.
    pub fn generate(member: MemberId, cx: &mut Context<'_>) -> Result<Self, RandomnessError> {
        Ok(Self::new(member, &cx.secret()?))
    }

    /// Our name.
    #[must_use]
    pub const fn member(&self) -> &MemberId {
        &self.member
    }

    /// The public half of our identity key, for others' directories.
    #[must_use]
    pub const fn verifying_key(&self) -> &VerifyingKey {
        self.key.verifying_key()
    }

    /// Signs with the identity key. Callers frame the signed bytes so that no signature of one kind passes
    /// for another.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        self.key.sign(message)
    }
}

/// Whose identity key is whose. Finding these keys and trusting them is the application's job.
pub trait Directory: Send + Sync {
    /// The identity key of `member`, or none if we do not know or do not trust one.
    fn identity_key(&self, member: &MemberId) -> Option<VerifyingKey>;
}

/// A fixed directory.
impl Directory for BTreeMap<MemberId, VerifyingKey> {
    fn identity_key(&self, member: &MemberId) -> Option<VerifyingKey> {
        self.get(member).copied()
    }
}
