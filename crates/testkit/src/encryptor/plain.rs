//! A message encryptor that hides nothing and signs nothing: for runs in which speed and order matter.

use concilium_core::keys::SubsessionKeys;
use concilium_core::{Context, FramedHash, MemberId, MemberSet, MessageId, Secret, wire};
use concilium_encryptor::{
    Content, Decrypted, MAX_BODY_BYTES, MAX_PARENTS, MessageEncryptor, OpenError, RestoreError, SealError,
    Sealed,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Packets are readable by all, and authenticated by a keyed hash that every member can compute.
#[derive(Debug, Serialize, Deserialize)]
pub struct Plain {
    me: MemberId,
    members: MemberSet,
    key: Secret<32>,
}

#[derive(Serialize, Deserialize)]
struct Packet {
    author: MemberId,
    salt: [u8; 16],
    content: Content,
}

#[derive(Serialize, Deserialize)]
struct Tagged {
    tag: [u8; 32],
    #[serde(with = "wire::bytes")]
    packet: Vec<u8>,
}

/// More than any packet with content within its limits.
const MAX_PACKET_BYTES: usize = MAX_BODY_BYTES + 33 * MAX_PARENTS + 1024;

impl Plain {
    fn tag(&self, packet: &[u8], what: &[u8]) -> [u8; 32] {
        FramedHash::new("concilium testkit 2026-11 plain cipher")
            .field(self.key.expose())
            .field(packet)
            .field(what)
            .finish()
    }
}

impl MessageEncryptor for Plain {
    const SUITE: &'static str = "plain";
    type Step = ();

    fn new(me: &MemberId, keys: &SubsessionKeys) -> Result<Self, RestoreError> {
        let members: MemberSet = keys.members();
        let mut key = Secret::zeroed();
        FramedHash::new("concilium testkit 2026-11 plain cipher key")
            .field(keys.subsession.as_bytes())
            .field(keys.secret.expose())
            .finish_into(key.expose_mut());
        if !members.contains(me) {
            return Err(RestoreError);
        }
        Ok(Self {
            me: me.clone(),
            members,
            key,
        })
    }

    fn seal(&mut self, content: &Content, cx: &mut Context<'_>) -> Result<Sealed, SealError> {
        if content.body.len() > MAX_BODY_BYTES {
            return Err(SealError::BodyTooLong(content.body.len()));
        }
        if content.parents.len() > MAX_PARENTS {
            return Err(SealError::TooManyParents(content.parents.len()));
        }
        if !content.parents.is_sorted_by(|a, b| a < b) {
            return Err(SealError::ParentsNotAscending);
        }
        let packet = wire::encode(&Packet {
            author: self.me.clone(),
            salt: cx.random()?,
            content: content.clone(),
        });
        let tagged = Tagged {
            tag: self.tag(&packet, b"tag"),
            packet,
        };
        Ok(Sealed {
            id: MessageId::from_bytes(self.tag(&tagged.packet, b"id")),
            packet: wire::encode(&tagged),
        })
    }

    fn open(&self, packet: &[u8]) -> Result<Decrypted<()>, OpenError> {
        let tagged: Tagged = wire::decode(packet, MAX_PACKET_BYTES).map_err(|_| OpenError::NotDecryptable)?;
        if tagged.tag != self.tag(&tagged.packet, b"tag") {
            return Err(OpenError::NotDecryptable);
        }
        let inner: Packet =
            wire::decode(&tagged.packet, MAX_PACKET_BYTES).map_err(|_| OpenError::Malformed)?;
        let fits = inner.content.body.len() <= MAX_BODY_BYTES
            && inner.content.parents.len() <= MAX_PARENTS
            && inner.content.parents.is_sorted_by(|a, b| a < b);
        if !fits || !self.members.contains(&inner.author) {
            return Err(OpenError::Malformed);
        }
        Ok(Decrypted {
            id: MessageId::from_bytes(self.tag(&tagged.packet, b"id")),
            author: inner.author,
            content: inner.content,
            signer: None,
            retires: false,
            step: (),
        })
    }

    fn commit(&mut self, (): ()) {}

    fn export(&self) -> Zeroizing<Vec<u8>> {
        wire::encode_secret(self)
    }

    fn restore(bytes: &[u8]) -> Result<Self, RestoreError> {
        let plain: Self = wire::decode(bytes, 1 << 20)?;
        if plain.members.contains(&plain.me) {
            Ok(plain)
        } else {
            Err(RestoreError)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // What speaks of secrecy, of padding, of insiders and of damage on disk is not for it; the rest of the
    // contract is.
    concilium_encryptor::encryptor_conformance! { @test Plain;
        a04_broken_randomness_is_an_error_and_changes_nothing,
        a09_contents_are_never_confused,
        a18_every_flipped_bit_is_refused,
        a18_every_truncation_and_extension_is_refused,
        a29_exports_restore,
        a40_a41_garbage_is_refused,
        m03_every_member_opens_what_is_sealed,
        m03_limits_are_kept,
        m04_a17_no_packet_opens_in_another_subsession,
        m05_ids_name_one_message,
        m06_opening_changes_nothing_before_the_commit,
        m07_unknown_kinds_are_carried
    }
}
