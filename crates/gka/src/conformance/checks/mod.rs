//! The checks of the conformance kit, one function each: for the rules K-1 to K-15, and for those attacks
//! that any key agreement can be held to by its face alone. Each panics with the rule's id where it is
//! broken.

mod attacks;
mod collusion;
mod insider;
pub mod noise;
mod rules;

pub use attacks::*;
pub use collusion::*;
pub use insider::*;
pub use rules::*;

use concilium_core::MemberId;

use super::{Echo, Group, Reaction};
use crate::GroupKeyAgreement;
use concilium_core::testing::{name, names};

/// How many operations there are in [`life`].
const LIFE: usize = 8;

/// How many people there are in [`life`].
const PEOPLE: usize = 5;

/// A group's life with each kind of operation: established, refreshed, one included, one excluded, both in
/// one.
fn life<G: GroupKeyAgreement>(group: &mut Group<G>, watch: &mut dyn FnMut(&mut Group<G>, &Echo)) {
    for (by, after) in [
        (0, &[0, 1, 2][..]),
        (1, &[0, 1, 2]),
        // Twice by one member: nothing that the others hold is as it was when the first was made, but their
        // secrets.
        (1, &[0, 1, 2]),
        (2, &[0, 1, 2, 3]),
        (1, &[1, 2, 3]),
        (3, &[0, 2, 3, 4]),
        (4, &[4]),
        (4, &[1, 4]),
    ] {
        let after = names(after.iter().copied());
        let reactions = group.run_watched(&name(by), &after, &mut *watch);
        for (who, reaction) in reactions {
            assert_eq!(
                reaction,
                Reaction::Finished,
                "{who} in the operation by {by} to {after}"
            );
        }
        group.assert_agreed(&after);
    }
}

/// Delivers a packet that must not count to everyone: nobody may take it, send anything, or change.
fn assert_does_not_count<G: GroupKeyAgreement>(group: &mut Group<G>, echo: &Echo, rule: &str) {
    let everyone: Vec<MemberId> = group.people.keys().cloned().collect();
    for who in &everyone {
        assert_not_counted_by(group, who, echo, rule);
    }
}

fn assert_not_counted_by<G: GroupKeyAgreement>(
    group: &mut Group<G>,
    who: &MemberId,
    echo: &Echo,
    rule: &str,
) {
    let (before, sent) = (group.member(who).export(), group.outbox.len());
    let reaction = group.deliver(who, echo);
    assert!(
        reaction.is_rejected(),
        "{rule}: {who} must not count this packet, but: {reaction:?}"
    );
    assert_eq!(group.member(who).export(), before, "{rule}: {who} changed");
    assert_eq!(group.outbox.len(), sent, "{rule}: {who} answered");
}

/// The same packet with other bytes or another sender.
fn forged(echo: &Echo, from: &MemberId, bytes: Vec<u8>) -> Echo {
    Echo {
        id: echo.id,
        from: from.clone(),
        bytes,
    }
}
