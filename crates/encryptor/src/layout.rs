//! The text that is signed: author and content as bytes, and back. One content has one encoding.

use concilium_core::{ChainHash, MessageId, PacketId};

use crate::{ChainConfirmation, Content, Kind, MAX_BODY_BYTES, MAX_PARENTS};

/// The bit of the kind's byte that says that the author's control key signs (M-9).
const CONTROL: u8 = Kind::MAX + 1;

/// The bit of the kind's byte that says that a chain confirmation follows the parents.
const CONFIRMED: u8 = 2 * CONTROL;

/// The longest text: everything at its limit.
pub(crate) const MAX_TEXT_BYTES: usize = 3 + 1 + 3 + 32 * MAX_PARENTS + 64 + MAX_BODY_BYTES;

/// How many bytes [`write`] will write, or a few more.
pub(crate) fn text_bytes_bound(content: &Content) -> usize {
    3 + 1 + 3 + 32 * content.parents.len() + 64 + content.body.len()
}

/// Appends the text of a message, signed with the author's control key or with its first one.
pub(crate) fn write(author: u16, control: bool, content: &Content, out: &mut Vec<u8>) {
    let mut flags = if content.confirmation.is_some() {
        CONFIRMED
    } else {
        0
    };
    if control {
        flags |= CONTROL;
    }
    write_number(author, out);
    out.push(content.kind.number() | flags);
    // The sealer refuses more parents than MAX_PARENTS before.
    write_number(u16::try_from(content.parents.len()).unwrap_or(u16::MAX), out);
    for parent in &content.parents {
        out.extend_from_slice(parent.as_bytes());
    }
    if let Some(confirmation) = &content.confirmation {
        out.extend_from_slice(confirmation.packet.as_bytes());
        out.extend_from_slice(confirmation.chain.as_bytes());
    }
    out.extend_from_slice(&content.body);
}

/// A text taken apart; the body stays where it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Text<'a> {
    pub(crate) author: u16,
    pub(crate) control: bool,
    pub(crate) kind: Kind,
    pub(crate) parents: Vec<MessageId>,
    pub(crate) confirmation: Option<ChainConfirmation>,
    pub(crate) body: &'a [u8],
}

/// Reads what [`write`] writes, and nothing else.
pub(crate) fn read(text: &[u8]) -> Option<Text<'_>> {
    let (author, text) = read_number(text)?;
    let (&kind, text) = text.split_first()?;
    let (parents, mut text) = read_parents(text)?;
    let confirmation = if kind & CONFIRMED == 0 {
        None
    } else {
        let (packet, rest) = text.split_first_chunk()?;
        let (chain, rest) = rest.split_first_chunk()?;
        text = rest;
        Some(ChainConfirmation {
            packet: PacketId::from_bytes(*packet),
            chain: ChainHash::from_bytes(*chain),
        })
    };
    (text.len() <= MAX_BODY_BYTES).then_some(Text {
        author,
        control: kind & CONTROL != 0,
        // M-7: every number is a kind, known to this version or not.
        kind: Kind::from_number(kind & Kind::MAX)?,
        parents,
        confirmation,
        body: text,
    })
}

fn read_parents(text: &[u8]) -> Option<(Vec<MessageId>, &[u8])> {
    let (count, mut text) = read_number(text)?;
    let count = usize::from(count);
    // nothing is reserved for parents that are not there.
    if count > MAX_PARENTS || text.len() < 32 * count {
        return None;
    }
    let mut parents = Vec::with_capacity(count);
    for _ in 0..count {
        let (parent, rest) = text.split_first_chunk()?;
        parents.push(MessageId::from_bytes(*parent));
        text = rest;
    }
    are_ascending(&parents).then_some((parents, text))
}

/// Whether these parents stand in the one order that a message may have, without repetition.
pub(crate) fn are_ascending(parents: &[MessageId]) -> bool {
    parents.is_sorted_by(|a, b| a < b)
}

/// Numbers up to this are one byte; above, this byte plus one announces two more. As in the wire codec.
const ONE_BYTE_MAX: u16 = 250;
const TWO_BYTES_FOLLOW: u8 = 251;

fn write_number(number: u16, out: &mut Vec<u8>) {
    match u8::try_from(number) {
        Ok(byte) if number <= ONE_BYTE_MAX => out.push(byte),
        _ => {
            out.push(TWO_BYTES_FOLLOW);
            out.extend_from_slice(&number.to_le_bytes());
        }
    }
}

fn read_number(text: &[u8]) -> Option<(u16, &[u8])> {
    let (&first, rest) = text.split_first()?;
    if u16::from(first) <= ONE_BYTE_MAX {
        return Some((first.into(), rest));
    }
    let (bytes, rest) = rest.split_first_chunk()?;
    let number = u16::from_le_bytes(*bytes);
    (first == TWO_BYTES_FOLLOW && number > ONE_BYTE_MAX).then_some((number, rest))
}
