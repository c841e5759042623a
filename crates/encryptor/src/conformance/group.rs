//! The group that the checks work on.

use crate::{Content, MessageEncryptor, Sealed};
use concilium_core::keys::{SigningKey, SubsessionKeys};
use concilium_core::{Context, MemberId, Secret, SubsessionId, Time};

use concilium_core::testing::rng::seeded;

/// A subsession whose keys are known, with a few members: what a key agreement would have handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Every byte of the subsession's id.
    pub subsession: u8,
    /// Every byte of the group secret.
    pub secret: u8,
    /// The members' names.
    pub members: &'static [&'static str],
}

impl Group {
    /// The group of most checks.
    pub const USUAL: Self = Self {
        subsession: 1,
        secret: 2,
        members: &["alice", "bob", "carol"],
    };

    /// The name as an id.
    #[must_use]
    pub fn id(name: &str) -> MemberId {
        MemberId::new(name).unwrap()
    }

    /// The signing key of whoever has this name, in every group.
    #[must_use]
    pub fn signing(name: &str) -> SigningKey {
        let mut seed = [0x5a; 32];
        for (byte, letter) in seed.iter_mut().zip(name.bytes()) {
            *byte = letter;
        }
        SigningKey::from_seed(&Secret::new(seed))
    }

    /// What the key agreement hands to the member of this name.
    #[must_use]
    pub fn keys(&self, me: &str) -> SubsessionKeys {
        let member = |name: &&str| (Self::id(name), *Self::signing(name).verifying_key());
        SubsessionKeys {
            subsession: SubsessionId::from_bytes([self.subsession; 32]),
            secret: Secret::new([self.secret; 32]),
            signing: Self::signing(me),
            verifying: self.members.iter().map(member).collect(),
        }
    }

    /// That member's encryptor.
    #[must_use]
    pub fn member<E: MessageEncryptor>(&self, me: &str) -> E {
        E::new(&Self::id(me), &self.keys(me)).unwrap()
    }

    /// Everyone's encryptor.
    #[must_use]
    pub fn all<E: MessageEncryptor>(&self) -> Vec<E> {
        self.members.iter().map(|name| self.member(name)).collect()
    }
}

/// Seals with randomness that follows from the seed.
pub(super) fn seal<E: MessageEncryptor>(by: &mut E, content: &Content, seed: u64) -> Sealed {
    by.seal(content, &mut Context::new(Time::ZERO, &mut seeded(seed)))
        .unwrap()
}
