//! What a packet carries, by its role. What an initial and a later one say is each key agreement's own.

use concilium_core::{PacketId, SessionName, wire};
use concilium_gka::{Identity, OpenError, ProposeError, Reason, Role, signed};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::CourseHash;
use crate::operation::fingerprint;

/// What packets of one kind say.
pub trait Body: Sized {
    /// As it travels. Reading it judges what can be judged without knowing anything else.
    type Wire: Serialize + DeserializeOwned + for<'a> From<&'a Self> + TryInto<Self, Error = Reason>;
}

/// The payload by the role of its packet.
#[derive(Clone, Debug)]
pub enum RolePayload<I, L> {
    /// Of an initial packet.
    Initial {
        /// The transcript of the operation that this one starts from; none: its author held no keys.
        base: Option<CourseHash>,
        /// What else it says.
        body: I,
    },
    /// Of any later one.
    Later(L),
    /// An abort says all by its role (O-11).
    Abort,
}

#[derive(Serialize, Deserialize)]
struct WireInitial<W> {
    base: Option<CourseHash>,
    body: W,
}

impl<I: Body, L: Body> RolePayload<I, L> {
    /// The payload's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Initial { base, body } => wire::encode(&WireInitial {
                base: *base,
                body: I::Wire::from(body),
            }),
            Self::Later(body) => wire::encode(&L::Wire::from(body)),
            Self::Abort => Vec::new(),
        }
    }

    /// Reads the payload of a packet that is authentic already (K-15). All members judge alike.
    ///
    /// # Errors
    /// Malformed, or not what any member would send.
    pub fn read(role: &Role, bytes: &[u8]) -> Result<Self, OpenError> {
        match role {
            Role::Initial(_) => {
                let WireInitial::<I::Wire> { base, body } = wire::decode(bytes, signed::MAX_BYTES)?;
                let body = body.try_into().map_err(OpenError::Invalid)?;
                Ok(Self::Initial { base, body })
            }
            Role::Later { .. } => {
                let body: L::Wire = wire::decode(bytes, signed::MAX_BYTES)?;
                body.try_into().map(Self::Later).map_err(OpenError::Invalid)
            }
            Role::Abort { .. } if bytes.is_empty() => Ok(Self::Abort),
            Role::Abort { .. } => Err(OpenError::Invalid(Reason::Malformed)),
        }
    }

    /// A fingerprint of a packet with this payload, by which we know our own when it comes back (C-9).
    #[must_use]
    pub fn fingerprint(&self, role: &Role) -> [u8; 32] {
        fingerprint(role, &self.encode())
    }

    /// A packet of ours with this payload, and what names it.
    ///
    /// # Errors
    /// It would be too long.
    pub fn seal(
        &self,
        identity: &Identity,
        session: &SessionName,
        role: Role,
    ) -> Result<(Vec<u8>, [u8; 32]), ProposeError> {
        let payload = self.encode();
        let fingerprint = fingerprint(&role, &payload);
        signed::seal(identity, session, role, payload).map(|packet| (packet, fingerprint))
    }
}

/// A packet of ours that ends the operation with this initial packet (O-11).
///
/// # Errors
/// It would be too long.
pub fn abort(identity: &Identity, session: &SessionName, initial: PacketId) -> Result<Vec<u8>, ProposeError> {
    signed::seal(identity, session, Role::Abort { initial }, Vec::new())
}
