//! How much happens in a run.

use std::sync::Arc;

use concilium_core::{MemberId, MemberSet, PacketId};
use concilium_server_order::{Initial, Resolver};

use crate::member::Member;
use crate::packet::Body;

/// How often each thing may still happen. The packets that finish an operation are not counted, as it ends by
/// itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Budget {
    /// Proposals that members send.
    pub proposals: u8,
    /// Aborts that they send.
    pub aborts: u8,
    /// Confirmations that they send.
    pub claims: u8,
    /// Members that leave the channel. The reordering server also uses it up for leaves that it makes up.
    pub leaves: u8,
    /// Members that enter the channel, again or for the first time.
    pub enters: u8,
}

impl Budget {
    /// Pays for sending this; `None` if there is not enough left.
    pub(crate) fn pay(mut self, body: &Body) -> Option<Self> {
        let purse = match body {
            Body::Proposal { .. } => &mut self.proposals,
            Body::Abort(_) => &mut self.aborts,
            Body::Claim { .. } => &mut self.claims,
            Body::Share(_) => return Some(self),
        };
        *purse = purse.checked_sub(1)?;
        Some(self)
    }
}

/// The scope of an exploration: the members, the beginning, and how much happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Everyone, by name.
    pub names: MemberSet,
    /// How many of them are members of the session to begin with, the first by name. The others wait.
    pub grown: usize,
    /// How many are in the channel to begin with, members and waiting members.
    pub present: usize,
    /// How much happens.
    pub budget: Budget,
    /// Whether deliveries reach each member some time later, at a time of its own. If not, they reach all at
    /// once. That loses no behaviour: a member that acts late is like one whose packet was long on its way to
    /// the channel, where there is no order.
    pub lag: bool,
    /// The most members that a proposed operation includes or excludes.
    pub change: usize,
}

impl Scope {
    /// `members` of a, b, c and so on, the first `grown` of them in the session, all in the channel.
    #[must_use]
    pub fn new(members: usize, grown: usize, budget: Budget) -> Self {
        let letters = (b'a'..=b'z').take(members);
        let names = letters
            .filter_map(|letter| MemberId::new([letter]).ok())
            .collect();
        Self {
            names,
            grown,
            present: members,
            budget,
            lag: false,
            change: usize::MAX,
        }
    }

    /// Whether members propose this.
    pub(crate) fn wants(&self, body: &Body) -> bool {
        match body {
            Body::Proposal { before, after, .. } => {
                before
                    .minus(after)
                    .len()
                    .saturating_add(after.minus(before).len())
                    <= self.change
            }
            _ => true,
        }
    }

    /// The members of the channel at the beginning. One operation has included all members except the first,
    /// and all have confirmed it. The resolvers were led there by those packets.
    pub(crate) fn beginning(&self) -> Vec<Arc<Member>> {
        let channel: MemberSet = self.names.iter().take(self.present).cloned().collect();
        let members: MemberSet = self.names.iter().take(self.grown).cloned().collect();
        let enters = channel.iter().enumerate();
        let mut all: Vec<Member> = enters
            .map(|(i, me)| {
                let seniors = channel.iter().take(i.saturating_add(1)).cloned().collect();
                let stay = u8::try_from(i).unwrap_or(u8::MAX);
                let mut member = Member::entering(me.clone(), seniors, stay);
                member.channel = channel.clone();
                member
            })
            .collect();
        let founder = all.first().map(|member| &member.resolver);
        if let Some(head) = founder.and_then(Resolver::head).cloned()
            && let Some(author) = members.first()
            && members.len() > 1
        {
            let initial = Initial {
                id: PacketId::from_bytes([1; 32]),
                parent: head.link,
                author: author.clone(),
                before: head.members,
                after: members.clone(),
            };
            for member in all.iter_mut().take(self.grown) {
                member.begin(&initial, PacketId::from_bytes([2; 32]));
            }
            for member in all.iter_mut().take(self.grown) {
                member.begin_confirmed(&members);
            }
        }
        all.into_iter().map(Arc::new).collect()
    }
}
