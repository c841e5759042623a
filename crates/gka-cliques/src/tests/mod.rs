//! What only those who can read and write this key agreement's packets can try.

mod algebra;
mod insider;
mod large;
mod operation;

use concilium_core::testing::{name, names};
use concilium_core::{MemberId, MemberSet};
use concilium_gka::conformance::corrupt::{Ends, failed, nobody_finishes, resealed, run_corrupted};
use concilium_gka::conformance::{Echo, Reaction, directory, identity};
use concilium_gka::{Reason, ReceiveError, signed};

use crate::Cliques;
use crate::payload::{Body, Content, Flow, Payload};

type Group = concilium_gka::conformance::Group<Cliques>;

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

fn altered(group: &Group, echo: &Echo, change: impl FnOnce(&mut Content)) -> Echo {
    let mut content = content(group, echo);
    change(&mut content);
    resealed(group, echo, |_| content.encode())
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
