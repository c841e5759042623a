//! What a session's owner can choose.

use std::time::Duration;

use concilium_liveness::Timing;
use serde::{Deserialize, Serialize};

/// Choices that members of one session need not share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Settings {
    /// Propose to include whoever enters the channel (T-1). Off by default.
    pub auto_include: bool,
    /// Stay in the channel when everybody else has left (T-13). Off by default.
    pub stay_if_last: bool,
    /// The figures that all waits derive from (L-7).
    pub timing: Timing,
    /// How often a proposal of ours that lost a race is made again while it still makes sense (T-14).
    pub max_proposals: u32,
    /// Parting, publish our signing key of the subsession when everybody has our finish, so that whoever has the group's
    /// keys can write what we wrote, and nobody can prove that we did (M-9). Off by default: it makes parting longer, and
    /// what others wrote stays provable unless they do the same.
    pub deniable: bool,
    /// Ask for a key refresh when our contribution to the keys is the oldest, and older than this (C-11).
    pub refresh_after: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            auto_include: false,
            stay_if_last: false,
            timing: Timing::default(),
            max_proposals: 8,
            deniable: false,
            refresh_after: None,
        }
    }
}
