//! The key agreements and ciphers that people can choose by name, on a command line. All of them keep
//! secrets.
//!
//! The author of another one adds it here, and every tool knows it. Parts that nobody should trust with
//! anything, for tests and simulations, are in `concilium-test-parts`.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

use std::fmt;
use std::str::FromStr;

use concilium::sessions::{GkaFactory, Owner, Sessions, Typed};
use concilium_encryptor::{Aead, Aes256Gcm, Buckets, ChaCha20Poly1305, MessageEncryptor, Ratchet};
use concilium_gka::AnyGka;
use concilium_gka_bd::BurmesterDesmedt;
use concilium_gka_cliques::Cliques;
use concilium_gka_mls::Mls;
use concilium_session::{AnySession, RestoreError};

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
}

impl Gka {
    /// All of them; the first is the default.
    pub const ALL: &[Self] = &[Self::Cliques, Self::BurmesterDesmedt, Self::Mls];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cliques => "cliques",
            Self::BurmesterDesmedt => "bd",
            Self::Mls => "mls",
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
}

impl Cipher {
    /// All of them; the first is the default.
    pub const ALL: &[Self] = &[Self::Aead, Self::ChaCha20Poly1305, Self::Ratchet];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Aead => "aead",
            Self::ChaCha20Poly1305 => "chacha20poly1305",
            Self::Ratchet => "ratchet",
        }
    }
}

/// There is no implementation of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {what} `{name}`; there are: {known}")]
pub struct UnknownPart {
    what: &'static str,
    name: String,
    known: String,
}

/// Finds a part by its name.
///
/// # Errors
/// None of `all` has it; the error names those that there are.
pub fn find<T: Copy>(
    what: &'static str,
    all: &[T],
    name_of: impl Fn(T) -> &'static str,
    name: &str,
) -> Result<T, UnknownPart> {
    let found = all.iter().copied().find(|part| name_of(*part) == name);
    found.ok_or_else(|| UnknownPart {
        what,
        name: name.to_owned(),
        known: all
            .iter()
            .map(|part| name_of(*part))
            .collect::<Vec<_>>()
            .join(", "),
    })
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

/// What somebody does with a cipher, whichever it is.
///
/// Key agreements are forgotten ([`AnyGka`]) and ciphers are not, since an encryptor is made from its type:
/// so a tool is compiled once for each cipher, and not for each pair.
pub trait UseCipher {
    /// What comes of it.
    type Output;

    /// Does it with `E`.
    fn with<E: MessageEncryptor + Send + 'static>(self) -> Self::Output;
}

impl Gka {
    /// Makes a member's key agreement of this name.
    #[must_use]
    pub fn factory(self) -> GkaFactory<AnyGka> {
        match self {
            Self::Cliques => |identity, directory| AnyGka::new(Cliques::new(identity, directory)),
            Self::BurmesterDesmedt => {
                |identity, directory| AnyGka::new(BurmesterDesmedt::new(identity, directory))
            }
            Self::Mls => |identity, directory| AnyGka::new(Mls::new(identity, directory)),
        }
    }
}

impl Cipher {
    /// Hands the type behind the name to `user`.
    pub fn with<U: UseCipher>(self, user: U) -> U::Output {
        match self {
            Self::Aead => user.with::<Aead<Aes256Gcm, Buckets>>(),
            Self::ChaCha20Poly1305 => user.with::<Aead<ChaCha20Poly1305, Buckets>>(),
            Self::Ratchet => user.with::<Ratchet<Aes256Gcm, Buckets>>(),
        }
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

/// Begins a session of this key agreement, with a cipher.
#[derive(Debug)]
pub struct Begin(pub GkaFactory<AnyGka>, pub Owner);

impl UseCipher for Begin {
    type Output = Box<dyn AnySession + Send>;

    fn with<E: MessageEncryptor + Send + 'static>(self) -> Self::Output {
        Box::new(Typed::<AnyGka, E>::new(self.0).begin(self.1))
    }
}

/// Goes on with a session of this key agreement from its snapshot, with a cipher.
pub struct Restore<'a>(pub GkaFactory<AnyGka>, pub Owner, pub &'a [u8]);

impl fmt::Debug for Restore<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Restore").field(&self.1).finish_non_exhaustive()
    }
}

impl UseCipher for Restore<'_> {
    type Output = Result<Box<dyn AnySession + Send>, RestoreError>;

    fn with<E: MessageEncryptor + Send + 'static>(self) -> Self::Output {
        let session = Typed::<AnyGka, E>::new(self.0).restore(self.1, self.2)?;
        Ok(Box::new(session))
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
    fn parts_without_secrecy_have_no_name_here() {
        for name in ["plain", "dictator"] {
            assert!(
                name.parse::<Gka>().is_err() && name.parse::<Cipher>().is_err(),
                "{name}"
            );
        }
    }

    #[test]
    fn unknown_names_are_told_what_there_is() {
        let error = "rot13".parse::<Cipher>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no cipher `rot13`; there are: aead, chacha20poly1305, ratchet"
        );
    }
}
