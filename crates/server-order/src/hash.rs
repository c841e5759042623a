//! The hashes of the server order: packet ids and the chain.

use concilium_core::{ChainHash, FramedHash, MemberId, MemberSet, PacketId};
use serde::{Deserialize, Serialize};

/// The id of a packet as the channel echoed it (O-1): a hash over its bytes, its sender as the channel
/// claims, and the members of the channel at that moment. The sender computes it when the packet comes back,
/// like all others. If the channel lies to a member about any of the three, that member gets another id.
#[must_use]
pub fn packet_id(bytes: &[u8], from: &MemberId, channel: &MemberSet) -> PacketId {
    // O-1: FramedHash frames each part, so that nothing can move from one to the next.
    let hash = FramedHash::new("concilium 2026-11 v1 server-order packet id")
        .field(bytes)
        .field(from.as_bytes())
        .list(channel.iter().map(MemberId::as_bytes));
    PacketId::from_bytes(hash.finish())
}

/// The id that stands in for a final packet when a member's leave ends the operation of `initial` (T-5).
/// `remaining` are the members of the channel after the leave.
#[must_use]
pub fn leave_id(initial: &PacketId, who: &MemberId, remaining: &MemberSet) -> PacketId {
    let hash = FramedHash::new("concilium 2026-11 v1 server-order leave id")
        .field(initial.as_bytes())
        .field(who.as_bytes())
        .list(remaining.iter().map(MemberId::as_bytes));
    PacketId::from_bytes(hash.finish())
}

/// In which role a packet was accepted (O-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ChainRole {
    /// It started an operation that later packets ended.
    Initial,
    /// It finished the operation successfully.
    Final,
    /// It was a whole operation in one packet (O-9).
    Both,
    /// It aborted the operation (O-11).
    Abort,
    /// It is no packet: a member left, and the id is a [`leave_id`] (T-5).
    Leave,
}

impl ChainRole {
    /// What goes into the hash. Never renumber: all members of a session must agree on it.
    const fn number(self) -> u64 {
        match self {
            Self::Initial => 1,
            Self::Final => 2,
            Self::Both => 3,
            Self::Abort => 4,
            Self::Leave => 5,
        }
    }
}

/// The chain hash at the start of a new session, where nothing has been accepted yet. `parent` is random
/// (O-2).
#[must_use]
pub fn chain_start(parent: &PacketId) -> ChainHash {
    let hash = FramedHash::new("concilium 2026-11 v1 server-order chain start").field(parent.as_bytes());
    ChainHash::from_bytes(hash.finish())
}

/// The chain hash after one more packet is accepted: H(previous chain hash, packet id, role) (O-5).
#[must_use]
pub fn chain_step(previous: &ChainHash, packet: &PacketId, role: ChainRole) -> ChainHash {
    let hash = FramedHash::new("concilium 2026-11 v1 server-order chain step")
        .field(previous.as_bytes())
        .field(packet.as_bytes())
        .number(role.number());
    ChainHash::from_bytes(hash.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn who(name: &str) -> MemberId {
        MemberId::new(name).unwrap()
    }

    fn set(names: &str) -> MemberSet {
        names.split_whitespace().map(who).collect()
    }

    #[test]
    fn o1_an_id_depends_on_bytes_sender_and_channel() {
        let id = packet_id(b"x", &who("a"), &set("a b"));
        assert_eq!(
            id,
            packet_id(b"x", &who("a"), &set("b a")),
            "the channel is sorted"
        );
        assert_ne!(id, packet_id(b"y", &who("a"), &set("a b")));
        assert_ne!(id, packet_id(b"x", &who("b"), &set("a b")));
        assert_ne!(id, packet_id(b"x", &who("a"), &set("a b c")));
        assert_ne!(id, packet_id(b"xa", &who("b"), &set("a b")), "nothing moves over");
    }

    #[test]
    fn t5_a_leave_id_depends_on_operation_leaver_and_channel() {
        let (one, two) = (PacketId::from_bytes([1; 32]), PacketId::from_bytes([2; 32]));
        let ids = BTreeSet::from([
            leave_id(&one, &who("a"), &set("b c")),
            leave_id(&two, &who("a"), &set("b c")),
            leave_id(&one, &who("b"), &set("b c")),
            leave_id(&one, &who("a"), &set("b")),
            packet_id(one.as_bytes(), &who("a"), &set("b c")),
        ]);
        assert_eq!(ids.len(), 5, "A-12: nor is it the id of a packet");
    }

    #[test]
    fn o5_a_step_depends_on_everything() {
        let (p, q) = (PacketId::from_bytes([1; 32]), PacketId::from_bytes([2; 32]));
        let start = chain_start(&p);
        let mut steps = BTreeSet::from([start, chain_start(&q)]);
        for role in [
            ChainRole::Initial,
            ChainRole::Final,
            ChainRole::Both,
            ChainRole::Abort,
            ChainRole::Leave,
        ] {
            for packet in [&p, &q] {
                let once = chain_step(&start, packet, role);
                steps.extend([once, chain_step(&once, packet, role)]);
            }
        }
        assert_eq!(steps.len(), 2 + 5 * 2 * 2);
    }

    proptest! {
        #[test]
        fn a09_a48_packet_ids_are_injective(
            a in (proptest::collection::vec(0_u8..2, 0..3), 0_usize..4, proptest::collection::vec(0_usize..4, 0..3)),
            b in (proptest::collection::vec(0_u8..2, 0..3), 0_usize..4, proptest::collection::vec(0_usize..4, 0..3)),
        ) {
            let names: [&[u8]; 4] = [b"\0", b"\0\0", b"\n", &[0xff; 255]];
            let of = |i: &usize| MemberId::new(names[*i]).unwrap();
            let id = |x: &(Vec<u8>, usize, Vec<usize>)| packet_id(&x.0, &of(&x.1), &x.2.iter().map(of).collect());
            let same = a.0 == b.0 && a.1 == b.1
                && a.2.iter().collect::<BTreeSet<_>>() == b.2.iter().collect::<BTreeSet<_>>();
            prop_assert_eq!(same, id(&a) == id(&b));
        }
    }
}
