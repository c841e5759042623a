//! A server that shows every member what it likes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use concilium_core::{MemberId, MemberSet};
use stateright::{Model, Property};

use crate::explore::{Findings, explore};
use crate::member::Member;
use crate::packet::{Body, Event, Packet};
use crate::properties::{self, Run};
use crate::scope::{Budget, Scope};
use crate::watch::Watch;

/// All members behind a server that may show each member any packet, in any order or never, and make up
/// leaves of others. It cannot forge packets. It does not carry confirmations: those are tried in every
/// state.
#[derive(Clone, Debug)]
pub struct Reordering {
    /// How much happens. Enters are spent on members that come again, to which everything may be shown anew.
    pub scope: Scope,
    /// How often each packet may be shown to one member during a stay.
    pub showings: u8,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trick {
    /// A member sends a packet: the server has it from then on.
    Send(MemberId, Body),
    /// The server shows a member a packet.
    Show(MemberId, Arc<Packet>),
    /// The server tells the first that the second has left.
    Hide(MemberId, MemberId),
    /// A member loses its connection and enters again, knowing nothing. The others are not told.
    Rejoin(MemberId),
}

impl fmt::Display for Trick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(by, body) => write!(f, "{by} sends: {body}"),
            Self::Show(to, packet) => write!(f, "{to} is shown {packet}"),
            Self::Hide(to, who) => write!(f, "{to} is told that {who} left"),
            Self::Rejoin(who) => write!(f, "{who} comes again"),
        }
    }
}

/// Everything at one moment.
#[derive(Clone, Debug)]
pub struct Views {
    /// Everyone.
    pub present: BTreeMap<MemberId, Arc<Member>>,
    /// What the server has.
    pub pool: BTreeSet<Arc<Packet>>,
    /// What it has shown to whom, and how often.
    shown: BTreeMap<MemberId, BTreeMap<Arc<Packet>, u8>>,
    sent: BTreeMap<MemberId, u8>,
    budget: Budget,
    /// What was noted.
    pub watch: Watch,
}

impl PartialEq for Views {
    fn eq(&self, other: &Self) -> bool {
        self.present == other.present
            && self.pool == other.pool
            && self.shown == other.shown
            && self.sent == other.sent
            && self.budget == other.budget
            && self.watch.fault == other.watch.fault
    }
}

impl Hash for Views {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.present.hash(hasher);
        self.pool.hash(hasher);
        self.shown.hash(hasher);
        self.sent.hash(hasher);
        self.budget.hash(hasher);
        self.watch.fault.hash(hasher);
    }
}

impl Run for Views {
    fn members(&self) -> impl Iterator<Item = &Member> {
        self.present.values().map(AsRef::as_ref)
    }

    /// The server tells members different things, so only the chain hash can say which members hold the same.
    /// With equal hashes and no running operation, two members must agree on everything.
    fn same_place(&self, one: &MemberId, other: &MemberId) -> bool {
        let link = |name| {
            let resolver = &self.present.get(name)?.resolver;
            let idle = resolver.running().is_none();
            resolver.head().filter(|_| idle).map(|head| head.link)
        };
        link(one).is_some() && link(one) == link(other)
    }

    fn watch(&self) -> &Watch {
        &self.watch
    }
}

impl Reordering {
    /// Explores it, as [`explore()`] does any model; the code for it is made here, once.
    #[must_use]
    pub fn explore(&self, depth: Option<usize>, threads: usize) -> Findings {
        explore(self, depth, threads)
    }
}

impl Model for Reordering {
    type State = Views;
    type Action = Trick;

    fn init_states(&self) -> Vec<Views> {
        let members = self.scope.beginning();
        let names = members.iter().map(|member| member.resolver.me().clone());
        vec![Views {
            present: names.zip(members.iter().cloned()).collect(),
            pool: BTreeSet::new(),
            shown: BTreeMap::new(),
            sent: BTreeMap::new(),
            budget: self.scope.budget,
            watch: Watch::default(),
        }]
    }

    fn actions(&self, state: &Views, tricks: &mut Vec<Trick>) {
        if state.watch.fault.is_some() {
            return; // Nothing is asked of what comes after.
        }
        for (name, member) in &state.present {
            let choices = member.choices().into_iter();
            let may = |body: &Body| {
                let claim = matches!(body, Body::Claim { .. });
                !claim && state.budget.pay(body).is_some() && self.scope.wants(body)
            };
            tricks.extend(choices.filter(may).map(|body| Trick::Send(name.clone(), body)));
            let shown = |packet: &Arc<Packet>| {
                let counts = state.shown.get(name);
                counts
                    .and_then(|counts| counts.get(packet))
                    .copied()
                    .unwrap_or_default()
            };
            let fresh = state.pool.iter().filter(|packet| shown(packet) < self.showings);
            // Without their author in the channel no packet comes.
            let from_here = fresh.filter(|packet| member.channel.contains(&packet.author));
            tricks.extend(from_here.map(|packet| Trick::Show(name.clone(), packet.clone())));
            if state.budget.leaves > 0 {
                let others = member.channel.iter().filter(|other| *other != name);
                tricks.extend(others.map(|other| Trick::Hide(name.clone(), other.clone())));
            }
            if state.budget.enters > 0 {
                tricks.push(Trick::Rejoin(name.clone()));
            }
        }
    }

    fn next_state(&self, last: &Views, trick: Trick) -> Option<Views> {
        let mut state = last.clone();
        match trick {
            Trick::Send(by, body) => {
                state.budget = state.budget.pay(&body)?;
                Arc::make_mut(state.present.get_mut(&by)?).send(&body);
                let count = state.sent.entry(by.clone()).or_default();
                let number = *count;
                *count = count.checked_add(1)?;
                let author = by;
                state.pool.insert(Arc::new(Packet { author, number, body }));
            }
            Trick::Show(to, packet) => {
                let counts = state.shown.entry(to.clone()).or_default();
                let count = counts.entry(packet.clone()).or_default();
                *count = count.checked_add(1)?;
                let member = Arc::make_mut(state.present.get_mut(&to)?);
                let event = Event::shown(packet, member.channel.clone());
                member.hear(&event, &mut state.watch);
            }
            Trick::Hide(to, who) => {
                state.budget.leaves = state.budget.leaves.checked_sub(1)?;
                let member = Arc::make_mut(state.present.get_mut(&to)?);
                let mut remaining = member.channel.clone();
                remaining.remove(&who);
                member.hear(&Event::Left(who, remaining), &mut state.watch);
            }
            Trick::Rejoin(who) => {
                state.budget.enters = state.budget.enters.checked_sub(1)?;
                let stay = u8::MAX.checked_sub(state.budget.enters)?;
                let everyone: MemberSet = state.present.keys().cloned().collect();
                let member = Member::entering(who.clone(), everyone, stay);
                state.shown.remove(&who);
                state.present.insert(who, Arc::new(member));
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::reordering()
    }

    fn format_action(&self, trick: &Trick) -> String {
        trick.to_string()
    }
}
