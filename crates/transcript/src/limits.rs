//! The limits, each with its reason.

/// The most parents that a message names. Honest members name the latest messages, at most one a member, so
/// groups of up to 512 are never short of room; a larger group names the rest in the next message. More
/// parents would let one packet cost too much work.
pub const MAX_PARENTS: usize = 512;

/// How often one author's history may branch (G-3). One fork already exposes an author. The branches are kept
/// so that members that different ones reached first can still understand each other. Each branch costs every
/// later clock a place, hence the limit.
pub const MAX_BRANCHES: usize = 16;

/// The most messages in a transcript. Positions have 32 bits, and indexes of them a few less. A group asks
/// for new keys long before this many.
pub const MAX_MESSAGES: u32 = 1 << 26;

/// The most messages of one author that wait for parents. Ten times what a member sends while a lost
/// message is on its way again.
pub const DEFERRED_MESSAGES_PER_AUTHOR: usize = 1024;

/// The most bytes that one author's waiting messages take: room for several of the largest packets.
pub const DEFERRED_BYTES_PER_AUTHOR: usize = 4 * 1024 * 1024;

/// The most messages that wait for parents, of all authors together. A share of 32 for each of 512
/// members.
pub const DEFERRED_MESSAGES: usize = 16 * 1024;

/// The most bytes that all waiting messages take together: a browser tab can spare that.
pub const DEFERRED_BYTES: usize = 32 * 1024 * 1024;
