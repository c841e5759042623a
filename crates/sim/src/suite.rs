//! The key agreements and ciphers that a run can use, by name.

use std::fmt;
use std::sync::Arc;

use concilium_core::SessionName;
use concilium_encryptor::MessageEncryptor;
use concilium_gka::{Directory, GroupKeyAgreement, Identity};
use concilium_session::{AnySession, Session, Settings};
use concilium_testkit::parts::{Cipher, Gka, Parts, UseCipher};

use crate::lie::{LyingCipher, LyingGka};

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
    restore_lying: Box<Restore>,
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
            restore_lying: Box::new(move |identity, directory, name, settings, snapshot| {
                cipher.with(Lying {
                    gka: LyingGka(gka.factory()(identity, directory)),
                    name,
                    settings,
                    snapshot,
                })
            }),
        }
    }

    /// Any key agreement and any cipher, under names of the caller's choice.
    pub fn of<G: GroupKeyAgreement + 'static, E: MessageEncryptor + 'static>(
        gka: &str,
        cipher: &str,
        agreement: impl Fn(Identity, Arc<dyn Directory>) -> G + Clone + 'static,
    ) -> Self {
        let (again, lying) = (agreement.clone(), agreement.clone());
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
            restore_lying: Box::new(move |identity, directory, name, settings, snapshot| {
                let lying = Lying {
                    gka: LyingGka(lying(identity, directory)),
                    name,
                    settings,
                    snapshot,
                };
                lying.session::<E>()
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

    /// As [`restore`](Self::restore), with parts that lie when they are told to.
    pub(crate) fn restore_lying(
        &self,
        identity: Identity,
        directory: Arc<dyn Directory>,
        name: SessionName,
        settings: Settings,
        snapshot: &[u8],
    ) -> Option<Box<dyn AnySession>> {
        (self.restore_lying)(identity, directory, name, settings, snapshot)
    }
}

/// A snapshot that goes on as a session whose parts can lie.
struct Lying<'a, G> {
    gka: LyingGka<G>,
    name: SessionName,
    settings: Settings,
    snapshot: &'a [u8],
}

impl<G: GroupKeyAgreement + 'static> Lying<'_, G> {
    fn session<E: MessageEncryptor + 'static>(self) -> Option<Box<dyn AnySession>> {
        let Self {
            gka,
            name,
            settings,
            snapshot,
        } = self;
        let session = Session::<LyingGka<G>, LyingCipher<E>>::restore(gka, name, settings, snapshot);
        session
            .ok()
            .map(|session| Box::new(session) as Box<dyn AnySession>)
    }
}

impl<G: GroupKeyAgreement + 'static> UseCipher for Lying<'_, G> {
    type Output = Option<Box<dyn AnySession>>;

    fn with<E: MessageEncryptor + Send + 'static>(self) -> Self::Output {
        self.session::<E>()
    }
}

#[cfg(test)]
mod tests {
    use concilium_session::Everybody;

    use super::*;
    use crate::{Plan, Rules, Wishes, simulation};

    /// Members who keep to no policy.
    fn lawless() -> Suite {
        let parts = Parts {
            gka: Gka::Plain,
            cipher: Cipher::Plain,
        };
        Suite {
            make: Box::new(move |identity, directory, name, mut settings| {
                settings.policy = Arc::new(Everybody);
                parts.session(identity, directory, name, settings)
            }),
            ..Suite::named(parts.gka, parts.cipher)
        }
    }

    #[test]
    fn o12_members_who_take_what_is_forbidden_are_found() {
        let found = |suite: &Suite| {
            let wishes = Wishes {
                faults: crate::Faults::none(),
                policy: Some(Rules::Moderators),
                ..Wishes::default()
            };
            let runs = (0..6).map(|seed| simulation::run(&Plan::new(seed, &wishes), suite, false));
            runs.flat_map(|outcome| outcome.violations)
                .any(|violation| violation.rule == "O-12")
        };
        assert!(found(&lawless()));
        assert!(!found(&Suite::named(Gka::Plain, Cipher::Plain)));
    }
}
