//! What the tests share: short names for members and messages.
#![allow(dead_code, reason = "each test binary uses its own part")]

use concilium_core::{MemberId, MemberSet, MessageId, wire};
use concilium_transcript::{Entry, Transcript};
use serde::{Serialize, de::DeserializeOwned};

pub(crate) fn member(name: &str) -> MemberId {
    MemberId::new(name).unwrap()
}

pub(crate) fn members(names: &str) -> MemberSet {
    names.split_whitespace().map(member).collect()
}

/// The message of a number: spread over the whole range, as hashes are.
pub(crate) fn id(number: u64) -> MessageId {
    let mut bytes = [0; 32];
    let mut state = number;
    for chunk in bytes.chunks_mut(8) {
        // SplitMix64 (Steele, Lea, Flood, 2014).
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        chunk.copy_from_slice(&(z ^ (z >> 31)).to_be_bytes());
    }
    MessageId::from_bytes(bytes)
}

pub(crate) fn ids(numbers: &[u64]) -> Vec<MessageId> {
    numbers.iter().copied().map(id).collect()
}

/// A shown message that expects acks; its number is its body.
pub(crate) fn entry(number: u64, author: &str, parents: &[u64]) -> Entry<u64> {
    Entry {
        id: id(number),
        author: member(author),
        parents: ids(parents),
        ack_only: false,
        shown: true,
        weight: 8,
        body: number,
    }
}

pub(crate) fn ack(number: u64, author: &str, parents: &[u64]) -> Entry<u64> {
    Entry {
        ack_only: true,
        shown: false,
        ..entry(number, author, parents)
    }
}

pub(crate) fn export<B: Serialize>(transcript: &Transcript<B>) -> Vec<u8> {
    wire::encode(transcript)
}

pub(crate) fn restore<B: Serialize + DeserializeOwned>(
    bytes: &[u8],
) -> Result<Transcript<B>, wire::DecodeError> {
    wire::decode(bytes, usize::MAX)
}
