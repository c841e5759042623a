//! Messages that wait for their parents.

use std::collections::{BTreeMap, BTreeSet};

use concilium_core::{MessageId, Time};

use crate::{
    DEFERRED_BYTES, DEFERRED_BYTES_PER_AUTHOR, DEFERRED_MESSAGES, DEFERRED_MESSAGES_PER_AUTHOR, Entry, work,
};

/// What a message that waits costs beyond its body, in bytes: its places in the maps here.
const ENTRY_BYTES: usize = 512;

/// What each parent of a waiting message costs, in bytes: its id, and its place in the map of missing
/// messages.
const PARENT_BYTES: usize = 160;

/// A message that waits.
#[derive(Clone, Debug)]
pub(crate) struct Waiting<B> {
    pub(crate) entry: Entry<B>,
    pub(crate) since: Time,
    /// The author, as a place among the members.
    pub(crate) author: u32,
    /// Counts arrivals.
    order: u64,
    /// How many parents are not in the transcript.
    missing: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    messages: usize,
    bytes: usize,
}

impl Usage {
    fn plus(self, bytes: usize) -> Self {
        Self {
            messages: self.messages.saturating_add(1),
            bytes: self.bytes.saturating_add(bytes),
        }
    }

    fn minus(self, bytes: usize) -> Self {
        Self {
            messages: self.messages.saturating_sub(1),
            bytes: self.bytes.saturating_sub(bytes),
        }
    }
}

/// The message would exceed a quota of its author.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QuotaExceeded;

/// All messages that wait, within quotas (G-1, A-39).
#[derive(Clone, Debug)]
pub(crate) struct Deferral<B> {
    waiting: BTreeMap<MessageId, Waiting<B>>,
    /// Pairs of a missing parent and a message that waits for it.
    missing: BTreeSet<(MessageId, MessageId)>,
    /// Authors and arrivals.
    arrivals: BTreeMap<(u32, u64), MessageId>,
    usage: BTreeMap<u32, Usage>,
    total: Usage,
    next_order: u64,
}

impl<B> Default for Deferral<B> {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            missing: BTreeSet::new(),
            arrivals: BTreeMap::new(),
            usage: BTreeMap::new(),
            total: Usage::default(),
            next_order: 0,
        }
    }
}

fn cost<B>(entry: &Entry<B>) -> usize {
    let parents = entry.parents.len().saturating_mul(PARENT_BYTES);
    entry.weight.saturating_add(parents).saturating_add(ENTRY_BYTES)
}

impl<B> Deferral<B> {
    pub(crate) fn contains(&self, id: &MessageId) -> bool {
        self.waiting.contains_key(id)
    }

    /// What waits, in order of arrival.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Waiting<B>> {
        let mut all: Vec<_> = self.waiting.values().collect();
        all.sort_unstable_by_key(|waiting| waiting.order);
        all.into_iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The parents that are missing and that no waiting message is either.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = &MessageId> {
        let mut last = None;
        self.missing
            .iter()
            .map(|(parent, _)| parent)
            .filter(move |parent| {
                let new = last.replace(**parent) != Some(**parent);
                new && !self.waiting.contains_key(*parent)
            })
    }

    /// Keeps a message until the parents named in `missing` are there, and returns what was dropped to make
    /// room.
    ///
    /// No author is heard less because of others. Over its own quota, an author's new message is refused.
    /// When all authors together are over theirs, the newest message of the author with most waiting is
    /// dropped; that author has at least the average share.
    pub(crate) fn insert(
        &mut self,
        entry: Entry<B>,
        author: u32,
        missing: &[MessageId],
        now: Time,
    ) -> Result<Vec<Entry<B>>, QuotaExceeded> {
        let victims = self.victims(author, cost(&entry))?;
        let dropped = victims.iter().filter_map(|id| self.remove(id)).collect();
        let order = self.next_order;
        self.next_order = order.saturating_add(1);
        let bytes = cost(&entry);
        self.total = self.total.plus(bytes);
        let usage = self.usage.entry(author).or_default();
        *usage = usage.plus(bytes);
        self.arrivals.insert((author, order), entry.id);
        self.missing
            .extend(missing.iter().map(|parent| (*parent, entry.id)));
        work::add(missing.len());
        self.waiting.insert(
            entry.id,
            Waiting {
                since: now,
                author,
                order,
                missing: missing.len(),
                entry,
            },
        );
        Ok(dropped)
    }

    /// Which message must be dropped for a new message of this author. Changes nothing.
    fn victims(&self, author: u32, bytes: usize) -> Result<Vec<MessageId>, QuotaExceeded> {
        let own = self.usage.get(&author).copied().unwrap_or_default().plus(bytes);
        if own.messages > DEFERRED_MESSAGES_PER_AUTHOR || own.bytes > DEFERRED_BYTES_PER_AUTHOR {
            return Err(QuotaExceeded);
        }
        let mut total = self.total.plus(bytes);
        let fits = |total: Usage| total.messages <= DEFERRED_MESSAGES && total.bytes <= DEFERRED_BYTES;
        let mut victims = Vec::new();
        if fits(total) {
            return Ok(victims);
        }
        let mut usage = self.usage.clone();
        usage.insert(author, own);
        let mut newest: BTreeMap<u32, _> = BTreeMap::new();
        while !fits(total) {
            work::add(usage.len());
            let heaviest = if total.bytes > DEFERRED_BYTES {
                usage
                    .iter()
                    .max_by_key(|(who, usage)| (usage.bytes, **who == author))
            } else {
                usage
                    .iter()
                    .max_by_key(|(who, usage)| (usage.messages, **who == author))
            };
            let heaviest = heaviest.map(|(who, _)| *who).filter(|who| *who != author);
            let who = heaviest.ok_or(QuotaExceeded)?;
            let newest = newest
                .entry(who)
                .or_insert_with(|| self.arrivals.range((who, 0)..=(who, u64::MAX)).rev());
            let victim = newest.next().and_then(|(_, id)| self.waiting.get(id));
            let victim = victim.ok_or(QuotaExceeded)?;
            let freed = cost(&victim.entry);
            total = total.minus(freed);
            usage.entry(who).and_modify(|usage| *usage = usage.minus(freed));
            victims.push(victim.entry.id);
        }
        Ok(victims)
    }

    fn remove(&mut self, id: &MessageId) -> Option<Entry<B>> {
        let waiting = self.take(id)?;
        for parent in &waiting.entry.parents {
            self.missing.remove(&(*parent, *id));
        }
        Some(waiting.entry)
    }

    /// Removes a message, and leaves the map of its missing parents alone.
    fn take(&mut self, id: &MessageId) -> Option<Waiting<B>> {
        let waiting = self.waiting.remove(id)?;
        let bytes = cost(&waiting.entry);
        self.arrivals.remove(&(waiting.author, waiting.order));
        self.total = self.total.minus(bytes);
        if let Some(usage) = self.usage.get_mut(&waiting.author) {
            *usage = usage.minus(bytes);
            if usage.messages == 0 {
                self.usage.remove(&waiting.author);
            }
        }
        Some(waiting)
    }

    /// The messages that waited for this one alone, which has entered the transcript; in ascending order of
    /// ids.
    pub(crate) fn release(&mut self, parent: &MessageId) -> Vec<Waiting<B>> {
        let first = MessageId::from_bytes([0; 32]);
        let last = MessageId::from_bytes([255; 32]);
        let range = (*parent, first)..=(*parent, last);
        let waiters: Vec<MessageId> = self.missing.range(range).map(|(_, waiter)| *waiter).collect();
        work::add(waiters.len() + 1);
        let mut released = Vec::new();
        for waiter in waiters {
            self.missing.remove(&(*parent, waiter));
            if let Some(waiting) = self.waiting.get_mut(&waiter) {
                waiting.missing = waiting.missing.saturating_sub(1);
                if waiting.missing == 0 {
                    released.extend(self.take(&waiter));
                }
            }
        }
        released
    }
}
