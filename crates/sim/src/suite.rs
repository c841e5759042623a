//! The key agreements and ciphers that a run can use, by name.

use std::fmt;
use std::sync::Arc;

use concilium_core::SessionName;
use concilium_encryptor::{Aead, Aes256Gcm, Buckets, ChaCha20Poly1305, MessageEncryptor};
use concilium_gka::{Directory, GroupKeyAgreement, Identity};
use concilium_gka_cliques::Cliques;
use concilium_session::{Session, Settings};
use concilium_testkit::network::GkaFactory;
use concilium_testkit::{encryptor, gka};

use crate::Peer;

/// The key agreements, by name; the first is the default.
pub const GKAS: &[&str] = &["cliques", "dictator", "plain"];

/// The ciphers, by name; the first is the default.
pub const CIPHERS: &[&str] = &["aead", "chacha20poly1305", "plain"];

type Make = dyn Fn(Identity, Arc<dyn Directory>, SessionName, Settings) -> Box<dyn Peer>;
type Restore = dyn Fn(Identity, Arc<dyn Directory>, SessionName, Settings, &[u8]) -> Option<Box<dyn Peer>>;

/// One key agreement and one cipher, and what can be expected of them.
pub struct Suite {
    /// The key agreement's name.
    pub gka: String,
    /// The cipher's name.
    pub cipher: String,
    /// Whether it keeps anything secret (K-12).
    pub is_secret: bool,
    /// Whether a process goes on after a restart from a snapshot: not with a key agreement that keeps what it
    /// announced for as long as it runs only.
    pub is_restartable: bool,
    make: Box<Make>,
    restore: Box<Restore>,
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Suite({}/{})", self.gka, self.cipher)
    }
}

/// There is no implementation of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {what} `{name}`; there are: {}", known.join(", "))]
pub struct UnknownPart {
    what: &'static str,
    name: String,
    known: &'static [&'static str],
}

impl Suite {
    /// The implementations of these names.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn named(gka: &str, cipher: &str) -> Result<Self, UnknownPart> {
        let mut suite = match gka {
            "cliques" => Self::with_gka(Cliques::new as GkaFactory<Cliques>, gka, cipher),
            "dictator" => Self::with_gka(gka::Dictator::new as GkaFactory<gka::Dictator>, gka, cipher),
            "plain" => Self::with_gka(gka::Plain::new as GkaFactory<gka::Plain>, gka, cipher),
            _ => Err(UnknownPart {
                what: "key agreement",
                name: gka.to_owned(),
                known: GKAS,
            }),
        }?;
        suite.is_secret = gka != "plain" && cipher != "plain";
        suite.is_restartable = gka != "dictator";
        Ok(suite)
    }

    fn with_gka<G: GroupKeyAgreement + 'static>(
        make: GkaFactory<G>,
        gka: &str,
        cipher: &str,
    ) -> Result<Self, UnknownPart> {
        match cipher {
            "aead" => Ok(Self::of::<G, Aead<Aes256Gcm, Buckets>>(gka, cipher, make)),
            "chacha20poly1305" => Ok(Self::of::<G, Aead<ChaCha20Poly1305, Buckets>>(gka, cipher, make)),
            "plain" => Ok(Self::of::<G, encryptor::Plain>(gka, cipher, make)),
            _ => Err(UnknownPart {
                what: "cipher",
                name: cipher.to_owned(),
                known: CIPHERS,
            }),
        }
    }

    /// Any key agreement and any cipher, under names of the caller's choice.
    pub fn of<G: GroupKeyAgreement + 'static, E: MessageEncryptor + 'static>(
        gka: &str,
        cipher: &str,
        agreement: impl Fn(Identity, Arc<dyn Directory>) -> G + Clone + 'static,
    ) -> Self {
        let again = agreement.clone();
        Self {
            gka: gka.to_owned(),
            cipher: cipher.to_owned(),
            is_secret: true,
            is_restartable: true,
            make: Box::new(move |identity, directory, name, settings| {
                Box::new(Session::<G, E>::new(
                    agreement(identity, directory),
                    name,
                    settings,
                ))
            }),
            restore: Box::new(move |identity, directory, name, settings, snapshot| {
                let session = Session::<G, E>::restore(again(identity, directory), name, settings, snapshot);
                session.ok().map(|session| Box::new(session) as Box<dyn Peer>)
            }),
        }
    }

    pub(crate) fn start(
        &self,
        identity: Identity,
        directory: Arc<dyn Directory>,
        name: SessionName,
        settings: Settings,
    ) -> Box<dyn Peer> {
        (self.make)(identity, directory, name, settings)
    }

    pub(crate) fn restore(
        &self,
        identity: Identity,
        directory: Arc<dyn Directory>,
        name: SessionName,
        settings: Settings,
        snapshot: &[u8],
    ) -> Option<Box<dyn Peer>> {
        (self.restore)(identity, directory, name, settings, snapshot)
    }
}
