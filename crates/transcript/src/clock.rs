//! What each message has seen, in constant space.

use crate::chunked::Chunked;
use crate::work;

/// Children of a node, or lanes of a leaf.
const FANOUT: usize = 4;

/// The vector clock of a message: for every lane, how many messages of it are in the message's past, itself
/// included.
///
/// A handle into [`Clocks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Clock {
    /// 0 for a clock that has seen nothing.
    root: u32,
    /// Levels of the tree: it covers `4^height` lanes.
    height: u8,
}

/// One lane of a clock: how many of its messages were seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tip {
    pub(crate) lane: u32,
    pub(crate) seq: u32,
}

/// A lane in which two clocks differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Advance {
    pub(crate) lane: u32,
    pub(crate) from: u32,
    pub(crate) to: u32,
}

/// How far all readers have seen a lane, and how many of them not further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Least {
    pub(crate) lane: u32,
    pub(crate) seen: u32,
    pub(crate) count: u32,
}

/// The least that any reader but the author has seen on one lane, over readers in ascending order.
fn least(lane: u32, seen: impl Iterator<Item = (u32, u32)>, author: u32) -> Least {
    let mut least = Least {
        lane,
        seen: u32::MAX,
        count: 0,
    };
    let mut seen = seen.filter(|(reader, _)| *reader != author).peekable();
    while let Some((reader, mut most)) = seen.next() {
        while let Some((_, other)) = seen.next_if(|(next, _)| *next == reader) {
            most = most.max(other);
        }
        if most < least.seen {
            least = Least {
                lane,
                seen: most,
                count: 0,
            };
        }
        least.count += u32::from(most == least.seen);
    }
    least
}

/// All clocks of a transcript, as trees that share what is equal (path copying: Driscoll, Sarnak, Sleator,
/// Tarjan, "Making data structures persistent", 1989).
///
/// A message with one parent differs from it in one lane, so it costs one new node a level: 64 bytes for up
/// to 256 members, where a plain vector clock of 100 members takes 400. A message with many parents costs at
/// most the nodes of one whole tree, 16 bytes for every three lanes, whatever the graph looks like. Looking
/// up a lane takes one step a level, so the question whether one message is an ancestor of another never
/// scans the history (G-7).
#[derive(Clone, Debug)]
pub(crate) struct Clocks {
    /// Leaves hold counts, the others the positions of their children. Position 0 is the empty tree.
    nodes: Chunked<[u32; FANOUT]>,
    /// Levels that new clocks have.
    height: u8,
    /// Inputs of the joins that are going on, innermost last. Empty between calls.
    scratch: Vec<Clock>,
}

/// The digit of a lane that picks a child at a level, counted from 1 at the leaves.
fn digit(lane: u32, level: u8) -> usize {
    (lane
        .checked_shr(2 * u32::from(level.saturating_sub(1)))
        .unwrap_or(0)
        & 3) as usize
}

/// Whether a tree of `levels` levels has a place for the lane.
fn covers(height: u8, lane: u32) -> bool {
    lane.checked_shr(2 * u32::from(height)).unwrap_or(0) == 0
}

impl Clocks {
    /// No clocks yet, with room for this many lanes.
    pub(crate) fn new(lanes: u32) -> Self {
        let mut nodes = Chunked::default();
        nodes.push([0; FANOUT]);
        let mut clocks = Self {
            nodes,
            height: 1,
            scratch: Vec::new(),
        };
        clocks.make_room(lanes);
        clocks
    }

    /// From now on, clocks have room for this many lanes.
    pub(crate) fn make_room(&mut self, lanes: u32) {
        while !covers(self.height, lanes.saturating_sub(1)) {
            self.height += 1;
        }
    }

    /// Number of nodes.
    pub(crate) fn nodes(&self) -> u32 {
        self.nodes.len()
    }

    /// The most nodes that one more clock adds.
    pub(crate) fn max_nodes_per_clock(&self, lanes: u32) -> u32 {
        // A full tree over the lanes has at most lanes/4 + lanes/16 + .. nodes, and one partly filled one a
        // level.
        lanes / 3 + 1 + u32::from(self.height)
    }

    /// How many messages of a lane the clock has seen.
    pub(crate) fn seen(&self, clock: Clock, lane: u32) -> u32 {
        if !covers(clock.height, lane) {
            return 0;
        }
        work::add(usize::from(clock.height));
        (1..=clock.height)
            .rev()
            .fold(clock.root, |node, level| self.slot(node, digit(lane, level)))
    }

    /// Whether none of the clocks, each the clock of its tip, has seen the tip of another (G-2). Tips are in
    /// strictly ascending order of lanes: two messages of one lane are never concurrent.
    ///
    /// Visits only the parts of the trees where tips are, so that k parents cost k steps for each of at most
    /// k/3 nodes, not k lookups for each of k parents.
    pub(crate) fn are_concurrent(&mut self, clocks: &[Clock], tips: &[Tip]) -> bool {
        self.scratch.clear();
        self.scratch.extend_from_slice(clocks);
        let concurrent = self.concurrent_below(0, self.height, tips);
        self.scratch.clear();
        concurrent
    }

    fn concurrent_below(&mut self, from: usize, level: u8, tips: &[Tip]) -> bool {
        let end = self.scratch.len();
        work::add(end - from + 1);
        if tips.is_empty() {
            return true;
        }
        if level <= 1 {
            let leaves = self.scratch.get(from..).unwrap_or_default();
            return tips.iter().all(|tip| {
                let mut seen_by = 0;
                for leaf in leaves {
                    if self.slot(leaf.root, digit(tip.lane, 1)) >= tip.seq {
                        seen_by += 1;
                    }
                }
                // The tip's own clock has seen it; perhaps no other has.
                seen_by <= 1
            });
        }
        let mut rest = tips;
        while let Some(first) = rest.first() {
            let child = digit(first.lane, level);
            let split = rest.partition_point(|tip| digit(tip.lane, level) <= child);
            let (here, later) = rest.split_at(split);
            self.push_children(from, end, level, child);
            let concurrent = self.concurrent_below(end, level - 1, here);
            self.scratch.truncate(end);
            if !concurrent {
                return false;
            }
            rest = later;
        }
        true
    }

    /// A child of a tree that is looked at as one of `level` levels.
    fn child(&self, tree: Clock, level: u8, child: usize) -> Clock {
        // A tree made when there were fewer lanes is the first child of what it would be now.
        let root = match (tree.height < level, child) {
            (false, _) => self.slot(tree.root, child),
            (true, 0) => tree.root,
            (true, _) => 0,
        };
        let height = tree.height.min(level.saturating_sub(1));
        Clock { root, height }
    }

    /// Puts the non-empty children of the inputs from `from` to `end` on the scratch list.
    fn push_children(&mut self, from: usize, end: usize, level: u8, child: usize) {
        for input in from..end {
            if let Some(tree) = self.scratch.get(input) {
                let child = self.child(*tree, level, child);
                if child.root != 0 {
                    self.scratch.push(child);
                }
            }
        }
    }

    /// For each of some lanes, given with their authors and in ascending order: how far all readers but the
    /// author have seen it, and how many of them not further. The clocks are those of the last messages of
    /// the readers, who are named in ascending order; a reader who has forked has several.
    pub(crate) fn least_seen(
        &mut self,
        clocks: &[Clock],
        readers: &[u32],
        lanes: &[(u32, u32)],
    ) -> Vec<Least> {
        let mut least = Vec::with_capacity(lanes.len());
        self.scratch.clear();
        self.scratch.extend_from_slice(clocks);
        self.least_below(0, self.height, readers, lanes, &mut least);
        self.scratch.clear();
        least
    }

    fn least_below(
        &mut self,
        from: usize,
        level: u8,
        readers: &[u32],
        lanes: &[(u32, u32)],
        out: &mut Vec<Least>,
    ) {
        let end = self.scratch.len();
        work::add(end - from + 1);
        if level <= 1 {
            let leaves = self.scratch.get(from..).unwrap_or_default();
            for (lane, author) in lanes {
                let seen = leaves.iter().map(|leaf| self.slot(leaf.root, digit(*lane, 1)));
                out.push(least(*lane, readers.iter().copied().zip(seen), *author));
            }
            return;
        }
        let mut rest = lanes;
        while let Some((first, _)) = rest.first() {
            let child = digit(*first, level);
            let split = rest.partition_point(|(lane, _)| digit(*lane, level) <= child);
            let (here, later) = rest.split_at(split);
            for input in from..end {
                if let Some(tree) = self.scratch.get(input) {
                    self.scratch.push(self.child(*tree, level, child));
                }
            }
            self.least_below(end, level - 1, readers, here, out);
            self.scratch.truncate(end);
            rest = later;
        }
    }

    /// The clock of a message that has these parents and is the tip of a lane itself. In that lane `own`
    /// overrides what the parents have.
    pub(crate) fn join(&mut self, parents: &[Clock], own: Tip) -> Clock {
        self.scratch.clear();
        self.scratch
            .extend(parents.iter().filter(|parent| parent.root != 0));
        let height = self.height;
        let root = self.join_below(0, height, Some(own));
        self.scratch.clear();
        Clock { root, height }
    }

    /// Joins the inputs from `from` on into one tree of `level` levels. Makes no node that is not part of the
    /// result, and none that equals one of the inputs.
    fn join_below(&mut self, from: usize, level: u8, own: Option<Tip>) -> u32 {
        let end = self.scratch.len();
        work::add(end - from + 1);
        let inputs = self.scratch.get(from..).unwrap_or_default();
        if own.is_none() {
            let Some(first) = inputs.first().copied() else {
                return 0;
            };
            if first.height == level && inputs.iter().all(|input| *input == first) {
                return first.root;
            }
        }
        let mut node = [0; FANOUT];
        if level <= 1 {
            for input in inputs {
                for (count, other) in node.iter_mut().zip(self.nodes.at(input.root)) {
                    *count = (*count).max(*other);
                }
            }
            if let Some(own) = own
                && let Some(count) = node.get_mut(digit(own.lane, 1))
            {
                *count = own.seq;
            }
        } else {
            for (child, slot) in node.iter_mut().enumerate() {
                let own = own.filter(|own| digit(own.lane, level) == child);
                self.push_children(from, end, level, child);
                if own.is_some() || self.scratch.len() > end {
                    *slot = self.join_below(end, level - 1, own);
                }
                self.scratch.truncate(end);
            }
        }
        if own.is_none() {
            let inputs = self.scratch.get(from..end).unwrap_or_default();
            for input in inputs {
                if input.height == level && *self.nodes.at(input.root) == node {
                    return input.root;
                }
            }
        }
        self.nodes.push(node)
    }

    /// Calls `report` with every lane in which `later` has seen more than `earlier`, in ascending order.
    /// `later` has seen everything that `earlier` has.
    pub(crate) fn advances(&self, earlier: Clock, later: Clock, report: &mut impl FnMut(Advance)) {
        self.advances_below(earlier, later, later.height, 0, report);
    }

    fn advances_below(
        &self,
        earlier: Clock,
        later: Clock,
        level: u8,
        lane: u32,
        report: &mut impl FnMut(Advance),
    ) {
        work::add(1);
        if later.root == 0 || (earlier.root == later.root && earlier.height == later.height) {
            return;
        }
        for digit in 0..FANOUT as u32 {
            let below = lane | digit.checked_shl(2 * u32::from(level - 1)).unwrap_or(0);
            let earlier = self.child(earlier, level, digit as usize);
            let later = self.child(later, level, digit as usize);
            if level > 1 {
                self.advances_below(earlier, later, level - 1, below, report);
            } else if later.root > earlier.root {
                // The children of leaves are counts.
                let (from, to) = (earlier.root, later.root);
                report(Advance {
                    lane: below,
                    from,
                    to,
                });
            }
        }
    }

    fn slot(&self, node: u32, slot: usize) -> u32 {
        self.nodes
            .get(node)
            .and_then(|node| node.get(slot))
            .copied()
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Random joins, now and then with room for more lanes, against plain vectors.
    #[derive(Debug, Clone)]
    struct Step {
        parents: Vec<prop::sample::Index>,
        lane: prop::sample::Index,
        more_lanes: u32,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = (
            prop::collection::vec(any::<prop::sample::Index>(), 0..4),
            any::<prop::sample::Index>(),
            prop_oneof![9 => Just(0), 1 => 1_u32..20],
        )
            .prop_map(|(parents, lane, more_lanes)| Step {
                parents,
                lane,
                more_lanes,
            });
        prop::collection::vec(step, 1..40)
    }

    proptest! {
        #[test]
        fn trees_equal_plain_vector_clocks(lanes in 1_u32..70, steps in steps()) {
            let mut lanes = lanes;
            let mut clocks = Clocks::new(lanes);
            let mut made: Vec<(Clock, Vec<u32>, Tip)> = Vec::new();
            let mut counts = vec![0_u32; 1000];
            for step in steps {
                lanes += step.more_lanes;
                clocks.make_room(lanes);
                let parents: Vec<_> = match made.len() {
                    0 => Vec::new(),
                    len => step.parents.iter().map(|i| made[i.index(len)].clone()).collect(),
                };
                let lane = step.lane.index(lanes as usize) as u32;
                counts[lane as usize] += 1;
                let own = Tip { lane, seq: counts[lane as usize] };
                let nodes = clocks.nodes();
                let inputs: Vec<_> = parents.iter().map(|parent| parent.0).collect();
                let clock = clocks.join(&inputs, own);
                prop_assert!(clocks.nodes() - nodes <= clocks.max_nodes_per_clock(lanes));
                let mut plain = vec![0; 1000];
                for (_, parent, _) in &parents {
                    plain.iter_mut().zip(parent).for_each(|(a, b)| *a = (*a).max(*b));
                }
                plain[lane as usize] = own.seq;
                for (lane, count) in (0..lanes).zip(&plain) {
                    prop_assert_eq!(clocks.seen(clock, lane), *count);
                }
                prop_assert_eq!(clocks.seen(clock, 999), 0);
                for (parent, seen, _) in &parents {
                    let mut expected = Vec::new();
                    for (lane, (from, to)) in (0_u32..).zip(seen.iter().zip(&plain)) {
                        if from < to {
                            expected.push(Advance { lane, from: *from, to: *to });
                        }
                    }
                    let mut advances = Vec::new();
                    clocks.advances(*parent, clock, &mut |advance| advances.push(advance));
                    prop_assert_eq!(advances, expected);
                }
                // Some tips, one a lane, and whether any clock has seen another's.
                let mut tips = parents;
                tips.sort_by_key(|(_, _, tip)| *tip);
                tips.dedup_by_key(|(_, _, tip)| tip.lane);
                let concurrent = tips.iter().enumerate().all(|(i, (_, _, tip))| {
                    tips.iter().enumerate().all(|(j, (_, seen, _))| i == j || seen[tip.lane as usize] < tip.seq)
                });
                let inputs: Vec<_> = tips.iter().map(|(clock, _, _)| *clock).collect();
                let tips: Vec<_> = tips.iter().map(|(_, _, tip)| *tip).collect();
                prop_assert_eq!(clocks.are_concurrent(&inputs, &tips), concurrent);
                made.push((clock, plain, own));
            }
        }
    }

    #[test]
    fn a_message_with_one_parent_costs_one_node_a_level() {
        let mut clocks = Clocks::new(100);
        let mut clock = Clock::default();
        for seq in 1..1000 {
            let before = clocks.nodes();
            clock = clocks.join(&[clock], Tip { lane: seq % 100, seq });
            assert_eq!(clocks.nodes() - before, 4);
        }
    }
}
