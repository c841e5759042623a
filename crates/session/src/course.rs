//! The operation that runs, our proposals on their way to become one, and the keys that the last one left.

use std::collections::VecDeque;

use concilium_core::{Change, MemberSet, MessageId, PacketId, Time};
use concilium_gka::GroupKeyAgreement;
use concilium_liveness::Timing;

use crate::due::{Due, DueReason};

/// This many operations aborted in a row are no accident: somebody keeps the members from changing.
pub(crate) const MAX_ABORTED: u32 = 4;

/// The most refused proposals of ours that are remembered: as many as are made for one action.
const MAX_REFUSED: usize = 8;

/// The course of operations over the key agreement `G`.
pub(crate) type CourseOf<G> = Course<
    <G as GroupKeyAgreement>::State,
    <G as GroupKeyAgreement>::Proposal,
    <G as GroupKeyAgreement>::Operation,
>;

/// The course of operations: `S` is the state that one leaves to the next, `P` the private part of a proposal
/// of ours, and `O` our part in the running operation.
pub(crate) struct Course<S, P, O> {
    /// What the last successful operation left for the next one.
    pub(crate) keys: Option<S>,
    /// A proposal of ours on its way through the channel.
    pub(crate) proposal: Option<Proposal<P>>,
    /// Proposals of ours that were refused. While the chain stays where they continue from, the channel may
    /// bring them again, and they may count then (decision 0012).
    pub(crate) refused: VecDeque<Proposal<P>>,
    /// The operation that runs.
    pub(crate) operation: Option<Running<O>>,
    /// What time adds to it.
    pub(crate) pace: Pace,
}

/// When we propose of our own accord, and whether we can at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Pace {
    /// We are a member, and our share of the current keys is bad: we can neither talk nor propose.
    is_keyless: bool,
    /// When proposing something of our own accord has failed, it is not tried again before this.
    propose_at: Time,
    /// How many operations have been aborted since the last one that succeeded.
    aborted: u32,
    /// When we include by duty again after those. Not at once: the member that we would include may be the
    /// one that does not answer.
    include_at: Time,
}

/// A proposal of ours that the channel has not returned yet (O-1: it has no id before).
pub(crate) struct Proposal<P> {
    /// The packet, frame and all: how we know it when it comes back.
    pub(crate) packet: Vec<u8>,
    /// What the key agreement needs should it be accepted.
    pub(crate) private: P,
    pub(crate) wish: Wish,
    pub(crate) sent_at: Time,
    /// Whether the group has refused it.
    pub(crate) refused: bool,
}

/// What we want with a proposal.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Wish {
    pub(crate) change: Change,
    /// Whether the user wants it, or only a duty of ours.
    pub(crate) for_action: bool,
}

/// An operation under way.
pub(crate) struct Running<O> {
    pub(crate) initial: PacketId,
    /// The key agreement's part. None if we take no part (we are being excluded), or if it has failed for us.
    pub(crate) part: Option<O>,
    /// Whether it is our proposal, made for the user's action.
    pub(crate) for_action: bool,
    /// The latest messages that its initial packet named (G-9).
    pub(crate) latest: Vec<MessageId>,
    /// When we do something about it if it still runs: abort it (O-11), or leave if it excludes us (T-10).
    pub(crate) deadline: Time,
}

impl<S, P, O> Default for Course<S, P, O> {
    fn default() -> Self {
        Self {
            keys: None,
            proposal: None,
            refused: VecDeque::new(),
            operation: None,
            pace: Pace::default(),
        }
    }
}

impl<S, P, O> Course<S, P, O> {
    /// The proposal of ours that this packet is, on its first or a later way through the channel.
    pub(crate) fn take_own(&mut self, bytes: &[u8]) -> Option<Proposal<P>> {
        if let Some(sent) = self.proposal.take_if(|proposal| proposal.packet == bytes) {
            return Some(sent);
        }
        let place = self
            .refused
            .iter()
            .position(|proposal| proposal.packet == bytes)?;
        self.refused.remove(place)
    }

    /// A proposal of ours was refused, or has not come back in time. It may count later: the channel may
    /// bring it late, or again once an absent member has come back (O-6). Then we must know what we proposed.
    pub(crate) fn refuse(&mut self, own: Proposal<P>) {
        self.refused.truncate(MAX_REFUSED - 1);
        self.refused.push_front(Proposal { refused: true, ..own });
    }

    /// The channel seems to have lost a proposal of ours. It may only be late, and count for the others, so
    /// we keep it. Returns its change.
    pub(crate) fn lose_proposal(&mut self, timing: &Timing, now: Time) -> Option<Wish> {
        let wait = timing.channel_reply();
        let lost = self
            .proposal
            .take_if(|proposal| proposal.sent_at.after(wait) <= now)?;
        let wish = lost.wish.clone();
        self.refuse(lost);
        Some(wish)
    }

    /// The operation has succeeded.
    pub(crate) fn succeed(&mut self) -> Option<Running<O>> {
        self.refused.clear();
        (self.pace.aborted, self.pace.include_at) = (0, Time::ZERO);
        self.operation.take()
    }

    /// The operation has failed for everyone. Says whether it was for the user's action.
    pub(crate) fn fail(&mut self) -> bool {
        self.refused.clear();
        self.operation.take().is_some_and(|running| running.for_action)
    }

    /// We have the keys that it left.
    pub(crate) fn hold(&mut self, keys: S) {
        self.keys = Some(keys);
        self.pace.is_keyless = false;
    }

    /// It has left keys that we do not have.
    pub(crate) fn go_without_keys(&mut self) {
        self.operation = None;
        self.keys = None;
        self.pace.is_keyless = true;
    }

    /// Whether we are a member without keys.
    pub(crate) fn is_keyless(&self) -> bool {
        self.pace.is_keyless
    }

    /// The operation was aborted. Says how many were, one after the other.
    pub(crate) fn abort(&mut self, includes: bool, timing: &Timing, now: Time) -> u32 {
        let pace = &mut self.pace;
        pace.aborted = pace.aborted.saturating_add(1);
        if includes {
            pace.include_at = now.after(timing.retry_delay(pace.aborted));
        }
        pace.aborted
    }

    /// Whether operation after operation was aborted.
    pub(crate) fn is_stuck(&self) -> bool {
        self.pace.aborted >= MAX_ABORTED
    }

    /// Proposing something of our own accord has failed.
    pub(crate) fn rest(&mut self, timing: &Timing, now: Time) {
        self.pace.propose_at = now.after(timing.channel_reply());
    }

    /// Whether we may propose of our own accord.
    pub(crate) fn has_rested(&self, now: Time) -> bool {
        self.pace.propose_at <= now
    }

    /// Whether we may include by duty now.
    pub(crate) fn may_include(&self, now: Time) -> bool {
        self.pace.include_at <= now
    }

    /// Which of the members that we would include we propose now. Normally all; after an aborted operation
    /// one at a time, so that one that does not answer keeps the others out no longer.
    pub(crate) fn in_turn(&self, comers: MemberSet) -> MemberSet {
        let Some(turn) = self.pace.aborted.checked_sub(1) else {
            return comers;
        };
        let places = comers.len().max(1);
        comers.into_iter().skip(turn as usize % places).take(1).collect()
    }

    /// The next moment at which something is due here.
    pub(crate) fn next_due(&self, timing: &Timing, now: Time) -> Option<Due> {
        let lost = |proposal: &Proposal<P>| proposal.sent_at.after(timing.channel_reply());
        let dues = [
            Due::new(DueReason::ProposeAgain, self.pace.propose_at),
            Due::new(DueReason::IncludeAgain, self.pace.include_at),
            Due::new(
                DueReason::MissEcho,
                self.proposal.as_ref().map_or(Time::NEVER, lost),
            ),
            Due::new(
                DueReason::EndOperation,
                self.operation
                    .as_ref()
                    .map_or(Time::NEVER, |running| running.deadline),
            ),
        ];
        Due::first(dues, now)
    }
}

#[cfg(test)]
mod tests {
    use concilium_core::MemberId;

    use super::*;

    type Plain = Course<u8, u8, u8>;

    const NOW: Time = Time::from_millis(1_000_000);

    fn set(names: &str) -> MemberSet {
        names
            .split_whitespace()
            .map(|name| MemberId::new(name).unwrap())
            .collect()
    }

    fn proposal(number: u8) -> Proposal<u8> {
        Proposal {
            packet: vec![number],
            private: number,
            wish: Wish {
                change: Change::refresh(),
                for_action: number.is_multiple_of(2),
            },
            sent_at: NOW,
            refused: false,
        }
    }

    fn running(for_action: bool) -> Running<u8> {
        Running {
            initial: PacketId::from_bytes([1; 32]),
            part: Some(7),
            for_action,
            latest: Vec::new(),
            deadline: NOW.after(std::time::Duration::from_secs(9)),
        }
    }

    #[test]
    fn o1_a_proposal_of_ours_is_known_by_its_bytes_also_when_it_comes_late() {
        let timing = Timing::default();
        let mut course = Plain {
            proposal: Some(proposal(4)),
            ..Plain::default()
        };
        let late = NOW.after(timing.channel_reply());
        assert_eq!(
            course.next_due(&timing, NOW),
            Some(Due::new(DueReason::MissEcho, late))
        );
        assert_eq!(course.lose_proposal(&timing, NOW), None);
        assert!(course.lose_proposal(&timing, late).unwrap().for_action);
        assert!(course.take_own(&[3]).is_none());
        let own = course.take_own(&[4]).unwrap();
        assert!(own.refused && own.private == 4);
        assert!(course.take_own(&[4]).is_none(), "once");
    }

    #[test]
    fn t14_only_the_newest_refused_proposals_are_remembered_and_only_until_the_chain_moves() {
        let mut course = Plain::default();
        for number in 0..20 {
            course.refuse(proposal(number));
        }
        assert!(course.take_own(&[11]).is_none() && course.take_own(&[12]).is_some());
        course.operation = Some(running(true));
        assert!(course.fail());
        assert!(course.take_own(&[19]).is_none());
        assert!(!course.fail(), "none runs");
    }

    #[test]
    fn t18_a50_after_aborted_operations_newcomers_are_included_later_and_one_by_one() {
        let timing = Timing::default();
        let mut course = Plain::default();
        assert_eq!(course.in_turn(set("bob carol")), set("bob carol"));
        assert!(course.may_include(Time::ZERO));
        let mut tried = Vec::new();
        for times in 1..=MAX_ABORTED {
            assert!(!course.is_stuck());
            assert_eq!(course.abort(true, &timing, NOW), times);
            let again = NOW.after(timing.retry_delay(times));
            assert_eq!(
                course.next_due(&timing, NOW),
                Some(Due::new(DueReason::IncludeAgain, again))
            );
            assert!(!course.may_include(NOW) && course.may_include(again));
            tried.push(course.in_turn(set("bob carol dave")));
        }
        assert!(course.is_stuck());
        assert_eq!(tried, ["bob", "carol", "dave", "bob"].map(set));
        assert!(course.in_turn(MemberSet::new()).is_empty());
        course.operation = Some(running(false));
        assert!(course.succeed().is_some() && course.succeed().is_none());
        assert!(!course.is_stuck() && course.may_include(NOW));
    }

    #[test]
    fn t18_an_aborted_operation_that_includes_nobody_keeps_nobody_waiting() {
        let timing = Timing::default();
        let mut course = Plain::default();
        course.abort(false, &timing, NOW);
        assert!(course.may_include(NOW));
    }

    #[test]
    fn c10_a_member_without_keys_has_some_again_after_an_operation() {
        let mut course = Plain::default();
        course.hold(1);
        course.operation = Some(running(false));
        course.go_without_keys();
        assert!(course.is_keyless() && course.keys.is_none() && course.operation.is_none());
        course.hold(2);
        assert!(!course.is_keyless());
    }

    #[test]
    fn o11_an_operation_has_a_deadline_and_a_failed_proposal_its_rest() {
        let timing = Timing::default();
        let mut course = Plain {
            operation: Some(running(false)),
            ..Plain::default()
        };
        let deadline = running(false).deadline;
        assert_eq!(
            course.next_due(&timing, NOW),
            Some(Due::new(DueReason::EndOperation, deadline))
        );
        course.rest(&timing, NOW);
        let rested = NOW.after(timing.channel_reply());
        assert!(!course.has_rested(NOW) && course.has_rested(rested));
        assert_eq!(
            course.next_due(&timing, NOW),
            Some(Due::new(DueReason::ProposeAgain, rested))
        );
    }
}
