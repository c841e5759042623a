//! What happens in the demo.

/// What happens, in this order.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Establish,
    Talk,
    Include { by: usize, whom: usize },
    Exclude { by: usize, whom: usize },
    Refresh { by: usize },
    Part,
}

/// The story for this many members. Of three or more one is excluded for good; of two it comes back.
pub(super) fn story(members: usize) -> Vec<Step> {
    let (last, late) = (members.saturating_sub(2), members.saturating_sub(1));
    if members >= 3 {
        vec![
            Step::Establish,
            Step::Talk,
            Step::Include { by: last, whom: late },
            Step::Talk,
            Step::Exclude { by: late, whom: 1 },
            Step::Talk,
            Step::Refresh { by: 0 },
            Step::Talk,
            Step::Part,
        ]
    } else {
        vec![
            Step::Establish,
            Step::Talk,
            Step::Refresh { by: 1 },
            Step::Talk,
            Step::Exclude { by: 0, whom: 1 },
            Step::Include { by: 0, whom: 1 },
            Step::Talk,
            Step::Part,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_story_has_each_kind_of_step_and_names_members_that_exist() {
        for members in [2, 3, 5, 32, 64] {
            let story = story(members);
            let count = |kind: fn(&Step) -> bool| story.iter().filter(|step| kind(step)).count();
            assert_eq!(count(|step| matches!(step, Step::Establish)), 1);
            assert_eq!(count(|step| matches!(step, Step::Include { .. })), 1);
            assert_eq!(count(|step| matches!(step, Step::Exclude { .. })), 1);
            assert_eq!(count(|step| matches!(step, Step::Refresh { .. })), 1);
            assert!(count(|step| matches!(step, Step::Talk)) >= 3);
            assert!(matches!(story.last(), Some(Step::Part)));
            for step in &story {
                if let Step::Include { by, whom } | Step::Exclude { by, whom } = step {
                    assert!(
                        *by < members && *whom < members && by != whom,
                        "{members}: {step:?}"
                    );
                }
            }
        }
    }
}
