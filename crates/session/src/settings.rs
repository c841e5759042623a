//! What a session's owner can choose.

use std::sync::Arc;
use std::time::Duration;

use concilium_liveness::Timing;
use serde::{Deserialize, Serialize};

use crate::policy::{self, Everybody, Policy};

/// Choices that members of one session need not share, but for the [policy](Self::policy).
#[derive(Clone, Debug, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Settings {
    /// Propose to include whoever enters the channel (T-1). Off by default.
    pub auto_include: bool,
    /// Stay in the channel when everybody else has left (T-13). Off by default.
    pub stay_if_last: bool,
    /// Leave the channel and enter it again when others in it have shown for a while that they are in another session and we
    /// are the fewer, when we are left without keys, or when we have been with nobody for long (T-17). On by default: nobody
    /// has to find out by hand why they do not hear each other. Off, it is for the owner to do.
    pub reunite: bool,
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
    /// Who may propose what (O-12): **the same for all members**. Everybody may do everything by default. Of stored
    /// settings only the default comes back; others are refused rather than dropped.
    #[serde(with = "policy::by_name")]
    pub policy: Arc<dyn Policy>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            auto_include: false,
            stay_if_last: false,
            reunite: true,
            timing: Timing::default(),
            max_proposals: 8,
            deniable: false,
            refresh_after: None,
            policy: Arc::new(Everybody),
        }
    }
}

/// Field by field, policies by their names. (What could be derived moves the policy.)
impl PartialEq for Settings {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            auto_include,
            stay_if_last,
            reunite,
            timing,
            max_proposals,
            deniable,
            refresh_after,
            policy,
        } = self;
        *auto_include == other.auto_include
            && *stay_if_last == other.stay_if_last
            && *reunite == other.reunite
            && *timing == other.timing
            && *max_proposals == other.max_proposals
            && *deniable == other.deniable
            && *refresh_after == other.refresh_after
            && **policy == *other.policy
    }
}
