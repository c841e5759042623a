//! Coming into a session: seniors and hopefuls, that we wait for, and heirs, that wait for us (T-11, K-14).

use concilium_core::{MemberId, MemberSet, Time};
use concilium_liveness::Timing;
use serde::{Deserialize, Serialize};

use crate::due::{Due, DueReason};

/// A member that is left alone makes itself heard within this many turns. After them we take it that there is
/// none (T-11).
const FOUND_AFTER_TURNS: usize = 4;

/// Whom we wait for until we are in a session, and what we tell them meanwhile.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Arrival {
    /// Seniors: they were there before us, and have stayed since. They let us in.
    seniors: MemberSet,
    /// Hopefuls came after us and may have become members since, as far as we can see from outside. We wait
    /// for them for a while after the last senior has left.
    hopefuls: MemberSet,
    /// When we stop waiting for hopefuls.
    found_at: Time,
    /// Heirs: they came after us, and those whom they waited for have left. We let them in.
    heirs: MemberSet,
    /// How often we have announced ourselves while outside.
    announcements: u32,
    /// When we announce ourselves again, since the announcement may have been lost. Never, if the key
    /// agreement has none.
    announce_at: Time,
}

impl Arrival {
    /// We have entered a channel in which these are.
    pub(crate) fn after(seniors: MemberSet) -> Self {
        Self {
            seniors,
            hopefuls: MemberSet::new(),
            found_at: Time::NEVER,
            heirs: MemberSet::new(),
            announcements: 0,
            announce_at: Time::NEVER,
        }
    }

    /// We were alone in a session of our own, and are waiting members now. Others may be waiting for us to
    /// include them, so all that are there count as hopefuls, not as seniors.
    pub(crate) fn beside(hopefuls: MemberSet) -> Self {
        Self {
            hopefuls,
            ..Self::after(MemberSet::new())
        }
    }

    /// A member has left the channel.
    pub(crate) fn left(&mut self, member: &MemberId) {
        self.seniors.remove(member);
        self.hopefuls.remove(member);
        self.heirs.remove(member);
    }

    /// From outside we see an operation of a session that others have: these are in it, and these will be.
    pub(crate) fn overheard(&mut self, before: MemberSet, after: MemberSet) {
        self.seniors.extend(before);
        self.hopefuls.extend(after);
    }

    /// Whether it is for us to found a session. `in_step`: we are in one, or being let into one.
    pub(crate) fn founds(&mut self, in_step: bool, timing: &Timing, now: Time) -> bool {
        if in_step || !self.seniors.is_empty() {
            self.found_at = Time::NEVER;
            return false;
        }
        if self.hopefuls.is_empty() {
            return true;
        }
        if self.found_at == Time::NEVER {
            // A hopeful may be a member already. A member that is left alone shows it at once, by excluding
            // those that have left.
            self.found_at = now.after(timing.turn(FOUND_AFTER_TURNS));
        }
        self.found_at <= now
    }

    /// We have founded a session; these are in the channel beside us.
    pub(crate) fn founded(&mut self, heirs: MemberSet) {
        self.heirs = heirs;
    }

    /// These are in the session.
    pub(crate) fn let_in(&mut self, members: &MemberSet) {
        self.heirs = self.heirs.minus(members);
    }

    /// Whom we have to let in.
    pub(crate) fn heirs(&self) -> &MemberSet {
        &self.heirs
    }

    /// We have just announced ourselves (K-14), and do so again, less and less often.
    pub(crate) fn announced(&mut self, timing: &Timing, now: Time) {
        self.announce_at = now.after(timing.announcement_delay(self.announcements));
        self.announcements = self.announcements.saturating_add(1);
    }

    /// Whether we announce ourselves again now. Never while we are in step.
    pub(crate) fn announces_again(&mut self, in_step: bool, now: Time) -> bool {
        let again = !in_step && self.announce_at <= now;
        if in_step || again {
            self.announce_at = Time::NEVER;
        }
        again
    }

    /// The next moment at which something is due here.
    pub(crate) fn next_due(&self, now: Time) -> Option<Due> {
        let dues = [
            Due::new(DueReason::Found, self.found_at),
            Due::new(DueReason::AnnounceAgain, self.announce_at),
        ];
        Due::first(dues, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_millis(1_000_000);

    fn set(names: &str) -> MemberSet {
        names
            .split_whitespace()
            .map(|name| MemberId::new(name).unwrap())
            .collect()
    }

    fn id(name: &str) -> MemberId {
        MemberId::new(name).unwrap()
    }

    #[test]
    fn t11_a_member_founds_when_nobody_was_there_or_the_last_senior_is_gone() {
        let timing = Timing::default();
        assert!(Arrival::after(MemberSet::new()).founds(false, &timing, NOW));
        let mut arrival = Arrival::after(set("alice bob"));
        arrival.left(&id("alice"));
        assert!(!arrival.founds(false, &timing, NOW) && arrival.next_due(NOW).is_none());
        arrival.left(&id("bob"));
        assert!(arrival.founds(false, &timing, NOW));
        assert!(!arrival.founds(true, &timing, NOW), "it is in a session");
    }

    #[test]
    fn t11_a_member_waits_for_hopefuls_for_a_while() {
        let timing = Timing::default();
        let mut arrival = Arrival::after(set("alice"));
        arrival.overheard(set("alice"), set("alice carol"));
        arrival.left(&id("alice"));
        assert!(!arrival.founds(false, &timing, NOW));
        let due = arrival.next_due(NOW).unwrap();
        assert_eq!(due, Due::new(DueReason::Found, NOW.after(timing.turn(4))));
        assert!(!arrival.founds(false, &timing, NOW.after(timing.turn(3))));
        assert!(arrival.founds(false, &timing, due.at));
        arrival.left(&id("carol"));
        assert!(arrival.founds(false, &timing, NOW), "nobody is left to wait for");

        // A member that is included meanwhile stops waiting. If it is out again later, its wait starts from
        // zero.
        let mut arrival = Arrival::beside(set("bob"));
        assert!(!arrival.founds(false, &timing, NOW));
        assert!(!arrival.founds(true, &timing, due.at));
        assert!(arrival.next_due(NOW).is_none());
        assert!(!arrival.founds(false, &timing, due.at));
    }

    #[test]
    fn t11_a_proposal_seen_from_outside_names_seniors() {
        let timing = Timing::default();
        let mut arrival = Arrival::after(MemberSet::new());
        arrival.overheard(set("bob"), set("bob carol"));
        assert!(!arrival.founds(false, &timing, Time::NEVER));
    }

    #[test]
    fn t11_heirs_are_let_in_or_leave() {
        let mut arrival = Arrival::after(MemberSet::new());
        arrival.founded(set("bob carol dave"));
        arrival.let_in(&set("alice bob"));
        arrival.left(&id("dave"));
        assert_eq!(*arrival.heirs(), set("carol"));
    }

    #[test]
    fn k14_a_member_outside_announces_itself_less_and_less_often() {
        let timing = Timing::default();
        let mut arrival = Arrival::after(set("alice"));
        assert!(!arrival.announces_again(false, NOW), "it has nothing to announce");
        let mut now = NOW;
        let mut waits = Vec::new();
        for _ in 0..3 {
            arrival.announced(&timing, now);
            let due = arrival.next_due(now).unwrap();
            assert_eq!(due.why, DueReason::AnnounceAgain);
            assert!(!arrival.announces_again(false, now));
            waits.push(due.at.since(now));
            now = due.at;
            assert!(arrival.announces_again(false, now));
        }
        let first = timing.full_ack();
        assert_eq!(waits, [first, first * 2, first * 4]);
        arrival.announced(&timing, now);
        assert!(!arrival.announces_again(true, Time::NEVER) && arrival.next_due(now).is_none());
    }
}
