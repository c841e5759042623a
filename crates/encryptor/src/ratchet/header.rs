//! What the members see of a packet before they have its key.

use blake3::Hasher;
use concilium_core::{MessageId, Secret};
use zeroize::Zeroize as _;

use crate::schedule::Salt;

/// Bytes of a header: author, generation, id.
pub(super) const HEADER_BYTES: usize = 2 + 4 + 32;

/// The place of a message's key, and the message's id, which outlasts the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The author's place among the members.
    pub(super) author: u16,
    /// The place in the author's chain.
    pub(super) generation: u32,
    pub(super) id: MessageId,
}

impl Header {
    /// The header as it stands in a packet: random bytes to those without the key.
    pub(super) fn mask(&self, key: &Secret<32>, salt: &Salt) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let author = self.author.to_le_bytes();
        let generation = self.generation.to_le_bytes();
        let fields = author.iter().chain(&generation).chain(self.id.as_bytes());
        for (byte, from) in bytes.iter_mut().zip(fields) {
            *byte = *from;
        }
        apply(&mut bytes, key, salt);
        bytes
    }

    /// What a masked header says, if it has the right length. Not authenticated before the packet has opened.
    pub(super) fn unmask(masked: &[u8], key: &Secret<32>, salt: &Salt) -> Option<Self> {
        let mut bytes: [u8; HEADER_BYTES] = masked.try_into().ok()?;
        apply(&mut bytes, key, salt);
        let (author, rest) = bytes.split_first_chunk()?;
        let (generation, id) = rest.split_first_chunk()?;
        Some(Self {
            author: u16::from_le_bytes(*author),
            generation: u32::from_le_bytes(*generation),
            id: MessageId::from_bytes(*id.first_chunk()?),
        })
    }
}

/// Exclusive or with what follows from the key and the salt: the same there and back.
fn apply(bytes: &mut [u8; HEADER_BYTES], key: &Secret<32>, salt: &Salt) {
    let mut mask = Secret::<HEADER_BYTES>::zeroed();
    let mut hasher = Hasher::new_keyed(key.expose());
    hasher.update(salt);
    hasher.finalize_xof().fill(mask.expose_mut());
    hasher.zeroize();
    for (byte, mask) in bytes.iter_mut().zip(mask.expose()) {
        *byte ^= mask;
    }
}
