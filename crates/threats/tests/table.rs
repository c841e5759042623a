//! S-1: what attackers get is what the promises allow, and what `docs/security.md` says.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::thread;

use concilium_test_parts::{Gka, Parts};
use concilium_threats::attacker::Attacker;
use concilium_threats::course::Moment;
use concilium_threats::facts::{Attempt, Column, Facts};
use concilium_threats::table::{self, Measured};

/// Whether the promises let this happen.
fn is_allowed(parts: Parts, attacker: Attacker, attempt: Attempt, moment: Moment) -> bool {
    use Attempt::{JoinAsVictim, Read, SpeakAsVictim};
    match (attacker, attempt) {
        (Attacker::Network, _) | (_, Attempt::SpeakAsOthers | Attempt::JoinAsOthers) => false,
        (Attacker::Identity, JoinAsVictim) => moment == Moment::Followed,
        (Attacker::Identity, _) => false,
        // Known, and told of: a contribution to the default's keys lasts until the next one (C-4, C-11).
        (Attacker::Session, Read) if moment == Moment::Late => parts.gka == Gka::Cliques,
        (Attacker::Session, Read) => {
            [Moment::Acknowledged, Moment::AtHand, Moment::Followed].contains(&moment)
        }
        (Attacker::Session, SpeakAsVictim) => [Moment::AtHand, Moment::Followed].contains(&moment),
        (Attacker::Session, JoinAsVictim) => moment != Moment::Before && moment != Moment::Early,
        // It is a member, and comes back only as itself.
        (Attacker::Seat, Read | SpeakAsVictim) => moment != Moment::Before && moment != Moment::Excluded,
        (Attacker::Seat, JoinAsVictim) => moment != Moment::Before,
    }
}

/// What every attacker of that row must be seen to do: else the attacks are badly made and the rest shows
/// nothing.
const MUST_SUCCEED: [(Attacker, Attempt, Moment); 8] = [
    (Attacker::Identity, Attempt::JoinAsVictim, Moment::Followed),
    (Attacker::Session, Attempt::Read, Moment::AtHand),
    (Attacker::Session, Attempt::SpeakAsVictim, Moment::AtHand),
    (Attacker::Session, Attempt::JoinAsVictim, Moment::AtHand),
    (Attacker::Session, Attempt::JoinAsVictim, Moment::Followed),
    (Attacker::Seat, Attempt::Read, Moment::AtHand),
    (Attacker::Seat, Attempt::SpeakAsVictim, Moment::AtHand),
    (Attacker::Seat, Attempt::JoinAsVictim, Moment::Excluded),
];

fn measure() -> Measured {
    thread::scope(|scope| {
        let of_pairs: Vec<_> = table::pairs()
            .map(|parts| scope.spawn(move || (parts, Facts::measure(parts))))
            .collect();
        of_pairs.into_iter().map(|pair| pair.join().unwrap()).collect()
    })
}

#[test]
fn s1_what_attackers_get_is_what_was_promised_and_what_the_table_says() {
    let measured = measure();
    for (parts, facts) in &measured {
        for (attacker, attempt, moment) in &facts.successes {
            assert!(
                is_allowed(*parts, *attacker, *attempt, *moment),
                "{parts:?}: {attacker:?} must not {attempt:?} at {moment:?}"
            );
        }
        for success in MUST_SUCCEED {
            assert!(facts.successes.contains(&success), "{parts:?}: {success:?}");
        }
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/security.md");
    let text = std::fs::read_to_string(file).unwrap();
    let expected = table::written_into(&text, &table::render(&measured)).unwrap();
    let differing = text.lines().zip(expected.lines()).find(|(is, ought)| is != ought);
    assert!(
        text == expected,
        "docs/security.md does not say what was measured; `cargo xtask threats` writes it: {differing:#?}"
    );
}

#[test]
fn every_attempt_is_made_at_some_moment_of_every_cell() {
    for attacker in Attacker::ALL {
        for attempt in Attempt::ALL {
            for column in Column::ALL {
                assert!(!column.moments(attacker, attempt).is_empty());
            }
        }
    }
}
