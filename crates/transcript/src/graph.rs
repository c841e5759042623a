//! The causal graph, without bodies and without messages that wait.

use std::collections::BTreeSet;

use concilium_core::{MemberId, MemberSet, MessageId};

use crate::chunked::Chunked;
use crate::clock::{Advance, Clock, Clocks, Least, Tip};
use crate::index::{self, IdIndex};
use crate::{MAX_BRANCHES, MAX_MESSAGES};

/// A message in the graph.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) id: MessageId,
    /// Which of its author's lanes it is on, and its place there, counted from 1.
    pub(crate) tip: Tip,
    clock: Clock,
    /// Where its parents begin in the list, and how many there are.
    parents: u32,
    parent_count: u16,
    /// How many shown messages its lane has up to and with this one.
    shown_in_lane: u32,
    pub(crate) ack_only: bool,
    pub(crate) shown: bool,
}

/// A chain of messages of one author, each an ancestor of the next. Every member has one; each branch of a
/// fork adds one, so that clocks and acks stay exact.
#[derive(Clone, Debug)]
struct Lane {
    /// The author, as a place among the members.
    author: u32,
    messages: Chunked<u32>,
    /// The clock of its last message.
    clock: Clock,
    /// How many messages from the start of the lane are fully acked (G-6). An ack of one acks all before it,
    /// so one number is enough.
    fully_acked: u32,
    /// How many readers have acked exactly that far. The number above moves when the last of them has gone
    /// further. Only then are the readers searched, so that the work per message is flat.
    holding_back: u32,
}

/// What is known of a member.
#[derive(Clone, Debug)]
struct Member {
    id: MemberId,
    /// Its lanes, the first by age first.
    lanes: Vec<u32>,
}

/// The last list of parents. Members that speak at once name the same parents, which are judged, kept and
/// joined once.
#[derive(Clone, Debug, Default)]
struct RecentParents {
    list: Vec<u32>,
    /// Where they are kept.
    start: u32,
    /// Their clocks joined, except for the lane in `undo`.
    clock: Clock,
    /// The clock is still that of the first message with these parents; this is what it was without that
    /// message.
    undo: Option<Tip>,
}

/// Where a message goes. Made by [`Graph::check`] and used up by [`Graph::apply`].
#[derive(Debug)]
#[must_use]
pub(crate) struct Place {
    author: u32,
    /// A lane whose last message is this one's predecessor; none: a new lane.
    lane: Option<u32>,
    parents: Vec<u32>,
}

/// Why a message whose parents are all here may not enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    ParentsNotConcurrent,
    AfterFork,
    TooManyBranches,
    Full,
}

/// What a message changed.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) position: u32,
    /// The first message of the same author that is concurrent with it, if it starts a branch.
    pub(crate) fork_from: Option<u32>,
    /// Messages that expect acks and are fully acked now.
    pub(crate) fully_acked: Vec<u32>,
}

#[derive(Clone, Debug)]
pub(crate) struct Graph {
    members: Vec<Member>,
    lanes: Vec<Lane>,
    records: Chunked<Record>,
    parents: Chunked<u32>,
    recent_parents: RecentParents,
    index: IdIndex,
    clocks: Clocks,
    heads: BTreeSet<u32>,
    /// Messages that expect acks and are not fully acked.
    unacked: BTreeSet<u32>,
}

impl Graph {
    pub(crate) fn new(members: &MemberSet) -> Self {
        let members: Vec<_> = (0..)
            .zip(members)
            .map(|(lane, id)| Member {
                id: id.clone(),
                lanes: vec![lane],
            })
            .collect();
        let count = u32::try_from(members.len()).unwrap_or(u32::MAX);
        let lanes = (0..count).map(|author| Lane::new(author, count)).collect();
        Self {
            members,
            lanes,
            records: Chunked::default(),
            parents: Chunked::default(),
            recent_parents: RecentParents::default(),
            index: IdIndex::default(),
            clocks: Clocks::new(count),
            heads: BTreeSet::new(),
            unacked: BTreeSet::new(),
        }
    }

    pub(crate) fn len(&self) -> u32 {
        self.records.len()
    }

    pub(crate) fn records(&self) -> &Chunked<Record> {
        &self.records
    }

    pub(crate) fn position(&self, id: &MessageId) -> Option<u32> {
        self.index.find(id, |position| &self.records.at(position).id)
    }

    /// A member's place among the members.
    pub(crate) fn member(&self, id: &MemberId) -> Option<u32> {
        let place = self.members.binary_search_by(|member| member.id.cmp(id)).ok()?;
        u32::try_from(place).ok()
    }

    /// The author of a message, as a place among the members.
    pub(crate) fn author(&self, record: &Record) -> u32 {
        self.lane(record.tip.lane).map_or(u32::MAX, |lane| lane.author)
    }

    pub(crate) fn name(&self, member: u32) -> Option<&MemberId> {
        self.members.get(member as usize).map(|member| &member.id)
    }

    pub(crate) fn parents(&self, position: u32) -> impl ExactSizeIterator<Item = u32> {
        let record = self.records.get(position);
        let (start, count) = record.map_or((0, 0), |record| (record.parents, record.parent_count));
        let end = start + u32::from(count);
        (start..end).map(|i| *self.parents.at(i))
    }

    pub(crate) fn heads(&self) -> impl ExactSizeIterator<Item = u32> {
        self.heads.iter().copied()
    }

    pub(crate) fn unacked(&self) -> impl DoubleEndedIterator<Item = u32> + ExactSizeIterator {
        self.unacked.iter().copied()
    }

    /// Whether `a` is a proper ancestor of `b` (G-7: one look into the clock of `b`).
    pub(crate) fn is_ancestor(&self, a: u32, b: u32) -> bool {
        let (a, b) = (self.records.at(a), self.records.at(b));
        a.id != b.id && self.clocks.seen(b.clock, a.tip.lane) >= a.tip.seq
    }

    /// The message of this author that was accepted last.
    pub(crate) fn last_of(&self, author: u32) -> Option<u32> {
        self.lanes_of(author)
            .filter_map(|(_, lane)| lane.messages.last().copied())
            .max()
    }

    fn lane(&self, lane: u32) -> Option<&Lane> {
        self.lanes.get(lane as usize)
    }

    fn lanes_of(&self, author: u32) -> impl Iterator<Item = (u32, &Lane)> {
        let member = self.members.get(author as usize);
        let lanes = member.map(|member| member.lanes.as_slice()).unwrap_or_default();
        lanes
            .iter()
            .filter_map(|number| Some((*number, self.lane(*number)?)))
    }

    /// Whether a message of this author with these parents may enter, and where. Changes nothing that counts.
    pub(crate) fn check(&mut self, author: u32, parents: Vec<u32>) -> Result<Place, Refusal> {
        if self.is_full(parents.len()) {
            return Err(Refusal::Full);
        }
        if !self.are_concurrent(&parents) {
            return Err(Refusal::ParentsNotConcurrent);
        }
        // G-3: what the message has seen of its author, lane by lane, the first lane first.
        let seen: Vec<Tip> = self
            .lanes_of(author)
            .map(|(lane, _)| Tip {
                lane,
                seq: self.seen_by_any(&parents, lane),
            })
            .collect();
        let predecessor = if seen.iter().any(|tip| tip.seq > 0) {
            // It goes on from the one that has seen all the others. If there is none, its past holds a fork
            // of its own author. Every member refuses it, because all see the same past.
            let last = seen.iter().find(|tip| self.has_seen_all(**tip, &seen));
            Some(last.ok_or(Refusal::AfterFork)?)
        } else {
            seen.first()
        };
        // What is not the next message of a lane starts a branch.
        let lane = predecessor
            .filter(|tip| self.length(tip.lane) == tip.seq)
            .map(|tip| tip.lane);
        if lane.is_none() && seen.len() > MAX_BRANCHES {
            return Err(Refusal::TooManyBranches);
        }
        Ok(Place {
            author,
            lane,
            parents,
        })
    }

    /// Whether the message at this tip has seen all of these.
    fn has_seen_all(&self, tip: Tip, others: &[Tip]) -> bool {
        self.tip_position(tip).is_some_and(|position| {
            let clock = self.records.at(position).clock;
            others
                .iter()
                .all(|other| self.clocks.seen(clock, other.lane) >= other.seq)
        })
    }

    fn length(&self, lane: u32) -> u32 {
        self.lane(lane).map_or(0, |lane| lane.messages.len())
    }

    /// Links are 32 bits wide; this keeps all of them within.
    fn is_full(&self, parents: usize) -> bool {
        let lanes = u32::try_from(self.lanes.len()).unwrap_or(u32::MAX);
        // Two joins a message at most: one may be for the parents alone.
        let clock = self
            .clocks
            .max_nodes_per_clock(lanes.saturating_add(1))
            .saturating_mul(2);
        let links = u32::try_from(parents).ok();
        self.records.len() >= MAX_MESSAGES
            || self.clocks.nodes().checked_add(clock).is_none()
            || links
                .and_then(|links| self.parents.len().checked_add(links))
                .is_none()
            || self.index.size() > index::MAX_SIZE - index::MAX_GROWTH
    }

    fn are_concurrent(&mut self, parents: &[u32]) -> bool {
        if parents.len() < 2 || parents == self.recent_parents.list {
            return true;
        }
        let mut tips: Vec<Tip> = parents
            .iter()
            .map(|parent| self.records.at(*parent).tip)
            .collect();
        tips.sort_unstable();
        // Two of one lane are one after the other.
        if !tips.is_sorted_by(|a, b| a.lane < b.lane) {
            return false;
        }
        let clocks: Vec<Clock> = parents
            .iter()
            .map(|parent| self.records.at(*parent).clock)
            .collect();
        self.clocks.are_concurrent(&clocks, &tips)
    }

    fn seen_by_any(&self, messages: &[u32], lane: u32) -> u32 {
        let seen = messages
            .iter()
            .map(|message| self.clocks.seen(self.records.at(*message).clock, lane));
        seen.max().unwrap_or(0)
    }

    fn tip_position(&self, tip: Tip) -> Option<u32> {
        let messages = &self.lane(tip.lane)?.messages;
        messages.get(tip.seq.checked_sub(1)?).copied()
    }

    /// Puts a message where [`Graph::check`] found that it belongs. Nothing changed in between.
    pub(crate) fn apply(&mut self, id: MessageId, place: Place, ack_only: bool, shown: bool) -> Applied {
        let Place {
            author,
            lane,
            parents,
        } = place;
        let position = self.records.len();
        let fork_from = match lane {
            Some(_) => None,
            None => self.first_concurrent(author, &parents),
        };
        let number = lane.unwrap_or_else(|| self.add_lane(author));
        let previous = self.lane(number).and_then(|lane| lane.messages.last().copied());
        let (before, shown_before, seq) = match previous {
            Some(previous) => {
                let previous = self.records.at(previous);
                (previous.clock, previous.shown_in_lane, previous.tip.seq + 1)
            }
            None => (Clock::default(), 0, 1),
        };
        let tip = Tip { lane: number, seq };
        for parent in &parents {
            self.heads.remove(parent);
        }
        let parent_count = u16::try_from(parents.len()).unwrap_or(u16::MAX);
        let (first_parent, clock) = self.join(parents, tip);
        self.heads.insert(position);
        self.index
            .insert(&id, position, |position| &self.records.at(position).id);
        self.records.push(Record {
            id,
            tip,
            clock,
            parents: first_parent,
            parent_count,
            shown_in_lane: shown_before + u32::from(shown),
            ack_only,
            shown,
        });
        if !ack_only {
            self.unacked.insert(position);
        }
        if let Some(lane) = self.lanes.get_mut(number as usize) {
            lane.messages.push(position);
            lane.clock = clock;
        }
        let mut fully_acked = Vec::new();
        if self.members.len() < 2 {
            // There are no other readers: fully acked at once.
            self.advance_fully_acked(number, seq, 0, &mut fully_acked);
        }
        self.note_acks(author, number, before, clock, &mut fully_acked);
        fully_acked.sort_unstable();
        Applied {
            position,
            fork_from,
            fully_acked,
        }
    }

    /// Keeps a message's parents, and makes its clock.
    fn join(&mut self, parents: Vec<u32>, own: Tip) -> (u32, Clock) {
        if parents.len() > 1 && parents == self.recent_parents.list {
            let recent = &mut self.recent_parents;
            if let Some(undo) = recent.undo.take() {
                recent.clock = self.clocks.join(&[recent.clock], undo);
            }
            return (recent.start, self.clocks.join(&[recent.clock], own));
        }
        let clocks: Vec<Clock> = parents
            .iter()
            .map(|parent| self.records.at(*parent).clock)
            .collect();
        let clock = self.clocks.join(&clocks, own);
        let start = self.parents.len();
        for parent in &parents {
            self.parents.push(*parent);
        }
        self.recent_parents = RecentParents {
            list: parents,
            start,
            clock,
            // Its own predecessor is among its ancestors, or it is the first of its lane.
            undo: Some(Tip {
                lane: own.lane,
                seq: own.seq.saturating_sub(1),
            }),
        };
        (start, clock)
    }

    fn add_lane(&mut self, author: u32) -> u32 {
        let members = u32::try_from(self.members.len()).unwrap_or(u32::MAX);
        let number = u32::try_from(self.lanes.len()).unwrap_or(u32::MAX);
        self.lanes.push(Lane::new(author, members));
        if let Some(member) = self.members.get_mut(author as usize) {
            member.lanes.push(number);
        }
        self.clocks.make_room(number.saturating_add(1));
        number
    }

    /// The earliest message of the author that is not in the past of a message with these parents.
    fn first_concurrent(&self, author: u32, parents: &[u32]) -> Option<u32> {
        self.lanes_of(author)
            .filter_map(|(number, lane)| lane.messages.get(self.seen_by_any(parents, number)).copied())
            .min()
    }

    /// G-6: `author` has seen more than before, now that its newest message has this clock instead of the one
    /// before.
    fn note_acks(&mut self, author: u32, own: u32, before: Clock, after: Clock, out: &mut Vec<u32>) {
        let mut advances = Vec::new();
        self.clocks
            .advances(before, after, &mut |advance| advances.push(advance));
        let forked = self.lanes_of(author).nth(1).is_some();
        let mut moved = Vec::new();
        for Advance { lane, mut from, to } in advances {
            let Some(state) = self.lane(lane) else { continue };
            if state.author == author {
                continue;
            }
            if forked {
                // What it had acked on its other lanes counts as well.
                let others = self.lanes_of(author).filter(|(number, _)| *number != own);
                for (_, other) in others {
                    from = from.max(self.clocks.seen(other.clock, lane));
                }
            }
            if from != state.fully_acked || to <= from {
                continue;
            }
            if state.holding_back > 1 {
                if let Some(state) = self.lanes.get_mut(lane as usize) {
                    state.holding_back -= 1;
                }
                continue;
            }
            moved.push((lane, state.author));
        }
        if moved.is_empty() {
            return;
        }
        // Paid for by the messages that become fully acked: at least one for each of these lanes.
        let (clocks, readers): (Vec<Clock>, Vec<u32>) = (0..)
            .zip(&self.members)
            .flat_map(|(reader, member)| member.lanes.iter().map(move |lane| (lane, reader)))
            .filter_map(|(lane, reader)| Some((self.lane(*lane)?.clock, reader)))
            .unzip();
        for Least { lane, seen, count } in self.clocks.least_seen(&clocks, &readers, &moved) {
            self.advance_fully_acked(lane, seen, count, out);
        }
    }

    /// How much of a lane a member has acked.
    fn seen_by(&self, member: u32, lane: u32) -> u32 {
        let seen = self
            .lanes_of(member)
            .map(|(_, own)| self.clocks.seen(own.clock, lane));
        seen.max().unwrap_or(0)
    }

    fn advance_fully_acked(&mut self, lane: u32, to: u32, holding_back: u32, out: &mut Vec<u32>) {
        let Some(lane) = self.lanes.get_mut(lane as usize) else {
            return;
        };
        for seq in lane.fully_acked..to {
            if let Some(position) = lane.messages.get(seq)
                && self.unacked.remove(position)
            {
                out.push(*position);
            }
        }
        lane.fully_acked = to;
        lane.holding_back = holding_back;
    }

    pub(crate) fn is_fully_acked(&self, position: u32) -> bool {
        let tip = self.records.at(position).tip;
        self.lane(tip.lane)
            .is_some_and(|lane| lane.fully_acked >= tip.seq)
    }

    /// The readers, and whether each has acked the message.
    pub(crate) fn readers(&self, position: u32) -> impl Iterator<Item = (&MemberId, bool)> {
        let tip = self.records.at(position).tip;
        let author = self.lane(tip.lane).map_or(u32::MAX, |lane| lane.author);
        (0..)
            .zip(&self.members)
            .filter(move |(reader, _)| *reader != author)
            .map(move |(reader, member)| (&member.id, self.seen_by(reader, tip.lane) >= tip.seq))
    }

    /// The first message by which a member acked another's message: a binary search in each of the member's
    /// lanes.
    pub(crate) fn ack_of(&self, position: u32, reader: u32) -> Option<u32> {
        let tip = self.records.at(position).tip;
        if self.lane(tip.lane)?.author == reader {
            return None;
        }
        self.lanes_of(reader)
            .filter_map(|(_, lane)| {
                let first = partition_point(lane.messages.len(), |i| {
                    self.clocks
                        .seen(self.records.at(*lane.messages.at(i)).clock, tip.lane)
                        < tip.seq
                });
                lane.messages.get(first).copied()
            })
            .min()
    }

    /// Whether `above` is in the past of `position`, and everything else shown in that past is in the past of
    /// `above` too (G-8).
    pub(crate) fn follows(&self, above: u32, position: u32) -> bool {
        if !self.is_ancestor(above, position) {
            return false;
        }
        let record = self.records.at(position);
        let mut between = 0_u64;
        self.clocks
            .advances(self.records.at(above).clock, record.clock, &mut |advance| {
                let Advance { lane, from, to } = advance;
                let shown =
                    self.shown_in_lane(Tip { lane, seq: to }) - self.shown_in_lane(Tip { lane, seq: from });
                between += u64::from(shown);
            });
        between == u64::from(record.shown)
    }

    /// Whether nothing shown is in the past of a message.
    pub(crate) fn is_first_shown(&self, position: u32) -> bool {
        let record = self.records.at(position);
        let mut shown = 0_u64;
        self.clocks
            .advances(Clock::default(), record.clock, &mut |advance| {
                shown += u64::from(self.shown_in_lane(Tip {
                    lane: advance.lane,
                    seq: advance.to,
                }));
            });
        shown == u64::from(record.shown)
    }

    fn shown_in_lane(&self, tip: Tip) -> u32 {
        self.tip_position(tip)
            .map_or(0, |position| self.records.at(position).shown_in_lane)
    }

    /// The latest shown messages among these and their ancestors: none is an ancestor of another. In the
    /// order of acceptance.
    pub(crate) fn latest_shown(&self, messages: &[u32]) -> Vec<u32> {
        let mut latest = BTreeSet::new();
        for (number, lane) in (0..).zip(&self.lanes) {
            let seen = self.seen_by_any(messages, number);
            let shown = self.shown_in_lane(Tip {
                lane: number,
                seq: seen,
            });
            let first = partition_point(seen, |i| {
                self.records.at(*lane.messages.at(i)).shown_in_lane < shown
            });
            if shown > 0 {
                latest.extend(lane.messages.get(first));
            }
        }
        let all: Vec<u32> = latest.into_iter().collect();
        let is_latest = |message: &u32| !all.iter().any(|other| self.is_ancestor(*message, *other));
        all.iter().copied().filter(is_latest).collect()
    }
}

impl Lane {
    fn new(author: u32, members: u32) -> Self {
        Self {
            author,
            messages: Chunked::default(),
            clock: Clock::default(),
            fully_acked: 0,
            holding_back: members.saturating_sub(1),
        }
    }
}

/// The first number below `len` for which the predicate fails; it holds for all before that, and for none
/// after.
fn partition_point(len: u32, holds: impl Fn(u32) -> bool) -> u32 {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}
