//! The waits and timers of a subsession (rules L-1, L-2, L-6, L-7). Pure: time comes with each call, and nothing
//! about time changes what is valid (L-1), only when someone is warned and when something is sent.
//!
//! - [`Timing`]: every wait, derived from broadcast latency and full-ack interval.
//! - [`AckMonitor`]: which messages should be seen by everyone by when.
//! - [`AckTimer`]: when we owe the others an explicit acknowledgement.

mod ack_timer;
mod monitor;
mod timing;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use ack_timer::AckTimer;
pub use monitor::AckMonitor;
pub use timing::Timing;
