//! Key agreements for tests: [`Dictator`] is as different from the default as can be, [`Plain`] has nothing
//! secret, and [`Broken`] is any one that breaks one rule, to see that the conformance kit notices.

mod broken;
mod dictator;
mod plain;

pub use broken::{Broken, Violation};
pub use dictator::Dictator;
pub use plain::{Plain, PlainOver, PlainPayload, PlainProposal, PlainState};
