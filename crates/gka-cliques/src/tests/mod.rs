//! What only those who can read and write this key agreement's packets can try.

mod algebra;
mod insider;
mod large;
mod operation;

use std::collections::BTreeMap;

use concilium_core::{MemberId, MemberSet};
use concilium_gka::{Failure, Reason, ReceiveError, signed};
use concilium_testkit::gka::{Echo, Reaction, directory, identity, name, names};

use crate::Cliques;
use crate::payload::{Body, Content, Flow, Payload};

type Group = concilium_testkit::gka::Group<Cliques>;

fn content(group: &Group, echo: &Echo) -> Content {
    let opened = group.open(&name(0), echo).unwrap();
    opened.into_parts().2.0
}

fn flow(content: &mut Content) -> Option<&mut Flow> {
    match content {
        Content::Initial { body, .. } | Content::Later(body) => match body {
            Body::Upflow(flow) | Body::Downflow(flow, _) => Some(flow),
            Body::Confirmation(_) => None,
        },
        Content::Abort => None,
    }
}

/// The packet with another payload, signed by its author, whose name tells its identity.
fn resealed(group: &Group, echo: &Echo, payload: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Echo {
    let opened = signed::open(&echo.bytes, group.session(), &echo.from, &directory(8)).unwrap();
    let (author, role, bytes) = opened.into_parts();
    let author = (0..8).map(identity).find(|identity| *identity.member() == author);
    Echo {
        bytes: signed::seal(&author.unwrap(), group.session(), role, payload(bytes)).unwrap(),
        ..echo.clone()
    }
}

fn altered(group: &Group, echo: &Echo, change: impl FnOnce(&mut Content)) -> Echo {
    let mut content = content(group, echo);
    change(&mut content);
    resealed(group, echo, |_| content.encode())
}

/// Each member's first reaction that is not going on, and the group.
type Ends = BTreeMap<MemberId, Reaction>;

/// Runs an operation in which `corrupt` may replace the packets, given by number.
fn run_corrupted(
    group: &mut Group,
    by: usize,
    after: &MemberSet,
    mut corrupt: impl FnMut(&Group, usize, Echo) -> Echo,
) -> Ends {
    let packet = group.propose(&name(by), after).unwrap();
    let mut queue = vec![group.echo(&name(by), packet)];
    let (mut ends, mut number) = (Ends::new(), 0);
    while !queue.is_empty() {
        let echo = queue.remove(0);
        let echo = corrupt(group, number, echo);
        number += 1;
        for who in after {
            let reaction = group.deliver(who, &echo);
            if !matches!(
                reaction,
                Reaction::Continued(_) | Reaction::Ignored | Reaction::NotForUs
            ) {
                ends.entry(who.clone()).or_insert(reaction);
            }
        }
        queue.extend(group.flush());
    }
    ends
}

fn failed(culprit: Option<usize>, reason: Reason, ends: bool) -> Reaction {
    Reaction::Refused(ReceiveError::Failed(Failure {
        culprit: culprit.map(name),
        reason,
        ends,
    }))
}

fn nobody_finishes(ends: &Ends) {
    assert!(!ends.values().any(|end| *end == Reaction::Finished), "{ends:?}");
}

fn established(n: usize) -> Group {
    let mut group = Group::new(8, 1, Cliques::new);
    group.run(&name(0), &names(0..n));
    group
}

fn reopened(opened: &(MemberId, concilium_gka::Role, Content)) -> concilium_gka::Opened<Payload> {
    let (author, role, content) = opened.clone();
    concilium_gka::Opened::vouch(author, role, Payload(content))
}
