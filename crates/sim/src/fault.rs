//! The kinds of fault that a run can have, and what each still leaves to be demanded.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Processes vanish, and start again from a snapshot, the newest or an older one.
    Crash,
    /// Processes start again in place from their last snapshots, before the channel notices.
    Restart,
    /// Processes lose their connection.
    Disconnect,
    /// The server puts members out for no reason.
    Kick,
    /// Processes stand still for a while.
    Stall,
    /// Clocks jump, and run too fast or too slow.
    Clock,
    /// What is for one member takes longer than the broadcast latency.
    Delay,
    /// Packets are lost for all.
    Lose,
    /// Messages are lost for one reader.
    Withhold,
    /// Packets come twice, for all.
    Duplicate,
    /// Old packets come again, for all.
    Replay,
    /// Made-up packets.
    Forge,
    /// Packets come again with a bit turned.
    Flip,
    /// Any packets are lost for one member, those of operations too.
    Drop,
    /// One member sees packets in another order than the others.
    Reorder,
    /// Two parts of the group do not hear each other for a while.
    Partition,
    /// The server tells a member of enters and leaves that did not happen.
    Lie,
    /// A member changes the bytes of its packets before they leave, or signs something false
    /// ([`Lie`](crate::Lie)).
    Insider,
    /// A member writes two messages after the same one, and the server shows each to other members.
    Fork,
}

/// How far a kind of fault goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// The channel is honest and in time: there may be no warning at all (T-16).
    Members,
    /// The channel is honest but late, or a member is: a member may be warned of as missing, but none is
    /// accused.
    Time,
    /// The server meddles, and all see the same operations in the same order: members come together without
    /// leaving by hand.
    Packets,
    /// Members see different orders: they may be parted, but not unnoticed.
    Order,
    /// A member lies: the others may be parted from it, but not unnoticed.
    Insider,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Self; 19] = [
        Self::Crash,
        Self::Restart,
        Self::Disconnect,
        Self::Kick,
        Self::Stall,
        Self::Clock,
        Self::Delay,
        Self::Lose,
        Self::Withhold,
        Self::Duplicate,
        Self::Replay,
        Self::Forge,
        Self::Flip,
        Self::Drop,
        Self::Reorder,
        Self::Partition,
        Self::Lie,
        Self::Insider,
        Self::Fork,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Restart => "restart",
            Self::Disconnect => "disconnect",
            Self::Kick => "kick",
            Self::Stall => "stall",
            Self::Clock => "clock",
            Self::Delay => "delay",
            Self::Lose => "lose",
            Self::Withhold => "withhold",
            Self::Duplicate => "duplicate",
            Self::Replay => "replay",
            Self::Forge => "forge",
            Self::Flip => "flip",
            Self::Drop => "drop",
            Self::Reorder => "reorder",
            Self::Partition => "partition",
            Self::Lie => "lie",
            Self::Insider => "insider",
            Self::Fork => "fork",
        }
    }

    /// How far it goes.
    #[must_use]
    pub fn reach(self) -> Reach {
        match self {
            Self::Crash | Self::Restart | Self::Disconnect | Self::Kick => Reach::Members,
            Self::Stall | Self::Clock | Self::Delay => Reach::Time,
            Self::Lose | Self::Withhold | Self::Duplicate | Self::Replay | Self::Forge | Self::Flip => {
                Reach::Packets
            }
            Self::Drop | Self::Reorder | Self::Partition | Self::Lie => Reach::Order,
            Self::Insider | Self::Fork => Reach::Insider,
        }
    }
}

/// A set of kinds of fault: `none`, `all`, or names with commas between them.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Faults(pub BTreeSet<Fault>);

impl Faults {
    /// All kinds.
    #[must_use]
    pub fn all() -> Self {
        Self(Fault::ALL.into_iter().collect())
    }

    /// No fault at all: everyone is honest, and everything arrives in time.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// How far the worst of them goes.
    #[must_use]
    pub fn reach(&self) -> Reach {
        let worst = self.0.iter().map(|fault| fault.reach()).max();
        worst.unwrap_or(Reach::Members)
    }

    /// Whether this kind is among them.
    #[must_use]
    pub fn contains(&self, fault: Fault) -> bool {
        self.0.contains(&fault)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        let words: Vec<_> = self.0.iter().map(|fault| fault.word()).collect();
        f.write_str(&words.join(","))
    }
}

/// The text names no set of faults.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no fault `{0}`; write none, all, or some of: {list}", list = Faults::all())]
pub struct UnknownFault(String);

impl FromStr for Faults {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        match text {
            "none" => Ok(Self::none()),
            "all" => Ok(Self::all()),
            names => names
                .split(',')
                .map(|name| {
                    let known = Fault::ALL.into_iter().find(|fault| fault.word() == name);
                    known.ok_or_else(|| UnknownFault(name.to_owned()))
                })
                .collect::<Result<_, _>>()
                .map(Self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_written_as_they_are_read() {
        for text in ["none", "crash,drop", "fork"] {
            assert_eq!(text.parse::<Faults>().unwrap().to_string(), text);
        }
        assert_eq!("all".parse::<Faults>().unwrap().0.len(), Fault::ALL.len());
        assert!(
            "crahs"
                .parse::<Faults>()
                .unwrap_err()
                .to_string()
                .contains("crash")
        );
    }
}
