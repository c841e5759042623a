//! The key agreements and ciphers that can be named: on a command line, in a scenario, in a simulation.
//!
//! Whoever writes another one adds it here, and every tool knows it.

use std::fmt;
use std::str::FromStr;

use concilium_encryptor::{Aead, Aes256Gcm, Buckets, ChaCha20Poly1305, MessageEncryptor};
use concilium_gka::GroupKeyAgreement;
use concilium_gka_cliques::Cliques;

use crate::network::GkaFactory;
use crate::{encryptor, gka};

/// A key agreement, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Gka {
    /// Group Diffie-Hellman: the default.
    #[default]
    Cliques,
    /// One member decides, in one packet.
    Dictator,
    /// Nothing secret and fast, for large simulations.
    Plain,
}

impl Gka {
    /// All of them; the first is the default.
    pub const ALL: &[Self] = &[Self::Cliques, Self::Dictator, Self::Plain];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cliques => "cliques",
            Self::Dictator => "dictator",
            Self::Plain => "plain",
        }
    }

    /// Whether its keys are secret (K-12).
    #[must_use]
    pub fn is_secret(self) -> bool {
        self != Self::Plain
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
    /// Nothing secret and fast, for large simulations.
    Plain,
}

impl Cipher {
    /// All of them; the first is the default.
    pub const ALL: &[Self] = &[Self::Aead, Self::ChaCha20Poly1305, Self::Plain];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Aead => "aead",
            Self::ChaCha20Poly1305 => "chacha20poly1305",
            Self::Plain => "plain",
        }
    }

    /// Whether it hides what it is given.
    #[must_use]
    pub fn is_secret(self) -> bool {
        self != Self::Plain
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
fn find<T: Copy>(
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

/// What somebody does with a key agreement and a cipher, whichever they are.
pub trait UseParts {
    /// What comes of it.
    type Output;

    /// Does it with `G`, made by `gka`, and `E`.
    fn with<G: GroupKeyAgreement + 'static, E: MessageEncryptor + 'static>(
        self,
        gka: GkaFactory<G>,
    ) -> Self::Output;
}

/// Hands the types behind the names to `user`.
pub fn with<U: UseParts>(gka: Gka, cipher: Cipher, user: U) -> U::Output {
    match gka {
        Gka::Cliques => with_gka(Cliques::new, cipher, user),
        Gka::Dictator => with_gka(gka::Dictator::new, cipher, user),
        Gka::Plain => with_gka(gka::Plain::new, cipher, user),
    }
}

fn with_gka<G: GroupKeyAgreement + 'static, U: UseParts>(
    gka: GkaFactory<G>,
    cipher: Cipher,
    user: U,
) -> U::Output {
    match cipher {
        Cipher::Aead => user.with::<G, Aead<Aes256Gcm, Buckets>>(gka),
        Cipher::ChaCha20Poly1305 => user.with::<G, Aead<ChaCha20Poly1305, Buckets>>(gka),
        Cipher::Plain => user.with::<G, encryptor::Plain>(gka),
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
    fn unknown_names_are_told_what_there_is() {
        let error = "rot13".parse::<Cipher>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no cipher `rot13`; there are: aead, chacha20poly1305, plain"
        );
    }
}
