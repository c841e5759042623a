//! The ratchet encryptor: like the default, but with keys that go away.

use std::fmt;
use std::marker::PhantomData;

use concilium_core::keys::{SubsessionKeys, VerifyingKey};
use concilium_core::{Context, MemberId, MessageId, RandomnessError, Secret, wire};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::cipher::Cipher;
use crate::padding::Padding;
use crate::party::{self, Lock, Naming, Party, PartyState};
use crate::schedule::{GroupSecret, MessageKey, Salt, Schedule};
use crate::suite::RatchetName;
use crate::{Content, Decrypted, MessageEncryptor, OpenError, RestoreError, SealError, Sealed};

use chain::{Chain, ChainSecret};
use header::{HEADER_BYTES, Header};

mod chain;
mod header;

/// Forward secrecy inside a subsession (M-8). Each author has one hash chain of keys, which only winds
/// forward. A key is erased once all have its message. A later thief of an export cannot read earlier
/// messages.
///
/// It signs, pads and names messages as [`Aead`](crate::Aead) does. A packet has 38 bytes more. They tell
/// members, and only members, the chain and place of its key, and the message's id. `docs/spec/encryptor.md`
/// has the layout, the limits, and what forward secrecy does not cover.
///
/// The session says when all have a message ([`fully_acked`](MessageEncryptor::fully_acked)). Without that,
/// keys are erased only when there are too many of them.
///
/// ```
/// # use concilium_core::keys::{SigningKey, SubsessionKeys};
/// # use concilium_core::{Context, MemberId, Secret, SubsessionId, Time};
/// use concilium_encryptor::{Aes256Gcm, Buckets, Content, Kind, MessageEncryptor, OpenError, Ratchet};
///
/// type Forgetful = Ratchet<Aes256Gcm, Buckets>;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut random = concilium_core::testing::rng::seeded(1);
/// # let (alice, bob) = (MemberId::new("alice")?, MemberId::new("bob")?);
/// # let [a, b] = [1, 2].map(|seed| SigningKey::from_seed(&Secret::new([seed; 32])));
/// # let keys = |signing| SubsessionKeys {
/// #     subsession: SubsessionId::from_bytes([7; 32]),
/// #     secret: Secret::new([8; 32]),
/// #     signing,
/// #     verifying: [(alice.clone(), *a.verifying_key()), (bob.clone(), *b.verifying_key())].into(),
/// # };
/// let mut of_alice = Forgetful::new(&alice, &keys(a.clone()))?;
/// let mut of_bob = Forgetful::new(&bob, &keys(b.clone()))?;
///
/// let content = Content { kind: Kind::DATA, parents: vec![], confirmation: None, body: b"hello".to_vec() };
/// let packet = of_alice.seal(&content, &mut Context::new(Time::ZERO, &mut random))?.packet;
/// let opened = of_bob.open(&packet)?;
/// of_bob.commit(opened.step);
///
/// // Everybody has it: from here on nobody can read it again, whatever they took down and whatever they steal.
/// of_bob.fully_acked(&packet);
/// assert!(matches!(of_bob.open(&packet), Err(OpenError::NotDecryptable)));
/// let stolen = Forgetful::restore(&of_bob.export())?;
/// assert!(matches!(stolen.open(&packet), Err(OpenError::NotDecryptable)));
/// // That it came before can still be seen (L-4).
/// assert_eq!(of_bob.recognise(&packet), Some(opened.id));
/// # Ok(())
/// # }
/// ```
pub struct Ratchet<C, P> {
    party: Party,
    /// Masks headers, for the whole subsession: the number of each author's messages is not forward secret.
    header_key: Secret<32>,
    /// In the order of the members.
    chains: Vec<Chain>,
    kinds: PhantomData<fn() -> (C, P)>,
}

/// The most skipped keys that are kept altogether: about 2.5 MB. Every author has an equal share, and none
/// can use up another's.
pub(crate) const MAX_SKIPPED: usize = 65_536;

/// The most skipped keys that are kept of one author, and so how far one message may wind a chain forward
/// (A-19): more than a channel reorders or a burst loses, and faster to hash than a few signatures to verify.
pub(crate) const MAX_SKIPPED_OF_AUTHOR: usize = 1024;

/// Every author's share in groups of this size.
const fn share(members: usize) -> usize {
    let members = if members == 0 { 1 } else { members };
    let share = MAX_SKIPPED / members;
    if share < MAX_SKIPPED_OF_AUTHOR {
        share
    } else {
        MAX_SKIPPED_OF_AUTHOR
    }
}

/// The key of one message and its place in its author's chain.
struct GenerationLock<'a> {
    secret: Secret<32>,
    generation: u32,
    /// The same, as it is signed: an insider cannot move another's message to another place.
    signed: [u8; 4],
    header_key: &'a Secret<32>,
}

impl<'a> GenerationLock<'a> {
    fn new(secret: Secret<32>, generation: u32, header_key: &'a Secret<32>) -> Self {
        let signed = generation.to_le_bytes();
        Self {
            secret,
            generation,
            signed,
            header_key,
        }
    }
}

impl Lock for GenerationLock<'_> {
    const HEADER_BYTES: usize = HEADER_BYTES;

    fn signed(&self) -> &[u8] {
        &self.signed
    }

    fn header(&self, author: u16, salt: &Salt, id: &MessageId) -> Vec<u8> {
        let header = Header {
            author,
            generation: self.generation,
            id: *id,
        };
        header.mask(self.header_key, salt).to_vec()
    }

    fn key(&self, salt: &Salt) -> MessageKey {
        MessageKey::derive(&self.secret, salt)
    }
}

/// That the message at one place of one author's chain was taken.
#[derive(Debug)]
pub struct RatchetStep {
    author: u16,
    generation: u32,
    naming: Naming,
}

/// Everything that an export holds, lent for writing it.
#[derive(Serialize)]
struct StateRef<'a>(&'a PartyState, &'a Secret<32>, &'a [Chain]);

/// The same, read back.
#[derive(Serialize, Deserialize)]
struct State(PartyState, Secret<32>, #[serde(with = "wire::list")] Vec<Chain>);

impl<C: Cipher, P: Padding> Ratchet<C, P> {
    /// A secret of the group for something other than messages, such as the key of a file: the same for every
    /// member of this subsession, different for each label and context, and independent of all other secrets.
    /// It is available as long as the subsession lasts: it is not forward secret.
    #[must_use]
    pub fn exporter<const N: usize>(&self, label: &[u8], context: &[u8]) -> Secret<N> {
        self.party.state.schedule.export(label, context)
    }

    fn share(&self) -> usize {
        share(self.chains.len())
    }

    fn header(&self, packet: &[u8]) -> Option<Header> {
        let (salt, header, _) = party::split::<P, GenerationLock<'_>>(packet)?;
        Header::unmask(header, &self.header_key, &salt)
    }

    fn chain(&self, author: u16) -> Option<&Chain> {
        self.chains.get(usize::from(author))
    }

    fn chain_mut(&mut self, author: u16) -> Option<&mut Chain> {
        self.chains.get_mut(usize::from(author))
    }
}

impl<C: Cipher, P: Padding> MessageEncryptor for Ratchet<C, P> {
    const SUITE: &'static str = RatchetName::<C, P>::TEXT;

    type Step = RatchetStep;

    fn new(me: &MemberId, keys: &SubsessionKeys) -> Result<Self, RestoreError> {
        let source = GroupSecret::new(Self::SUITE, &keys.subsession, &keys.secret);
        let party = Party::new(Self::SUITE, me, keys, Schedule::derive(&source))?;
        let root = source.expand("ratchet root");
        let members = u16::try_from(party.state.members.len()).map_err(|_| RestoreError)?;
        Ok(Self {
            party,
            header_key: source.expand("header key"),
            chains: (0..members)
                .map(|author| Chain::new(ChainSecret::first(&root, author)))
                .collect(),
            kinds: PhantomData,
        })
    }

    fn seal(&mut self, content: &Content, cx: &mut Context<'_>) -> Result<Sealed, SealError> {
        let (author, share) = (self.party.position, self.share());
        let chain = self.chain(author).ok_or(SealError::Exhausted)?;
        let generation = chain.next();
        let secret = chain.secret(generation, 0).ok_or(SealError::Exhausted)?;
        let lock = GenerationLock::new(secret, generation, &self.header_key);
        let sealed = self.party.seal::<C, P, _>(content, &lock, cx)?;
        if let Some(chain) = self.chain_mut(author) {
            chain.take(generation, share);
        }
        Ok(sealed)
    }

    fn open(&self, packet: &[u8]) -> Result<Decrypted<RatchetStep>, OpenError> {
        let find = |salt: &Salt, header: &[u8]| {
            let header = Header::unmask(header, &self.header_key, salt)?;
            // A-19: a place too far ahead, or one whose key is erased, is refused before any winding.
            let secret = self
                .chain(header.author)?
                .secret(header.generation, self.share())?;
            Some(GenerationLock::new(secret, header.generation, &self.header_key))
        };
        let (verified, lock) = self.party.open::<C, P, _>(packet, find)?;
        Ok(verified.opened(|author, naming| RatchetStep {
            author,
            generation: lock.generation,
            naming,
        }))
    }

    fn commit(&mut self, step: RatchetStep) {
        let share = self.share();
        if let Some(chain) = self.chain_mut(step.author) {
            chain.take(step.generation, share);
        }
        self.party.learn(step.naming);
    }

    fn control_key(&mut self, cx: &mut Context<'_>) -> Result<Option<VerifyingKey>, RandomnessError> {
        self.party.control_key(cx).map(Some)
    }

    fn retired_key(&self) -> Option<Secret<32>> {
        self.party.retired_key()
    }

    fn recognise(&self, packet: &[u8]) -> Option<MessageId> {
        let header = self.header(packet)?;
        // Its key is erased, or was never here: only a message that the chain was wound past can have been
        // here.
        (header.generation < self.chain(header.author)?.next()).then_some(header.id)
    }

    fn fully_acked(&mut self, packet: &[u8]) {
        if let Some(header) = self.header(packet)
            && let Some(chain) = self.chain_mut(header.author)
        {
            chain.erase_through(header.generation);
        }
    }

    fn export(&self) -> Zeroizing<Vec<u8>> {
        let state = StateRef(&self.party.state, &self.header_key, &self.chains);
        party::export(Self::SUITE, &state)
    }

    fn restore(bytes: &[u8]) -> Result<Self, RestoreError> {
        let State(party, header_key, chains) = party::restore(Self::SUITE, bytes)?;
        let share = share(chains.len());
        if chains.len() != party.members.len() || !chains.iter().all(|chain| chain.is_sound(share)) {
            return Err(RestoreError);
        }
        Ok(Self {
            party: Party::from_state(Self::SUITE, party)?,
            header_key,
            chains,
            kinds: PhantomData,
        })
    }
}

/// Without any secret (A-21).
impl<C: Cipher, P: Padding> fmt::Debug for Ratchet<C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ratchet")
            .field("suite", &Self::SUITE)
            .field("subsession", &self.party.state.subsession)
            .field("me", &self.party.state.me)
            .field("members", &self.party.state.members.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
