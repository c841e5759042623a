//! Key agreements whose type is forgotten conform as they did before.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;

use concilium_core::testing::{name, names, rng::seeded};
use concilium_core::{Context, Time};
use concilium_gka::conformance::{Group, directory, identity};
use concilium_gka::{AnyGka, GroupKeyAgreement as _, ProposeError, Reason, ReceiveError};
use concilium_test_parts::Gka;

mod cliques {
    use super::Gka;

    concilium_gka::gka_conformance!(Gka::Cliques.factory());
}

mod mls {
    use super::Gka;

    concilium_gka::gka_conformance!(Gka::Mls.factory());
}

mod dictator {
    use super::Gka;

    concilium_gka::gka_conformance!(Gka::Dictator.factory());
}

/// What belongs to one key agreement is refused by another, as what is missing or malformed.
#[test]
fn what_is_of_another_key_agreement_does_not_fit() {
    let (me, mut rng) = (name(0), seeded(1));
    let mut cx = Context::new(Time::from_millis(5000), &mut rng);
    let other = Gka::Plain.factory()(identity(0), Arc::new(directory(2)));
    let mut group: Group<AnyGka> = Group::new(2, 1, Gka::Cliques.factory());
    group.run(&me, &names(0..2));
    let data = group.data(&me, &names(0..2));
    let state = group.member(&me).state.take();

    let proposed = other.propose(state.as_ref(), data, &mut cx).map(|_| ());
    assert_eq!(proposed, Err(ProposeError::Members(Reason::NoState)));

    let initial = group.log.first().unwrap().clone();
    let opened = group.open(&me, &initial).unwrap();
    let accepted = other.accept(None, None, initial.id, opened, &mut cx).map(|_| ());
    assert_eq!(accepted, Err(ReceiveError::Rejected(Reason::Malformed)));

    let opened = group.open(&me, &initial).unwrap();
    let accepted = other.accept(state.as_ref(), None, initial.id, opened, &mut cx);
    let Err(ReceiveError::Failed(failure)) = accepted.map(|_| ()) else {
        panic!("another key agreement took a state that is not its own");
    };
    assert_eq!(failure.reason, Reason::NoState);
}
