//! The waits and timers of a subsession (rules L-1 to L-8). Pure: time comes with each call, and nothing
//! about time changes what is valid (L-1), only when someone is warned and when something is sent.
//!
//! - [`Timing`]: every wait, derived from broadcast latency and full-ack interval.
//! - [`AckMonitor`]: which messages should be seen by everyone by when.
//! - [`AckTimer`]: when we owe the others an explicit acknowledgement.
//! - [`ResendTimer`]: when a message that not everybody has seen is sent once more.
//! - [`Presence`]: when somebody asks into the silence, and who has given a sign of life.

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
