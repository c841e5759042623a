//! What only those who can read and write this key agreement's packets can try.

mod insider;
mod rounds;

use concilium_core::keys::SigningKey;
use concilium_core::testing::{name, names, rng};
use concilium_core::{Context, Secret, Time};
use concilium_gka::conformance::corrupt::{failed, nobody_finishes, resealed, run_corrupted, run_lying};
use concilium_gka::conformance::{Echo, Reaction};
use concilium_gka::{OpenError, Reason, ReceiveError};
use concilium_gka_dh::{Contribution, Point};

use crate::BurmesterDesmedt;
use crate::payload::{Body, Content, Hello, Links};

type Group = concilium_gka::conformance::Group<BurmesterDesmedt>;

fn content(group: &Group, echo: &Echo) -> Content {
    group.open(&name(0), echo).unwrap().into_parts().2.0
}

fn hello(content: &mut Content) -> Option<&mut Hello> {
    match content {
        Content::Initial { body: hello, .. } | Content::Later(Body::Hello(hello)) => Some(hello),
        _ => None,
    }
}

fn links(content: &mut Content) -> Option<&mut Links> {
    match content {
        Content::Later(Body::Links(links)) => Some(links),
        _ => None,
    }
}

fn altered(group: &Group, echo: &Echo, change: impl FnOnce(&mut Content)) -> Echo {
    let mut content = content(group, echo);
    change(&mut content);
    resealed(group, echo, |_| content.encode())
}

fn contribution(seed: u64) -> Contribution {
    Contribution::random(&mut Context::new(Time::ZERO, &mut rng::seeded(seed))).unwrap()
}

/// A known multiple of the base point.
fn known_multiple(seed: u64) -> Point {
    contribution(seed).public()
}
