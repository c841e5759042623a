//! Membership operations of the default key agreement.

use std::hint::black_box;
use std::time::Duration;

use concilium_core::keys::SigningKey;
use concilium_core::testing::{name, names, rng::seeded};
use concilium_core::{Context, MemberId, MemberSet, Secret, Time};
use concilium_gka::GroupKeyAgreement as _;
use concilium_gka::conformance::Group;
use concilium_gka_cliques::Cliques;
use curve25519_dalek::Scalar;
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT;

use crate::measure::{Effort, elapsed, in_turn, least};
use crate::report::Row;

/// Establish, include, exclude and refresh at some sizes: the processor time of all members together, beside
/// the scalar multiplications and signatures that the protocol needs; and what it costs to receive a refresh
/// or an exclusion, beside one multiplication and one strict verification.
pub fn rows(effort: Effort, sizes: &[usize], report: &mut dyn FnMut(Row)) {
    for &n in sizes {
        let primitives = Primitives::measure(effort);
        // One round of a large group is as long as many of a small one, and as likely to be left alone.
        let fewer = match n {
            0..=8 => 1,
            9..=32 => 2,
            _ => 4,
        };
        let rounds = (effort.rounds / fewer).max(1);
        of_all(n, rounds, &primitives, report);
        receiving(n, effort, report);
    }
}

/// What the bare primitives cost now.
struct Primitives {
    /// A variable-base multiplication on ristretto255.
    multiply: Duration,
    /// Making an ephemeral signing key: a fixed-base multiplication.
    key: Duration,
    sign: Duration,
    verify: Duration,
}

impl Primitives {
    fn measure(effort: Effort) -> Self {
        let (scalar, point) = (scalar(), RISTRETTO_BASEPOINT_POINT * Scalar::from(7_u8));
        let signing = SigningKey::from_seed(&Secret::new([1; 32]));
        let signature = signing.sign(&[6; 64]);
        let [multiply, key, sign, verify] = in_turn(
            effort,
            [
                &mut || {
                    black_box(black_box(point) * black_box(scalar));
                },
                &mut || {
                    black_box(SigningKey::from_seed(black_box(&Secret::new([1; 32]))));
                },
                &mut || {
                    black_box(signing.sign(black_box(&[6; 64])));
                },
                &mut || {
                    signing
                        .verifying_key()
                        .verify(black_box(&[6; 64]), &signature)
                        .unwrap()
                },
            ],
        );
        Self {
            multiply,
            key,
            sign,
            verify,
        }
    }

    /// So many multiplications, ephemeral keys, signatures, and verifications.
    fn sum(&self, multiplications: usize, keys: usize, signatures: usize, verifications: usize) -> Duration {
        let times = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        self.multiply * times(multiplications)
            + self.key * times(keys)
            + self.sign * times(signatures)
            + self.verify * times(verifications)
    }
}

fn scalar() -> Scalar {
    Scalar::from_bytes_mod_order([0x5a; 32])
}

/// All members together. What the protocol needs, with k staying members and j joiners, n = k + j:
///
/// - multiplications: the initiator mixes its fresh factor into all slots except its own, and into the
///   cardinal value; each joiner multiplies all slots before its own, and the cardinal value (the last one
///   keeps the result); every member except the last joiner multiplies its own slot once to get the secret.
/// - ephemeral keys (C-8), each a fixed-base multiplication: one for each member in an operation with
///   joiners, one for the initiator in one without.
/// - signatures: one for each packet; verifications: every packet at every member that takes part, also at
///   its sender, which acts on the echo.
fn of_all(n: usize, rounds: u32, primitives: &Primitives, report: &mut dyn FnMut(Row)) {
    let alice = name(0);
    let beside = |multiplications, keys, signatures, verifications| {
        format!(
            "{multiplications} multiplications, {keys} keys, {signatures} signatures, {verifications} verifications"
        )
    };
    let mut measure = |what: &str, before: MemberSet, after: MemberSet| {
        let joiners = after.minus(&before).len();
        let stay = after.len() - joiners;
        let mut multiplications = if joiners > 0 { stay } else { stay.saturating_sub(1) };
        for joiner in 0..joiners {
            multiplications += stay + joiner + 1;
        }
        multiplications += after.len() - usize::from(joiners > 0);
        let packets = if joiners > 0 {
            1 + joiners + after.len() - 1
        } else {
            1
        };
        let keys = if joiners > 0 { after.len() } else { 1 };
        let verifications = packets * after.len();
        let times = (0..rounds).map(|round| {
            let mut group = Group::new(n + 1, u64::from(round), Cliques::new);
            if before.len() > 1 {
                group.run(&alice, &before);
            }
            let time = elapsed(|| drop(group.run_watched(&alice, &after, |_, _| {})));
            // What the test group checks about itself is no cost of the key agreement.
            group.assert_agreed(&after);
            time
        });
        let time = least(times);
        let floor = primitives.sum(multiplications, keys, packets, verifications);
        let text = beside(multiplications, keys, packets, verifications);
        report(Row::time(format!("{what}, all members, n = {n}"), time, floor, text).at_most(1.3));
    };
    measure("establish", MemberSet::of(alice.clone()), names(0..n));
    measure("include one", names(0..n - 1), names(0..n));
    measure("exclude one", names(0..n + 1), names(0..n));
    measure("refresh", names(0..n), names(0..n));
}

/// One member that receives a refresh or an exclusion.
fn receiving(n: usize, effort: Effort, report: &mut dyn FnMut(Row)) {
    let target = match n {
        ..=32 => 1.6,
        _ => 3.0,
    };
    for (what, before) in [("refresh", n), ("exclusion", n + 1)] {
        let (receiving, floor) = received(before, &names(0..n), effort);
        let name = format!("receive {what}, one member, n = {n}");
        report(Row::time(name, receiving, floor, "1 multiplication, 1 strict verification").at_most(target));
    }
}

fn received(before: usize, after: &MemberSet, effort: Effort) -> (Duration, Duration) {
    let (alice, bob): (MemberId, MemberId) = (name(0), name(1));
    let mut group = Group::established(before, 1, Cliques::new);
    let packet = group.propose(&alice, after).unwrap();
    let echo = group.echo(&alice, packet);
    let (scalar, point) = (scalar(), RISTRETTO_BASEPOINT_POINT * Scalar::from(7_u8));
    let signing = SigningKey::from_seed(&Secret::new([1; 32]));
    let signature = signing.sign(&[6; 64]);
    let mut random = seeded(1);
    let [multiply, verify, receive] = in_turn(
        effort,
        [
            &mut || {
                black_box(black_box(point) * black_box(scalar));
            },
            &mut || {
                signing
                    .verifying_key()
                    .verify(black_box(&[6; 64]), &signature)
                    .unwrap()
            },
            &mut || {
                let opened = group.open(&bob, &echo).unwrap();
                let bob = &group.people[&bob];
                let mut cx = Context::new(Time::ZERO, &mut random);
                let started = bob.gka.accept(bob.state.as_ref(), None, echo.id, opened, &mut cx);
                drop(black_box(started.unwrap()));
            },
        ],
    );
    (receive, multiply + verify)
}
