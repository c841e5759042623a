//! The default encryptor: signed, encrypted under a key for each message, padded.

use std::fmt;
use std::marker::PhantomData;

use concilium_core::keys::{Signature, SigningKey, SubsessionKeys, VerifyingKey};
use concilium_core::{Context, FramedHash, MemberId, MessageId, Secret, SubsessionId, packet, wire};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::cipher::{Aes256Gcm, Cipher, TAG_BYTES};
use crate::layout::{self, MAX_TEXT_BYTES};
use crate::padding::{self, Buckets, Padding};
use crate::schedule::{SALT_BYTES, Salt, Schedule, TextDigest};
use crate::suite::Name;
use crate::{
    Content, MAX_BODY_BYTES, MAX_PARENTS, MessageEncryptor, OpenError, Opened, RestoreError, SealError,
    Sealed,
};

/// What a session uses unless told otherwise.
pub type DefaultEncryptor = Aead<Aes256Gcm, Buckets>;

/// Bytes of the signature, which stands in front of everything else that is encrypted.
const SIGNATURE_BYTES: usize = 64;

/// Where the text starts in a packet before it is encrypted.
const HEAD_BYTES: usize = SALT_BYTES + SIGNATURE_BYTES;

/// The first byte of an exported state.
const EXPORT_VERSION: u8 = 1;

/// Bytes at the end of an exported state that tell whether it is damaged.
const CHECKSUM_BYTES: usize = 32;

/// The most members of a subsession: as many as a message can have parents.
const MAX_MEMBERS: usize = MAX_PARENTS;

/// Signs with the member's key of the subsession, then pads, then encrypts under a key and a nonce that belong
/// to one message: the default [`MessageEncryptor`], for any cipher and padding (M-3 to M-7).
///
/// `docs/spec/encryptor.md` has the layout and the derivations, `docs/decisions/0005-key-commitment.md` why no
/// packet opens under two keys.
///
/// It has no state that moves: an export made at any time serves for ever, and no crash repeats a nonce (A-16).
///
/// ```
/// use std::collections::BTreeMap;
/// use concilium_core::keys::{SigningKey, SubsessionKeys};
/// use concilium_core::{Context, MemberId, Secret, SubsessionId, Time};
/// use concilium_encryptor::{Content, DefaultEncryptor, Kind, MessageEncryptor};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut random = concilium_testkit::rng::seeded(1);
/// let (alice, bob) = (MemberId::new("alice")?, MemberId::new("bob")?);
/// let [a, b] = [1, 2].map(|seed| SigningKey::from_seed(&Secret::new([seed; 32])));
/// let keys = |signing| SubsessionKeys {
///     subsession: SubsessionId::from_bytes([7; 32]),
///     secret: Secret::new([8; 32]),
///     signing,
///     verifying: BTreeMap::from([(alice.clone(), *a.verifying_key()), (bob.clone(), *b.verifying_key())]),
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
    state: State,
    /// Where we stand among the members.
    position: u16,
    /// What every signature covers.
    binding: [u8; 32],
    kinds: PhantomData<fn() -> (C, P)>,
}

/// Everything that an export holds.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct State {
    me: MemberId,
    subsession: SubsessionId,
    /// In strictly ascending order.
    #[serde(with = "wire::list")]
    members: Vec<(MemberId, VerifyingKey)>,
    signing: SigningKey,
    schedule: Schedule,
}

impl<C: Cipher, P: Padding> Aead<C, P> {
    /// The longest packet that can be a message; longer ones are refused before any work.
    fn max_packet_bytes() -> usize {
        SALT_BYTES + P::padded(SIGNATURE_BYTES + MAX_TEXT_BYTES + 1) + TAG_BYTES
    }

    fn from_state(state: State) -> Result<Self, RestoreError> {
        let members = &state.members;
        let ascending = members.is_sorted_by(|(a, _), (b, _)| a < b);
        if !ascending || members.len() > MAX_MEMBERS {
            return Err(RestoreError);
        }
        let position = members
            .binary_search_by(|(member, _)| member.cmp(&state.me))
            .map_err(|_| RestoreError)?;
        if members.get(position).map(|(_, key)| key) != Some(state.signing.verifying_key()) {
            return Err(RestoreError);
        }
        Ok(Self {
            position: u16::try_from(position).map_err(|_| RestoreError)?,
            binding: state.schedule.binding(Self::SUITE, &state.subsession, members),
            state,
            kinds: PhantomData,
        })
    }

    /// A secret of the group for something other than messages, such as the key of a file: the same for every
    /// member of this subsession, different for each label and context, and telling nothing of any other secret.
    #[must_use]
    pub fn exporter<const N: usize>(&self, label: &[u8], context: &[u8]) -> Secret<N> {
        self.state.schedule.export(label, context)
    }

    fn checksum(exported: &[u8]) -> [u8; CHECKSUM_BYTES] {
        FramedHash::new("concilium 2026-11 v1 encryptor export")
            .field(Self::SUITE.as_bytes())
            .field(exported)
            .finish()
    }

    /// Pads and encrypts what follows the place of the salt, which is at least there: everything of sealing that
    /// comes after signing.
    fn encrypt(&self, salt: &Salt, packet: &mut Vec<u8>) {
        let text_end = packet.len() + 1 - SALT_BYTES;
        packet.push(padding::MARKER);
        packet.resize(SALT_BYTES + P::padded(text_end).max(text_end), 0);
        let key = self.state.schedule.message_key(salt);
        let (front, plain) = packet.split_at_mut(SALT_BYTES);
        front.copy_from_slice(salt);
        let tag = C::encrypt(key.key.expose(), &key.nonce, &ASSOCIATED_DATA, plain);
        packet.extend_from_slice(&tag);
    }

    /// Checks the tag of a packet and decrypts it: its salt, and the padded signature and text.
    fn decrypt(&self, packet: &[u8]) -> Option<(Salt, Vec<u8>)> {
        if packet.len() > Self::max_packet_bytes() {
            return None;
        }
        let (salt, rest) = packet.split_first_chunk::<SALT_BYTES>()?;
        let (ciphertext, tag) = rest.split_last_chunk::<TAG_BYTES>()?;
        let key = self.state.schedule.message_key(salt);
        let mut plain = ciphertext.to_vec();
        C::decrypt(key.key.expose(), &key.nonce, &ASSOCIATED_DATA, &mut plain, tag).ok()?;
        Some((*salt, plain))
    }

    /// Reads and verifies what was decrypted; the content comes without its body, of which it says where it is.
    fn verify(&self, salt: &Salt, plain: &[u8], packet_bytes: usize) -> Result<Verified, OpenError> {
        let unpadded = padding::strip::<P>(plain).ok_or(OpenError::Malformed)?;
        let (signature, text) = unpadded
            .split_first_chunk::<SIGNATURE_BYTES>()
            .ok_or(OpenError::Malformed)?;
        let read = layout::read(text).ok_or(OpenError::Malformed)?;
        let (author, key) = self
            .state
            .members
            .get(usize::from(read.author))
            .ok_or(OpenError::Malformed)?;
        let signature = Signature::from_bytes(*signature);
        let digest = TextDigest::new(&self.binding, text).finish(salt);
        key.verify(&digest, &signature)
            .map_err(|_| OpenError::BadSignature(author.clone()))?;
        Ok(Verified {
            id: self
                .state
                .schedule
                .message_id(salt, &digest, &signature, packet_bytes),
            author: author.clone(),
            body_start: unpadded.len() - read.body.len(),
            body_end: unpadded.len(),
            content: Content {
                kind: read.kind,
                parents: read.parents,
                confirmation: read.confirmation,
                body: Vec::new(),
            },
        })
    }
}

/// The frame that the packet will have; a message shown under another version or kind does not open.
const ASSOCIATED_DATA: [u8; packet::FRAME_BYTES] = packet::header(packet::Kind::Message);

struct Verified {
    id: MessageId,
    author: MemberId,
    content: Content,
    body_start: usize,
    body_end: usize,
}

impl<C: Cipher, P: Padding> MessageEncryptor for Aead<C, P> {
    const SUITE: &'static str = Name::<C, P>::TEXT;

    /// Opening changes nothing, so there is nothing to commit (M-6).
    type Step = ();

    fn new(me: &MemberId, keys: &SubsessionKeys) -> Result<Self, RestoreError> {
        Self::from_state(State {
            me: me.clone(),
            subsession: keys.subsession,
            members: keys
                .verifying
                .iter()
                .map(|(member, key)| (member.clone(), *key))
                .collect(),
            signing: keys.signing.clone(),
            schedule: Schedule::derive(Self::SUITE, &keys.subsession, &keys.secret),
        })
    }

    fn seal(&mut self, content: &Content, cx: &mut Context<'_>) -> Result<Sealed, SealError> {
        if content.body.len() > MAX_BODY_BYTES {
            return Err(SealError::BodyTooLong(content.body.len()));
        }
        if content.parents.len() > MAX_PARENTS {
            return Err(SealError::TooManyParents(content.parents.len()));
        }
        if !layout::are_ascending(&content.parents) {
            return Err(SealError::ParentsNotAscending);
        }
        // One allocation holds the packet from the first byte to the tag.
        let bound = SIGNATURE_BYTES + layout::text_bytes_bound(content) + 1;
        let mut packet = Vec::with_capacity(SALT_BYTES + P::padded(bound) + TAG_BYTES);
        packet.resize(HEAD_BYTES, 0);
        layout::write(self.position, content, &mut packet);

        let (_, text) = packet.split_at(HEAD_BYTES);
        let digest = TextDigest::new(&self.binding, text);
        let salt = self.state.schedule.fresh_salt(&digest, cx)?;
        let digest = digest.finish(&salt);
        let signature = self.state.signing.sign(&digest);
        let (head, _) = packet.split_at_mut(HEAD_BYTES);
        head.split_at_mut(SALT_BYTES)
            .1
            .copy_from_slice(signature.as_bytes());
        self.encrypt(&salt, &mut packet);
        Ok(Sealed {
            id: self
                .state
                .schedule
                .message_id(&salt, &digest, &signature, packet.len()),
            packet,
        })
    }

    fn open(&self, packet: &[u8]) -> Result<Opened<()>, OpenError> {
        let (salt, mut plain) = self.decrypt(packet).ok_or(OpenError::NotDecryptable)?;
        let mut verified = self.verify(&salt, &plain, packet.len())?;
        // The body stays in the buffer it was decrypted in: no copy of it is left behind.
        plain.truncate(verified.body_end);
        plain.drain(..verified.body_start);
        plain.shrink_to_fit();
        verified.content.body = plain;
        Ok(Opened {
            id: verified.id,
            author: verified.author,
            content: verified.content,
            step: (),
        })
    }

    fn commit(&mut self, (): ()) {}

    fn export(&self) -> Zeroizing<Vec<u8>> {
        let state = wire::encode_secret(&self.state);
        // Sized at once, so that no part of it stays behind in a buffer outgrown.
        let mut bytes = Zeroizing::new(Vec::with_capacity(1 + state.len() + CHECKSUM_BYTES));
        bytes.push(EXPORT_VERSION);
        bytes.extend_from_slice(&state);
        let checksum = Self::checksum(&bytes);
        bytes.extend_from_slice(&checksum);
        bytes
    }

    fn restore(bytes: &[u8]) -> Result<Self, RestoreError> {
        let (exported, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(RestoreError)?;
        if Self::checksum(exported) != *checksum {
            return Err(RestoreError);
        }
        match exported {
            [EXPORT_VERSION, state @ ..] => Self::from_state(wire::decode(state, state.len())?),
            _ => Err(RestoreError),
        }
    }
}

/// Without any secret (A-21).
impl<C: Cipher, P: Padding> fmt::Debug for Aead<C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aead")
            .field("suite", &Self::SUITE)
            .field("subsession", &self.state.subsession)
            .field("me", &self.state.me)
            .field("members", &self.state.members.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod two_keys;
