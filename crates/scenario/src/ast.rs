//! What a scenario says, once it is read.

use std::fmt;
use std::time::Duration;

use concilium_core::{Change, MemberId, MemberSet};
use concilium_session::{SessionState, Settings, WarningKind};
use concilium_test_parts::{Cipher, Gka};

use super::EventKind;

/// A scenario, read and checked: every name in it is declared, every keyword known.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The file's name, as messages give it.
    pub file: String,
    /// The members, and the parts and settings of their sessions.
    pub setup: Setup,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// The lines before anything happens.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// The processes, in the order in which they are declared.
    pub members: Vec<MemberId>,
    /// The key agreement, if the file names one.
    pub gka: Option<Gka>,
    /// The cipher, if the file names one.
    pub cipher: Option<Cipher>,
    /// The settings of all sessions.
    pub settings: Settings,
}

/// One command.
#[derive(Clone, Debug)]
pub struct Step {
    /// The line's number, from one.
    pub line: usize,
    /// The line as it stands, without space around it.
    pub text: String,
    /// What it says.
    pub command: Command,
}

/// What a line may say.
#[derive(Clone, Debug)]
pub enum Command {
    /// A member does something.
    Member {
        /// Its name.
        who: MemberId,
        /// What.
        act: Act,
        /// Whether the session is to refuse it.
        refusal: Option<Refusal>,
    },
    /// The channel delivers.
    Deliver {
        /// This many events. None: all that are queued now.
        count: Option<usize>,
        /// To this member alone; none: to everyone.
        to: Option<MemberId>,
    },
    /// The channel delivers until nothing is queued.
    Settle,
    /// Time moves, nothing is delivered.
    Advance(Duration),
    /// Time moves and the channel delivers.
    Run(Duration),
    /// The server misbehaves.
    Server(Fault),
    /// Something must be so.
    Expect(Expectation),
    /// Packets and bytes are counted from here.
    Mark,
}

/// What a member does.
#[derive(Clone, Debug)]
pub enum Act {
    /// Enters the channel and the session.
    Join,
    /// Finishes and leaves.
    Part,
    /// Changes the members, or the keys only.
    Change(Change),
    /// Says something.
    Send(String),
    /// Acknowledges by hand.
    Ack,
    /// Aborts the running operation.
    Abort,
    /// Its process vanishes.
    Crash,
    /// It is out of the channel, without a word.
    Disconnect,
    /// It starts again from its last snapshot.
    Restore,
}

/// How a command is to be refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// In any way.
    Any,
    /// With an error of this kind.
    Kind(String),
}

/// What the server does to the order, or to one member's view of it.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Puts a member out.
    Kick(MemberId),
    /// No more packets from or to a member are lost.
    Heal(MemberId),
    /// Loses this many of the next packets that this member sends.
    DropFrom(usize, MemberId),
    /// Loses this many of the next packets for this member.
    DropTo(usize, MemberId),
    /// Delivers this many of the next events twice.
    Duplicate(usize),
    /// Shows this member the next two events in the other order.
    Swap(MemberId),
    /// Makes up a packet of this member.
    Forge(MemberId, Vec<u8>),
    /// Sends the packet of this number again.
    Replay(usize),
    /// Sends the packet of this number again, with this bit turned.
    Flip(usize, usize),
}

/// What must be so.
#[derive(Clone, Debug)]
pub enum Expectation {
    /// The members of the session, as one member sees them.
    Members(MemberId, MemberSet),
    /// The members of the channel.
    Channel(MemberSet),
    /// The state of a member's session.
    State(MemberId, SessionState),
    /// All bodies in a member's timeline, in order.
    Log(MemberId, Vec<String>),
    /// Some of the bodies in a member's timeline.
    LogHas(MemberId, Vec<String>),
    /// The bodies of a message's parents.
    Parents(MemberId, String, Vec<String>),
    /// All have seen a message, as a member knows.
    Acked(MemberId, String),
    /// These have not seen a message, as far as a member knows.
    Unacked(MemberId, String, MemberSet),
    /// The members that have given a sign of life since this one spoke last.
    Present(MemberId, MemberSet),
    /// The kinds of warning in force.
    Warnings(MemberId, Kinds),
    /// The kinds of warning that there ever were.
    Warned(MemberId, Kinds),
    /// An event occurred to a member since this was last expected.
    Event(MemberId, EventKind),
    /// It did not.
    NoEvent(MemberId, EventKind),
    /// All of these are in one subsession, with one history and one set of keys.
    Same(Vec<MemberId>),
    /// They are not.
    Differ(Vec<MemberId>),
    /// The states that a member ever held open no packet with this body.
    Secret(MemberId, String),
    /// So many packets were sent since the mark.
    Packets(Bound, u64),
    /// So many bytes were sent since the mark.
    Bytes(Bound, u64),
    /// Nothing is queued and nothing is due.
    Quiet,
}

/// Which kinds of warning there must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kinds {
    /// Exactly these; of none, none at all.
    Are(Vec<WarningKind>),
    /// These among them.
    Have(Vec<WarningKind>),
    /// At least one.
    Any,
}

/// How a number compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Smaller.
    Below,
    /// The same.
    Equal,
    /// Greater.
    Above,
}

impl Bound {
    /// Whether `seen` stands so to `limit`.
    #[must_use]
    pub fn holds(self, seen: u64, limit: u64) -> bool {
        match self {
            Self::Below => seen < limit,
            Self::Equal => seen == limit,
            Self::Above => seen > limit,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Below => "<",
            Self::Equal => "=",
            Self::Above => ">",
        })
    }
}

/// A file that is not a scenario: where it stops being one, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {reason}")]
pub struct ParseError {
    /// The file's name.
    pub file: String,
    /// The line's number, from one.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}
