//! The outermost frame of everything on the channel: one byte of version, one byte of kind, the rest.

/// The version of the protocol that this code speaks.
pub const VERSION: u8 = 1;

/// The longest packet that is read or written, in bytes. An establishment of 512 members with 255-byte names
/// fits with room to spare.
pub const MAX_BYTES: usize = 512 * 1024;

/// Bytes that the frame adds.
pub const FRAME_BYTES: usize = 2;

/// The kind of a packet, in the clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PacketKind {
    /// Belongs to a membership operation.
    Operation,
    /// A message of a subsession, encrypted.
    Message,
    /// What a joiner publishes before it is included (rule K-14).
    Announcement,
}

impl PacketKind {
    const fn byte(self) -> u8 {
        match self {
            Self::Operation => 1,
            Self::Message => 2,
            Self::Announcement => 3,
        }
    }
}

/// Why the frame of a packet cannot be read. Such packets are skipped and reported, they stop nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Shorter than a frame.
    #[error("the packet is shorter than its frame")]
    TooShort,
    /// Longer than [`MAX_BYTES`].
    #[error("the packet has {0} bytes, more than the limit of 524288")]
    TooLong(usize),
    /// Made by a newer or foreign program.
    #[error("the packet has version {0}, this program reads version 1; updating may help")]
    UnknownVersion(u8),
    /// Of a kind that this version does not know.
    #[error("the packet is of the unknown kind {0}; updating may help")]
    UnknownKind(u8),
}

/// The frame alone, for code that authenticates it together with the body.
#[must_use]
pub const fn header(kind: PacketKind) -> [u8; FRAME_BYTES] {
    [VERSION, kind.byte()]
}

/// Puts the frame around a body. The result is longer than what [`read`] takes if the body is over
/// `MAX_BYTES - FRAME_BYTES`; makers of bodies keep their own limits below that.
#[must_use]
pub fn frame(kind: PacketKind, body: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(FRAME_BYTES + body.len());
    packet.extend_from_slice(&header(kind));
    packet.extend_from_slice(body);
    packet
}

/// Reads the frame of a packet: its kind and its body.
///
/// # Errors
/// Too short, too long, or of an unknown version or kind.
pub fn read(packet: &[u8]) -> Result<(PacketKind, &[u8]), FrameError> {
    if packet.len() > MAX_BYTES {
        return Err(FrameError::TooLong(packet.len()));
    }
    match packet {
        [VERSION, kind, body @ ..] => [
            PacketKind::Operation,
            PacketKind::Message,
            PacketKind::Announcement,
        ]
        .into_iter()
        .find(|known| known.byte() == *kind)
        .map(|known| (known, body))
        .ok_or(FrameError::UnknownKind(*kind)),
        [version, _, ..] => Err(FrameError::UnknownVersion(*version)),
        _ => Err(FrameError::TooShort),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a41_frames_are_read_or_refused_by_name() {
        assert_eq!(
            read(&frame(PacketKind::Message, b"x")),
            Ok((PacketKind::Message, b"x".as_slice()))
        );
        assert_eq!(read(&[1]), Err(FrameError::TooShort));
        assert_eq!(read(&[2, 1, 0]), Err(FrameError::UnknownVersion(2)));
        assert_eq!(read(&[1, 200, 0]), Err(FrameError::UnknownKind(200)));
        assert_eq!(
            read(&vec![1; MAX_BYTES + 1]),
            Err(FrameError::TooLong(MAX_BYTES + 1))
        );
    }
}
