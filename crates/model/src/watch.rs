//! What is noted beside a state: a rule that was broken, and what has happened on the way.

use std::fmt;

/// A rule that the resolver broke in one step.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    /// Which.
    pub rule: Rule,
    /// How.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.what)
    }
}

/// The rules that are tried at each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// First come (O-4).
    FirstCome,
    /// Everyone present (O-6).
    Present,
    /// Proposals that do not include us use their parent up (O-7).
    NotForUs,
    /// Proposals that include us are taken, provisionally (O-8).
    ForUs,
    /// One packet is one step (O-9).
    OnePacket,
    /// Behind an honest channel no member is accused (O-10).
    NoAccusation,
    /// The first end counts, abort or not (O-11).
    FirstEnd,
    /// A leave ends the operation (T-5).
    LeaveEnds,
    /// An excluded member cannot be sure that the operation has failed (T-10).
    PerhapsExcluded,
}

/// Things that must happen somewhere, or the model shows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// An operation with joiners finishes.
    Joined,
    /// An operation of one packet finishes.
    OnePacket,
    /// A proposal comes while an operation runs.
    LostToRunning,
    /// A proposal comes after an operation has used its parent.
    LostToFinished,
    /// A member of M is not there any more when the proposal comes.
    Absent,
    /// A waiting member rejects a proposal whose parent an earlier one has used.
    Remembered,
    /// A proposal does not include a waiting member.
    NotIncluded,
    /// An abort ends an operation.
    Aborted,
    /// An abort comes after another end.
    LateAbort,
    /// A share comes after another end.
    LateShare,
    /// A leave ends an operation.
    Left,
    /// An excluded member sees the operation fail and cannot be sure.
    PerhapsExcluded,
    /// A member has all the others' confirmation of the history that it took on trust.
    Firm,
    /// A confirmation of an earlier operation.
    Older,
    /// A waiting member founds a session, its seniors gone (T-11).
    Founded,
}

/// A set of sights.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sights(u32);

impl Sights {
    /// Whether this was seen.
    #[must_use]
    pub fn has(self, sight: Sight) -> bool {
        self.0 & Self::bit(sight) != 0
    }

    fn add(&mut self, sight: Sight) {
        self.0 |= Self::bit(sight);
    }

    fn bit(sight: Sight) -> u32 {
        match sight {
            Sight::Joined => 1,
            Sight::OnePacket => 1 << 1,
            Sight::LostToRunning => 1 << 2,
            Sight::LostToFinished => 1 << 3,
            Sight::Absent => 1 << 4,
            Sight::Remembered => 1 << 5,
            Sight::NotIncluded => 1 << 6,
            Sight::Aborted => 1 << 7,
            Sight::LateAbort => 1 << 8,
            Sight::LateShare => 1 << 9,
            Sight::Left => 1 << 10,
            Sight::PerhapsExcluded => 1 << 11,
            Sight::Firm => 1 << 12,
            Sight::Older => 1 << 13,
            Sight::Founded => 1 << 14,
        }
    }
}

/// What is noted. It does not distinguish states, except for the fault.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// The first rule that was broken.
    pub fault: Option<Fault>,
    /// What has happened on the way that led here first.
    pub sights: Sights,
}

impl Watch {
    pub(crate) fn saw(&mut self, sight: Sight) {
        self.sights.add(sight);
    }

    /// Notes that `rule` is broken unless `holds`.
    pub(crate) fn demand(&mut self, rule: Rule, holds: bool, what: impl FnOnce() -> String) {
        if !holds && self.fault.is_none() {
            self.fault = Some(Fault { rule, what: what() });
        }
    }

    pub(crate) fn broke(&self, rule: Rule) -> bool {
        self.fault.as_ref().is_some_and(|fault| fault.rule == rule)
    }
}
