//! The default encryptor: signed, encrypted under a key for each message, padded.

use std::fmt;
use std::marker::PhantomData;

use concilium_core::keys::{SubsessionKeys, VerifyingKey};
use concilium_core::{Context, MemberId, MessageId, RandomnessError, Secret};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::cipher::{Aes256Gcm, Cipher};
use crate::padding::{Buckets, Padding};
use crate::party::{self, Lock, Naming, Party, PartyState};
use crate::schedule::{GroupSecret, MessageKey, Salt, Schedule};
use crate::suite::Name;
use crate::{Content, Decrypted, MessageEncryptor, OpenError, RestoreError, SealError, Sealed};

/// What a session uses unless told otherwise.
pub type DefaultEncryptor = Aead<Aes256Gcm, Buckets>;

/// Signs with the member's key of the subsession, then pads, then encrypts under a key and a nonce that
/// belong to one message: the default [`MessageEncryptor`], for any cipher and padding (M-3 to M-7).
///
/// `docs/spec/encryptor.md` has the layout and the derivations. `docs/decisions/0005-key-commitment.md` says
/// why no packet opens under two keys.
///
/// Messages do not change its state: an export made at any time reads and writes for ever, and no crash
/// repeats a nonce (A-16). It learns only the control keys that members name in their finish (M-9).
///
/// ```
/// use concilium_core::keys::{SigningKey, SubsessionKeys};
/// use concilium_core::{Context, MemberId, Secret, SubsessionId, Time};
/// use concilium_encryptor::{Content, DefaultEncryptor, Kind, MessageEncryptor};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut random = concilium_core::testing::rng::seeded(1);
/// let (alice, bob) = (MemberId::new("alice")?, MemberId::new("bob")?);
/// let [a, b] = [1, 2].map(|seed| SigningKey::from_seed(&Secret::new([seed; 32])));
/// let keys = |signing| SubsessionKeys {
///     subsession: SubsessionId::from_bytes([7; 32]),
///     secret: Secret::new([8; 32]),
///     signing,
///     verifying: [(alice.clone(), *a.verifying_key()), (bob.clone(), *b.verifying_key())].into(),
/// };
/// let mut of_alice = DefaultEncryptor::new(&alice, &keys(a.clone()))?;
/// let of_bob = DefaultEncryptor::new(&bob, &keys(b.clone()))?;
///
/// let content = Content { kind: Kind::DATA, parents: vec![], confirmation: None, body: b"hello".to_vec() };
/// let sealed = of_alice.seal(&content, &mut Context::new(Time::ZERO, &mut random))?;
/// let opened = of_bob.open(&sealed.packet)?;
/// assert_eq!((opened.author, opened.content, opened.id), (alice.clone(), content, sealed.id));
/// # Ok(())
/// # }
/// ```
pub struct Aead<C, P> {
    party: Party,
    lock: MessageLock,
    kinds: PhantomData<fn() -> (C, P)>,
}

/// The key from which the keys of all messages are derived, each with its salt (M-4: no counters that a crash
/// could set back).
struct MessageLock(Secret<32>);

impl Lock for MessageLock {
    const HEADER_BYTES: usize = 0;

    fn signed(&self) -> &[u8] {
        &[]
    }

    fn header(&self, _: u16, _: &Salt, _: &MessageId) -> Vec<u8> {
        Vec::new()
    }

    fn key(&self, salt: &Salt) -> MessageKey {
        MessageKey::derive(&self.0, salt)
    }
}

/// Everything that an export holds, lent for writing it.
#[derive(Serialize)]
struct StateRef<'a>(&'a PartyState, &'a Secret<32>);

/// The same, read back.
#[derive(Serialize, Deserialize)]
struct State(PartyState, Secret<32>);

impl<C: Cipher, P: Padding> Aead<C, P> {
    /// A secret of the group for something other than messages, such as the key of a file: the same for every
    /// member of this subsession, different for each label and context, and independent of all other secrets.
    #[must_use]
    pub fn exporter<const N: usize>(&self, label: &[u8], context: &[u8]) -> Secret<N> {
        self.party.state.schedule.export(label, context)
    }
}

impl<C: Cipher, P: Padding> MessageEncryptor for Aead<C, P> {
    const SUITE: &'static str = Name::<C, P>::TEXT;

    /// Opening changes nothing but which control keys are known (M-9).
    type Step = Naming;

    fn new(me: &MemberId, keys: &SubsessionKeys) -> Result<Self, RestoreError> {
        let source = GroupSecret::new(Self::SUITE, &keys.subsession, &keys.secret);
        Ok(Self {
            party: Party::new(Self::SUITE, me, keys, Schedule::derive(&source))?,
            lock: MessageLock(source.expand("message key")),
            kinds: PhantomData,
        })
    }

    fn seal(&mut self, content: &Content, cx: &mut Context<'_>) -> Result<Sealed, SealError> {
        self.party.seal::<C, P, _>(content, &self.lock, cx)
    }

    fn open(&self, packet: &[u8]) -> Result<Decrypted<Naming>, OpenError> {
        let (verified, _) = self.party.open::<C, P, _>(packet, |_, _| Some(&self.lock))?;
        Ok(verified.opened(|_, naming| naming))
    }

    fn commit(&mut self, naming: Naming) {
        self.party.learn(naming);
    }

    fn control_key(&mut self, cx: &mut Context<'_>) -> Result<Option<VerifyingKey>, RandomnessError> {
        self.party.control_key(cx).map(Some)
    }

    fn retired_key(&self) -> Option<Secret<32>> {
        self.party.retired_key()
    }

    fn export(&self) -> Zeroizing<Vec<u8>> {
        party::export(Self::SUITE, &StateRef(&self.party.state, &self.lock.0))
    }

    fn restore(bytes: &[u8]) -> Result<Self, RestoreError> {
        let State(party, message) = party::restore(Self::SUITE, bytes)?;
        Ok(Self {
            party: Party::from_state(Self::SUITE, party)?,
            lock: MessageLock(message),
            kinds: PhantomData,
        })
    }
}

/// Without any secret (A-21).
impl<C: Cipher, P: Padding> fmt::Debug for Aead<C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aead")
            .field("suite", &Self::SUITE)
            .field("subsession", &self.party.state.subsession)
            .field("me", &self.party.state.me)
            .field("members", &self.party.state.members.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod two_keys;
