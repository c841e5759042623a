//! The key agreements and ciphers that tests, scenarios and simulations choose by name: those of
//! [`concilium_parts`], and the fakes of the testkit. No program for people may depend on this crate.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

use std::fmt;
use std::str::FromStr;

use concilium::sessions::{GkaFactory, Owner, Sessions};
use concilium_gka::AnyGka;
use concilium_parts::{Begin, Restore, UnknownPart, UseCipher, find};
use concilium_session::{AnySession, RestoreError};
use concilium_testkit::{encryptor, gka};

/// A key agreement, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Gka {
    /// Group Diffie-Hellman: the default.
    #[default]
    Cliques,
    /// Burmester and Desmedt's: constant rounds, and everybody takes part in everything.
    BurmesterDesmedt,
    /// Messaging Layer Security: any change in one packet.
    Mls,
    /// One member decides, in one packet.
    Dictator,
    /// Nothing secret and fast, for large simulations.
    Plain,
}

impl Gka {
    /// All of them; the first is the default.
    pub const ALL: &[Self] = &[
        Self::Cliques,
        Self::BurmesterDesmedt,
        Self::Mls,
        Self::Dictator,
        Self::Plain,
    ];

    /// The one for people that it is, or none for a fake.
    fn for_people(self) -> Option<concilium_parts::Gka> {
        match self {
            Self::Cliques => Some(concilium_parts::Gka::Cliques),
            Self::BurmesterDesmedt => Some(concilium_parts::Gka::BurmesterDesmedt),
            Self::Mls => Some(concilium_parts::Gka::Mls),
            Self::Dictator | Self::Plain => None,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        let fake = if self == Self::Dictator {
            "dictator"
        } else {
            "plain"
        };
        self.for_people().map_or(fake, concilium_parts::Gka::name)
    }

    /// Whether its keys are secret (K-12).
    #[must_use]
    pub fn is_secret(self) -> bool {
        self != Self::Plain
    }

    /// Makes a member's key agreement of this name.
    #[must_use]
    pub fn factory(self) -> GkaFactory<AnyGka> {
        match self.for_people() {
            Some(gka) => gka.factory(),
            None if self == Self::Dictator => {
                |identity, directory| AnyGka::new(gka::Dictator::new(identity, directory))
            }
            None => |identity, directory| AnyGka::new(gka::Plain::new(identity, directory)),
        }
    }
}

/// A message encryptor, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Cipher {
    /// AES-256-GCM: the default.
    #[default]
    Aead,
    /// ChaCha20-Poly1305.
    ChaCha20Poly1305,
    /// AES-256-GCM with keys that go away (M-8).
    Ratchet,
    /// Nothing secret and fast, for large simulations.
    Plain,
}

impl Cipher {
    /// All of them; the first is the default.
    pub const ALL: &[Self] = &[Self::Aead, Self::ChaCha20Poly1305, Self::Ratchet, Self::Plain];

    /// The one for people that it is, or none for the fake.
    fn for_people(self) -> Option<concilium_parts::Cipher> {
        match self {
            Self::Aead => Some(concilium_parts::Cipher::Aead),
            Self::ChaCha20Poly1305 => Some(concilium_parts::Cipher::ChaCha20Poly1305),
            Self::Ratchet => Some(concilium_parts::Cipher::Ratchet),
            Self::Plain => None,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.for_people().map_or("plain", concilium_parts::Cipher::name)
    }

    /// Whether it hides what it is given.
    #[must_use]
    pub fn is_secret(self) -> bool {
        self != Self::Plain
    }

    /// Hands the type behind the name to `user`.
    pub fn with<U: UseCipher>(self, user: U) -> U::Output {
        match self.for_people() {
            Some(cipher) => cipher.with(user),
            None => user.with::<encryptor::Plain>(),
        }
    }
}

impl FromStr for Gka {
    type Err = UnknownPart;

    fn from_str(name: &str) -> Result<Self, UnknownPart> {
        find("key agreement", Self::ALL, Self::name, name)
    }
}

impl FromStr for Cipher {
    type Err = UnknownPart;

    fn from_str(name: &str) -> Result<Self, UnknownPart> {
        find("cipher", Self::ALL, Self::name, name)
    }
}

impl fmt::Display for Gka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Both parts of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Parts {
    /// The key agreement.
    pub gka: Gka,
    /// The cipher.
    pub cipher: Cipher,
}

impl Sessions for Parts {
    type Session = Box<dyn AnySession + Send>;

    fn begin(&self, owner: Owner) -> Self::Session {
        self.cipher.with(Begin(self.gka.factory(), owner))
    }

    fn restore(&self, owner: Owner, snapshot: &[u8]) -> Result<Self::Session, RestoreError> {
        self.cipher.with(Restore(self.gka.factory(), owner, snapshot))
    }

    fn any(session: &Self::Session) -> &dyn AnySession {
        &**session
    }

    fn any_mut(session: &mut Self::Session) -> &mut dyn AnySession {
        &mut **session
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for gka in Gka::ALL {
            assert_eq!(gka.name().parse(), Ok(*gka));
        }
        for cipher in Cipher::ALL {
            assert_eq!(cipher.name().parse(), Ok(*cipher));
        }
    }

    #[test]
    fn all_parts_for_people_are_here_under_their_names() {
        for gka in concilium_parts::Gka::ALL {
            let here = gka.name().parse::<Gka>();
            assert_eq!(here.ok().and_then(Gka::for_people), Some(*gka));
        }
        for cipher in concilium_parts::Cipher::ALL {
            let here = cipher.name().parse::<Cipher>();
            assert_eq!(here.ok().and_then(Cipher::for_people), Some(*cipher));
        }
    }
}
