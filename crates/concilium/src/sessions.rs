//! Where sessions come from: their owner's identity and settings, and parts that are known when the program
//! is compiled ([`Typed`]) or chosen while it runs (your own [`Sessions`]). A program that knows its parts
//! and needs to make sessions in one place only calls [`Session::new`] instead.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use concilium_core::SessionName;
use concilium_encryptor::MessageEncryptor;
use concilium_gka::{Directory, GroupKeyAgreement, Identity};
use concilium_session::{AnySession, RestoreError, Session, Settings};

/// Makes a member's key agreement from its identity and what it knows of the others.
pub type GkaFactory<G> = fn(Identity, Arc<dyn Directory>) -> G;

/// Whose session it is, and in what.
#[derive(Clone)]
pub struct Owner {
    /// Who has it, with the identity key.
    pub identity: Identity,
    /// Whom it knows.
    pub directory: Arc<dyn Directory>,
    /// The session's name.
    pub name: SessionName,
    /// Its settings.
    pub settings: Settings,
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owner({})", self.identity.member())
    }
}

/// A source of sessions that are all made of the same parts.
pub trait Sessions {
    /// What they are.
    type Session;

    /// A new one.
    fn begin(&self, owner: Owner) -> Self::Session;

    /// The one that a snapshot was taken of.
    ///
    /// # Errors
    /// Those of [`Session::restore`].
    fn restore(&self, owner: Owner, snapshot: &[u8]) -> Result<Self::Session, RestoreError>;

    /// What drivers call of it.
    fn any(session: &Self::Session) -> &dyn AnySession;

    /// The same, to change it.
    fn any_mut(session: &mut Self::Session) -> &mut dyn AnySession;
}

/// Sessions whose parts are known when the program is compiled.
pub struct Typed<G, E> {
    gka: GkaFactory<G>,
    encryptor: PhantomData<fn() -> E>,
}

impl<G, E> Typed<G, E> {
    /// Those of this key agreement.
    pub fn new(gka: GkaFactory<G>) -> Self {
        Self {
            gka,
            encryptor: PhantomData,
        }
    }
}

impl<G, E> fmt::Debug for Typed<G, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Typed").finish_non_exhaustive()
    }
}

impl<G: GroupKeyAgreement, E: MessageEncryptor> Sessions for Typed<G, E> {
    type Session = Session<G, E>;

    fn begin(&self, owner: Owner) -> Session<G, E> {
        let gka = (self.gka)(owner.identity, owner.directory);
        Session::new(gka, owner.name, owner.settings)
    }

    fn restore(&self, owner: Owner, snapshot: &[u8]) -> Result<Session<G, E>, RestoreError> {
        let gka = (self.gka)(owner.identity, owner.directory);
        Session::restore(gka, owner.name, owner.settings, snapshot)
    }

    fn any(session: &Session<G, E>) -> &dyn AnySession {
        session
    }

    fn any_mut(session: &mut Session<G, E>) -> &mut dyn AnySession {
        session
    }
}
