//! Every wait, from two figures.

use std::time::Duration;

use concilium_core::Context;
use serde::{Deserialize, Serialize};

/// The two figures that all waits derive from (L-7): how long a packet takes to reach everyone in the
/// channel, and how long a message may take to be seen and acknowledged by all.
///
/// Stored figures pass through [`Timing::new`] as well. [`wire::decode`](concilium_core::wire::decode)
/// refuses those that it would change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct Timing {
    broadcast_latency: Duration,
    full_ack: Duration,
}

/// The figures as they are stored, whatever they are.
#[derive(Deserialize)]
struct Stored {
    broadcast_latency: Duration,
    full_ack: Duration,
}

impl From<Stored> for Timing {
    fn from(stored: Stored) -> Self {
        Self::new(stored.broadcast_latency, stored.full_ack)
    }
}

impl Default for Timing {
    /// One second and one minute: people on ordinary networks.
    fn default() -> Self {
        Self::new(Duration::from_secs(1), Duration::from_secs(60))
    }
}

impl Timing {
    /// The shortest full-ack interval, in broadcast latencies: a message on its way, an acknowledgement held
    /// back for a while, and its way back must fit in.
    const MIN_FULL_ACK: u32 = 8;

    /// Waits that double each time stop growing at 64 times the first.
    const MAX_DOUBLINGS: u32 = 6;

    /// The longest figure: a year. No wait needs to be longer, and multiples of it still fit into a duration.
    const MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

    /// Takes the two figures, each limited to between a millisecond and a year. Honest members could not meet
    /// a full-ack interval shorter than eight latencies: it is lengthened to that.
    #[must_use]
    pub fn new(broadcast_latency: Duration, full_ack: Duration) -> Self {
        let broadcast_latency = broadcast_latency.clamp(Duration::from_millis(1), Self::MAX);
        let full_ack = full_ack
            .min(Self::MAX)
            .max(broadcast_latency * Self::MIN_FULL_ACK);
        Self {
            broadcast_latency,
            full_ack,
        }
    }

    /// The wait after this many doublings, at most 64 times as long.
    fn doubled(wait: Duration, times: u32) -> Duration {
        wait.saturating_mul(1 << times.min(Self::MAX_DOUBLINGS))
    }

    /// How long a packet may take to reach everyone.
    #[must_use]
    pub fn broadcast_latency(&self) -> Duration {
        self.broadcast_latency
    }

    /// How long a message may take to be acknowledged by everyone; later is a warning (L-1).
    #[must_use]
    pub fn full_ack(&self) -> Duration {
        self.full_ack
    }

    /// How long an explicit acknowledgement is held back, in the hope of a message that carries it (L-2):
    /// a quarter of the interval at most, spread so that members do not all speak at once.
    pub fn ack_delay(&self, cx: &mut Context<'_>) -> Duration {
        cx.jitter(self.full_ack / 8, self.full_ack / 4)
    }

    /// How long a message rests before it is sent again, if it is not fully acknowledged (L-3). `times` says
    /// how often it was sent again already. The first wait leaves room for acknowledgements that are held
    /// back. Each later one is twice as long, at most 64 times the first. Waits are random, so that not all
    /// holders send at once.
    pub fn resend_delay(&self, times: u32, cx: &mut Context<'_>) -> Duration {
        let base = self.full_ack / 2;
        let delay = Self::doubled(base, times);
        cx.jitter(delay, delay.saturating_add(base / 2))
    }

    /// How long the session is silent before a member asks who is there (L-5). Random, so that mostly one
    /// member asks and the others answer.
    pub fn heartbeat(&self, cx: &mut Context<'_>) -> Duration {
        cx.jitter(self.full_ack * 8, self.full_ack * 9)
    }

    /// A silent member that owes an answer counts as absent (L-5) this long after the full-ack interval.
    #[must_use]
    pub fn absence(&self) -> Duration {
        self.full_ack
    }

    /// When a member with nothing to say confirms the chain all the same (O-10). By then another member's
    /// confirmation would have called forth an answer that carries ours.
    pub fn confirmation_delay(&self, cx: &mut Context<'_>) -> Duration {
        cx.jitter(self.full_ack / 8, self.full_ack / 2)
    }

    /// By when every member has confirmed the chain (O-10); later is a warning.
    #[must_use]
    pub fn confirmation_deadline(&self) -> Duration {
        self.full_ack + self.broadcast_latency * 2
    }

    /// How long messages of a past subsession are still accepted (M-1).
    #[must_use]
    pub fn linger(&self) -> Duration {
        self.full_ack + self.broadcast_latency * 2
    }

    /// How long a finish may take to be fully acknowledged: longer than other messages (L-6).
    #[must_use]
    pub fn finish(&self) -> Duration {
        self.full_ack * 2
    }

    /// How long a packet waits for what it depends on, while we cannot read it (M-2, G-1).
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.full_ack
    }

    /// How long we wait for the channel to act upon a request of ours, and for the echo of a packet.
    #[must_use]
    pub fn channel_reply(&self) -> Duration {
        self.broadcast_latency * 8
    }

    /// How long we wait before we include a waiting member by duty again, after `aborted` operations in a row
    /// were aborted. First the time of a channel's reply, then twice as long each time, at most 64 times.
    #[must_use]
    pub fn retry_delay(&self, aborted: u32) -> Duration {
        Self::doubled(self.channel_reply(), aborted.saturating_sub(1))
    }

    /// How long a waiting member waits before it announces itself again (K-14), after `times` announcements.
    /// First the full-ack interval, then twice as long each time, at most 64 times.
    #[must_use]
    pub fn announcement_delay(&self, times: u32) -> Duration {
        Self::doubled(self.full_ack, times)
    }

    /// How long an operation of `members` members may run before we abort it (O-11). In the worst case
    /// members answer one after the other. Random, so that not all abort at once.
    pub fn operation_deadline(&self, members: usize, cx: &mut Context<'_>) -> Duration {
        let rounds = u32::try_from(members).unwrap_or(u32::MAX).saturating_add(8);
        let deadline = self.broadcast_latency.saturating_mul(rounds.saturating_mul(2));
        cx.jitter(deadline, deadline.saturating_mul(2))
    }

    /// How long the member of this rank waits before it does a duty that all members have. The first acts at
    /// once, the others only if nothing has come of it.
    #[must_use]
    pub fn turn(&self, rank: usize) -> Duration {
        self.broadcast_latency
            .saturating_mul(u32::try_from(rank).unwrap_or(u32::MAX).saturating_mul(3))
    }

    /// How long a member that was kicked while joining waits before it enters again (T-12).
    pub fn rejoin_delay(&self, cx: &mut Context<'_>) -> Duration {
        cx.jitter(self.broadcast_latency * 4, self.broadcast_latency * 16)
    }

    /// How long a stray member has to show that it is with us after all, before either side leaves (T-17).
    /// Long enough for a lost answer to be sent again. Twice as long after each reunion, at most 64 times.
    /// Random, so that not all members leave at once.
    pub fn reunion_delay(&self, times: u32, cx: &mut Context<'_>) -> Duration {
        let delay = Self::doubled(self.full_ack, times);
        cx.jitter(delay.saturating_mul(2), delay.saturating_mul(3))
    }

    /// How long a member without company may hear nobody before it leaves and comes back (T-17), after
    /// `times` reunions. Longer than an idle session is silent (L-5). If it does hear others, it waits twice
    /// as long.
    #[must_use]
    pub fn silence(&self, times: u32) -> Duration {
        Self::doubled(self.full_ack * 10, times)
    }

    /// How long we keep trying to join (T-12), and how long a waiting member may announce nothing (T-18).
    #[must_use]
    pub fn join_deadline(&self) -> Duration {
        self.full_ack * 10
    }

    /// How long a perhaps excluded member waits before it leaves the channel by itself (T-10).
    #[must_use]
    pub fn excluded_departure(&self) -> Duration {
        self.full_ack * 4
    }
}

#[cfg(test)]
mod tests {
    use concilium_core::wire;

    use super::*;

    #[test]
    fn l07_every_wait_derives_from_the_two_figures() {
        let one = Timing::new(Duration::from_secs(1), Duration::from_secs(60));
        let two = Timing::new(Duration::from_secs(2), Duration::from_secs(120));
        let waits = |timing: &Timing| {
            let t = *timing;
            [
                t.confirmation_deadline(),
                t.linger(),
                t.finish(),
                t.patience(),
                t.channel_reply(),
                t.turn(3),
            ]
        };
        for (one, two) in waits(&one).into_iter().zip(waits(&two)) {
            assert_eq!(one * 2, two);
        }
    }

    #[test]
    fn a_full_ack_interval_that_nobody_can_meet_is_lengthened() {
        let timing = Timing::new(Duration::from_secs(1), Duration::ZERO);
        assert_eq!(timing.full_ack(), Duration::from_secs(8));
    }

    #[test]
    fn l07_stored_figures_are_held_to_the_bounds_of_others() {
        let read = |figures: [Duration; 2]| {
            let bytes = wire::encode(&figures);
            wire::decode::<Timing>(&bytes, bytes.len()).ok()
        };
        let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        assert_eq!(read([second, minute]), Some(Timing::new(second, minute)));
        assert_eq!(read([Duration::MAX; 2]), None, "too long");
        assert_eq!(read([minute; 2]), None, "honest members cannot meet it");
        assert_eq!(read([Duration::ZERO, minute]), None, "too short");
    }

    #[test]
    fn no_number_of_members_overflows() {
        struct Fixed;
        impl concilium_core::RandomSource for Fixed {
            fn fill(&mut self, bytes: &mut [u8]) -> Result<(), concilium_core::RandomnessError> {
                bytes.fill(3);
                Ok(())
            }
        }
        let timing = Timing::new(Duration::MAX, Duration::MAX);
        let mut source = Fixed;
        let mut cx = Context::new(concilium_core::Time::ZERO, &mut source);
        assert!(timing.turn(usize::MAX) >= timing.turn(2));
        assert!(timing.operation_deadline(usize::MAX, &mut cx) >= timing.operation_deadline(2, &mut cx));
        assert!(timing.join_deadline() > timing.finish());
    }
}
