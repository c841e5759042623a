//! Short names for the tests.
#![allow(dead_code, reason = "each test binary uses its own share of these")]

use concilium_core::{ChainHash, MemberId, MemberSet, PacketId};
use concilium_server_order::{Initial, Link, Resolver};

pub(crate) fn who(name: &str) -> MemberId {
    MemberId::new(name).unwrap()
}

pub(crate) fn set(names: &str) -> MemberSet {
    names.split_whitespace().map(who).collect()
}

pub(crate) fn id(n: u8) -> PacketId {
    PacketId::from_bytes([n; 32])
}

pub(crate) fn link(n: u8) -> Link {
    let chain = ChainHash::from_bytes([n; 32]);
    Link { packet: id(n), chain }
}

pub(crate) fn initial(n: u8, parent: Link, author: &str, before: &str, after: &str) -> Initial {
    Initial {
        id: id(n),
        parent,
        author: who(author),
        before: set(before),
        after: set(after),
    }
}

/// A proposal that continues from where `resolver` stands.
pub(crate) fn next(n: u8, resolver: &Resolver, author: &str, after: &str) -> Initial {
    let head = resolver.head().unwrap();
    Initial {
        id: id(n),
        parent: head.link,
        author: who(author),
        before: head.members.clone(),
        after: set(after),
    }
}

/// The members of a session, the first its founder, all of whom have confirmed its only operation.
pub(crate) fn group(names: &str) -> Vec<Resolver> {
    let all = set(names);
    let mut names = names.split_whitespace();
    let founder = names.next().unwrap();
    let mut resolvers = vec![Resolver::found(who(founder), id(200))];
    resolvers.extend(names.map(|name| Resolver::unsynchronised(who(name))));
    let pi = Initial {
        after: all.clone(),
        ..next(201, &resolvers[0], founder, founder)
    };
    for resolver in &mut resolvers {
        resolver.initial(&pi, &all).unwrap();
        resolver.finished(id(202), &pi.id).unwrap();
    }
    confirm_all(&mut resolvers);
    assert!(resolvers.iter().all(|resolver| !resolver.is_provisional()));
    resolvers
}

/// Everyone confirms to everyone.
pub(crate) fn confirm_all(resolvers: &mut [Resolver]) {
    let claims: Vec<_> = resolvers.iter().map(|r| (r.me().clone(), r.claim())).collect();
    for resolver in resolvers {
        for (member, claim) in &claims {
            if let (Some(claim), true) = (claim, member != resolver.me()) {
                let _ = resolver.confirm(member, *claim);
            }
        }
    }
}
