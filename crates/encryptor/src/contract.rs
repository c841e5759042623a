//! The trait of the contract.

use std::fmt;

use concilium_core::keys::{SubsessionKeys, VerifyingKey};
use concilium_core::{Context, MemberId, MessageId, RandomnessError, Secret};
use zeroize::Zeroizing;

use crate::{Content, OpenError, RestoreError, SealError};

/// Seals and opens the messages of one subsession, for one member.
///
/// Packets here are message bodies without the outer frame of [`concilium_core::packet`].
pub trait MessageEncryptor: Sized + fmt::Debug {
    /// The suite's name, printable ASCII without a slash: members must have the same.
    const SUITE: &'static str;

    /// A change of state that opening a packet calls for, staged until [`commit`](Self::commit) (M-6).
    type Step: fmt::Debug;

    /// The encryptor of a new subsession, for the member `me` of it.
    ///
    /// # Errors
    /// `me` is not among the members, or its signing key is not the one that others verify with.
    fn new(me: &MemberId, keys: &SubsessionKeys) -> Result<Self, RestoreError>;

    /// Makes a message of ours.
    ///
    /// # Errors
    /// Too long, or the random source failed. Nothing has changed.
    fn seal(&mut self, content: &Content, cx: &mut Context<'_>) -> Result<Sealed, SealError>;

    /// Verifies and decrypts a packet. Changes nothing: a caller that accepts the message hands its step to
    /// [`commit`](Self::commit). Packets of our own open too.
    ///
    /// # Errors
    /// It is not a message of this subsession.
    fn open(&self, packet: &[u8]) -> Result<Decrypted<Self::Step>, OpenError>;

    /// Applies what opening a packet called for.
    fn commit(&mut self, step: Self::Step);

    /// M-9: makes our control key. Once we have sealed a [`Kind::FINISH`](crate::Kind::FINISH) with it as
    /// body, we sign only acknowledgements and control messages, and with this key. Until then each call
    /// returns the same key. None from an encryptor that does not sign.
    ///
    /// # Errors
    /// The random source failed. Nothing has changed.
    fn control_key(&mut self, cx: &mut Context<'_>) -> Result<Option<VerifyingKey>, RandomnessError> {
        let _ = cx;
        Ok(None)
    }

    /// M-9: the seed of our first signing key, once the finish that names another is sealed. It lets others
    /// sign as we did. It may be published when all have that finish, and the key is in use nowhere else.
    fn retired_key(&self) -> Option<Secret<32>> {
        None
    }

    /// The id of the message in a packet that came before, if it can be told although the packet no longer
    /// opens. Nothing else about the packet is verified: an altered copy may be taken for the original. An
    /// encryptor that erases no keys opens packets for ever, and need recognise none.
    fn recognise(&self, packet: &[u8]) -> Option<MessageId> {
        let _ = packet;
        None
    }

    /// All have the message in this packet, ours or another's, and everything that its author wrote before.
    /// The keys of all these can be erased (M-8).
    fn fully_acked(&mut self, packet: &[u8]) {
        let _ = packet;
    }

    /// The state with its secrets, for storage that its owner trusts.
    fn export(&self) -> Zeroizing<Vec<u8>>;

    /// Reads an exported state back.
    ///
    /// # Errors
    /// The bytes are damaged.
    fn restore(bytes: &[u8]) -> Result<Self, RestoreError>;
}

/// A message of ours, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The message's id (M-5).
    pub id: MessageId,
    /// The packet, without its outer frame.
    pub packet: Vec<u8>,
}

/// A packet that verified and decrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decrypted<S> {
    /// The message's id (M-5), the same for every member.
    pub id: MessageId,
    /// Its author.
    pub author: MemberId,
    /// What it says.
    pub content: Content,
    /// The key that signed it, if any does.
    pub signer: Option<VerifyingKey>,
    /// Whether it says that its signer signs nothing that comes after it (M-9).
    pub retires: bool,
    /// The change of state to commit once the message is taken.
    pub step: S,
}
