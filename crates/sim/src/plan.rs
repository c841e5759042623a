//! The plan of a run. Everything that happens in a run follows from its plan, and the plan from the seed and
//! the wishes.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::dice::Dice;
use crate::{Fault, Faults, Lie};

/// What the caller wants of a run; the seed decides the rest.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// How many members; none: as the seed wants, 2 to 6.
    pub members: Option<usize>,
    /// How many commands of members are planned.
    pub steps: usize,
    /// The kinds of fault that may be; the seed chooses some of them.
    pub faults: Faults,
    /// Whether all of these kinds occur, without asking the seed.
    pub all_faults: bool,
    /// Whether members include every newcomer. None: as the seed wants.
    pub auto_include: Option<bool>,
    /// The policy. None: as the seed wants.
    pub policy: Option<Rules>,
    /// Whether everyone publishes its signing key on parting (M-9); none: as the seed wants.
    pub deniable: Option<bool>,
    /// The numbers of the planned steps that are carried out; none: all.
    pub keep: Option<BTreeSet<usize>>,
}

impl Default for Wishes {
    fn default() -> Self {
        Self {
            members: None,
            steps: 40,
            faults: Faults::all(),
            all_faults: false,
            auto_include: None,
            policy: None,
            deniable: None,
            keep: None,
        }
    }
}

/// The policy of a run (O-12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// Every member may propose everything.
    Everybody,
    /// Some members, whom the seed chooses, include and exclude.
    Moderators,
}

impl Rules {
    /// Their name on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Everybody => "everybody",
            Self::Moderators => "moderators",
        }
    }
}

/// There are no rules of this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write everybody or moderators")]
pub struct UnknownRules;

impl FromStr for Rules {
    type Err = UnknownRules;

    fn from_str(text: &str) -> Result<Self, UnknownRules> {
        let mut known = [Self::Everybody, Self::Moderators].into_iter();
        known.find(|rules| rules.word() == text).ok_or(UnknownRules)
    }
}

/// A member, by its number.
pub type Who = usize;

/// The plan of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed that it follows from.
    pub seed: u64,
    /// How many members there are.
    pub members: usize,
    /// How many commands were planned.
    pub commands: usize,
    /// The kinds of fault in it.
    pub faults: Faults,
    /// Whether members include every newcomer (T-1).
    pub auto_include: bool,
    /// The moderators (O-12). Empty if every member may include and exclude.
    pub moderators: BTreeSet<Who>,
    /// Whether everyone publishes its signing key on parting (M-9).
    pub deniable: bool,
    /// Whether the last member stays (T-13).
    pub stay_if_last: bool,
    /// The broadcast latency.
    pub latency: Duration,
    /// The full-ack interval, in broadcast latencies.
    pub full_ack: u32,
    /// How slow an honest delivery may be, in percent of the broadcast latency.
    pub slowness: u64,
    /// When the safety phase ends.
    pub end: Duration,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// The numbers of the steps that are carried out, if not all.
    pub keep: Option<BTreeSet<usize>>,
}

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When, from the beginning of the run.
    pub at: Duration,
    /// To whom.
    pub who: Who,
    /// What.
    pub act: Act,
    /// The kind of fault that it is part of, or none for an honest command.
    pub fault: Option<Fault>,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each says what it is by its name and fields")]
pub enum Act {
    Join,
    Part,
    Send {
        bytes: usize,
    },
    Ack,
    Change {
        include: Vec<Who>,
        exclude: Vec<Who>,
    },
    Abort,
    /// Starts again `age` saved states before the newest, after `millis`.
    Crash {
        millis: u64,
        age: usize,
    },
    Restart,
    Disconnect,
    Kick,
    Stall {
        millis: u64,
    },
    Jump {
        millis: i64,
    },
    Rate {
        permille: u64,
    },
    Delay {
        extra: u64,
        millis: u64,
    },
    Lose {
        packets: usize,
    },
    /// Loses packets for this member: messages only, or all.
    Miss {
        packets: usize,
        messages_only: bool,
    },
    /// Twice for all, or twice for this member.
    Duplicate {
        alone: bool,
    },
    /// The packet that stands at this fraction (in 65536ths) of those so far comes again, perhaps with a bit
    /// turned.
    Replay {
        place: u64,
        flip: Option<u64>,
    },
    Forge {
        kind: u8,
        bytes: usize,
    },
    /// The next event for this member comes after this many others.
    Reorder {
        places: usize,
    },
    /// These with the member on one side, all others on the other.
    Partition {
        with: Vec<Who>,
        millis: u64,
        how: Split,
    },
    /// The member is told that this other one left, or entered; or all members are, at one place of the
    /// order.
    Lie {
        about: Who,
        enters: bool,
        to_all: bool,
    },
    /// So many packets of this member leave with other bytes than it gave them.
    Mutate {
        packets: usize,
    },
    /// Lies under its own keys, and forgets it, or believes that it said what its session had it say.
    Perjure {
        lie: Lie,
        believes: bool,
    },
    /// Says something twice, from one state.
    Fork,
}

/// How two parts of a group do not hear each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// What one says reaches the other at the end.
    Held,
    /// It never does.
    Lost,
    /// It never does, and each is told that the other left, and came back at the end.
    Net,
}

impl Plan {
    /// The plan of this seed under these wishes.
    #[must_use]
    pub fn new(seed: u64, wishes: &Wishes) -> Self {
        let mut dice = Dice::new(seed, "settings");
        let by_seed = dice.between(2, 6) as usize;
        let latency = dice.between(200, 2_000);
        let mut plan = Self {
            seed,
            members: wishes.members.unwrap_or(by_seed).max(1),
            commands: wishes.steps,
            faults: choose(seed, wishes),
            auto_include: {
                let by_seed = dice.percent(60);
                wishes.auto_include.unwrap_or(by_seed)
            },
            moderators: BTreeSet::new(),
            deniable: {
                let by_seed = Dice::new(seed, "deniable").percent(30);
                wishes.deniable.unwrap_or(by_seed)
            },
            stay_if_last: dice.percent(50),
            latency: Duration::from_millis(latency),
            full_ack: [8, 16, 60][dice.index(3)],
            slowness: [5, 40, 90][dice.index(3)],
            end: Duration::ZERO,
            steps: Vec::new(),
            keep: wishes.keep.clone(),
        };
        plan.moderators = moderators(seed, plan.members, wishes.policy);
        plan.end = plan.latency * (dice.between(1, 6) * (wishes.steps as u64 + 8)) as u32;
        plan.plan_commands();
        for fault in plan.faults.0.clone() {
            plan.plan_fault(fault);
        }
        plan.steps.sort_by_key(|step| step.at);
        plan
    }

    /// The steps that are carried out, with their numbers.
    pub fn kept(&self) -> impl Iterator<Item = (usize, &Step)> {
        let keep = self.keep.as_ref();
        self.steps
            .iter()
            .enumerate()
            .filter(move |(number, _)| keep.is_none_or(|keep| keep.contains(number)))
    }

    /// The worst that is in the steps that are carried out.
    #[must_use]
    pub fn faults_kept(&self) -> Faults {
        Faults(self.kept().filter_map(|(_, step)| step.fault).collect())
    }

    fn add(&mut self, at: Duration, who: Who, act: Act, fault: Option<Fault>) {
        self.steps.push(Step { at, who, act, fault });
    }

    fn moment(&self, dice: &mut Dice) -> Duration {
        Duration::from_millis(dice.below(self.end.as_millis() as u64))
    }

    fn plan_commands(&mut self) {
        let mut dice = Dice::new(self.seed, "commands");
        let latency = self.latency.as_millis() as u64;
        for who in 0..self.members {
            if dice.percent(85) {
                let at = Duration::from_millis(dice.below(latency * 8));
                self.add(at, who, Act::Join, None);
            }
        }
        let mut at = Duration::ZERO;
        for _ in 0..self.commands {
            // Mostly in bursts: what happens at once is what goes wrong.
            if dice.percent(40) {
                at = self.moment(&mut dice);
            } else {
                at += Duration::from_millis(dice.below(latency));
            }
            let who = dice.index(self.members);
            let act = self.command(&mut dice);
            self.add(at.min(self.end), who, act, None);
        }
    }

    fn command(&self, dice: &mut Dice) -> Act {
        let some = |dice: &mut Dice| (0..self.members).filter(|_| dice.percent(40)).collect::<Vec<_>>();
        match dice.below(100) {
            0..40 => Act::Send {
                bytes: if dice.percent(95) { 0 } else { dice.index(2_000) },
            },
            40..45 => Act::Ack,
            45..57 => Act::Join,
            57..75 => Act::Change {
                include: some(dice),
                exclude: Vec::new(),
            },
            75..81 => Act::Change {
                include: Vec::new(),
                exclude: vec![dice.index(self.members)],
            },
            81..85 => Act::Change {
                include: some(dice),
                exclude: vec![dice.index(self.members)],
            },
            85..92 => Act::Change {
                include: Vec::new(),
                exclude: Vec::new(),
            },
            92..97 => Act::Part,
            _ => Act::Abort,
        }
    }

    fn plan_fault(&mut self, fault: Fault) {
        let mut dice = Dice::new(self.seed, fault.word());
        let times = dice.between(1, 2 + self.commands as u64 / 12);
        // One member has most of the bad luck.
        let victim = dice.index(self.members);
        for _ in 0..times {
            let at = self.moment(&mut dice);
            let other = dice.index(self.members);
            let who = if dice.percent(60) { victim } else { other };
            let act = self.misfortune(fault, &mut dice);
            self.add(at, who, act, Some(fault));
        }
    }

    fn misfortune(&self, fault: Fault, dice: &mut Dice) -> Act {
        let latency = self.latency.as_millis() as u64;
        let full_ack = latency * u64::from(self.full_ack);
        let longest = if dice.percent(70) {
            latency * 8
        } else {
            full_ack * 2
        };
        let span = dice.between(latency, longest);
        match fault {
            Fault::Crash => Act::Crash {
                millis: span,
                age: if dice.percent(70) { 0 } else { dice.index(4) },
            },
            Fault::Restart => Act::Restart,
            Fault::Disconnect => Act::Disconnect,
            Fault::Kick => Act::Kick,
            Fault::Stall => Act::Stall { millis: span },
            Fault::Clock => match dice.below(4) {
                0 => Act::Rate {
                    permille: dice.between(500, 2_000),
                },
                1 => Act::Jump { millis: span as i64 },
                2 => Act::Jump {
                    millis: -(span as i64),
                },
                _ => Act::Jump {
                    millis: 315_360_000_000 * if dice.percent(50) { 1 } else { -1 },
                },
            },
            Fault::Delay => Act::Delay {
                extra: dice.between(latency, latency * 12),
                millis: span,
            },
            Fault::Lose => Act::Lose {
                packets: 1 + dice.index(3),
            },
            Fault::Withhold => Act::Miss {
                packets: 1 + dice.index(4),
                messages_only: true,
            },
            Fault::Drop => Act::Miss {
                packets: 1 + dice.index(4),
                messages_only: false,
            },
            Fault::Duplicate => Act::Duplicate { alone: false },
            Fault::Replay => Act::Replay {
                place: dice.below(65_536),
                flip: None,
            },
            Fault::Flip => Act::Replay {
                place: dice.below(65_536),
                flip: Some(dice.below(1 << 20)),
            },
            Fault::Forge => Act::Forge {
                kind: dice.below(5) as u8,
                bytes: dice.index(400),
            },
            Fault::Reorder => {
                if dice.percent(20) {
                    Act::Duplicate { alone: true }
                } else {
                    Act::Reorder {
                        places: 1 + dice.index(3),
                    }
                }
            }
            Fault::Partition => Act::Partition {
                millis: span,
                with: (0..self.members).filter(|_| dice.percent(40)).collect(),
                how: [Split::Held, Split::Lost, Split::Net][dice.index(3)],
            },
            Fault::Lie => Act::Lie {
                about: dice.index(self.members),
                enters: dice.percent(40),
                to_all: dice.percent(25),
            },
            Fault::Insider => {
                if dice.percent(25) {
                    Act::Mutate {
                        packets: 1 + dice.index(3),
                    }
                } else {
                    Act::Perjure {
                        lie: Lie::ALL[dice.index(Lie::ALL.len())],
                        believes: dice.percent(50),
                    }
                }
            }
            Fault::Fork => Act::Fork,
        }
    }
}

/// The moderators: in one of four runs there are some. They are drawn from a random source of their own, so
/// that everything else stays as it was.
fn moderators(seed: u64, members: usize, wished: Option<Rules>) -> BTreeSet<Who> {
    let mut dice = Dice::new(seed, "policy");
    let by_seed = if dice.percent(25) {
        Rules::Moderators
    } else {
        Rules::Everybody
    };
    if wished.unwrap_or(by_seed) == Rules::Everybody {
        return BTreeSet::new();
    }
    let mut moderators = BTreeSet::from([dice.index(members)]);
    moderators.extend((0..members).filter(|_| dice.percent(25)));
    moderators
}

/// The kinds of fault of a run: in one of four none, else a few of the allowed ones, so that each occurs by
/// itself and with others.
fn choose(seed: u64, wishes: &Wishes) -> Faults {
    if wishes.all_faults {
        return wishes.faults.clone();
    }
    let mut dice = Dice::new(seed, "faults");
    let allowed: Vec<Fault> = wishes.faults.0.iter().copied().collect();
    let mut chosen = BTreeSet::new();
    if !dice.percent(25) && !allowed.is_empty() {
        for _ in 0..dice.between(1, 4) {
            chosen.insert(allowed[dice.index(allowed.len())]);
        }
    }
    Faults(chosen)
}

/// The name of a member.
#[must_use]
pub fn name(who: Who) -> String {
    const NAMES: [&str; 8] = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"];
    NAMES
        .get(who)
        .map_or_else(|| format!("m{who:04}"), |name| (*name).to_owned())
}

/// One line of a plan.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.as_secs_f64();
        write!(f, "{at:.3}s {}: {:?}", name(self.who), self.act)?;
        match self.fault {
            Some(fault) => write!(f, " [{}]", fault.word()),
            None => Ok(()),
        }
    }
}

/// Numbers as `0-3,7`.
#[must_use]
pub fn write_numbers(numbers: &BTreeSet<usize>) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for number in numbers {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => parts.push((*number, *number)),
        }
    }
    let parts: Vec<String> = parts
        .iter()
        .map(|(first, last)| {
            if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            }
        })
        .collect();
    if parts.is_empty() {
        "none".to_owned()
    } else {
        parts.join(",")
    }
}

/// Reads what [`write_numbers`] wrote.
#[must_use]
pub fn read_numbers(text: &str) -> Option<BTreeSet<usize>> {
    if text == "none" {
        return Some(BTreeSet::new());
    }
    let mut numbers = BTreeSet::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        if last < first || last - first > 1_000_000 {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_are_written() {
        for text in ["none", "0", "0-3,7", "1,3,5-6"] {
            assert_eq!(write_numbers(&read_numbers(text).unwrap()), text);
        }
        for text in ["", "x", "3-1", "1-", "0-99999999"] {
            assert_eq!(read_numbers(text), None, "{text}");
        }
    }

    #[test]
    fn fewer_kinds_of_fault_leave_the_other_steps_as_they_were() {
        let all = Wishes {
            all_faults: true,
            ..Wishes::default()
        };
        let few = Wishes {
            faults: "crash,drop".parse().unwrap(),
            ..all.clone()
        };
        let (all, few) = (Plan::new(7, &all), Plan::new(7, &few));
        let expected: Vec<_> = all
            .steps
            .into_iter()
            .filter(|step| step.fault.is_none_or(|fault| few.faults.contains(fault)))
            .collect();
        assert_eq!(few.steps, expected);
        assert!(few.steps.iter().any(|step| step.fault == Some(Fault::Drop)));
    }
}
