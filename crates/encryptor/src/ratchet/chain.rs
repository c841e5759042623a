//! One author's chain of keys.

use std::collections::BTreeMap;

use blake3::Hasher;
use concilium_core::Secret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize as _;

/// The secret of a place in a chain, from which those of all later places follow, and of none before.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ChainSecret(Secret<32>);

impl ChainSecret {
    /// The start of the chain of the author at this place among the members.
    pub(super) fn first(root: &Secret<32>, author: u16) -> Self {
        let mut first = Secret::zeroed();
        let mut hasher = Hasher::new_keyed(root.expose());
        hasher.update(&author.to_le_bytes());
        hasher.finalize_xof().fill(first.expose_mut());
        hasher.zeroize();
        Self(first)
    }

    /// The secret of this place's message, and the next place's. One block of output, halved: the halves are
    /// independent.
    fn step(&self) -> (Secret<32>, Self) {
        #[cfg(test)]
        tests::STEPS.set(tests::STEPS.get() + 1);
        let mut both = Secret::<64>::zeroed();
        let mut hasher = Hasher::new_keyed(self.0.expose());
        hasher.update(b"ratchet");
        hasher.finalize_xof().fill(both.expose_mut());
        hasher.zeroize();
        let (mut message, mut next) = (Secret::zeroed(), Secret::zeroed());
        let (first, last) = both.expose().split_at(32);
        message.expose_mut().copy_from_slice(first);
        next.expose_mut().copy_from_slice(last);
        (message, Self(next))
    }

    /// The secret of the message this many places on.
    fn ahead(&self, places: u32) -> Secret<32> {
        let (mut message, mut next) = self.step();
        for _ in 0..places {
            (message, next) = next.step();
        }
        message
    }
}

/// The secret of one message.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// In a box, so that a map that moves its entries leaves no copies behind.
    secret: Box<Secret<32>>,
    /// Whether a message has used it. Another one may use it too, if its author forks (G-3): until all have
    /// the first, a member may have only the second, and build upon it.
    used: bool,
}

/// What is left of one author's keys: those of future messages, of skipped ones, and of those that some
/// members lack.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Chain {
    secret: ChainSecret,
    /// The place of `secret`: the generation of the next message if none is skipped.
    next: u32,
    kept: BTreeMap<u32, Kept>,
}

impl Chain {
    pub(super) fn new(secret: ChainSecret) -> Self {
        Self {
            secret,
            next: 0,
            kept: BTreeMap::new(),
        }
    }

    /// The first generation whose key was neither used here nor skipped.
    pub(super) fn next(&self) -> u32 {
        self.next
    }

    /// The secret of a generation. None if it is erased, or more than `room` would be skipped for it. Changes
    /// nothing.
    pub(super) fn secret(&self, generation: u32, room: usize) -> Option<Secret<32>> {
        if generation < self.next {
            return self.kept.get(&generation).map(|kept| Secret::clone(&kept.secret));
        }
        let skipped = self.skips(generation, room)?;
        Some(self.secret.ahead(skipped))
    }

    /// How many keys the use of a generation to come would skip, if there is room for them.
    fn skips(&self, generation: u32, room: usize) -> Option<u32> {
        let skips = generation.checked_sub(self.next)?;
        // There is none after the last, and so no chain to go on with.
        if generation == u32::MAX {
            return None;
        }
        let wanted = usize::try_from(skips).ok()?;
        // In order, nothing is counted.
        (wanted == 0 || wanted.checked_add(self.skipped())? <= room).then_some(skips)
    }

    fn skipped(&self) -> usize {
        self.kept.values().filter(|kept| !kept.used).count()
    }

    /// A message of this generation was made or accepted: winds the chain past it, and keeps the skipped
    /// keys. Of used keys only the latest are kept: used and skipped ones together number at most twice
    /// `room`.
    pub(super) fn take(&mut self, generation: u32, room: usize) {
        if generation < self.next {
            if let Some(kept) = self.kept.get_mut(&generation) {
                kept.used = true;
            }
        } else {
            if self.skips(generation, room).is_none() {
                return;
            }
            for place in self.next..=generation {
                let (secret, next) = self.secret.step();
                self.secret = next;
                let kept = Kept {
                    secret: Box::new(secret),
                    used: place == generation,
                };
                self.kept.insert(place, kept);
            }
            self.next = generation + 1;
        }
        // There are at most `room` skipped ones: the others are used.
        while self.kept.len() > room.saturating_mul(2) {
            let oldest = self.kept.iter().find(|(_, kept)| kept.used);
            let Some(oldest) = oldest.map(|(place, _)| *place) else {
                return;
            };
            self.kept.remove(&oldest);
        }
    }

    /// All have the message of this generation, and with it everything that its author wrote before.
    pub(super) fn erase_through(&mut self, generation: u32) {
        if generation < self.next {
            self.kept = self.kept.split_off(&(generation + 1));
        }
    }

    /// Whether a chain like this one can come about.
    pub(super) fn is_sound(&self, room: usize) -> bool {
        let before_next = self.kept.keys().next_back().is_none_or(|last| *last < self.next);
        let skipped = self.skipped();
        before_next && skipped <= room && self.kept.len() <= room.saturating_mul(2)
    }
}

/// How many steps chains have made on this thread.
#[cfg(test)]
pub(super) fn steps() -> usize {
    tests::STEPS.get()
}

#[cfg(test)]
mod tests;
