//! The key agreements beside each other.

use std::collections::BTreeMap;
use std::time::Duration;

use concilium_core::MemberSet;
use concilium_core::testing::{name, names};
use concilium_gka::AnyGka;
use concilium_gka::conformance::Group;
use concilium_test_parts::Gka;

use crate::measure::elapsed;
use crate::report::Row;

/// What one operation cost all members together.
#[derive(Clone, Copy)]
struct Cost {
    time: Duration,
    packets: usize,
    bytes: usize,
    round_trips: usize,
}

/// Establishing, excluding one, including one and a refresh at some sizes, with each of these key agreements:
/// the processor time of all members together, and the bytes that they send, beside the default's in the same
/// run.
///
/// The joiners' announcements (K-14) are not part of it.
pub fn rows(agreements: &[Gka], sizes: &[usize], report: &mut dyn FnMut(Row)) {
    for &n in sizes {
        let default = operations(Gka::default(), n);
        for gka in agreements {
            let costs = if *gka == Gka::default() {
                default.clone()
            } else {
                operations(*gka, n)
            };
            for (what, cost) in &costs {
                let beside = default[what];
                let name = |measured: &str| format!("{gka}: {what}, {measured}, n = {n}");
                let text = format!(
                    "the default; {} packets, {} round trips",
                    cost.packets, cost.round_trips
                );
                report(Row::time(name("all members"), cost.time, beside.time, text));
                let (bytes, of_default) = (cost.bytes as f64, beside.bytes as f64);
                report(Row::new(name("sent"), bytes, of_default, "bytes", "the default"));
            }
        }
    }
}

/// One group that lives through all of them, some times over where that is quick; the least time of each.
fn operations(gka: Gka, n: usize) -> BTreeMap<&'static str, Cost> {
    let times = match n {
        ..=8 => 9,
        9..=32 => 3,
        _ => 1,
    };
    let mut least: BTreeMap<&'static str, Cost> = BTreeMap::new();
    for seed in 0..times {
        let mut group = Group::new(n, seed, gka.factory());
        for (what, after) in [
            ("establish", names(0..n)),
            ("exclude one", names(0..n - 1)),
            ("include one", names(0..n)),
            ("refresh", names(0..n)),
        ] {
            if what == "include one" {
                // The excluded member enters once more, and announces itself (K-14).
                group.announce(&names(n - 1..n));
            }
            let cost = measured(&mut group, &after);
            least
                .entry(what)
                .and_modify(|least| least.time = least.time.min(cost.time))
                .or_insert(cost);
        }
    }
    least
}

/// The first member proposes, and all carry it through.
fn measured(group: &mut Group<AnyGka>, after: &MemberSet) -> Cost {
    let (mut packets, mut bytes, mut round_trips) = (0, 0, 0);
    let before = group.log.len();
    // The packets up to this one answer to those of the round trip before.
    let mut round_ends = 0;
    let time = elapsed(|| {
        drop(group.run_watched(&name(0), after, |group, echo| {
            if packets == round_ends {
                round_trips += 1;
                round_ends = group.log.len() - before;
            }
            packets += 1;
            bytes += echo.bytes.len();
        }));
    });
    group.assert_agreed(after);
    Cost {
        time,
        packets,
        bytes,
        round_trips,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What docs/key-agreements.md says of round trips.
    #[test]
    fn round_trips_are_as_documented() {
        let of = |gka, n| {
            operations(gka, n)
                .into_iter()
                .map(|(what, cost)| (what, cost.round_trips))
        };
        for n in [3, 12] {
            let expected = |establish, include, exclude, refresh| {
                [
                    ("establish", establish),
                    ("exclude one", exclude),
                    ("include one", include),
                    ("refresh", refresh),
                ]
            };
            assert!(of(Gka::Cliques, n).eq(expected(n + 1, 3, 1, 1)));
            assert!(of(Gka::BurmesterDesmedt, n).eq(expected(3, 3, 3, 3)));
            assert!(of(Gka::Mls, n).eq(expected(1, 1, 1, 1)));
        }
    }
}
