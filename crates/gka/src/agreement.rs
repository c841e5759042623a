//! The traits of the contract.

use std::collections::BTreeMap;
use std::fmt;

use concilium_core::keys::SubsessionKeys;
use concilium_core::{Context, MemberId, PacketId, SessionName, Time};
use zeroize::Zeroizing;

use crate::{AssociatedData, OpenError, ProposeError, ReceiveError, RestoreError};

/// State that can be written out and read back at every step (K-13).
pub trait Export {
    /// The state as bytes that hold its secrets: for storage that its owner trusts, and nothing else.
    fn export(&self) -> Zeroizing<Vec<u8>>;
}

/// A group key agreement, as one member runs it.
///
/// The value itself holds what stays from operation to operation: our identity, the directory, parameters.
/// What changes is in [`State`](Self::State), [`Proposal`](Self::Proposal) and
/// [`Operation`](Self::Operation), which the caller keeps.
pub trait GroupKeyAgreement {
    /// What a successful operation leaves for the next one.
    type State: Export + fmt::Debug;
    /// The private part of a proposal of ours, kept until its initial packet is accepted or rejected.
    type Proposal: Export + fmt::Debug;
    /// What an opened packet carries besides its author and role.
    type Payload: fmt::Debug;
    /// A running operation.
    type Operation: Operation<State = Self::State, Payload = Self::Payload>;

    /// The suite's name, as it stands in [`AssociatedData::suite`]: printable ASCII without a slash.
    fn suite(&self) -> &str;

    /// Our own name.
    fn me(&self) -> &MemberId;

    /// Material that lets others include us without an answer from us (K-14). `None`: this key agreement
    /// needs none. The private part stays in `self`, and goes into
    /// [`export_announcements`](Self::export_announcements).
    ///
    /// To be called when we enter the channel, and again each time that another member does. It may return
    /// the same announcement again. Where an announcement serves once, it returns another one after it has
    /// served.
    ///
    /// # Errors
    /// The random source fails.
    fn announce(
        &mut self,
        session: &SessionName,
        cx: &mut Context<'_>,
    ) -> Result<Option<Vec<u8>>, ProposeError> {
        let _ = (session, cx);
        Ok(None)
    }

    /// Takes note of another member's announcement (K-14).
    ///
    /// # Errors
    /// It is not authentic as its sender's, or none is expected in this key agreement.
    fn learn(
        &mut self,
        session: &SessionName,
        from: &MemberId,
        announcement: &[u8],
    ) -> Result<(), OpenError> {
        let _ = (session, from, announcement);
        Err(OpenError::Invalid(crate::Reason::OutOfTurn))
    }

    /// The member has left the channel, or we have: its announcement is void. A member that enters announces
    /// itself anew (K-14).
    fn forget(&mut self, who: &MemberId) {
        let _ = who;
    }

    /// Our announcements, with their private parts, and those that we learned, as bytes: only for storage
    /// that its owner trusts (K-13, K-14). Empty for a key agreement without announcements.
    fn export_announcements(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::default()
    }

    /// Reads it back, in place of what `self` knows.
    ///
    /// # Errors
    /// The bytes are damaged.
    fn restore_announcements(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        if bytes.is_empty() {
            Ok(())
        } else {
            Err(RestoreError)
        }
    }

    /// Makes the initial packet of an operation that we would like to happen, from the state that the last
    /// one left (`None`: we are alone and hold no keys). Changes nothing (K-1).
    ///
    /// `data.before` are the current members, with us among them; `data.after` those to be, with us among
    /// them.
    ///
    /// # Errors
    /// The change does not fit the state, a key is missing, or the random source fails.
    fn propose(
        &self,
        state: Option<&Self::State>,
        data: AssociatedData,
        cx: &mut Context<'_>,
    ) -> Result<(Vec<u8>, Self::Proposal), ProposeError>;

    /// Makes a packet that ends the running operation as failed (O-11).
    ///
    /// # Errors
    /// The packet cannot be made.
    fn abort(&self, session: &SessionName, initial: PacketId) -> Result<Vec<u8>, ProposeError>;

    /// Reads a packet and proves that it is authentic as its sender's (K-15). Looks at no state: all checks
    /// that need the packet alone are made here, and only here.
    ///
    /// # Errors
    /// Not authentic, or not well formed.
    fn open(
        &self,
        session: &SessionName,
        from: &MemberId,
        packet: &[u8],
    ) -> Result<Opened<Self::Payload>, OpenError>;

    /// Starts an operation from its initial packet, ours or another member's (K-2). `id` is the packet's id,
    /// `state` what the last operation left us, `proposal` the private part if the packet is ours.
    ///
    /// To be called by members of `after` only.
    ///
    /// # Errors
    /// See [`ReceiveError`]. On `Rejected` the packet starts nothing, for any member. With
    /// [`Reason::StaleAnnouncement`](crate::Reason::StaleAnnouncement) it starts nothing for us, a waiting
    /// member still, but may count for the others (K-14).
    fn accept(
        &self,
        state: Option<&Self::State>,
        proposal: Option<Self::Proposal>,
        id: PacketId,
        initial: Opened<Self::Payload>,
        cx: &mut Context<'_>,
    ) -> Result<Started<Self::Operation, Self::State>, ReceiveError>;

    /// How old each member's contribution to the current keys is (C-11).
    fn ages(&self, state: &Self::State) -> Ages;

    /// Reads back an exported state.
    ///
    /// # Errors
    /// The bytes are damaged.
    fn restore_state(&self, bytes: &[u8]) -> Result<Self::State, RestoreError>;

    /// Reads back an exported proposal.
    ///
    /// # Errors
    /// The bytes are damaged.
    fn restore_proposal(&self, bytes: &[u8]) -> Result<Self::Proposal, RestoreError>;

    /// Reads back an exported operation.
    ///
    /// # Errors
    /// The bytes are damaged.
    fn restore_operation(&self, bytes: &[u8]) -> Result<Self::Operation, RestoreError>;
}

/// A running operation. Dropping it destroys its secrets (K-4).
pub trait Operation: Export + fmt::Debug {
    /// What success leaves for the next operation.
    type State;
    /// What an opened packet carries.
    type Payload;

    /// Takes the next packet of this operation, ours or another member's, in channel order (K-3). Packets of
    /// others may come in any order that the protocol does not forbid; duplicates are ignored.
    ///
    /// # Errors
    /// See [`ReceiveError`]. On `Rejected` nothing has changed (K-5).
    fn receive(
        &mut self,
        packet: Opened<Self::Payload>,
        cx: &mut Context<'_>,
    ) -> Result<Progress<Self::State>, ReceiveError>;
}

/// What a packet led to.
#[derive(Debug)]
#[must_use]
pub enum Progress<S> {
    /// Nothing: the packet was a duplicate or told us nothing new.
    Ignored,
    /// The operation goes on. These packets, possibly none, are to be sent.
    Continue(Vec<Vec<u8>>),
    /// The operation has succeeded: this packet is its final one.
    Finished(Box<Success<S>>),
}

/// An operation that has just started, and the progress by its initial packet: a one-packet operation is
/// finished at once (O-9).
#[derive(Debug)]
#[must_use]
pub struct Started<O, S> {
    /// The operation, to receive further packets. Of no use once finished.
    pub operation: O,
    /// What the initial packet led to.
    pub progress: Progress<S>,
}

/// What success yields, all at once (K-4).
#[derive(Debug)]
pub struct Success<S> {
    /// What the next operation starts from.
    pub state: S,
    /// The new subsession's keys.
    pub keys: SubsessionKeys,
}

/// When each member last contributed fresh key material, as far as we saw, by our clock (C-11).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Ages(pub BTreeMap<MemberId, Time>);

impl Ages {
    /// The member with the oldest contribution, and its time. Of several, the first in bytewise order, so
    /// that members that saw the same answer the same.
    #[must_use]
    pub fn oldest(&self) -> Option<(&MemberId, Time)> {
        self.0
            .iter()
            .min_by_key(|(_, at)| **at)
            .map(|(who, at)| (who, *at))
    }
}

/// The role of a packet in an operation, in the clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// It would start one.
    Initial(AssociatedData),
    /// It belongs to the one that this packet started (O-3).
    Later {
        /// The initial packet.
        initial: PacketId,
    },
    /// It ends that one as failed (O-11).
    Abort {
        /// The initial packet.
        initial: PacketId,
    },
}

/// A packet that was opened: authentic as its author's (K-15). Only an implementation's
/// [`open`](GroupKeyAgreement::open) makes one.
#[derive(Debug)]
pub struct Opened<P> {
    author: MemberId,
    role: Role,
    payload: P,
}

impl<P> Opened<P> {
    /// For implementations. The caller vouches that `author` made this packet for the session in hand, in
    /// this role (K-15).
    pub fn vouch(author: MemberId, role: Role, payload: P) -> Self {
        Self {
            author,
            role,
            payload,
        }
    }

    /// The packet's author, which is also its sender.
    pub fn author(&self) -> &MemberId {
        &self.author
    }

    /// What it is to an operation.
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// What else it carries.
    pub fn payload(&self) -> &P {
        &self.payload
    }

    /// The parts, to be taken over.
    pub fn into_parts(self) -> (MemberId, Role, P) {
        (self.author, self.role, self.payload)
    }

    /// The same packet with its payload read further.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn try_map<Q, E>(self, read: impl FnOnce(&Role, P) -> Result<Q, E>) -> Result<Opened<Q>, E> {
        let payload = read(&self.role, self.payload)?;
        Ok(Opened {
            author: self.author,
            role: self.role,
            payload,
        })
    }
}
