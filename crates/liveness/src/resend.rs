//! When to send a message again that some members have not seen.

use std::collections::BTreeMap;

use concilium_core::{Context, MessageId, Time};
use serde::{Deserialize, Serialize};

use crate::Timing;
use crate::deadlines::Deadlines;

/// When to send again, with the same bytes, messages that are not fully acknowledged (L-3). Each member that
/// holds a message keeps time for it. The first to send it spares the others the trouble, because a sending
/// counts for all members that see it.
///
/// Waits grow exponentially with each sending of a message, and are drawn at random. At most
/// [`ResendTimer::BURST`] messages are due at once.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ResendTimer {
    next: Deadlines,
    /// When each was last sent by any member, as far as we saw, and how often after the first time.
    sent: BTreeMap<MessageId, (Time, u32)>,
    /// Nothing more before this time.
    gate: Time,
}

impl ResendTimer {
    /// The most messages that are due at once: a member that has missed much gets it in portions, the oldest
    /// first.
    pub const BURST: usize = 16;

    /// Keeps time for a message that was sent just now for the first time. A second call changes nothing.
    pub fn watch(&mut self, message: MessageId, timing: &Timing, cx: &mut Context<'_>) {
        if self.next.get(&message).is_none() {
            self.sent.insert(message, (cx.now(), 0));
            self.next.set(message, cx.now().after(timing.resend_delay(0, cx)));
        }
    }

    /// All members have seen the message, or it is no longer of interest.
    pub fn settle(&mut self, message: &MessageId) {
        self.next.remove(message);
        self.sent.remove(message);
    }

    /// A member, perhaps we, has sent the message again: it rests for a while, longer each time.
    pub fn sent_again(&mut self, message: &MessageId, timing: &Timing, cx: &mut Context<'_>) {
        if let Some((at, times)) = self.sent.get_mut(message) {
            // Sendings by several members at once count as one.
            if cx.now() >= at.after(timing.broadcast_latency() * 2) {
                *times = times.saturating_add(1);
            }
            *at = cx.now();
            let next = cx.now().after(timing.resend_delay(*times, cx));
            self.next.set(*message, next);
        }
    }

    /// Whether any member has sent the message again.
    #[must_use]
    pub fn is_sent_again(&self, message: &MessageId) -> bool {
        self.sent.get(message).is_some_and(|(_, times)| *times > 0)
    }

    /// A member that lacks the message has given a sign of life. We try again soon, however long the wait has
    /// become, but not before the shortest wait is over.
    pub fn hasten(&mut self, message: &MessageId, timing: &Timing, cx: &mut Context<'_>) {
        if let (Some((at, times)), Some(due)) = (self.sent.get(message), self.next.get(message)) {
            let soon = cx.now().max(at.after(timing.full_ack() / 2));
            let soon = soon.after(cx.jitter(timing.broadcast_latency(), timing.broadcast_latency() * 4));
            if *times > 0 && soon < due {
                self.next.set(*message, soon);
            }
        }
    }

    /// The messages to send now, the longest due first. The caller reports each sending with
    /// [`sent_again`](Self::sent_again), and then calls [`rest`](Self::rest).
    pub fn due(&self, now: Time) -> impl Iterator<Item = MessageId> + '_ {
        let open = self.gate <= now;
        self.next.due(now).take(Self::BURST).take_while(move |_| open)
    }

    /// Something was sent: the next portion has to wait.
    pub fn rest(&mut self, timing: &Timing, now: Time) {
        self.gate = now.after(timing.broadcast_latency());
    }

    /// When something is to be sent next; never if nothing is.
    #[must_use]
    pub fn next_timeout(&self) -> Time {
        match self.next.first() {
            Time::NEVER => Time::NEVER,
            first => first.max(self.gate),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use concilium_core::{RandomSource, RandomnessError};

    use super::*;

    /// Gives nothing, and so the longest wait, always.
    struct Longest;

    impl RandomSource for Longest {
        fn fill(&mut self, _: &mut [u8]) -> Result<(), RandomnessError> {
            Err(RandomnessError)
        }
    }

    fn id(n: u8) -> MessageId {
        MessageId::from_bytes([n; 32])
    }

    fn timing() -> Timing {
        Timing::new(Duration::from_secs(1), Duration::from_secs(60))
    }

    fn at(timer: &mut ResendTimer, seconds: u64, work: impl FnOnce(&mut ResendTimer, &mut Context<'_>)) {
        work(
            timer,
            &mut Context::new(Time::from_millis(seconds * 1000), &mut Longest),
        );
    }

    fn next(timer: &ResendTimer) -> u64 {
        timer.next_timeout().as_millis() / 1000
    }

    #[test]
    fn l03_waits_grow_with_each_sending_by_anyone() {
        let mut timer = ResendTimer::default();
        at(&mut timer, 0, |timer, cx| timer.watch(id(1), &timing(), cx));
        let mut due = vec![next(&timer)];
        for _ in 0..8 {
            let now = next(&timer);
            assert_eq!(
                timer.due(Time::from_millis(now * 1000)).collect::<Vec<_>>(),
                [id(1)]
            );
            at(&mut timer, now, |timer, cx| {
                timer.sent_again(&id(1), &timing(), cx);
                // The same sending, by a member that was as fast.
                timer.sent_again(&id(1), &timing(), cx);
            });
            due.push(next(&timer));
        }
        let waits: Vec<u64> = due.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(
            (due[0], waits),
            (45, vec![75, 135, 255, 495, 975, 1935, 1935, 1935])
        );
        timer.settle(&id(1));
        assert_eq!(timer, ResendTimer::default());
    }

    #[test]
    fn l03_who_comes_back_is_not_left_waiting() {
        let mut timer = ResendTimer::default();
        at(&mut timer, 0, |timer, cx| timer.watch(id(1), &timing(), cx));
        at(&mut timer, 10, |timer, cx| timer.hasten(&id(1), &timing(), cx));
        assert_eq!(next(&timer), 45, "never sent again yet: nothing is late");
        for now in [45, 120, 210] {
            at(&mut timer, now, |timer, cx| {
                timer.sent_again(&id(1), &timing(), cx)
            });
        }
        assert_eq!(next(&timer), 210 + 255);
        at(&mut timer, 215, |timer, cx| timer.hasten(&id(1), &timing(), cx));
        assert_eq!(
            next(&timer),
            210 + 30 + 4,
            "L-8: not at every word of somebody who lacks it"
        );
    }

    #[test]
    fn l03_l08_what_is_due_at_once_goes_in_portions() {
        let mut timer = ResendTimer::default();
        for n in 0..40 {
            at(&mut timer, 0, |timer, cx| timer.watch(id(n), &timing(), cx));
        }
        let now = Time::from_millis(100_000);
        assert_eq!(timer.due(now).count(), ResendTimer::BURST);
        timer.rest(&timing(), now);
        assert_eq!(timer.due(now).count(), 0);
        assert_eq!(timer.next_timeout(), Time::from_millis(101_000));
        assert_eq!(timer.due(timer.next_timeout()).count(), ResendTimer::BURST);
    }
}
