//! A property that fails is told by a shortest way there, in words.

mod common;

use common::{NOTHING, by_ones};
use concilium_model::{Budget, Honest, Run, State, Step, explore};
use stateright::{Model, Property};

/// The same model with a property that does not hold.
#[derive(Clone)]
struct Wrong(Honest);

impl Model for Wrong {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        self.0.init_states()
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        self.0.actions(state, steps);
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        self.0.next_state(state, step)
    }

    fn format_action(&self, step: &Step) -> String {
        self.0.format_action(step)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let kept = |_: &Self, state: &State| {
            let count = |member: &concilium_model::Member| member.resolver.history().len();
            state.members().all(|member| count(member) < 2)
        };
        vec![
            Property::always("no operation ends", kept),
            Property::sometimes("there is no state like this", |_, _| false),
        ]
    }
}

#[test]
fn a_failure_is_told_by_a_shortest_way() {
    let budget = Budget {
        proposals: 2,
        aborts: 1,
        ..NOTHING
    };
    let findings = explore(&Wrong(Honest(by_ones(3, 2, budget))), None, 1);
    assert_eq!(findings.unseen, ["there is no state like this"]);
    let [failure] = &findings.failures[..] else {
        panic!("{findings}")
    };
    let steps: Vec<&str> = failure
        .trace
        .lines()
        .filter(|line| !line.starts_with("        "))
        .collect();
    assert_eq!(
        steps.len(),
        3,
        "the beginning, a packet sent, the packet shown:\n{findings}"
    );
    assert!(steps[1].contains(" sends: propose {a b} -> "), "{findings}");
    assert!(steps[2].contains("0: propose {a b} -> "), "{findings}");
    assert!(failure.trace.contains("Finished at"), "{findings}");
}
