//! Our place in the chain of operations, the members that have yet to confirm it, and whether we are perhaps
//! excluded.

use std::collections::BTreeMap;

use concilium_core::{MemberId, MemberSet, PacketId, Time};
use concilium_liveness::Timing;
use concilium_server_order::{Comparison, Link, Resolver};
use serde::{Deserialize, Serialize};

use crate::due::{Due, DueReason};

/// What the server order says, and what time adds to it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Chain {
    pub(crate) resolver: Resolver,
    /// The members that have not confirmed the chain yet, and since when each could have: the end of the
    /// first operation that it has not confirmed. So a series of operations does not put this off (O-10).
    owing: BTreeMap<MemberId, Time>,
    /// We are perhaps excluded (T-10): an operation that excludes us seems to have failed, and may have
    /// succeeded for the others before. We propose nothing until a sign shows that we are a member still, and
    /// leave at this time.
    perhaps_excluded_until: Time,
    /// When we were included, if we did not found the session. Messages sent before are not for us.
    included_at: Option<Time>,
}

impl Chain {
    /// We know of none.
    pub(crate) fn unknown(me: MemberId) -> Self {
        Self::of(Resolver::unsynchronised(me))
    }

    /// We begin one, alone, at a random parent (O-2).
    pub(crate) fn found(me: MemberId, parent: PacketId) -> Self {
        Self::of(Resolver::found(me, parent))
    }

    /// We go over to another one, and know what we know of the old one (T-10).
    pub(crate) fn start_over(self) -> Self {
        Self::of(self.resolver)
    }

    fn of(resolver: Resolver) -> Self {
        Self {
            resolver,
            owing: BTreeMap::new(),
            perhaps_excluded_until: Time::NEVER,
            included_at: None,
        }
    }

    /// O-10: an operation has ended, and all members are expected to confirm it. A member that had not
    /// confirmed the one before is late since then.
    pub(crate) fn expect_confirmations(&mut self, now: Time) {
        // Members confirm nothing to us while we are not a member.
        let head = self.resolver.head().filter(|_| self.resolver.is_member());
        let Some(head) = head else { return };
        let me = self.resolver.me();
        self.owing.retain(|member, _| head.members.contains(member));
        for member in head.members.iter().filter(|member| *member != me) {
            self.owing.entry(member.clone()).or_insert(now);
        }
    }

    /// A member states, authenticated, where it stands (O-10).
    pub(crate) fn confirm(&mut self, member: &MemberId, link: Link, now: Time) -> Comparison {
        let confirmation = self.resolver.confirm(member, link);
        match confirmation {
            Comparison::Consistent => {
                if member != self.resolver.me() {
                    self.is_in(); // The operation that excluded us has failed for the others too.
                }
                self.owing.remove(member);
            }
            // The newest is still to come, and may have ended just now.
            Comparison::Older => {
                self.owing.entry(member.clone()).and_modify(|since| *since = now);
            }
            _ => {}
        }
        confirmation
    }

    /// Whether all have confirmed where we stand.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.owing.is_empty() && self.resolver.differences().is_empty()
    }

    /// The members that should have confirmed the chain by now (O-10).
    pub(crate) fn late(&self, timing: &Timing, now: Time) -> MemberSet {
        let deadline = timing.confirmation_deadline();
        let late = self
            .owing
            .iter()
            .filter(|(_, since)| since.after(deadline) <= now);
        late.map(|(member, _)| member.clone()).collect()
    }

    /// An operation that included us has succeeded.
    pub(crate) fn included(&mut self, now: Time) {
        self.included_at = Some(now);
    }

    /// Whether we were included so lately that what comes may have been sent before.
    pub(crate) fn is_new_here(&self, timing: &Timing, now: Time) -> bool {
        self.included_at.is_some_and(|at| now < at.after(timing.linger()))
    }

    /// An operation that excludes us seems to have failed (T-10).
    pub(crate) fn exclusion_failed(&mut self, timing: &Timing, now: Time) {
        self.perhaps_excluded_until = now.after(timing.excluded_departure());
    }

    /// Another member takes us for a member.
    pub(crate) fn is_in(&mut self) {
        self.perhaps_excluded_until = Time::NEVER;
    }

    /// Whether an operation that excludes us seemed to fail, and no sign has shown since that we are a member
    /// still.
    pub(crate) fn has_missed_its_end(&self) -> bool {
        self.perhaps_excluded_until < Time::NEVER
    }

    /// Whether we are perhaps excluded (T-10): an operation that excludes us runs, or seemed to fail and may
    /// have succeeded for the others.
    pub(crate) fn is_perhaps_excluded(&self) -> bool {
        let running = self.resolver.running();
        running.is_some_and(|running| running.excludes(self.resolver.me())) || self.has_missed_its_end()
    }

    /// Whether nothing has shown for long that we still are a member: we leave, once (T-10).
    pub(crate) fn gives_up(&mut self, now: Time) -> bool {
        let over = self.has_missed_its_end() && self.perhaps_excluded_until <= now;
        if over {
            self.perhaps_excluded_until = Time::NEVER;
        }
        over
    }

    /// The next moment at which something is due here.
    pub(crate) fn next_due(&self, timing: &Timing, now: Time) -> Option<Due> {
        let deadline = timing.confirmation_deadline();
        let late = self
            .owing
            .values()
            .map(|since| Due::new(DueReason::MissConfirmation, since.after(deadline)));
        let missed = Due::new(DueReason::LeavePerhapsExcluded, self.perhaps_excluded_until);
        Due::first(late.chain([missed]), now)
    }
}

#[cfg(test)]
mod tests {
    use concilium_server_order::Initial;

    use super::*;

    const NOW: Time = Time::from_millis(1_000_000);

    fn id(name: &str) -> MemberId {
        MemberId::new(name).unwrap()
    }

    fn set(names: &str) -> MemberSet {
        names.split_whitespace().map(id).collect()
    }

    /// Takes an operation from its initial packet to its end.
    fn operation(chain: &mut Chain, number: u8, author: &str, after: &str, succeeds: bool) {
        let head = chain.resolver.head().unwrap().clone();
        let initial = Initial {
            id: PacketId::from_bytes([number; 32]),
            parent: head.link,
            author: id(author),
            before: head.members,
            after: set(after),
        };
        let channel = set("alice bob carol");
        chain.resolver.initial(&initial, &channel).unwrap();
        if succeeds {
            chain.resolver.finished(initial.id, &initial.id).unwrap();
        } else {
            let last = PacketId::from_bytes([number + 100; 32]);
            chain.resolver.aborted(last, &initial.id, &id(author)).unwrap();
        }
    }

    /// Alice's view of a session with Bob and Carol.
    fn trio() -> Chain {
        let mut chain = Chain::found(id("alice"), PacketId::from_bytes([9; 32]));
        operation(&mut chain, 1, "alice", "alice bob carol", true);
        chain.expect_confirmations(NOW);
        chain
    }

    #[test]
    fn o10_no_series_of_operations_puts_a_late_confirmation_off() {
        let timing = Timing::default();
        let mut chain = trio();
        let late_at = NOW.after(timing.confirmation_deadline());
        let due = chain.next_due(&timing, NOW).unwrap();
        assert_eq!(due, Due::new(DueReason::MissConfirmation, late_at));
        operation(&mut chain, 2, "bob", "alice bob carol", true);
        chain.expect_confirmations(NOW.after(timing.full_ack()));
        let link = chain.resolver.head().unwrap().link;
        assert_eq!(chain.confirm(&id("bob"), link, NOW), Comparison::Consistent);
        assert_eq!(chain.late(&timing, late_at), set("carol"));
        assert!(!chain.is_confirmed());
        assert_eq!(chain.confirm(&id("carol"), link, late_at), Comparison::Consistent);
        assert!(chain.is_confirmed() && chain.late(&timing, Time::NEVER).is_empty());
        assert_eq!(chain.next_due(&timing, NOW), None);
    }

    #[test]
    fn o10_a_confirmation_of_an_older_place_gives_a_member_its_time_anew() {
        let timing = Timing::default();
        let mut chain = trio();
        let old = chain.resolver.head().unwrap().link;
        operation(&mut chain, 2, "bob", "alice bob carol", true);
        chain.expect_confirmations(NOW);
        let later = NOW.after(timing.full_ack());
        assert_eq!(chain.confirm(&id("bob"), old, later), Comparison::Older);
        assert_eq!(
            chain.late(&timing, NOW.after(timing.confirmation_deadline())),
            set("carol")
        );
        assert_eq!(
            chain.late(&timing, later.after(timing.confirmation_deadline())),
            set("bob carol")
        );
    }

    #[test]
    fn t10_a_member_whose_exclusion_seems_to_fail_gives_up_once_and_not_if_it_is_in() {
        let timing = Timing::default();
        let mut chain = trio();
        assert!(!chain.is_perhaps_excluded());
        operation(&mut chain, 2, "bob", "bob carol", false);
        chain.exclusion_failed(&timing, NOW);
        assert!(chain.has_missed_its_end() && chain.is_perhaps_excluded());
        let gives_up_at = NOW.after(timing.excluded_departure());
        let due = Due::new(DueReason::LeavePerhapsExcluded, gives_up_at);
        assert_eq!(
            chain.next_due(&timing, NOW.after(timing.full_ack() * 2)),
            Some(due)
        );
        assert!(!chain.gives_up(NOW) && chain.has_missed_its_end());
        assert!(chain.gives_up(gives_up_at) && !chain.gives_up(gives_up_at));

        chain.exclusion_failed(&timing, NOW);
        let link = chain.resolver.head().unwrap().link;
        let _ = chain.confirm(&id("alice"), link, NOW);
        assert!(chain.has_missed_its_end(), "our own word shows nothing");
        let _ = chain.confirm(&id("bob"), link, NOW);
        assert!(!chain.has_missed_its_end() && !chain.gives_up(gives_up_at));
    }

    #[test]
    fn m2_a_joiner_is_new_for_as_long_as_old_packets_travel() {
        let timing = Timing::default();
        let mut chain = trio();
        assert!(!chain.is_new_here(&timing, NOW), "a founder has missed nothing");
        chain.included(NOW);
        assert!(chain.is_new_here(&timing, NOW));
        assert!(!chain.is_new_here(&timing, NOW.after(timing.linger())));
    }
}
