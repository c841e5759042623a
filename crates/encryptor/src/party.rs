//! One member's side of a subsession: all that encryptors share, wherever their message keys come from.

use std::collections::BTreeMap;

use concilium_core::keys::{Signature, SigningKey, SubsessionKeys, VerifyingKey};
use concilium_core::{
    Context, FramedHash, MemberId, MessageId, RandomnessError, Secret, SubsessionId, packet, wire,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::cipher::{Cipher, TAG_BYTES};
use crate::layout::{self, MAX_TEXT_BYTES};
use crate::padding::{self, Padding};
use crate::schedule::{DIGEST_BYTES, MessageKey, SALT_BYTES, Salt, Schedule, TextDigest};
use crate::{
    Content, Decrypted, Kind, MAX_BODY_BYTES, MAX_PARENTS, OpenError, RestoreError, SealError, Sealed,
};

/// Bytes of the signature, which stands in front of everything else that is encrypted.
pub(crate) const SIGNATURE_BYTES: usize = 64;

/// The first byte of an exported state.
const EXPORT_VERSION: u8 = 2;

/// Bytes at the end of an exported state that tell whether it is damaged.
const CHECKSUM_BYTES: usize = 32;

/// The most members of a subsession: as many as a message can have parents.
pub(crate) const MAX_MEMBERS: usize = MAX_PARENTS;

/// What one message is encrypted with, and what its packet tells of that.
pub(crate) trait Lock {
    /// Bytes between the salt and the ciphertext.
    const HEADER_BYTES: usize;

    /// What the author signs together with the text, of one length for all messages.
    fn signed(&self) -> &[u8];

    /// The header of the packet by this author, with this salt and id.
    fn header(&self, author: u16, salt: &Salt, id: &MessageId) -> Vec<u8>;

    /// The key and the nonce, for one salt.
    fn key(&self, salt: &Salt) -> MessageKey;
}

impl<L: Lock> Lock for &L {
    const HEADER_BYTES: usize = L::HEADER_BYTES;

    fn signed(&self) -> &[u8] {
        (*self).signed()
    }

    fn header(&self, author: u16, salt: &Salt, id: &MessageId) -> Vec<u8> {
        (*self).header(author, salt, id)
    }

    fn key(&self, salt: &Salt) -> MessageKey {
        (*self).key(salt)
    }
}

/// The members of the subsession, our own place, and the keys that last as long as the subsession.
pub(crate) struct Party {
    pub(crate) state: PartyState,
    /// Our place among the members.
    pub(crate) position: u16,
    /// What every signature covers.
    pub(crate) binding: [u8; 32],
}

/// What an export holds of it.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartyState {
    pub(crate) me: MemberId,
    pub(crate) subsession: SubsessionId,
    /// In strictly ascending order.
    #[serde(with = "wire::list")]
    pub(crate) members: Vec<(MemberId, VerifyingKey)>,
    pub(crate) signing: SigningKey,
    /// What signs our acknowledgements once `retired`.
    control: Option<SigningKey>,
    /// Whether we have sealed a finish that names the control key (M-9).
    retired: bool,
    /// The control keys that members have named, the first of each.
    controls: BTreeMap<u16, VerifyingKey>,
    pub(crate) schedule: Schedule,
}

/// That a member names a control key, to be learnt when its message is taken (M-9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Naming(Option<(u16, VerifyingKey)>);

/// A verified message. The content comes without its body, and with the place of the body.
pub(crate) struct Verified {
    pub(crate) id: MessageId,
    /// The author's place among the members.
    pub(crate) position: u16,
    pub(crate) author: MemberId,
    pub(crate) content: Content,
    pub(crate) signer: VerifyingKey,
    pub(crate) control: bool,
}

impl Verified {
    /// The control key that it names, and its signer.
    fn named(&self) -> Option<VerifyingKey> {
        let body = self.content.body.as_slice().try_into().ok();
        body.filter(|_| self.content.kind == Kind::FINISH && !self.control)
            .and_then(|key| VerifyingKey::from_bytes(key).ok())
    }

    /// What it is to the session, with the step that its encryptor makes of its place and of what it names.
    pub(crate) fn opened<S>(self, step: impl FnOnce(u16, Naming) -> S) -> Decrypted<S> {
        let named = self.named();
        Decrypted {
            step: step(self.position, Naming(named.map(|key| (self.position, key)))),
            id: self.id,
            author: self.author,
            content: self.content,
            signer: Some(self.signer),
            retires: named.is_some(),
        }
    }
}

impl Party {
    pub(crate) fn new(
        suite: &str,
        me: &MemberId,
        keys: &SubsessionKeys,
        schedule: Schedule,
    ) -> Result<Self, RestoreError> {
        let state = PartyState {
            me: me.clone(),
            subsession: keys.subsession,
            members: keys
                .verifying
                .iter()
                .map(|(member, key)| (member.clone(), *key))
                .collect(),
            signing: keys.signing.clone(),
            control: None,
            retired: false,
            controls: BTreeMap::new(),
            schedule,
        };
        Self::from_state(suite, state)
    }

    pub(crate) fn from_state(suite: &str, state: PartyState) -> Result<Self, RestoreError> {
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
        let known = |place: &u16| usize::from(*place) < members.len();
        if !state.controls.keys().all(known) || (state.retired && state.control.is_none()) {
            return Err(RestoreError);
        }
        Ok(Self {
            position: u16::try_from(position).map_err(|_| RestoreError)?,
            binding: state.schedule.binding(suite, &state.subsession, members),
            state,
        })
    }

    /// The longest packet that can be a message; longer ones are refused before any work.
    fn max_packet_bytes<P: Padding, L: Lock>() -> usize {
        SALT_BYTES + L::HEADER_BYTES + P::padded(SIGNATURE_BYTES + MAX_TEXT_BYTES + 1) + TAG_BYTES
    }

    /// Our control key, fresh unless there is one (M-9).
    pub(crate) fn control_key(&mut self, cx: &mut Context<'_>) -> Result<VerifyingKey, RandomnessError> {
        if let Some(control) = &self.state.control {
            return Ok(*control.verifying_key());
        }
        let control = SigningKey::from_seed(&Secret::new(cx.random()?));
        let verifying = *control.verifying_key();
        self.state.control = Some(control);
        Ok(verifying)
    }

    /// The signing key that signs nothing any more.
    pub(crate) fn retired_key(&self) -> Option<Secret<32>> {
        self.state.retired.then(|| self.state.signing.seed())
    }

    /// A member has named its control key. It counts once: a later finish, also one under the named key,
    /// cannot name another.
    pub(crate) fn learn(&mut self, naming: Naming) {
        if let Some((author, key)) = naming.0 {
            self.state.controls.entry(author).or_insert(key);
        }
    }

    /// Signs, pads and encrypts a message of ours.
    pub(crate) fn seal<C: Cipher, P: Padding, L: Lock>(
        &mut self,
        content: &Content,
        lock: &L,
        cx: &mut Context<'_>,
    ) -> Result<Sealed, SealError> {
        if content.body.len() > MAX_BODY_BYTES {
            return Err(SealError::BodyTooLong(content.body.len()));
        }
        if content.parents.len() > MAX_PARENTS {
            return Err(SealError::TooManyParents(content.parents.len()));
        }
        if !layout::are_ascending(&content.parents) {
            return Err(SealError::ParentsNotAscending);
        }
        // M-9: after the finish that names it, the control key alone, and for these alone.
        let control = self.state.control.as_ref();
        let (signing, flag) = match control.filter(|_| self.state.retired) {
            Some(control) if content.kind.is_control() => (control, true),
            Some(_) => return Err(SealError::Finished),
            None => (&self.state.signing, false),
        };
        // One allocation holds the packet from the first byte to the tag.
        let front = SALT_BYTES + L::HEADER_BYTES;
        let bound = SIGNATURE_BYTES + layout::text_bytes_bound(content) + 1;
        let mut packet = Vec::with_capacity(front + P::padded(bound) + TAG_BYTES);
        packet.resize(front + SIGNATURE_BYTES, 0);
        layout::write(self.position, flag, content, &mut packet);

        let (_, text) = packet.split_at(front + SIGNATURE_BYTES);
        let digest = TextDigest::new(&self.binding, text, lock.signed());
        let salt = self.state.schedule.fresh_salt(&digest, cx)?;
        let digest = digest.finish(&salt);
        let signature = signing.sign(&digest);
        let (head, _) = packet.split_at_mut(front + SIGNATURE_BYTES);
        head.split_at_mut(front).1.copy_from_slice(signature.as_bytes());
        let names = |key: &SigningKey| content.body == key.verifying_key().as_bytes();
        let retires = content.kind == Kind::FINISH && control.is_some_and(names);
        let id = self.encrypt::<C, P, L>(lock, &salt, &digest, &signature, &mut packet);
        self.state.retired |= retires;
        Ok(Sealed { id, packet })
    }

    /// Pads and encrypts what follows the places of the salt and the header, which are at least there:
    /// everything of sealing that comes after signing.
    pub(crate) fn encrypt<C: Cipher, P: Padding, L: Lock>(
        &self,
        lock: &L,
        salt: &Salt,
        digest: &[u8; DIGEST_BYTES],
        signature: &Signature,
        packet: &mut Vec<u8>,
    ) -> MessageId {
        let front_bytes = SALT_BYTES + L::HEADER_BYTES;
        let text_end = packet.len() + 1 - front_bytes;
        packet.push(padding::MARKER);
        packet.resize(front_bytes + P::padded(text_end).max(text_end), 0);
        let id = self
            .state
            .schedule
            .message_id(salt, digest, signature, packet.len() + TAG_BYTES);
        let header = lock.header(self.position, salt, &id);
        let (front, plain) = packet.split_at_mut(front_bytes);
        for (byte, from) in front.iter_mut().zip(salt.iter().chain(&header)) {
            *byte = *from;
        }
        let key = lock.key(salt);
        let tag = C::encrypt(key.key.expose(), &key.nonce, &associated_data(&header), plain);
        packet.extend_from_slice(&tag);
        id
    }

    /// Decrypts and verifies a packet with the lock that `find` has for its salt and header.
    pub(crate) fn open<C: Cipher, P: Padding, L: Lock>(
        &self,
        packet: &[u8],
        find: impl FnOnce(&Salt, &[u8]) -> Option<L>,
    ) -> Result<(Verified, L), OpenError> {
        let (salt, header, rest) = split::<P, L>(packet).ok_or(OpenError::NotDecryptable)?;
        let lock = find(&salt, header).ok_or(OpenError::NotDecryptable)?;
        let mut plain = decrypt::<C, L>(&lock, &salt, header, rest).ok_or(OpenError::NotDecryptable)?;
        let (mut verified, body) = self.verify::<P, L>(&lock, &salt, &plain, packet.len())?;
        // Only a member can have made it, but not an honest one.
        if lock.header(verified.position, &salt, &verified.id) != header {
            return Err(OpenError::Malformed);
        }
        // The body stays in the buffer it was decrypted in: no copy of it is left behind.
        plain.truncate(body.end);
        plain.drain(..body.start);
        plain.shrink_to_fit();
        verified.content.body = plain;
        Ok((verified, lock))
    }

    /// Reads and verifies what was decrypted, and says where the body is.
    fn verify<P: Padding, L: Lock>(
        &self,
        lock: &L,
        salt: &Salt,
        plain: &[u8],
        packet_bytes: usize,
    ) -> Result<(Verified, std::ops::Range<usize>), OpenError> {
        let unpadded = padding::strip::<P>(plain).ok_or(OpenError::Malformed)?;
        let (signature, text) = unpadded
            .split_first_chunk::<SIGNATURE_BYTES>()
            .ok_or(OpenError::Malformed)?;
        let read = layout::read(text).ok_or(OpenError::Malformed)?;
        let (author, first) = self
            .state
            .members
            .get(usize::from(read.author))
            .ok_or(OpenError::Malformed)?;
        let key = if read.control {
            if !read.kind.is_control() {
                return Err(OpenError::Malformed);
            }
            let named = self.state.controls.get(&read.author);
            let named = match &self.state.control {
                Some(ours) if read.author == self.position => Some(ours.verifying_key()),
                _ => named,
            };
            named.ok_or_else(|| OpenError::KeyNotNamed(author.clone()))?
        } else {
            first
        };
        let signature = Signature::from_bytes(*signature);
        let digest = TextDigest::new(&self.binding, text, lock.signed()).finish(salt);
        key.verify(&digest, &signature)
            .map_err(|_| OpenError::BadSignature(author.clone()))?;
        let body = unpadded.len() - read.body.len()..unpadded.len();
        let verified = Verified {
            id: self
                .state
                .schedule
                .message_id(salt, &digest, &signature, packet_bytes),
            position: read.author,
            author: author.clone(),
            signer: *key,
            control: read.control,
            content: Content {
                kind: read.kind,
                parents: read.parents,
                confirmation: read.confirmation,
                body: Vec::new(),
            },
        };
        Ok((verified, body))
    }
}

/// Salt, header, and ciphertext with its tag, if the packet can be a message at all.
pub(crate) fn split<P: Padding, L: Lock>(packet: &[u8]) -> Option<(Salt, &[u8], &[u8])> {
    if packet.len() > Party::max_packet_bytes::<P, L>() {
        return None;
    }
    let (salt, rest) = packet.split_first_chunk::<SALT_BYTES>()?;
    let (header, rest) = rest.split_at_checked(L::HEADER_BYTES)?;
    Some((*salt, header, rest))
}

fn decrypt<C: Cipher, L: Lock>(lock: &L, salt: &Salt, header: &[u8], rest: &[u8]) -> Option<Vec<u8>> {
    let (ciphertext, tag) = rest.split_last_chunk::<TAG_BYTES>()?;
    let key = lock.key(salt);
    let mut plain = ciphertext.to_vec();
    let associated = associated_data(header);
    C::decrypt(key.key.expose(), &key.nonce, &associated, &mut plain, tag).ok()?;
    Some(plain)
}

/// The frame that the packet will have, as a message shown under another version or kind does not open; and
/// the header.
pub(crate) fn associated_data(header: &[u8]) -> Vec<u8> {
    [&packet::header(packet::PacketKind::Message), header].concat()
}

/// An encryptor's state as bytes, with what finds damage.
pub(crate) fn export<T: Serialize>(suite: &str, state: &T) -> Zeroizing<Vec<u8>> {
    let state = wire::encode_secret(state);
    // Sized at once, so that no part of it stays behind in a buffer outgrown.
    let mut bytes = Zeroizing::new(Vec::with_capacity(1 + state.len() + CHECKSUM_BYTES));
    bytes.push(EXPORT_VERSION);
    bytes.extend_from_slice(&state);
    let checksum = checksum(suite, &bytes);
    bytes.extend_from_slice(&checksum);
    bytes
}

/// Reads what [`export`] writes.
pub(crate) fn restore<T: Serialize + for<'de> Deserialize<'de>>(
    suite: &str,
    bytes: &[u8],
) -> Result<T, RestoreError> {
    let (exported, stored) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(RestoreError)?;
    if checksum(suite, exported) != *stored {
        return Err(RestoreError);
    }
    match exported {
        [EXPORT_VERSION, state @ ..] => Ok(wire::decode(state, state.len())?),
        _ => Err(RestoreError),
    }
}

fn checksum(suite: &str, exported: &[u8]) -> [u8; CHECKSUM_BYTES] {
    FramedHash::new("concilium 2026-11 v1 encryptor export")
        .field(suite.as_bytes())
        .field(exported)
        .finish()
}
