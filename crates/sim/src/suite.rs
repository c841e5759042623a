//! The key agreements and ciphers that a run can use, by name.

use std::fmt;
use std::sync::Arc;

use concilium_core::SessionName;
use concilium_encryptor::MessageEncryptor;
use concilium_gka::{Directory, GroupKeyAgreement, Identity};
use concilium_session::{AnySession, Session, Settings};
use concilium_testkit::parts::{Cipher, Gka, Parts};

type Make = dyn Fn(Identity, Arc<dyn Directory>, SessionName, Settings) -> Box<dyn AnySession>;
type Restore =
    dyn Fn(Identity, Arc<dyn Directory>, SessionName, Settings, &[u8]) -> Option<Box<dyn AnySession>>;

/// One key agreement and one cipher, and what can be expected of them.
pub struct Suite {
    /// The key agreement's name.
    pub gka: String,
    /// The cipher's name.
    pub cipher: String,
    /// Whether it keeps anything secret (K-12).
    pub is_secret: bool,
    make: Box<Make>,
    restore: Box<Restore>,
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Suite({}/{})", self.gka, self.cipher)
    }
}

impl Suite {
    /// The implementations of these names.
    #[must_use]
    pub fn named(gka: Gka, cipher: Cipher) -> Self {
        let parts = Parts { gka, cipher };
        Self {
            gka: gka.to_string(),
            cipher: cipher.to_string(),
            is_secret: gka.is_secret() && cipher.is_secret(),
            make: Box::new(move |identity, directory, name, settings| {
                parts.session(identity, directory, name, settings)
            }),
            restore: Box::new(move |identity, directory, name, settings, snapshot| {
                let session = parts.restore(identity, directory, name, settings, snapshot);
                session.ok().map(|session| session as Box<dyn AnySession>)
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
            make: Box::new(move |identity, directory, name, settings| {
                Box::new(Session::<G, E>::new(
                    agreement(identity, directory),
                    name,
                    settings,
                ))
            }),
            restore: Box::new(move |identity, directory, name, settings, snapshot| {
                let session = Session::<G, E>::restore(again(identity, directory), name, settings, snapshot);
                session
                    .ok()
                    .map(|session| Box::new(session) as Box<dyn AnySession>)
            }),
        }
    }

    pub(crate) fn start(
        &self,
        identity: Identity,
        directory: Arc<dyn Directory>,
        name: SessionName,
        settings: Settings,
    ) -> Box<dyn AnySession> {
        (self.make)(identity, directory, name, settings)
    }

    pub(crate) fn restore(
        &self,
        identity: Identity,
        directory: Arc<dyn Directory>,
        name: SessionName,
        settings: Settings,
        snapshot: &[u8],
    ) -> Option<Box<dyn AnySession>> {
        (self.restore)(identity, directory, name, settings, snapshot)
    }
}
