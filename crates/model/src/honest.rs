//! A server that keeps one order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
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

/// All members behind an honest server. Packets reach it in any order, and from then on there is one order
/// for all. A newcomer sees what comes after it entered.
#[derive(Clone, Debug)]
pub struct Honest(
    /// How much happens.
    pub Scope,
);

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A member sends a packet; it is on its way to the server.
    Send(MemberId, Body),
    /// The server puts a packet in its order.
    Order(Arc<Packet>),
    /// What the server has ordered reaches a member.
    Deliver(MemberId),
    /// A member leaves the channel; what it had on its way is lost.
    Leave(MemberId),
    /// A member enters.
    Enter(MemberId),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(by, body) => write!(f, "{by} sends: {body}"),
            Self::Order(packet) => write!(f, "everyone is sent {packet}"),
            Self::Deliver(to) => write!(f, "{to} hears the next"),
            Self::Leave(who) => write!(f, "{who} leaves"),
            Self::Enter(who) => write!(f, "{who} enters"),
        }
    }
}

/// Everything at one moment.
#[derive(Clone, Debug)]
pub struct State {
    /// The members of the channel.
    pub present: BTreeMap<MemberId, Arc<Member>>,
    /// What each has yet to hear; empty without lag.
    pub queues: BTreeMap<MemberId, VecDeque<Arc<Event>>>,
    /// On its way to the server.
    pub flying: BTreeSet<Arc<Packet>>,
    sent: BTreeMap<MemberId, u8>,
    budget: Budget,
    /// What was noted.
    pub watch: Watch,
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.present == other.present
            && self.queues == other.queues
            && self.flying == other.flying
            && self.sent == other.sent
            && self.budget == other.budget
            && self.watch.fault == other.watch.fault
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.present.hash(hasher);
        self.queues.hash(hasher);
        self.flying.hash(hasher);
        self.sent.hash(hasher);
        self.budget.hash(hasher);
        self.watch.fault.hash(hasher);
    }
}

impl State {
    fn channel(&self) -> MemberSet {
        self.present.keys().cloned().collect()
    }

    /// All members of the channel at this moment hear this, at once or when it is delivered.
    fn tell(&mut self, event: Event, lag: bool) {
        if lag {
            let event = Arc::new(event);
            for queue in self.queues.values_mut() {
                queue.push_back(event.clone());
            }
            return;
        }
        for member in self.present.values_mut() {
            Arc::make_mut(member).hear(&event, &mut self.watch);
        }
    }
}

impl Run for State {
    fn members(&self) -> impl Iterator<Item = &Member> {
        self.present.values().map(AsRef::as_ref)
    }

    /// Queues are ends of one and the same order, so those with as much to hear have heard the same.
    fn same_place(&self, one: &MemberId, other: &MemberId) -> bool {
        self.queues.get(one).map(VecDeque::len) == self.queues.get(other).map(VecDeque::len)
    }

    fn watch(&self) -> &Watch {
        &self.watch
    }
}

impl Honest {
    /// Explores it, as [`explore()`] does any model; the code for it is made here, once.
    #[must_use]
    pub fn explore(&self, depth: Option<usize>, threads: usize) -> Findings {
        explore(self, depth, threads)
    }
}

impl Model for Honest {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let members = self.0.beginning();
        let names = || members.iter().map(|member| member.resolver.me().clone());
        vec![State {
            queues: names().map(|name| (name, VecDeque::new())).collect(),
            present: names().zip(members.iter().cloned()).collect(),
            flying: BTreeSet::new(),
            sent: BTreeMap::new(),
            budget: self.0.budget,
            watch: Watch::default(),
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if state.watch.fault.is_some() {
            return; // Nothing is asked of what comes after.
        }
        for (name, member) in &state.present {
            let choices = member.choices().into_iter();
            let may = |body: &Body| state.budget.pay(body).is_some() && self.0.wants(body);
            steps.extend(choices.filter(may).map(|body| Step::Send(name.clone(), body)));
            if state.queues.get(name).is_some_and(|queue| !queue.is_empty()) {
                steps.push(Step::Deliver(name.clone()));
            }
            if state.budget.leaves > 0 {
                steps.push(Step::Leave(name.clone()));
            }
        }
        steps.extend(state.flying.iter().cloned().map(Step::Order));
        if state.budget.enters > 0 {
            let absent = self
                .0
                .names
                .iter()
                .filter(|name| !state.present.contains_key(*name));
            steps.extend(absent.cloned().map(Step::Enter));
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        match step {
            Step::Send(by, body) => {
                state.budget = state.budget.pay(&body)?;
                Arc::make_mut(state.present.get_mut(&by)?).send(&body);
                let count = state.sent.entry(by.clone()).or_default();
                let number = *count;
                *count = count.checked_add(1)?;
                let author = by;
                state.flying.insert(Arc::new(Packet { author, number, body }));
            }
            Step::Order(packet) => {
                state.flying.remove(&packet);
                let event = Event::shown(packet, state.channel());
                state.tell(event, self.0.lag);
            }
            Step::Deliver(to) => {
                let event = state.queues.get_mut(&to)?.pop_front()?;
                let member = state.present.get_mut(&to)?;
                Arc::make_mut(member).hear(&event, &mut state.watch);
            }
            Step::Leave(who) => {
                state.budget.leaves = state.budget.leaves.checked_sub(1)?;
                state.present.remove(&who)?;
                state.queues.remove(&who);
                state.flying.retain(|packet| packet.author != who);
                let remaining = state.channel();
                state.tell(Event::Left(who, remaining), self.0.lag);
            }
            Step::Enter(who) => {
                state.budget.enters = state.budget.enters.checked_sub(1)?;
                state.tell(Event::Entered(who.clone()), self.0.lag);
                let mut channel = state.channel();
                channel.insert(who.clone());
                // Those of the beginning count from below.
                let stay = u8::MAX.checked_sub(state.budget.enters)?;
                let member = Member::entering(who.clone(), channel, stay);
                state.queues.insert(who.clone(), VecDeque::new());
                state.present.insert(who, Arc::new(member));
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::honest()
    }

    fn format_action(&self, step: &Step) -> String {
        step.to_string()
    }
}
