//! What the members of a recorded session do, one after the other.

use concilium_core::{MemberId, MemberSet};

use crate::frames::{id, set};
use crate::source::Source;

/// Everybody that there is. The first begins the session.
pub(crate) const NAMES: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];

/// One thing that a member does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Join(MemberId),
    Include(MemberId, MemberSet),
    Exclude(MemberId, MemberSet),
    Refresh(MemberId),
    /// Each says something before it has seen what the others say.
    Talk(MemberSet),
    Part(MemberId),
}

/// A course of a session in which the one who records stays from its inclusion to the end: some meet and
/// talk, and then as the seed wants.
pub(crate) fn script(seed: u64, recorder: &MemberId) -> Vec<Step> {
    let mut dice = Source::new(seed);
    let alice = id("alice");
    let mut members = set("alice bob");
    let mut outside: Vec<MemberId> = NAMES.iter().skip(2).map(|name| id(name)).collect();
    let mut steps = vec![
        Step::Join(alice.clone()),
        Step::Join(id("bob")),
        Step::Include(alice, set("bob")),
        Step::Talk(members.clone()),
    ];
    for _ in 0..8 {
        let author = pick(&mut dice, &members, None);
        let others = members.minus(&MemberSet::of(author.clone()));
        let removable = others.minus(&MemberSet::of(recorder.clone()));
        match dice.below(6) {
            0 | 1 if !outside.is_empty() => {
                let newcomer = outside.remove(dice.below(outside.len()));
                members.insert(newcomer.clone());
                steps.push(Step::Join(newcomer.clone()));
                steps.push(Step::Include(author, MemberSet::of(newcomer)));
            }
            2 if members.len() > 3 => {
                let victim = pick(&mut dice, &removable, None);
                members.remove(&victim);
                steps.push(Step::Exclude(author, MemberSet::of(victim)));
            }
            3 if members.len() > 3 => {
                let leaver = pick(&mut dice, &members, Some(recorder));
                members.remove(&leaver);
                steps.push(Step::Part(leaver));
            }
            4 => steps.push(Step::Refresh(author)),
            _ => {}
        }
        steps.push(Step::Talk(members.clone()));
    }
    // Somebody takes its leave in each of them.
    let newcomer = outside.pop();
    if let Some(newcomer) = &newcomer {
        members.insert(newcomer.clone());
        steps.push(Step::Join(newcomer.clone()));
        steps.push(Step::Include(recorder.clone(), MemberSet::of(newcomer.clone())));
        steps.push(Step::Talk(members.clone()));
    }
    let leaver = newcomer.unwrap_or_else(|| pick(&mut dice, &members, Some(recorder)));
    members.remove(&leaver);
    steps.push(Step::Part(leaver));
    steps.push(Step::Talk(members));
    steps
}

fn pick(dice: &mut Source, from: &MemberSet, but: Option<&MemberId>) -> MemberId {
    let some: Vec<&MemberId> = from.iter().filter(|member| Some(*member) != but).collect();
    let found = some.get(dice.below(some.len())).copied();
    found.expect("somebody is there").clone()
}
