//! Several resolvers over one channel.

use std::collections::BTreeMap;

use concilium_core::{ChainHash, MemberId, MemberSet, PacketId, wire};
use concilium_server_order::{Initial, Link, Outcome, Rejection, Resolver, leave_id, packet_id};

use super::Seed;
use super::input::Input;

const PEOPLE: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];

/// Erin is shown another order than the others.
const MISLED: usize = 4;

/// Long enough for several operations, short enough that the fuzzer tries many.
const MAX_EVENTS: usize = 160;

/// Takes the bytes as what happens on a channel: people enter, leave, propose honestly or not, abort, finish
/// and confirm. Everyone but one sees it in the same order and must agree wherever two know each other as
/// members and are sure of it (O-4, O-5); the one sees another order. Nobody panics, and what is
/// refused changes nothing.
///
/// What a key agreement would do is played: an operation with joiners finishes only if all of its members run
/// it, one without finishes with its one packet, and an excluded member cannot see that it has.
///
/// # Panics
/// Where a promise is broken.
pub fn server_order(data: &[u8]) {
    run(data);
}

/// What the channel tells everybody in it.
#[derive(Clone, Debug)]
enum Happening {
    Initial(Initial),
    Finished(PacketId, PacketId),
    Aborted(PacketId, PacketId, MemberId),
    Left(MemberId, MemberSet),
    Confirmed(MemberId, Link),
}

#[derive(Default)]
struct Run {
    channel: MemberSet,
    resolvers: BTreeMap<MemberId, Resolver>,
    /// Initial packets, the newest last.
    initials: Vec<Initial>,
    /// What the misled one has not been shown yet.
    withheld: Vec<Happening>,
    packets: u64,
    finished: usize,
    failed: usize,
}

fn run(data: &[u8]) -> Run {
    let mut input = Input::new(data);
    let mut run = Run::default();
    for _ in 0..MAX_EVENTS {
        let Some(action) = input.next() else { break };
        run.step(action, &mut input);
        run.check();
    }
    for resolver in run.resolvers.values() {
        let bytes = wire::encode(resolver);
        assert_eq!(
            wire::decode::<Resolver>(&bytes, bytes.len()).as_ref(),
            Ok(resolver)
        );
    }
    run
}

impl Run {
    fn step(&mut self, action: u8, input: &mut Input<'_>) {
        let who = who(input.below(PEOPLE.len()));
        match action % 12 {
            0 => self.enter(&who),
            1 => self.leave(&who),
            2..=5 => {
                if let Some(initial) = self.proposal(&who, action, input) {
                    self.initials.push(initial.clone());
                    let id = initial.id;
                    let one_packet = initial.after.is_subset(&initial.before);
                    let started = self.happen(Happening::Initial(initial));
                    // O-9: within one step, for those who started it.
                    if one_packet && started {
                        self.happen(Happening::Finished(id, id));
                    }
                }
            }
            6 | 7 => {
                if let Some(initial) = self.newest_or_any(action, input)
                    && self.all_run(&initial)
                {
                    let last = self.next_packet(&who);
                    self.happen(Happening::Finished(last, initial.id));
                }
            }
            8 => {
                if let Some(initial) = self.newest_or_any(action, input) {
                    let last = self.next_packet(&who);
                    self.happen(Happening::Aborted(last, initial.id, who));
                }
            }
            9 | 10 => {
                let claim = self.resolvers.get(&who).and_then(Resolver::claim);
                if let Some(claim) = claim {
                    self.happen(Happening::Confirmed(who, claim));
                }
            }
            _ => self.mislead(input),
        }
    }

    fn enter(&mut self, who: &MemberId) {
        if self.channel.insert(who.clone()) {
            let anyone = self.resolvers.values().any(Resolver::is_synchronised);
            let resolver = if anyone {
                Resolver::unsynchronised(who.clone())
            } else {
                // T-11. The parent is random.
                let parent = self.next_packet(who);
                Resolver::found(who.clone(), parent)
            };
            self.resolvers.insert(who.clone(), resolver);
        }
    }

    fn leave(&mut self, who: &MemberId) {
        if self.channel.remove(who) {
            self.resolvers.remove(who);
            self.happen(Happening::Left(who.clone(), self.channel.clone()));
        }
    }

    /// A proposal from where `who` stands, or one that is wrong in some way.
    fn proposal(&mut self, who: &MemberId, action: u8, input: &mut Input<'_>) -> Option<Initial> {
        let head = self.resolvers.get(who)?.head()?.clone();
        let after: MemberSet = named(input.byte()).union(&MemberSet::of(who.clone()));
        let mut initial = Initial {
            id: self.next_packet(who),
            parent: head.link,
            author: who.clone(),
            before: head.members,
            after,
        };
        match action / 12 {
            // A replay under a new id: what was right once.
            1 => initial.parent = input.pick(&self.initials)?.parent,
            2 => initial.parent.chain = ChainHash::from_bytes([input.byte(); 32]),
            3 => initial.parent.packet = PacketId::from_bytes([input.byte(); 32]),
            4 => initial.before = named(input.byte()),
            5 => initial.after = named(input.byte()),
            6 => initial = input.pick(&self.initials)?.clone(),
            _ => {}
        }
        Some(initial)
    }

    fn newest_or_any(&self, action: u8, input: &mut Input<'_>) -> Option<Initial> {
        if action < 128 {
            self.initials.last().cloned()
        } else {
            input.pick(&self.initials).cloned()
        }
    }

    /// Whether everyone who has to confirm the operation takes part in it.
    fn all_run(&self, initial: &Initial) -> bool {
        let runs = |who| {
            let resolver = self.resolvers.get(who);
            resolver.is_some_and(|resolver| resolver.is_running(&initial.id))
        };
        initial.after.iter().all(runs)
    }

    fn next_packet(&mut self, from: &MemberId) -> PacketId {
        self.packets += 1;
        packet_id(&self.packets.to_le_bytes(), from, &self.channel)
    }

    /// Shows everyone in the channel what happens, the misled one later. Whether any honest one accepted it
    /// as the start of an operation.
    fn happen(&mut self, happening: Happening) -> bool {
        let misled = who(MISLED);
        let mut started = false;
        for (name, resolver) in &mut self.resolvers {
            if *name == misled {
                continue;
            }
            let (counts, ended) = feed(resolver, &happening, &self.channel);
            started |= counts;
            match ended {
                Some(outcome) if outcome.is_success() => self.finished += 1,
                Some(_) => self.failed += 1,
                None => {}
            }
        }
        if self.channel.contains(&misled) {
            self.withheld.push(happening);
        } else {
            self.withheld.clear();
        }
        started
    }

    /// Shows the misled one some of what it has missed: in order, in another order, some of it never.
    fn mislead(&mut self, input: &mut Input<'_>) {
        let count = input.below(8);
        for _ in 0..count {
            if self.withheld.is_empty() {
                return;
            }
            let position = match input.byte() {
                0..=127 => 0,
                byte => usize::from(byte) % self.withheld.len(),
            };
            let happening = self.withheld.remove(position);
            if let Some(resolver) = self.resolvers.get_mut(&who(MISLED)) {
                feed(resolver, &happening, &self.channel);
            }
        }
    }

    /// Those who know each other as members, and are sure of it, hold the same chain.
    fn check(&self) {
        let sure = |resolver: &&Resolver| {
            let blind = resolver
                .running()
                .is_some_and(|running| running.excludes(resolver.me()));
            resolver.is_member() && !resolver.is_provisional() && !blind && *resolver.me() != who(MISLED)
        };
        let sure: Vec<&Resolver> = self.resolvers.values().filter(sure).collect();
        for (i, one) in sure.iter().enumerate() {
            for other in &sure[i + 1..] {
                let knows =
                    |a: &Resolver, b: &Resolver| a.head().is_some_and(|head| head.members.contains(b.me()));
                if knows(one, other) && knows(other, one) {
                    assert_eq!(one.head(), other.head(), "O-5: {} and {}", one.me(), other.me());
                    assert_eq!(one.running(), other.running(), "O-4: one operation for all");
                    let mut ends = one
                        .history()
                        .iter()
                        .rev()
                        .zip(other.history().iter().rev())
                        .map(|(a, b)| (a.link, b.link));
                    assert!(ends.all(|(a, b)| a == b), "O-5: the same history");
                }
            }
        }
    }
}

/// Shows one resolver one thing. Whether it started an operation, and whether one ended.
fn feed(resolver: &mut Resolver, happening: &Happening, channel: &MemberSet) -> (bool, Option<Outcome>) {
    let before = resolver.clone();
    let unchanged = |resolver: &Resolver| {
        // O-7: who may be out without having seen it remembers parents, and nothing else.
        let place = |resolver: &Resolver| (resolver.head().cloned(), resolver.running().cloned());
        assert_eq!(place(resolver), place(&before), "A-18: refused, nothing moved");
        assert!(
            resolver == &before || before.is_perhaps_excluded(),
            "A-18: refused, nothing changed"
        );
    };
    let ended = match happening {
        Happening::Initial(initial) => {
            let verdict = resolver.initial(initial, channel);
            match &verdict {
                Ok(_) => {
                    assert!(before.running().is_none(), "O-4: one operation at a time");
                    assert_eq!(resolver.running(), Some(initial), "O-4: what is accepted runs");
                }
                // O-7: who is no member may have remembered the parent.
                Err(Rejection::NotIncluded | Rejection::OperationRunning) if !before.is_member() => {}
                Err(_) => unchanged(resolver),
            }
            return (verdict.is_ok(), None);
        }
        // T-10: who is being excluded cannot tell.
        Happening::Finished(_, initial)
            if before
                .running()
                .is_some_and(|running| running.id == *initial && running.excludes(before.me())) =>
        {
            return (false, None);
        }
        Happening::Finished(last, initial) => resolver.finished(*last, initial).ok(),
        Happening::Aborted(last, initial, by) => resolver.aborted(*last, initial, by).ok(),
        Happening::Left(who, remaining) => {
            let record = resolver.left(who, remaining);
            if let Some(record) = &record {
                assert_eq!(
                    record.link.packet,
                    leave_id(&record.initial, who, remaining),
                    "T-5"
                );
            }
            record
        }
        Happening::Confirmed(member, link) => {
            let _ = resolver.confirm(member, *link);
            assert_eq!(
                resolver.head(),
                before.head(),
                "O-10: a confirmation moves nothing"
            );
            return (false, None);
        }
    };
    match ended {
        Some(record) => {
            assert!(resolver.running().is_none(), "O-4: it has ended");
            assert_eq!(
                resolver.head().map(|head| head.link),
                Some(record.link),
                "O-5: the head is where it ended"
            );
            (false, Some(record.outcome))
        }
        None => {
            unchanged(resolver);
            (false, None)
        }
    }
}

fn who(n: usize) -> MemberId {
    MemberId::new(PEOPLE[n]).expect("a short name")
}

/// The people whose bits are set.
fn named(bits: u8) -> MemberSet {
    (0..PEOPLE.len())
        .filter(|n| bits >> n & 1 == 1)
        .map(who)
        .collect()
}

pub(super) fn seeds() -> Vec<Seed> {
    let enter = [0, 0, 0, 1, 0, 2, 0, 3, 0, 4];
    let establish = [2, 0, 0b0111, 6, 0, 9, 0, 9, 1, 9, 2];
    let change = [2, 1, 0b1110, 6, 0, 9, 1, 9, 2, 9, 3, 2, 2, 0b1110, 9, 1, 9, 3];
    let race = [2, 0, 0b1111, 2, 1, 0b0011, 8, 2, 2, 1, 0b0110, 6, 0, 1, 1];
    let lies = [26, 0, 7, 9, 38, 1, 15, 3, 50, 2, 15, 7, 62, 0, 3, 74, 1, 1, 0];
    let misled = [
        2, 0, 0b10111, 11, 0, 7, 0, 200, 0, 130, 8, 1, 2, 1, 0b111, 11, 0, 4, 255, 6, 0,
    ];
    let join = |parts: &[&[u8]]| parts.concat();
    vec![
        Seed::new("change", join(&[&enter, &establish, &change])),
        Seed::new("establish", join(&[&enter, &establish])),
        Seed::new("lies", join(&[&enter, &establish, &lies, &change])),
        Seed::new("misled", join(&[&enter, &misled, &establish, &misled])),
        Seed::new("races", join(&[&enter, &establish, &race, &race])),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o4_o5_seeds_reach_successes_and_failures() {
        let runs: Vec<Run> = seeds().iter().map(|seed| run(&seed.bytes)).collect();
        assert!(
            runs.iter().any(|run| run.finished >= 9),
            "operations that succeed"
        );
        assert!(runs.iter().any(|run| run.failed >= 3), "operations that fail");
        let sure = |run: &Run| {
            let joined = |resolver: &&Resolver| resolver.is_member() && !resolver.is_provisional();
            run.resolvers.values().filter(joined).count() >= 3
        };
        assert!(runs.iter().any(sure), "members who are sure of their chain");
        assert!(
            runs.iter().any(|run| run.withheld.len() >= 3),
            "someone is misled"
        );
    }
}
