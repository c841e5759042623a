//! From message ids to positions.

use concilium_core::MessageId;

use crate::chunked::Chunked;
use crate::work;

/// Branches of a node: one for each value of four bits.
const FANOUT: usize = 16;

/// Messages of a bucket. With it, a bucket takes two cache lines.
const CAPACITY: usize = 15;

/// Marks a branch that leads to a bucket; the other bits are the bucket's position, or the node's.
const BUCKET: u32 = 1 << 31;

/// The most nodes or buckets that the index may hold: the positions of both share 31 bits with [`BUCKET`].
pub(crate) const MAX_SIZE: u32 = BUCKET - 1;

/// The most nodes or buckets that one insertion adds: it may split at each bit of an id.
pub(crate) const MAX_GROWTH: u32 = 256;

/// Ids that begin alike.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Bucket {
    /// Some bits of each message's id. They rule out nearly all other messages without reading those, which
    /// are far away in memory. They also split a bucket without reading them.
    tags: [u32; CAPACITY],
    len: u16,
    /// How many bits, from the first, the ids here have in common.
    bits: u16,
    positions: [u32; CAPACITY],
}

impl Bucket {
    fn new(bits: u16) -> Self {
        Self {
            tags: [0; CAPACITY],
            len: 0,
            bits,
            positions: [0; CAPACITY],
        }
    }

    /// Tags and positions. Positions are on a cache line of their own, not to be touched without need.
    fn messages(&self) -> impl Iterator<Item = (u32, &u32)> {
        let all = self.tags.iter().copied().zip(&self.positions);
        all.take(usize::from(self.len))
    }

    /// False if there is no room.
    fn push(&mut self, tag: u32, position: u32) -> bool {
        let len = usize::from(self.len);
        match (self.tags.get_mut(len), self.positions.get_mut(len)) {
            (Some(tag_slot), Some(position_slot)) => {
                *tag_slot = tag;
                *position_slot = position;
                self.len += 1;
                true
            }
            _ => false,
        }
    }
}

/// A trie over the ids' hexadecimal digits, with buckets for leaves that split by single bits: extendible
/// hashing (Fagin, Nievergelt, Pippenger, Strong, 1979) with a trie for its directory.
///
/// Why not a plain hash table: ids are hashes already, but an insider can search for ids that collide, so a
/// table needs a secret seed, and this crate has no randomness. Here such a search is futile: a bucket goes
/// one bit deeper for every doubling of the work to find sixteen ids that share its beginning. Why not a
/// `BTreeMap`: it is slower and several times larger. There is no rehashing, so no insertion is slow, and of
/// a million messages the index touches just one place in memory that is not in the nearer caches.
///
/// Ids that are not hashes are handled correctly too, at up to 64 steps each.
#[derive(Clone, Debug)]
pub(crate) struct IdIndex {
    /// The first is the root.
    nodes: Chunked<[u32; FANOUT]>,
    buckets: Chunked<Bucket>,
}

impl Default for IdIndex {
    fn default() -> Self {
        let (mut nodes, mut buckets) = (Chunked::default(), Chunked::default());
        let first = buckets.push(Bucket::new(0));
        nodes.push([first | BUCKET; FANOUT]);
        Self { nodes, buckets }
    }
}

/// Where a bucket hangs.
struct Branch {
    node: u32,
    depth: u16,
    bucket: u32,
}

fn byte(id: &MessageId, place: usize) -> u8 {
    id.as_bytes().get(place).copied().unwrap_or(0)
}

/// The digit of an id at a depth.
fn digit(id: &MessageId, depth: u16) -> usize {
    let byte = byte(id, usize::from(depth / 2));
    usize::from(if depth.is_multiple_of(2) {
        byte >> 4
    } else {
        byte & 15
    })
}

/// The bits of an id that a tag holds: those at which all but the first few buckets split.
const TAG_BITS: std::ops::Range<u16> = 8..40;

fn tag(id: &MessageId) -> u32 {
    u32::from_be_bytes([byte(id, 1), byte(id, 2), byte(id, 3), byte(id, 4)])
}

impl IdIndex {
    /// Number of nodes or of buckets, whichever is larger.
    pub(crate) fn size(&self) -> u32 {
        self.nodes.len().max(self.buckets.len())
    }

    /// The position of the message with this id; `id_at` tells the id at a position.
    pub(crate) fn find<'a>(&self, id: &MessageId, id_at: impl Fn(u32) -> &'a MessageId) -> Option<u32> {
        let branch = self.descend(id, 0, 0);
        let tag = tag(id);
        self.buckets
            .at(branch.bucket)
            .messages()
            .find(|(other, position)| *other == tag && id_at(**position) == id)
            .map(|(_, position)| *position)
    }

    fn descend(&self, id: &MessageId, mut node: u32, mut depth: u16) -> Branch {
        loop {
            work::add(1);
            let branch = self
                .nodes
                .at(node)
                .get(digit(id, depth))
                .copied()
                .unwrap_or(BUCKET);
            if branch & BUCKET != 0 {
                let bucket = branch & !BUCKET;
                return Branch { node, depth, bucket };
            }
            node = branch;
            depth += 1;
        }
    }

    /// Adds an id that is not in yet. The caller keeps the size below [`MAX_SIZE`].
    pub(crate) fn insert<'a>(&mut self, id: &MessageId, position: u32, id_at: impl Fn(u32) -> &'a MessageId) {
        let tag = tag(id);
        let mut branch = self.descend(id, 0, 0);
        // Sixteen different ids differ before their 256th bit, so this ends.
        for _ in 0..=MAX_GROWTH {
            let bucket = self.buckets.get_mut(branch.bucket);
            if bucket.is_some_and(|bucket| bucket.push(tag, position)) {
                return;
            }
            let (node, depth) = self.split(id, &branch, &id_at);
            branch = self.descend(id, node, depth);
        }
    }

    /// Splits a bucket at the first bit that its place in the trie does not fix. Returns the node above both
    /// halves.
    fn split<'a>(
        &mut self,
        id: &MessageId,
        at: &Branch,
        id_at: &impl Fn(u32) -> &'a MessageId,
    ) -> (u32, u16) {
        let Branch {
            mut node,
            mut depth,
            bucket,
        } = *at;
        let full = self.buckets.at(bucket).clone();
        work::add(CAPACITY);
        if full.bits >= 4 * (depth + 1) {
            // Only this branch leads to the bucket: a node in between makes sixteen of it.
            let below = self.nodes.push([bucket | BUCKET; FANOUT]);
            if let Some(slot) = self
                .nodes
                .get_mut(node)
                .and_then(|node| node.get_mut(digit(id, depth)))
            {
                *slot = below;
            }
            node = below;
            depth += 1;
        }
        let is_set = |tag: u32, position: u32| {
            if TAG_BITS.contains(&full.bits) {
                tag & (1 << (TAG_BITS.end - 1 - full.bits)) != 0
            } else {
                let byte = byte(id_at(position), usize::from(full.bits / 8));
                byte & (0x80 >> (full.bits % 8)) != 0
            }
        };
        let (mut zeros, mut ones) = (Bucket::new(full.bits + 1), Bucket::new(full.bits + 1));
        for (tag, position) in full.messages() {
            let half = if is_set(tag, *position) {
                &mut ones
            } else {
                &mut zeros
            };
            half.push(tag, *position);
        }
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            *bucket = zeros;
        }
        let ones = self.buckets.push(ones);
        let bit = 8_usize >> (full.bits % 4);
        for (digit, branch) in self.nodes.get_mut(node).into_iter().flatten().enumerate() {
            if *branch == bucket | BUCKET && digit & bit != 0 {
                *branch = ones | BUCKET;
            }
        }
        (node, depth)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::collections::btree_map::Entry;

    use super::*;
    use proptest::prelude::*;

    fn id(bytes: &[u8]) -> MessageId {
        let mut id = [0; 32];
        id[32 - bytes.len()..].copy_from_slice(bytes);
        MessageId::from_bytes(id)
    }

    proptest! {
        /// Short suffixes over few values: ids that share longer beginnings than any attacker could grind.
        #[test]
        fn finds_exactly_what_was_inserted(
            ids in proptest::collection::vec(proptest::collection::vec(0_u8..4, 0..6), 0..200),
            others in proptest::collection::vec(proptest::collection::vec(0_u8..3, 0..5), 0..60),
        ) {
            let (mut index, mut list, mut model) = (IdIndex::default(), Vec::new(), BTreeMap::new());
            for bytes in &ids {
                let id = id(bytes);
                prop_assert_eq!(index.find(&id, |i| &list[i as usize]), model.get(&id).copied());
                if let Entry::Vacant(vacant) = model.entry(id) {
                    index.insert(&id, list.len() as u32, |i| &list[i as usize]);
                    vacant.insert(list.len() as u32);
                    list.push(id);
                }
            }
            for bytes in ids.iter().chain(&others) {
                let id = id(bytes);
                prop_assert_eq!(index.find(&id, |i| &list[i as usize]), model.get(&id).copied());
            }
            prop_assert!(index.size() <= 1 + MAX_GROWTH * list.len() as u32);
        }
    }

    #[test]
    fn ids_that_are_hashes_fill_buckets_well() {
        let hash = |i: u32| {
            let hash = concilium_core::FramedHash::new("concilium test 2026 index");
            MessageId::from_bytes(hash.number(u64::from(i)).finish())
        };
        let list: Vec<MessageId> = (0..40_000).map(hash).collect();
        let mut index = IdIndex::default();
        for (position, id) in (0..).zip(&list) {
            index.insert(id, position, |i| &list[i as usize]);
        }
        for (position, id) in (0..).zip(&list) {
            assert_eq!(index.find(id, |i| &list[i as usize]), Some(position));
        }
        assert_eq!(index.find(&hash(40_000), |i| &list[i as usize]), None);
        // Half full at the least.
        assert!(index.buckets.len() < 2 * 40_000 / CAPACITY as u32);
        assert!(index.nodes.len() < index.buckets.len() / 4);
    }
}
