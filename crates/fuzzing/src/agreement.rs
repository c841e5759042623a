//! Key agreements of signed packets against the network, and against insiders.

use std::collections::VecDeque;

use concilium_core::{MemberId, MemberSet, PacketId};
use concilium_gka::{Export as _, GroupKeyAgreement, Role, signed};
use concilium_gka_bd::BurmesterDesmedt;
use concilium_gka_cliques::Cliques;
use concilium_gka_mls::Mls;

use super::Seed;
use super::input::Input;
use concilium_core::testing::{name, names};
use concilium_gka::conformance::{Echo, Group, Make, Reaction, directory, identity};

const PEOPLE: usize = 4;

/// Establish, include, exclude, refresh, and one after that.
const MAX_OPERATIONS: usize = 5;

/// The most packets of one operation, answers to made-up ones included: far more than four members need.
const MAX_PACKETS: usize = 64;

/// The default key agreement.
///
/// Takes the bytes as a packet or as exported state, or as a life of a group in which insiders change what
/// they send and sign it again: payloads flipped, elements replaced and swapped, roles and associated data
/// exchanged, packets replayed. What is rejected changes nothing (K-5) and hinders nobody; whoever
/// finishes in the same subsession holds the same keys (K-7); after an operation that failed for all, the
/// next one works (K-1, K-4); a state that restores is the one that was exported (K-13).
///
/// # Panics
/// Where a promise is broken.
pub fn gka_cliques(data: &[u8]) {
    run(Cliques::new, data);
}

/// The same for Burmester and Desmedt's key agreement.
///
/// # Panics
/// Where a promise is broken.
pub fn gka_bd(data: &[u8]) {
    run(BurmesterDesmedt::new, data);
}

/// The same over MLS.
///
/// # Panics
/// Where a promise is broken.
pub fn gka_mls(data: &[u8]) {
    run(Mls::new, data);
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Reached {
    finished: usize,
    rejected: usize,
    failed: usize,
}

fn run<G: GroupKeyAgreement>(make: impl Make<G>, data: &[u8]) -> Reached {
    let mut input = Input::new(data);
    let action = input.byte();
    let mut life = Life {
        group: Group::new(PEOPLE, 1, make),
        tainted: false,
        reached: Reached::default(),
    };
    if action.is_multiple_of(4) {
        noise(&life.group, input.rest());
        return life.reached;
    }
    life.group.restoring = action % 4 == 3;
    for _ in 0..MAX_OPERATIONS {
        let Some(by) = input.next() else { break };
        let by = name(usize::from(by) % PEOPLE);
        let after = named(input.byte()).union(&MemberSet::of(by.clone()));
        if !life.operation(&by, &after, &mut input) {
            break;
        }
    }
    damaged_exports(&life.group, &mut input);
    life.reached
}

struct Life<G: GroupKeyAgreement> {
    group: Group<G>,
    /// Something made up has been taken in this operation: whether it succeeds is open.
    tainted: bool,
    reached: Reached,
}

impl<G: GroupKeyAgreement> Life<G> {
    /// Runs one operation. False if it left the members with different views.
    fn operation(&mut self, by: &MemberId, after: &MemberSet, input: &mut Input<'_>) -> bool {
        // Who is not in the session can found one by itself; that is another group.
        if !self.group.members.contains(by) {
            return true;
        }
        let packet = self
            .group
            .propose(by, after)
            .expect("K-1: a member with good keys proposes");
        self.tainted = false;
        let mut finished = MemberSet::new();
        let mut queue = VecDeque::from([self.group.echo(by, packet)]);
        for _ in 0..MAX_PACKETS {
            let Some(echo) = queue.pop_front() else { break };
            for (victims, forged) in self.forgeries(&echo, after, input) {
                for who in &victims {
                    self.deliver(who, &forged, true, &mut finished);
                }
            }
            for who in after {
                self.deliver(who, &echo, false, &mut finished);
            }
            queue.extend(self.group.flush());
        }
        self.settle(after, &finished)
    }

    fn settle(&mut self, after: &MemberSet, finished: &MemberSet) -> bool {
        if !self.tainted {
            assert_eq!(
                finished, after,
                "A-46: what is rejected hinders nobody, so everyone finishes"
            );
            self.group.assert_agreed(after);
        }
        self.check_keys();
        for member in self.group.people.values_mut() {
            member.operation = None;
            member.proposal = None;
        }
        if finished == after {
            self.reached.finished += 1;
            self.group.members = after.clone();
            for (who, member) in &mut self.group.people {
                if !after.contains(who) {
                    (member.state, member.keys) = (None, None);
                }
            }
        }
        finished == after || finished.is_empty()
    }

    /// K-7: one subsession, one set of keys.
    fn check_keys(&self) {
        let keys: Vec<_> = self
            .group
            .people
            .values()
            .filter_map(|member| member.keys.as_ref())
            .collect();
        for (i, one) in keys.iter().enumerate() {
            for other in &keys[i + 1..] {
                let same = one.subsession == other.subsession;
                assert_eq!(
                    same,
                    one.secret == other.secret,
                    "K-7: a subsession has one secret of its own"
                );
                assert!(
                    !same || one.verifying == other.verifying,
                    "K-7: and one set of verifying keys"
                );
            }
        }
    }

    fn deliver(&mut self, who: &MemberId, echo: &Echo, forged: bool, finished: &mut MemberSet) {
        let before = self.group.member(who).export();
        let reaction = self.group.deliver(who, echo);
        if reaction.is_rejected() {
            assert_eq!(
                self.group.member(who).export(),
                before,
                "K-5, A-18: {who}, {reaction:?}"
            );
            self.reached.rejected += usize::from(forged);
        } else {
            self.tainted |= forged;
        }
        self.reached.failed += usize::from(reaction.is_failure());
        if reaction == Reaction::Finished {
            finished.insert(who.clone());
        }
    }

    /// What insiders put in front of a packet, and for whom.
    fn forgeries(&mut self, echo: &Echo, after: &MemberSet, input: &mut Input<'_>) -> Vec<(MemberSet, Echo)> {
        let mut forgeries = Vec::new();
        for _ in 0..input.below(3) {
            let Some(bytes) = self.forge(echo, input) else {
                continue;
            };
            let mut victims = named(input.byte()).intersection(after);
            // Nobody is fooled about its own proposal: the session knows it by its bytes.
            victims.remove(&echo.from);
            let from = bytes.0;
            forgeries.push((victims, self.group.echo(&from, bytes.1)));
        }
        forgeries
    }

    /// A packet changed by its author, or made by someone else in its likeness; who sends it.
    fn forge(&self, echo: &Echo, input: &mut Input<'_>) -> Option<(MemberId, Vec<u8>)> {
        let directory = directory(PEOPLE);
        let open = |echo: &Echo| {
            let opened = signed::open(&echo.bytes, self.group.session(), &echo.from, &directory);
            opened.ok().map(concilium_gka::Opened::into_parts)
        };
        let (mut author, mut role, mut payload) = open(echo)?;
        let earlier = input.pick(&self.group.log)?;
        let action = input.byte();
        match action % 11 {
            0 => flip(&mut payload, input),
            1..=3 => replace(&mut payload, input, open(earlier).map(|(_, _, payload)| payload)),
            4 => swap(&mut payload, input),
            5 => payload.truncate(input.number() % (payload.len() + 1)),
            6 => payload.extend_from_slice(input.bytes()),
            7 => payload = open(earlier)?.2,
            8 => role = change_role(role, input, earlier.id),
            9 => author = name(input.below(PEOPLE)),
            // as it was, at another time.
            _ => return Some((earlier.from.clone(), earlier.bytes.clone())),
        }
        let n = (0..PEOPLE).find(|n| name(*n) == author)?;
        let bytes = signed::seal(&identity(n), self.group.session(), role, payload).ok()?;
        Some((author, bytes))
    }
}

fn flip(payload: &mut [u8], input: &mut Input<'_>) {
    let bit = input.number();
    if !payload.is_empty() {
        let at = bit / 8 % payload.len();
        payload[at] ^= 1 << (bit % 8);
    }
}

/// Where the n-th element, nonce, key, hash or MAC starts. From the end all of the default's are 32 bytes
/// apart.
fn place(payload: &[u8], n: usize) -> Option<usize> {
    let places = payload.len() / 32;
    (places > 0).then(|| payload.len() - 32 * (n % places + 1))
}

/// Puts something else in the place of one element.
fn replace(payload: &mut [u8], input: &mut Input<'_>, other: Option<Vec<u8>>) {
    let Some(at) = place(payload, input.below(16)) else {
        return;
    };
    let from_elsewhere = |other: &[u8], n| {
        let at = place(other, n)?;
        <[u8; 32]>::try_from(&other[at..at + 32]).ok()
    };
    let n = input.below(16);
    let value = match input.byte() % 8 {
        0 => [0; 32],
        1 => [0xff; 32],
        2 => [input.byte() & 0xfe; 32],
        3..=5 => from_elsewhere(payload, n).unwrap_or_default(),
        _ => other
            .and_then(|other| from_elsewhere(&other, n))
            .unwrap_or_default(),
    };
    payload[at..at + 32].copy_from_slice(&value);
}

/// Exchanges two elements.
fn swap(payload: &mut [u8], input: &mut Input<'_>) {
    let (one, other) = (input.below(16), input.below(16));
    if let (Some(one), Some(other)) = (place(payload, one), place(payload, other)) {
        (0..32).for_each(|n| payload.swap(one + n, other + n));
    }
}

fn change_role(role: Role, input: &mut Input<'_>, other: PacketId) -> Role {
    let action = input.byte();
    match role {
        Role::Initial(mut data) => {
            match action % 5 {
                0 => data.after = named(input.byte()),
                1 => data.before = named(input.byte()),
                2 => data.suite.push('x'),
                3 => data.parent = other,
                _ => return Role::Later { initial: other },
            }
            Role::Initial(data)
        }
        Role::Later { initial } | Role::Abort { initial } => match action % 3 {
            0 => Role::Later { initial: other },
            1 => Role::Abort { initial },
            _ => Role::Abort { initial: other },
        },
    }
}

/// Arbitrary bytes are no packet and no state but the one that they encode.
fn noise<G: GroupKeyAgreement>(group: &Group<G>, bytes: &[u8]) {
    for (who, member) in &group.people {
        for from in group.people.keys() {
            let opened = member.gka.open(group.session(), from, bytes);
            assert!(opened.is_err(), "K-15: {who} believes that {from} made this up");
        }
        let restored = [
            member.gka.restore_state(bytes).ok().map(|state| state.export()),
            member
                .gka
                .restore_proposal(bytes)
                .ok()
                .map(|proposal| proposal.export()),
            member
                .gka
                .restore_operation(bytes)
                .ok()
                .map(|operation| operation.export()),
        ];
        for export in restored.into_iter().flatten() {
            assert_eq!(*export, bytes, "K-13: one encoding");
        }
    }
}

/// What a member keeps, changed by one byte: refused, or another state, but never a panic.
fn damaged_exports<G: GroupKeyAgreement>(group: &Group<G>, input: &mut Input<'_>) {
    for member in group.people.values() {
        for mut export in member.export() {
            if export.is_empty() {
                continue;
            }
            let at = input.number() % export.len();
            export[at] ^= input.byte();
            noise(group, &export);
        }
    }
}

/// The people whose bits are set.
fn named(bits: u8) -> MemberSet {
    names((0..PEOPLE).filter(|n| bits >> n & 1 == 1))
}

/// How many packets there are in each operation of a life: to found with three, to include a fourth, to
/// exclude one, to refresh the other three.
type Packets = [usize; 4];

pub(super) fn seeds_cliques() -> Vec<Seed> {
    // To found: two upflows, a downflow, two confirmations.
    seeds_of([5, 5, 1, 1])
}

pub(super) fn seeds_bd() -> Vec<Seed> {
    // Two of each member.
    seeds_of([6, 8, 6, 6])
}

pub(super) fn seeds_mls() -> Vec<Seed> {
    // One for each.
    seeds_of([1, 1, 1, 1])
}

fn seeds_of([found, include, exclude, refresh]: Packets) -> Vec<Seed> {
    // No forgery in front of any packet.
    const HONEST: [u8; 1] = [0];
    let honest = |packets: usize| HONEST.repeat(packets);
    let life = [
        &[1, 0, 0b0111],
        honest(found).as_slice(),
        &[1, 0b1111],
        &honest(include),
        &[2, 0b1110],
        &honest(exclude),
        &[3, 0b1110],
        &honest(refresh),
    ]
    .concat();
    let mut seeds = vec![
        Seed::new("life", life.clone()),
        Seed::new("life-restored", [&[3], &life[1..]].concat()),
        Seed::new("noise", [&[0], [1; 200].as_slice()].concat()),
    ];
    // One forgery of each kind in front of each packet of an establishment, and of a refresh that follows.
    for kind in 0..11 {
        for packet in 0..=found {
            let forgery = [1, 0, kind, 1, 3, 3, 0b1111];
            let with = |count: usize, at: usize| {
                let forged = |n| {
                    if n == at {
                        forgery.to_vec()
                    } else {
                        HONEST.to_vec()
                    }
                };
                (0..count).flat_map(forged).collect::<Vec<u8>>()
            };
            let first = [&[0, 0b0111], with(found, packet).as_slice()].concat();
            let last = [
                &[1, 0b0111],
                with(refresh, packet.saturating_sub(found)).as_slice(),
            ]
            .concat();
            seeds.push(Seed::new(
                format!("forged-{kind}-{packet}"),
                [&[1], first.as_slice(), &last].concat(),
            ));
        }
    }
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach<G: GroupKeyAgreement>(make: impl Make<G>, seeds: &[Seed], rejected: usize) {
        let reached: Vec<Reached> = seeds.iter().map(|seed| run(&make, &seed.bytes)).collect();
        assert_eq!(
            reached[0],
            Reached {
                finished: 4,
                rejected: 0,
                failed: 0
            }
        );
        assert_eq!(reached[1], reached[0]);
        let sum = |count: fn(&Reached) -> usize| reached.iter().map(count).sum::<usize>();
        assert!(sum(|reached| reached.rejected) > rejected, "{reached:?}");
        assert!(sum(|reached| reached.failed) > 5, "{reached:?}");
    }

    #[test]
    fn k5_k7_seeds_reach_successes_rejections_and_failures() {
        reach(Cliques::new, &seeds_cliques(), 40);
        reach(BurmesterDesmedt::new, &seeds_bd(), 40);
        reach(Mls::new, &seeds_mls(), 10);
    }
}
