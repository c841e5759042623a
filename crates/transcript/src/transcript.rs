//! The transcript of one subsession.

use std::collections::VecDeque;

use concilium_core::{MemberId, MemberSet, MessageId, Time};

use crate::chunked::Chunked;
use crate::deferral::{Deferral, Waiting};
use crate::graph::{Graph, Place, Refusal};
use crate::{
    Deferred, Dropped, Entry, Fork, InsertError, Inserted, MAX_PARENTS, Message, Placement, Rejected,
    UnknownMessage,
};

/// The causal history of one subsession: its messages as a graph, each linked to the latest that its author
/// had seen. The links say which members have acked what.
///
/// The [crate's page](crate) has an example and says how forks are treated.
#[derive(Clone, Debug)]
pub struct Transcript<B> {
    members: MemberSet,
    roots: Vec<MessageId>,
    /// Of what the roots cover: the latest shown messages, as far as we were there.
    shown_roots: Vec<MessageId>,
    graph: Graph,
    bodies: Chunked<B>,
    deferral: Deferral<B>,
    forks: Vec<Fork>,
}

impl<B> Transcript<B> {
    /// An empty transcript: authors and readers are exactly these members (G-4).
    #[must_use]
    pub fn new(members: MemberSet) -> Self {
        Self::with_roots(members, Vec::new())
    }

    /// The first transcript of a joiner. The operation named `roots` as the latest messages before it (G-9);
    /// the joiner does not see them.
    #[must_use]
    pub fn with_roots(members: MemberSet, roots: Vec<MessageId>) -> Self {
        Self::with_shown_roots(members, roots, Vec::new())
    }

    /// The transcript of the subsession after `previous`, created by an operation that named these as the
    /// latest messages of `previous` (G-9). A [`Timeline`](crate::Timeline) joins the two there.
    #[must_use]
    pub fn succeeding(previous: &Self, members: MemberSet, roots: Vec<MessageId>) -> Self {
        let known: Vec<u32> = roots
            .iter()
            .filter_map(|root| previous.graph.position(root))
            .collect();
        let shown = previous.ids(previous.graph.latest_shown(&known));
        Self::with_shown_roots(members, roots, shown)
    }

    pub(crate) fn with_shown_roots(
        members: MemberSet,
        roots: Vec<MessageId>,
        shown_roots: Vec<MessageId>,
    ) -> Self {
        Self {
            graph: Graph::new(&members),
            members,
            roots,
            shown_roots,
            bodies: Chunked::default(),
            deferral: Deferral::default(),
            forks: Vec::new(),
        }
    }

    /// Inserts a message, and those that had waited for it.
    ///
    /// Duplicates and any order of arrival lead to the same transcript (G-5).
    ///
    /// # Errors
    /// The message cannot be part of this transcript, or it must wait and its author has no room left.
    /// Nothing changed.
    pub fn insert(&mut self, entry: Entry<B>, now: Time) -> Result<Inserted, InsertError> {
        if self.contains(&entry.id) || self.is_deferred(&entry.id) {
            return Ok(Inserted::new(Placement::Duplicate));
        }
        let author = self.check_form(&entry)?;
        let (known, missing) = self.look_up(&entry.parents);
        if missing.is_empty() {
            let place = self.graph.check(author, known);
            let place = place.map_err(|refusal| refusal.of(&entry.author))?;
            let mut inserted = Inserted::new(Placement::Accepted);
            self.accept(entry, place, &mut inserted);
            return Ok(inserted);
        }
        let name = entry.author.clone();
        let dropped = self.deferral.insert(entry, author, &missing, now);
        let dropped = dropped.map_err(|_| InsertError::QuotaFull(name))?;
        let mut inserted = Inserted::new(Placement::Deferred);
        inserted.dropped = dropped
            .into_iter()
            .map(|entry| Dropped {
                id: entry.id,
                author: entry.author,
            })
            .collect();
        Ok(inserted)
    }

    /// What can be said without knowing the parents. The author, as a place among the members.
    fn check_form(&self, entry: &Entry<B>) -> Result<u32, InsertError> {
        let author = self.graph.member(&entry.author);
        let author = author.ok_or_else(|| InsertError::NotMember(entry.author.clone()))?;
        if entry.parents.len() > MAX_PARENTS {
            return Err(InsertError::TooManyParents(entry.parents.len()));
        }
        if entry.parents.len() > 1 {
            let mut sorted = entry.parents.clone();
            sorted.sort_unstable();
            let mut pairs = sorted.iter().zip(sorted.iter().skip(1));
            if let Some((repeated, _)) = pairs.find(|(a, b)| a == b) {
                return Err(InsertError::ParentRepeated(*repeated));
            }
        }
        if entry.parents.contains(&entry.id) {
            return Err(InsertError::OwnParent);
        }
        match entry.parents.iter().find(|parent| self.roots.contains(parent)) {
            Some(outside) => Err(InsertError::ParentOutside(*outside)),
            None => Ok(author),
        }
    }

    /// The positions of those that are here, and the names of the others.
    fn look_up(&self, parents: &[MessageId]) -> (Vec<u32>, Vec<MessageId>) {
        let (mut known, mut missing) = (Vec::with_capacity(parents.len()), Vec::new());
        for parent in parents {
            match self.graph.position(parent) {
                Some(position) => known.push(position),
                None => missing.push(*parent),
            }
        }
        (known, missing)
    }

    /// Puts a checked message into the graph, and then the messages that it releases, one after the other.
    /// There is no recursion, for any chain of waiting messages.
    fn accept(&mut self, entry: Entry<B>, place: Place, inserted: &mut Inserted) {
        let mut released: VecDeque<Waiting<B>> = VecDeque::new();
        let mut next = Some((entry, place));
        loop {
            if let Some((entry, place)) = next.take() {
                let id = entry.id;
                self.apply(entry, place, inserted);
                released.extend(self.deferral.release(&id));
            }
            let Some(waiting) = released.pop_front() else {
                return;
            };
            let (known, _) = self.look_up(&waiting.entry.parents);
            match self.graph.check(waiting.author, known) {
                Ok(place) => next = Some((waiting.entry, place)),
                Err(refusal) => inserted.rejected.push(Rejected {
                    id: waiting.entry.id,
                    reason: refusal.of(&waiting.entry.author),
                    author: waiting.entry.author,
                }),
            }
        }
    }

    fn apply(&mut self, entry: Entry<B>, place: Place, inserted: &mut Inserted) {
        let applied = self.graph.apply(entry.id, place, entry.ack_only, entry.shown);
        self.bodies.push(entry.body);
        inserted.accepted.push(entry.id);
        inserted.fully_acked.extend(self.ids(applied.fully_acked));
        if let Some(first) = applied.fork_from {
            let fork = Fork {
                author: entry.author,
                first: self.graph.records().at(first).id,
                second: self.graph.records().at(applied.position).id,
            };
            self.forks.push(fork.clone());
            inserted.forks.push(fork);
        }
    }

    fn ids(&self, positions: Vec<u32>) -> Vec<MessageId> {
        positions
            .into_iter()
            .map(|position| self.graph.records().at(position).id)
            .collect()
    }

    fn id(&self, position: u32) -> &MessageId {
        &self.graph.records().at(position).id
    }

    fn known(&self, id: &MessageId) -> Result<u32, UnknownMessage> {
        self.graph.position(id).ok_or(UnknownMessage(*id))
    }

    fn at(&self, position: u32) -> Option<Message<'_, B>> {
        let record = self.graph.records().get(position)?;
        Some(Message {
            id: &record.id,
            author: self.graph.name(self.graph.author(record))?,
            ack_only: record.ack_only,
            shown: record.shown,
            body: self.bodies.get(position)?,
        })
    }

    /// The members. Each may write, and each reads everything (G-4).
    #[must_use]
    pub fn members(&self) -> &MemberSet {
        &self.members
    }

    /// The latest messages of the subsession before, where this one starts (G-9).
    #[must_use]
    pub fn roots(&self) -> &[MessageId] {
        &self.roots
    }

    pub(crate) fn shown_roots(&self) -> &[MessageId] {
        &self.shown_roots
    }

    /// Number of messages, those that wait not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.graph.len() as usize
    }

    /// Whether there is no message yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.graph.len() == 0
    }

    /// Whether the message is in the transcript. One that waits is not.
    #[must_use]
    pub fn contains(&self, id: &MessageId) -> bool {
        self.graph.position(id).is_some()
    }

    /// Whether the message waits for its parents.
    #[must_use]
    pub fn is_deferred(&self, id: &MessageId) -> bool {
        self.deferral.contains(id)
    }

    /// The message of this name, if it is in the transcript.
    #[must_use]
    pub fn message(&self, id: &MessageId) -> Option<Message<'_, B>> {
        self.at(self.graph.position(id)?)
    }

    /// What is kept with a message, for changes, such as dropping a packet that no member needs any more.
    /// Bodies mean nothing to the transcript.
    pub fn body_mut(&mut self, id: &MessageId) -> Option<&mut B> {
        self.bodies.get_mut(self.graph.position(id)?)
    }

    /// All messages, in the order in which they were accepted here: each after its parents.
    pub fn iter(&self) -> impl Iterator<Item = Message<'_, B>> {
        (0..self.graph.len()).filter_map(|position| self.at(position))
    }

    /// The parents of a message in this subsession, as its author gave them.
    ///
    /// # Errors
    /// There is no such message.
    pub fn parents(
        &self,
        id: &MessageId,
    ) -> Result<impl ExactSizeIterator<Item = &MessageId>, UnknownMessage> {
        let position = self.known(id)?;
        Ok(self.graph.parents(position).map(|parent| self.id(parent)))
    }

    /// The latest messages: those that no other names as a parent, in the order in which they were accepted.
    pub fn heads(&self) -> impl ExactSizeIterator<Item = &MessageId> {
        self.graph.heads().map(|head| self.id(head))
    }

    /// The parents of a member's next message: the heads. If there are more than [`MAX_PARENTS`], the one
    /// that carries on the member's own history, and the oldest of the others; the next message names the
    /// rest.
    #[must_use]
    pub fn next_parents(&self, author: &MemberId) -> Vec<MessageId> {
        let heads = self.graph.heads();
        let own = self
            .graph
            .member(author)
            .and_then(|author| self.graph.last_of(author));
        let own_head = match own {
            Some(own) if heads.len() > MAX_PARENTS => self
                .graph
                .heads()
                .find(|head| *head == own || self.graph.is_ancestor(own, *head)),
            _ => None,
        };
        let others = heads.filter(|head| Some(*head) != own_head);
        let chosen = own_head.into_iter().chain(others).take(MAX_PARENTS);
        chosen.map(|head| *self.id(head)).collect()
    }

    /// Whether the first message is in the past of the second: the second's author had seen it before
    /// writing, directly or through others. A message is not its own ancestor. Costs the same however long
    /// the history is (G-7).
    ///
    /// # Errors
    /// One of them is not here.
    pub fn is_ancestor(&self, ancestor: &MessageId, descendant: &MessageId) -> Result<bool, UnknownMessage> {
        let (ancestor, descendant) = (self.known(ancestor)?, self.known(descendant)?);
        Ok(self.graph.is_ancestor(ancestor, descendant))
    }

    /// A member's last message. Of several branches of a fork, the message that was accepted last.
    #[must_use]
    pub fn last_of(&self, author: &MemberId) -> Option<&MessageId> {
        let last = self.graph.last_of(self.graph.member(author)?)?;
        Some(self.id(last))
    }

    /// Whether every reader has written a descendant of the message (G-6).
    ///
    /// # Errors
    /// There is no such message.
    pub fn is_fully_acked(&self, id: &MessageId) -> Result<bool, UnknownMessage> {
        self.known(id).map(|position| self.graph.is_fully_acked(position))
    }

    /// The readers that have written a descendant of the message.
    ///
    /// # Errors
    /// There is no such message.
    pub fn acked_by(&self, id: &MessageId) -> Result<MemberSet, UnknownMessage> {
        self.readers(id, true)
    }

    /// The readers that have not written a descendant of the message yet (G-6).
    ///
    /// # Errors
    /// There is no such message.
    pub fn unacked(&self, id: &MessageId) -> Result<MemberSet, UnknownMessage> {
        self.readers(id, false)
    }

    fn readers(&self, id: &MessageId, wanted: bool) -> Result<MemberSet, UnknownMessage> {
        let readers = self.graph.readers(self.known(id)?);
        Ok(readers
            .filter(|(_, acked)| *acked == wanted)
            .map(|(reader, _)| reader.clone())
            .collect())
    }

    /// The first message by which a reader acked a message: what to send again if that ack was lost (L-4).
    ///
    /// # Errors
    /// There is no such message.
    pub fn ack_of(&self, id: &MessageId, reader: &MemberId) -> Result<Option<&MessageId>, UnknownMessage> {
        let position = self.known(id)?;
        let reader = self.graph.member(reader);
        let ack = reader.and_then(|reader| self.graph.ack_of(position, reader));
        Ok(ack.map(|ack| self.id(ack)))
    }

    /// The messages that expect acks and are not fully acked, in the order in which they were accepted. The
    /// first is the oldest, and counting them is cheap.
    pub fn unacked_messages(&self) -> impl DoubleEndedIterator<Item = &MessageId> + ExactSizeIterator {
        self.graph.unacked().map(|position| self.id(position))
    }

    /// The messages that wait for parents, in the order in which they came.
    pub fn deferred(&self) -> impl Iterator<Item = Deferred<'_>> {
        self.deferral.iter().map(|waiting| {
            let parents = waiting.entry.parents.iter();
            let mut missing: Vec<_> = parents.filter(|parent| !self.contains(parent)).collect();
            missing.sort_unstable();
            Deferred {
                id: &waiting.entry.id,
                author: &waiting.entry.author,
                missing,
                since: waiting.since,
            }
        })
    }

    /// How many messages wait.
    #[must_use]
    pub fn deferred_len(&self) -> usize {
        self.deferral.len()
    }

    /// The messages that are waited for and that we have not got, in ascending order.
    pub fn wanted(&self) -> impl Iterator<Item = &MessageId> {
        self.deferral.wanted()
    }

    /// The forks that came to light, in that order (G-3).
    #[must_use]
    pub fn forks(&self) -> &[Fork] {
        &self.forks
    }

    /// The body at a position of the graph.
    pub(crate) fn body_at(&self, position: u32) -> &B {
        self.bodies.at(position)
    }

    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
    }

    pub(crate) fn deferral(&self) -> &Deferral<B> {
        &self.deferral
    }
}

impl Refusal {
    fn of(self, author: &MemberId) -> InsertError {
        match self {
            Self::ParentsNotConcurrent => InsertError::ParentsNotConcurrent,
            Self::AfterFork => InsertError::AfterFork(author.clone()),
            Self::TooManyBranches => InsertError::TooManyBranches(author.clone()),
            Self::Full => InsertError::Full,
        }
    }
}
