//! The waits and timers of a subsession (rules L-1 to L-8). Pure: time comes with each call. Time decides
//! when a member is warned and when something is sent, and never what is valid (L-1).
//!
//! - [`Timing`]: every wait, derived from broadcast latency and full-ack interval.
//! - [`AckMonitor`]: by when each message should be seen by all members.
//! - [`AckTimer`]: when we owe the others an explicit acknowledgement.
//! - [`ResendTimer`]: when to send a message again that some members have not seen.
//! - [`Presence`]: when to ask into the silence, and which members have given a sign of life.
//!
//! Ids such as L-2 name rules of the [specification], ids such as A-09 [attacks].
//!
//! [specification]: https://github.com/concilium-rs/concilium/blob/main/docs/spec/liveness.md
//! [attacks]: https://github.com/concilium-rs/concilium/blob/main/docs/security.md

mod ack_timer;
mod deadlines;
mod monitor;
mod presence;
mod resend;
mod timing;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use ack_timer::AckTimer;
pub use monitor::AckMonitor;
pub use presence::Presence;
pub use resend::ResendTimer;
pub use timing::Timing;
