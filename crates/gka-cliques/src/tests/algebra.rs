//! What can be computed from what was seen (A-08, K-12, C-4): scalars held times points on the wire.

use std::collections::{BTreeMap, BTreeSet};

use concilium_core::testing::rng;
use concilium_core::{Change, MemberId, RandomSource as _};
use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::{RistrettoPoint, Scalar};

use super::*;
use concilium_gka_dh::Element;

/// Everything that was ever seen or held in a group.
#[derive(Default)]
struct Record {
    wire: BTreeSet<[u8; 32]>,
    scalars: BTreeMap<MemberId, BTreeSet<[u8; 32]>>,
    /// The group's point after each operation, with those who may know it.
    secrets: Vec<([u8; 32], MemberSet)>,
}

fn scalar_bytes(contribution: &concilium_gka_dh::Contribution) -> [u8; 32] {
    let bytes = concilium_core::wire::encode_secret(contribution);
    bytes.as_slice().try_into().unwrap()
}

impl Record {
    fn look(&mut self, group: &Group, echo: &Echo) {
        if let Some(flow) = flow(&mut content(group, echo)) {
            self.wire
                .extend(flow.elements.iter().map(|element| *element.as_bytes()));
        }
        for (who, member) in &group.people {
            let held = member.state.iter().map(|state| scalar_bytes(&state.contribution));
            let proposed = member
                .proposal
                .iter()
                .map(|proposal| scalar_bytes(&proposal.contribution));
            self.scalars
                .entry(who.clone())
                .or_default()
                .extend(held.chain(proposed));
        }
    }

    fn remember(&mut self, group: &Group) {
        let who = group.members.first().unwrap();
        let state = group.people[who].state.as_ref().unwrap();
        let point = state.contribution.raise(state.slot(who).unwrap()).unwrap();
        self.secrets.push((*point, group.members.clone()));
    }

    /// All points that one member can compute by multiplying one point of the wire by a scalar, a quotient of
    /// two scalars, or the inverse of one.
    fn computable(&self, who: &MemberId) -> BTreeSet<[u8; 32]> {
        let held: Vec<Scalar> = self.scalars[who]
            .iter()
            .map(|bytes| Scalar::from_canonical_bytes(*bytes).unwrap())
            .collect();
        let mut factors = vec![Scalar::ONE];
        for x in &held {
            factors.extend([*x, x.invert()]);
            factors.extend(held.iter().filter(|y| *y != x).map(|y| x * y.invert()));
        }
        let wire = self.wire.iter().chain([Element::BASE.as_bytes()]);
        let points: Vec<RistrettoPoint> = wire
            .map(|bytes| CompressedRistretto(*bytes).decompress().unwrap())
            .collect();
        let mut computable = BTreeSet::new();
        for factor in factors {
            let half = factor.div_by_2();
            let halves: Vec<RistrettoPoint> = points.iter().map(|point| point * half).collect();
            let doubled = RistrettoPoint::double_and_compress_batch(&halves);
            computable.extend(doubled.iter().map(|point| point.0));
        }
        computable
    }
}

#[test]
fn a08_k12_c4_no_scalar_held_outside_times_any_point_on_the_wire_is_a_group_secret() {
    for seed in 0..3 {
        let mut random = rng::seeded(seed);
        let mut dice = move |sides: usize| {
            let mut byte = [0; 1];
            random.fill(&mut byte).unwrap();
            usize::from(byte[0]) % sides
        };
        let mut group = Group::new(4, seed, Cliques::new);
        let mut record = Record::default();
        for _ in 0..7 {
            let members: Vec<MemberId> = group.members.iter().cloned().collect();
            let by = members[dice(members.len())].clone();
            let mut change = Change::refresh();
            for who in (0..4).map(name).filter(|who| *who != by) {
                match (dice(3), group.members.contains(&who)) {
                    (0, true) => change.exclude.extend([who]),
                    (0 | 1, false) => change.include.extend([who]),
                    _ => {}
                }
            }
            let after = change.apply(&group.members).unwrap();
            group.run_watched(&by, &after, |group, echo| record.look(group, echo));
            group.assert_agreed(&after);
            record.remember(&group);
        }
        for (secret, _) in &record.secrets {
            assert!(
                !record.wire.contains(secret),
                "C-4: a group secret was on the wire"
            );
        }
        for who in (0..4).map(name) {
            let Some(_) = record.scalars.get(&who) else {
                continue;
            };
            let computable = record.computable(&who);
            let mut own = 0;
            for (secret, members) in &record.secrets {
                let can = computable.contains(secret);
                own += usize::from(can);
                assert!(
                    members.contains(&who) || !can,
                    "A-08: {who} computes a key of {members}"
                );
            }
            let was_in = record.secrets.iter().any(|(_, members)| members.contains(&who));
            assert!(
                own > 0 || !was_in,
                "the search finds what can be found: {who}'s own keys"
            );
        }
    }
}

#[test]
fn c4_the_five_hundredth_refresh_costs_what_the_first_does() {
    let mut group = established(3);
    let mut costs = BTreeSet::new();
    for _ in 0..500 {
        let before = concilium_gka_dh::multiplications();
        group.run_watched(&name(1), &names(0..3), |_, _| {});
        let size = group.member(&name(1)).export()[0].len();
        costs.insert((concilium_gka_dh::multiplications() - before, size));
    }
    // Proposing multiplies two slots and the secret; each of the two others then computes the secret.
    assert_eq!(costs.len(), 1, "{costs:?}");
    assert_eq!(costs.first().unwrap().0, 5);
}
