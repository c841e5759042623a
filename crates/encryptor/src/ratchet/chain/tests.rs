//! The chain against a naive model, and its limits.

use std::cell::Cell;
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

thread_local! {
    /// How many steps chains have made on this thread.
    pub(super) static STEPS: Cell<usize> = const { Cell::new(0) };
}

fn first() -> ChainSecret {
    ChainSecret::first(&Secret::new([7; 32]), 3)
}

/// The message secrets of the first generations, one after the other.
fn secrets(count: usize) -> Vec<[u8; 32]> {
    let mut at = first();
    let mut secrets = Vec::new();
    for _ in 0..count {
        let (secret, next) = at.step();
        secrets.push(*secret.expose());
        at = next;
    }
    secrets
}

/// What a chain is: every secret that there will ever be, and what has become of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Skipped,
    Used,
    Erased,
}

#[derive(Default)]
struct Model {
    /// Of those before `next`, which is one more than the last.
    fates: BTreeMap<u32, Fate>,
}

impl Model {
    fn next(&self) -> u32 {
        self.fates.len() as u32
    }

    fn count(&self, fate: Fate) -> usize {
        self.fates.values().filter(|of| **of == fate).count()
    }

    fn has(&self, generation: u32, room: usize) -> bool {
        match self.fates.get(&generation) {
            Some(fate) => *fate != Fate::Erased,
            None => {
                let skips = (generation - self.next()) as usize;
                skips == 0 || skips + self.count(Fate::Skipped) <= room
            }
        }
    }

    fn take(&mut self, generation: u32, room: usize) {
        if !self.has(generation, room) {
            return;
        }
        for skipped in self.next()..generation {
            self.fates.insert(skipped, Fate::Skipped);
        }
        self.fates.insert(generation, Fate::Used);
        while self.count(Fate::Used) + self.count(Fate::Skipped) > 2 * room {
            let oldest = self.fates.iter().find(|(_, fate)| **fate == Fate::Used);
            let oldest = *oldest.unwrap().0;
            self.fates.insert(oldest, Fate::Erased);
        }
    }

    fn erase_through(&mut self, generation: u32) {
        if generation < self.next() {
            for (_, fate) in self.fates.range_mut(..=generation) {
                *fate = Fate::Erased;
            }
        }
    }
}

const ALL: u32 = 60;

proptest! {
    #[test]
    fn m08_chains_are_the_model(
        room in 0..12_usize,
        acts in proptest::collection::vec((0..8_u8, 0..ALL), 0..80),
    ) {
        let all = secrets(ALL as usize);
        let (mut chain, mut model) = (Chain::new(first()), Model::default());
        for (act, generation) in acts {
            match act {
                0 => {
                    chain.erase_through(generation);
                    model.erase_through(generation);
                }
                // As it mostly is: the next one, or one near it.
                1..5 => {
                    let near = (model.next() + generation % 4).min(ALL - 1);
                    chain.take(near, room);
                    model.take(near, room);
                }
                _ => {
                    chain.take(generation, room);
                    model.take(generation, room);
                }
            }
            prop_assert_eq!(chain.next(), model.next());
            prop_assert!(chain.is_sound(room));
            for (generation, expected) in (0..).zip(&all) {
                let secret = chain.secret(generation, room);
                prop_assert_eq!(secret.is_some(), model.has(generation, room), "generation {}", generation);
                if let Some(secret) = secret {
                    prop_assert_eq!(secret.expose(), expected);
                }
            }
        }
    }
}

#[test]
fn m08_secrets_differ_by_place_author_and_root() {
    let of = |root, author| {
        *ChainSecret::first(&Secret::new([root; 32]), author)
            .ahead(0)
            .expose()
    };
    let mut all = secrets(1000);
    all.extend([of(7, 4), of(8, 3), of(7, 256 + 3)]);
    all.push(*first().0.expose());
    all.sort_unstable();
    assert!(all.is_sorted_by(|a, b| a < b));
}

#[test]
fn m08_a19_no_demand_costs_more_than_the_room() {
    let room = 1000;
    let mut chain = Chain::new(first());
    let cost = |work: &mut dyn FnMut()| {
        let before = STEPS.get();
        work();
        STEPS.get() - before
    };
    for beyond in [1001, 1 << 20, u32::MAX - 1, u32::MAX] {
        assert_eq!(
            cost(&mut || assert!(chain.secret(beyond, room).is_none())),
            0,
            "{beyond}"
        );
        assert_eq!(cost(&mut || chain.take(beyond, room)), 0, "{beyond}");
    }
    assert_eq!(chain.next(), 0);
    let farthest = cost(&mut || assert!(chain.secret(1000, room).is_some()));
    assert_eq!(farthest, 1001);
    assert_eq!(cost(&mut || chain.take(1000, room)), 1001);
    // The room is full, and the next can come in order only.
    assert!(chain.secret(1002, room).is_none());
    assert_eq!(cost(&mut || assert!(chain.secret(1001, room).is_some())), 1);
    chain.take(500, room);
    assert!(chain.secret(1002, room).is_some(), "room for one");
}

#[test]
fn m08_a_chain_has_an_end() {
    let mut chain = Chain {
        next: u32::MAX - 1,
        ..Chain::new(first())
    };
    assert!(chain.secret(u32::MAX - 1, 0).is_some());
    chain.take(u32::MAX - 1, 0);
    assert_eq!(chain.next(), u32::MAX);
    assert!(chain.secret(u32::MAX, 1000).is_none());
    chain.take(u32::MAX, 1000);
    assert_eq!(chain.next(), u32::MAX);
}

#[test]
fn chains_that_cannot_come_about_are_not_sound() {
    let mut chain = Chain::new(first());
    chain.take(3, 3);
    assert!(chain.is_sound(3) && !chain.is_sound(2));
    chain.next = 3;
    assert!(!chain.is_sound(3), "a key kept of a message to come");
}
