//! The hash of an operation's whole course (C-5).

use concilium_core::{MemberId, PacketId};
use concilium_gka::AssociatedData;
use concilium_gka_dh::{CourseHash, Element, flatten};

use crate::SUITE;
use crate::agreement::SlotOrder;

const TRANSCRIPT: &str = "concilium 2026-11 v1 gka-cliques transcript";

/// What the transcript hash is taken over.
#[derive(Debug)]
pub(crate) struct Course<'a> {
    pub(crate) data: &'a AssociatedData,
    /// The transcript of the operation that this one starts from.
    pub(crate) base: Option<&'a CourseHash>,
    /// The members in the order of their slots.
    pub(crate) order: &'a SlotOrder,
    /// The nonces of the contributors: the initiator's first, then in the order of the joiners.
    pub(crate) nonces: &'a [[u8; 32]],
    pub(crate) slots: &'a [Element],
    /// The initial packet's id, in operations of more than one packet: a packet cannot name its own.
    pub(crate) initial: Option<PacketId>,
}

impl Course<'_> {
    /// C-5, K-6: one framed hash over the whole course.
    pub(crate) fn transcript(&self) -> CourseHash {
        concilium_gka_dh::transcript(TRANSCRIPT, SUITE, self.data, self.base)
            .number(self.order.len() as u64)
            .fields(self.order.iter().map(MemberId::as_bytes))
            .list(self.nonces.iter())
            .field(&flatten(self.slots))
            .list(self.initial.iter().map(PacketId::as_bytes))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use concilium_core::{ChainHash, MemberSet, MessageId, SessionName};

    fn data() -> AssociatedData {
        AssociatedData {
            session: SessionName::new("tea").unwrap(),
            suite: "s/e".into(),
            parent: PacketId::from_bytes([1; 32]),
            chain: ChainHash::from_bytes([2; 32]),
            latest: Vec::new(),
            before: MemberSet::new(),
            after: MemberSet::new(),
        }
    }

    #[test]
    fn c5_k6_a09_everything_changes_the_transcript() {
        let (a, b) = (MemberId::new("a").unwrap(), MemberId::new("b").unwrap());
        let (x, y) = (Element::BASE, Element::from_bytes([2; 32]).unwrap());
        let changed: [fn(&mut AssociatedData); 8] = [
            |_| {},
            |data| data.session = SessionName::new("rum").unwrap(),
            |data| data.suite.push('x'),
            |data| data.parent = PacketId::from_bytes([9; 32]),
            |data| data.chain = ChainHash::from_bytes([9; 32]),
            |data| data.latest.push(MessageId::from_bytes([9; 32])),
            |data| data.before.extend([MemberId::new("a").unwrap()]),
            |data| data.after.extend([MemberId::new("a").unwrap()]),
        ];
        let ids = [[3; 32], [4; 32]];
        let mut seen = BTreeSet::new();
        let mut count = 0;
        for change in changed {
            let mut data = data();
            change(&mut data);
            for base in [None, Some(&ids[0]), Some(&ids[1])] {
                for (kept, joiners) in [(vec![&a], vec![&b]), (vec![&b], vec![&a]), (vec![&a], vec![])] {
                    let set = |members: Vec<&MemberId>| members.into_iter().cloned().collect();
                    let order = SlotOrder {
                        kept: set(kept),
                        joiners: set(joiners),
                    };
                    for nonces in [&ids[..], &ids[..1]] {
                        for slots in [vec![x, y], vec![y, x], vec![x]] {
                            for initial in [None, Some(PacketId::from_bytes(ids[0]))] {
                                let course = Course {
                                    data: &data,
                                    base,
                                    order: &order,
                                    nonces,
                                    slots: &slots,
                                    initial,
                                };
                                seen.insert(course.transcript());
                                count += 1;
                            }
                        }
                    }
                }
            }
        }
        assert_eq!(seen.len(), count);
    }
}
