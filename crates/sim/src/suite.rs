//! The key agreements and ciphers that a run can use, by name.

use std::fmt;
use std::sync::Arc;

use concilium::sessions::{Owner, Sessions as _};
use concilium_core::SessionName;
use concilium_encryptor::MessageEncryptor;
use concilium_gka::{Directory, GroupKeyAgreement, Identity};
use concilium_parts::UseCipher;
use concilium_session::{AnySession, Session, Settings};
use concilium_test_parts::{Cipher, Gka, Parts};

use crate::lie::{LyingCipher, LyingGka};

type Make = dyn Fn(Owner) -> Box<dyn AnySession>;
type Restore = dyn Fn(Owner, &[u8]) -> Option<Box<dyn AnySession>>;

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
            make: Box::new(move |owner| parts.begin(owner)),
            restore: Box::new(move |owner, snapshot| {
                let session = parts.restore(owner, snapshot).ok()?;
                Some(session)
            }),
            restore_lying: Box::new(move |owner, snapshot| {
                cipher.with(Lying {
                    gka: LyingGka(gka.factory()(owner.identity, owner.directory)),
                    name: owner.name,
                    settings: owner.settings,
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
            make: Box::new(move |owner| {
                let gka = agreement(owner.identity, owner.directory);
                Box::new(Session::<G, E>::new(gka, owner.name, owner.settings))
            }),
            restore: Box::new(move |owner, snapshot| {
                let gka = again(owner.identity, owner.directory);
                restored::<G, E>(gka, owner.name, owner.settings, snapshot)
            }),
            restore_lying: Box::new(move |owner, snapshot| {
                let gka = LyingGka(lying(owner.identity, owner.directory));
                restored::<LyingGka<G>, LyingCipher<E>>(gka, owner.name, owner.settings, snapshot)
            }),
        }
    }

    /// A new session.
    pub(crate) fn start(&self, owner: Owner) -> Box<dyn AnySession> {
        (self.make)(owner)
    }

    /// The session that a snapshot was taken of.
    pub(crate) fn restore(&self, owner: Owner, snapshot: &[u8]) -> Option<Box<dyn AnySession>> {
        (self.restore)(owner, snapshot)
    }

    /// As [`restore`](Self::restore), with parts that lie when they are told to.
    pub(crate) fn restore_lying(&self, owner: Owner, snapshot: &[u8]) -> Option<Box<dyn AnySession>> {
        (self.restore_lying)(owner, snapshot)
    }
}

fn restored<G: GroupKeyAgreement + 'static, E: MessageEncryptor + 'static>(
    gka: G,
    name: SessionName,
    settings: Settings,
    snapshot: &[u8],
) -> Option<Box<dyn AnySession>> {
    let session = Session::<G, E>::restore(gka, name, settings, snapshot);
    session
        .ok()
        .map(|session| Box::new(session) as Box<dyn AnySession>)
}

/// A snapshot that goes on as a session whose parts can lie.
struct Lying<'a, G> {
    gka: LyingGka<G>,
    name: SessionName,
    settings: Settings,
    snapshot: &'a [u8],
}

impl<G: GroupKeyAgreement + 'static> UseCipher for Lying<'_, G> {
    type Output = Option<Box<dyn AnySession>>;

    fn with<E: MessageEncryptor + Send + 'static>(self) -> Self::Output {
        restored::<LyingGka<G>, LyingCipher<E>>(self.gka, self.name, self.settings, self.snapshot)
    }
}

#[cfg(test)]
mod tests {
    use concilium_session::Everybody;

    use super::*;
    use crate::{Plan, Rules, Wishes, simulation};

    /// Members that keep to no policy.
    fn lawless() -> Suite {
        let parts = Parts {
            gka: Gka::Plain,
            cipher: Cipher::Plain,
        };
        Suite {
            make: Box::new(move |mut owner| {
                owner.settings.policy = Arc::new(Everybody);
                parts.begin(owner)
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
