//! What a session's owner can choose.

use std::sync::Arc;
use std::time::Duration;

use concilium_liveness::Timing;
use serde::{Deserialize, Serialize};

use crate::policy::{self, Everybody, Policy};

/// Choices of one member. Only the [policy](Self::policy) must be the same for all members of a session. Set
/// them by the methods of the same names, one after the other:
///
/// ```
/// use std::time::Duration;
/// use concilium_session::{Settings, Timing};
///
/// let settings = Settings::default()
///     .auto_include(true)
///     .timing(Timing::new(Duration::from_millis(200), Duration::from_secs(30)))
///     .refresh_after(Duration::from_secs(24 * 60 * 60));
/// assert!(settings.auto_include && !settings.deniable);
/// ```
#[derive(Clone, Debug, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Settings {
    /// Whether we propose to include every newcomer.
    pub auto_include: bool,
    /// Whether we stay in the channel when all others have left.
    pub stay_if_last: bool,
    /// Whether we take part in reunions: leave the channel and come back.
    pub reunite: bool,
    /// The figures that all waits derive from.
    pub timing: Timing,
    /// How often a proposal for one action is made.
    pub max_proposals: u32,
    /// Whether we publish our signing key when we part.
    pub deniable: bool,
    /// How old our contribution to the keys may become.
    pub refresh_after: Option<Duration>,
    /// What each member may propose. Stored settings with another policy than the default are refused when
    /// they are loaded.
    #[serde(with = "policy::by_name")]
    pub policy: Arc<dyn Policy>,
}

impl Settings {
    /// Whether to propose the inclusion of each member that enters the channel (T-1). Default: off.
    #[must_use]
    pub fn auto_include(mut self, on: bool) -> Self {
        self.auto_include = on;
        self
    }

    /// Whether to stay in the channel when all others have left it (T-13). Default: off.
    #[must_use]
    pub fn stay_if_last(mut self, on: bool) -> Self {
        self.stay_if_last = on;
        self
    }

    /// Whether to leave the channel and come back by ourselves (T-17): when stray members outnumber us, when
    /// we hold no keys, or when we have been without company for long. If off, that is for the owner to do.
    /// Default: on.
    #[must_use]
    pub fn reunite(mut self, on: bool) -> Self {
        self.reunite = on;
        self
    }

    /// The broadcast latency and the full-ack interval, from which all waits derive (L-7). Default: one
    /// second and one minute. Members whose figures differ warn of delays that are none.
    #[must_use]
    pub fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// The most proposals for one action of ours, while they lose to others and the action still makes sense
    /// (T-14). Default: 8.
    #[must_use]
    pub fn max_proposals(mut self, times: u32) -> Self {
        self.max_proposals = times;
        self
    }

    /// Whether to publish our old signing key when we part and all have our finish, so that transcripts prove
    /// nothing about us to outsiders (M-9). Parting takes longer then. Messages of others stay provable
    /// unless they do the same. Default: off.
    #[must_use]
    pub fn deniable(mut self, on: bool) -> Self {
        self.deniable = on;
        self
    }

    /// Ask for a key refresh when our contribution to the keys is the oldest, and older than this (C-11).
    /// Default: never.
    #[must_use]
    pub fn refresh_after(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.refresh_after = age.into();
        self
    }

    /// What each member may propose (O-12). It must be **the same for all members**, or the session splits.
    /// Default: [`Everybody`], every member everything.
    #[must_use]
    pub fn policy(mut self, policy: impl Policy + 'static) -> Self {
        self.policy = Arc::new(policy);
        self
    }
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
