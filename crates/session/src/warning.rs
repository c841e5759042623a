//! Warnings: states, not moments. They are raised, listed and cleared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use concilium_core::{MemberId, MemberSet, MessageId, SubsessionId};
use serde::{Deserialize, Serialize};

/// What kind of thing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum WarningKind {
    /// A message has not been acknowledged by everyone in time (L-1).
    NotFullyAcked,
    /// A message waits for parents that do not come (G-1).
    MissingParents,
    /// A packet of a member cannot be read with any key that we hold (M-2).
    NotDecryptable,
    /// A member has not confirmed the chain of operations in time (O-10).
    ChainUnconfirmed,
    /// A member has accepted other operations than we have (O-10).
    InconsistentHistory,
    /// A member gives no sign of life (L-5).
    MemberAbsent,
    /// A member has written two messages after the same one of its own (G-3).
    AuthorFork,
    /// A member made a message that no honest member makes.
    BadMessage,
    /// An operation gave us, or another member says it gave it, a key that is not the group's (C-10). About
    /// the member that gave it to us, if known, or the member that says so. It proves nothing against either.
    BadShare,
    /// A finish was not acknowledged by everyone in time (L-6).
    FinishTimeout,
    /// Our proposals are refused, or operations aborted, again and again.
    ProposalStarved,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Severity {
    /// Something is late or lost: a bad line, a machine that sleeps, or an attacker that holds it back.
    Delivery,
    /// A member or the server does what no honest one does. Do not rely on this session before it is cleared
    /// up.
    Security,
}

impl WarningKind {
    /// How bad this kind is.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::NotFullyAcked
            | Self::MissingParents
            | Self::NotDecryptable
            | Self::ChainUnconfirmed
            | Self::MemberAbsent
            | Self::FinishTimeout
            | Self::ProposalStarved => Severity::Delivery,
            Self::InconsistentHistory | Self::AuthorFork | Self::BadMessage | Self::BadShare => {
                Severity::Security
            }
        }
    }

    /// The kind's name, as scenarios and scripts write it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NotFullyAcked => "not-fully-acked",
            Self::MissingParents => "missing-parents",
            Self::NotDecryptable => "not-decryptable",
            Self::ChainUnconfirmed => "chain-unconfirmed",
            Self::InconsistentHistory => "inconsistent-history",
            Self::MemberAbsent => "member-absent",
            Self::AuthorFork => "author-fork",
            Self::BadMessage => "bad-message",
            Self::BadShare => "bad-share",
            Self::FinishTimeout => "finish-timeout",
            Self::ProposalStarved => "proposal-starved",
        }
    }

    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::NotFullyAcked,
        Self::MissingParents,
        Self::NotDecryptable,
        Self::ChainUnconfirmed,
        Self::InconsistentHistory,
        Self::MemberAbsent,
        Self::AuthorFork,
        Self::BadMessage,
        Self::BadShare,
        Self::FinishTimeout,
        Self::ProposalStarved,
    ];
}

/// Something is wrong now, or was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Warning {
    /// What kind of thing.
    pub kind: WarningKind,
    /// The members that it is about, as far as known: those that are missing, or the culprits.
    pub members: MemberSet,
    /// The message that it is about, if any.
    pub message: Option<MessageId>,
    /// The subsession that it is about, if any.
    pub subsession: Option<SubsessionId>,
}

/// One line for a screen.
impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who: &dyn fmt::Display = if self.members.is_empty() {
            &"someone"
        } else {
            &self.members
        };
        match self.kind {
            WarningKind::NotFullyAcked => write!(f, "a message has not been seen by {who}"),
            WarningKind::MissingParents => {
                write!(f, "a message of {who} answers messages that are missing here")
            }
            WarningKind::NotDecryptable => write!(f, "a packet of {who} cannot be decrypted"),
            WarningKind::ChainUnconfirmed => write!(f, "{who} has not confirmed who is in the session"),
            WarningKind::InconsistentHistory => {
                write!(f, "{who} has seen another history of members than we have")
            }
            WarningKind::MemberAbsent => write!(f, "{who} gives no sign of life"),
            WarningKind::AuthorFork => write!(f, "{who} has told different members different things"),
            WarningKind::BadMessage => write!(f, "{who} sent a message that no honest member sends"),
            WarningKind::BadShare => {
                write!(
                    f,
                    "the keys of an operation do not agree: {who} gave them out, or got them and says so"
                )
            }
            WarningKind::FinishTimeout => write!(f, "the end of a subsession was not seen by {who}"),
            WarningKind::ProposalStarved => write!(f, "no change of members or keys gets through"),
        }
    }
}

/// What a warning is about: two warnings with the same subject are one.
type Subject = (
    WarningKind,
    Option<SubsessionId>,
    Option<MessageId>,
    Option<MemberId>,
);

/// The warnings in force, and which kinds there ever were.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Warnings {
    in_force: BTreeMap<Subject, Warning>,
    ever: BTreeSet<WarningKind>,
}

/// More warnings at once are of no help; the oldest subjects stay.
const MAX_WARNINGS: usize = 1024;

impl Warnings {
    /// The warnings in force.
    pub fn iter(&self) -> impl Iterator<Item = &Warning> {
        self.in_force.values()
    }

    /// Whether none is in force.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.in_force.is_empty()
    }

    /// The kinds of warning that there ever were in this session, cleared ones included.
    #[must_use]
    pub fn ever(&self) -> &BTreeSet<WarningKind> {
        &self.ever
    }

    /// Raises a warning; says whether it is new, or about other members than before.
    pub(crate) fn raise(&mut self, warning: Warning) -> bool {
        let subject = Self::subject(&warning);
        if !self.in_force.contains_key(&subject) && self.in_force.len() >= MAX_WARNINGS {
            return false;
        }
        self.ever.insert(warning.kind);
        self.in_force.insert(subject, warning.clone()) != Some(warning)
    }

    /// Takes out the warnings that `gone` holds true for.
    pub(crate) fn clear(&mut self, gone: impl Fn(&Warning) -> bool) -> Vec<Warning> {
        self.in_force
            .extract_if(.., |_, warning| gone(warning))
            .map(|(_, warning)| warning)
            .collect()
    }

    /// A message has one warning for all missing members; other warnings are one per member.
    fn subject(warning: &Warning) -> Subject {
        let member = if warning.message.is_some() {
            None
        } else {
            warning.members.first().cloned()
        };
        (warning.kind, warning.subsession, warning.message, member)
    }
}
