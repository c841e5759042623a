//! Where the members of the channel and of the session differ: the members to be included, excluded, or put
//! out.

use std::collections::BTreeMap;

use concilium_core::{MemberId, MemberSet, Time};
use concilium_liveness::Timing;
use serde::{Deserialize, Serialize};

use crate::due::{Due, DueReason};

/// Where the channel's members and the session's differ, and what is to be done about it.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Door {
    /// The waiting members that cannot be included yet. They are set aside and hold up no others (T-1).
    unready: BTreeMap<MemberId, Unready>,
    /// Departed members, and since when each is: to be excluded (T-4, T-6), and put out if they come back
    /// before they are (T-7).
    departed: BTreeMap<MemberId, Time>,
    /// Excluded members that are still in the channel, each with the author of its exclusion (T-10).
    excluded: BTreeMap<MemberId, MemberId>,
    /// Whom to put out of the channel.
    kicks: BTreeMap<MemberId, Kick>,
}

/// A waiting member that cannot be included, since we do not know its key or its announcement (K-14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Unready {
    /// When we first tried.
    since: Time,
    /// When we try again.
    again_at: Time,
}

/// How a waiting member was set aside that cannot be included for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SetAside {
    /// Whether it is the first time.
    pub(crate) is_new: bool,
    /// Whether this changed anything: no member is set aside twice at the same moment.
    pub(crate) has_changed: bool,
    /// Whether it has been set aside for as long as a member may try to join (T-18).
    pub(crate) for_long: bool,
}

/// A member to be put out of the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kick {
    /// When we ask for it, for the first time or again.
    at: Time,
    /// How often we have asked.
    asked: u32,
}

impl Kick {
    /// After this many requests, the channel seems unwilling.
    const VAIN: u32 = 4;

    fn is_vain(&self) -> bool {
        self.asked >= Self::VAIN
    }
}

impl Door {
    /// A member of the session has left the channel (T-4, T-6).
    pub(crate) fn depart(&mut self, member: MemberId, now: Time) {
        self.departed.insert(member, now);
    }

    /// A member has left the channel. Returns whether it was excluded, and is out at last (T-8).
    pub(crate) fn left(&mut self, member: &MemberId) -> bool {
        self.unready.remove(member);
        self.kicks.remove(member);
        self.excluded.remove(member).is_some()
    }

    /// A member's announcement has come (K-14).
    pub(crate) fn announced(&mut self, member: &MemberId) {
        self.unready.remove(member);
    }

    /// An operation by `author` has succeeded, with these members after it. These excluded ones are still in
    /// the channel.
    pub(crate) fn changed(&mut self, members: &MemberSet, excluded: MemberSet, author: &MemberId) {
        self.departed.retain(|member, _| members.contains(member));
        self.excluded
            .extend(excluded.into_iter().map(|member| (member, author.clone()))); // T-10
        self.excluded.retain(|member, _| !members.contains(member));
        self.kicks.retain(|member, _| self.departed.contains_key(member));
    }

    /// An operation has failed: the members are as before.
    pub(crate) fn unchanged(&mut self) {
        self.kicks
            .retain(|member, _| self.departed.contains_key(member) || self.excluded.contains_key(member));
    }

    /// Whether this member of the session has left the channel and is still to be excluded.
    pub(crate) fn has_departed(&self, member: &MemberId) -> bool {
        self.departed.contains_key(member)
    }

    /// The departed members.
    pub(crate) fn departed(&self) -> impl Iterator<Item = &MemberId> {
        self.departed.keys()
    }

    /// When it is our turn to propose their exclusion, at our rank among the present members (T-4). Mostly
    /// nobody has departed, and nobody need be counted.
    pub(crate) fn exclusion_turn(&self, timing: &Timing, rank: impl FnOnce() -> usize) -> Time {
        let first = self.departed.values().min();
        first.map_or(Time::NEVER, |first| first.after(timing.turn(rank())))
    }

    /// The excluded members that are still in the channel, each with the author of its exclusion (T-10).
    pub(crate) fn excluded(&self) -> impl Iterator<Item = (&MemberId, &MemberId)> {
        self.excluded.iter()
    }

    /// Whether this is an excluded member that is still in the channel (T-8).
    pub(crate) fn is_excluded(&self, member: &MemberId) -> bool {
        self.excluded.contains_key(member)
    }

    /// Whether this one must not be included now: it is on its way out, or departed.
    pub(crate) fn is_barred(&self, member: &MemberId) -> bool {
        self.is_excluded(member) || self.has_departed(member) || self.kicks.contains_key(member)
    }

    /// Whether this one could not be included lately, and is not to be tried again yet.
    pub(crate) fn is_unready(&self, member: &MemberId, now: Time) -> bool {
        let found = self.unready.get(member);
        found.is_some_and(|unready| unready.again_at > now)
    }

    /// Sets a waiting member aside that cannot be included for now. It is tried again after a while.
    pub(crate) fn set_aside(&mut self, member: &MemberId, timing: &Timing, now: Time) -> SetAside {
        let known = self.unready.get(member).copied();
        let unready = Unready {
            since: known.map_or(now, |unready| unready.since),
            again_at: now.after(timing.channel_reply()),
        };
        self.unready.insert(member.clone(), unready);
        SetAside {
            is_new: known.is_none(),
            has_changed: known != Some(unready),
            for_long: unready.since.after(timing.join_deadline()) <= now,
        }
    }

    /// A member is to be put out of the channel from this time on. The first call for it counts.
    pub(crate) fn put_out(&mut self, member: MemberId, at: Time) {
        self.kicks.entry(member).or_insert(Kick { at, asked: 0 });
    }

    /// Whom to ask the channel to put out now; it is asked again as long as they stay.
    pub(crate) fn kicks_due(&mut self, timing: &Timing, now: Time) -> Vec<MemberId> {
        let mut due = Vec::new();
        for (member, kick) in &mut self.kicks {
            if kick.at <= now {
                kick.at = now.after(timing.channel_reply());
                kick.asked = kick.asked.saturating_add(1);
                due.push(member.clone());
            }
        }
        due
    }

    /// Departed members that are back in the channel, as far as it says, and that it has not put out after
    /// several requests (T-7).
    pub(crate) fn put_out_in_vain(&self) -> impl Iterator<Item = &MemberId> {
        let vain = self.kicks.iter().filter(|(_, kick)| kick.is_vain());
        vain.map(|(member, _)| member)
            .filter(|member| self.has_departed(member))
    }

    /// Whether a departed member that is back in the channel will be put out before it is excluded (T-7).
    pub(crate) fn puts_out_first(&self, channel: &MemberSet) -> bool {
        let back = self.departed.keys().filter(|member| channel.contains(member));
        let mut on_their_way = back.filter(|member| !self.kicks.get(*member).is_some_and(Kick::is_vain));
        on_their_way.next().is_some()
    }

    /// The next deadline here, for a member of such a rank among the present members.
    pub(crate) fn next_due(&self, timing: &Timing, rank: impl FnOnce() -> usize, now: Time) -> Option<Due> {
        let kicks = self.kicks.values().map(|kick| Due::new(DueReason::Kick, kick.at));
        let unready = self.unready.values();
        let unready = unready.map(|unready| Due::new(DueReason::IncludeUnready, unready.again_at));
        let turn = Due::new(DueReason::ExcludeDeparted, self.exclusion_turn(timing, rank));
        Due::first(kicks.chain(unready).chain([turn]), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_millis(1_000_000);

    fn id(name: &str) -> MemberId {
        MemberId::new(name).unwrap()
    }

    fn set(names: &str) -> MemberSet {
        names.split_whitespace().map(id).collect()
    }

    #[test]
    fn t4_departed_members_are_excluded_in_turn_and_forgotten_when_they_are_out() {
        let timing = Timing::default();
        let mut door = Door::default();
        assert_eq!(door.next_due(&timing, || 0, NOW), None);
        door.depart(id("bob"), NOW);
        door.depart(id("carol"), NOW.after(timing.full_ack()));
        let turn = NOW.after(timing.turn(2));
        assert_eq!(door.exclusion_turn(&timing, || 2), turn);
        assert_eq!(
            door.next_due(&timing, || 2, NOW),
            Some(Due::new(DueReason::ExcludeDeparted, turn))
        );
        door.changed(&set("alice carol"), MemberSet::new(), &id("alice"));
        assert!(!door.has_departed(&id("bob")) && door.has_departed(&id("carol")));
    }

    #[test]
    fn t7_a_member_that_comes_back_is_put_out_until_it_is_excluded() {
        let timing = Timing::default();
        let mut door = Door::default();
        door.depart(id("bob"), NOW);
        let here = set("alice bob");
        assert!(door.puts_out_first(&here) && !door.puts_out_first(&set("alice")));
        door.put_out(id("bob"), NOW);
        door.put_out(id("bob"), NOW.after(timing.full_ack()));
        let mut now = NOW;
        for _ in 0..4 {
            assert_eq!(door.put_out_in_vain().count(), 0);
            assert_eq!(door.kicks_due(&timing, now), [id("bob")]);
            assert!(door.kicks_due(&timing, now).is_empty());
            let due = door.next_due(&timing, || 0, now).unwrap();
            assert_eq!(due, Due::new(DueReason::Kick, now.after(timing.channel_reply())));
            now = due.at;
        }
        assert_eq!(door.put_out_in_vain().collect::<Vec<_>>(), [&id("bob")]);
        assert!(!door.puts_out_first(&here), "the channel does not mean to");
        door.unchanged();
        assert!(door.is_barred(&id("bob")), "it is still to be excluded");
        door.changed(&set("alice"), MemberSet::new(), &id("alice"));
        assert!(!door.is_barred(&id("bob")) && door.kicks_due(&timing, Time::NEVER).is_empty());
    }

    #[test]
    fn t8_t10_an_excluded_member_is_barred_until_it_has_left_the_channel() {
        let mut door = Door::default();
        door.changed(&set("alice bob"), set("carol"), &id("bob"));
        assert_eq!(door.excluded().collect::<Vec<_>>(), [(&id("carol"), &id("bob"))]);
        door.put_out(id("carol"), NOW);
        door.unchanged();
        assert!(door.is_excluded(&id("carol")) && door.is_barred(&id("carol")));
        assert!(door.left(&id("carol")), "it was excluded, and is out");
        assert!(!door.left(&id("carol")) && !door.is_barred(&id("carol")));
        // Others may have let it in again before we saw it leave.
        door.changed(&set("alice bob"), set("dave"), &id("bob"));
        door.changed(&set("alice bob dave"), MemberSet::new(), &id("bob"));
        assert!(!door.is_excluded(&id("dave")));
    }

    #[test]
    fn t2_a_stranger_is_put_out_while_an_operation_runs_and_not_after_it() {
        let timing = Timing::default();
        let mut door = Door::default();
        door.put_out(id("erin"), NOW.after(timing.turn(1)));
        assert!(door.kicks_due(&timing, NOW).is_empty());
        door.unchanged();
        assert!(door.kicks_due(&timing, Time::NEVER).is_empty());
    }

    #[test]
    fn t18_a_silent_newcomer_is_set_aside_and_after_long_put_out() {
        let timing = Timing::default();
        let mut door = Door::default();
        let first = door.set_aside(&id("erin"), &timing, NOW);
        assert!(first.is_new && first.has_changed && !first.for_long);
        assert!(!door.set_aside(&id("erin"), &timing, NOW).has_changed);
        assert!(door.is_unready(&id("erin"), NOW) && !door.is_barred(&id("erin")));
        let due = door.next_due(&timing, || 0, NOW).unwrap();
        assert_eq!(
            due,
            Due::new(DueReason::IncludeUnready, NOW.after(timing.channel_reply()))
        );
        assert!(!door.is_unready(&id("erin"), due.at));
        let later = door.set_aside(&id("erin"), &timing, NOW.after(timing.join_deadline()));
        assert!(!later.is_new && later.for_long);
        door.announced(&id("erin"));
        assert!(!door.is_unready(&id("erin"), NOW));
    }
}
