//! What the session tells, in words.

use std::collections::BTreeMap;

use concilium::{
    ActionKind, ActionOutcome, ActionStage, AnySession, Change, Event, MemberId, MessageId, SessionState,
    Severity, Warning, WarningKind, server_order,
};

use crate::text::{name, names};

/// Numbers of the messages, in the order in which they were shown.
#[derive(Debug, Default)]
pub(super) struct Numbers(BTreeMap<MessageId, usize>);

impl Numbers {
    /// The number of a message that is shown now.
    pub(super) fn give(&mut self, id: MessageId) -> usize {
        let next = self.0.len() + 1;
        *self.0.entry(id).or_insert(next)
    }

    /// The number of a message, if it was shown.
    pub(super) fn of(&self, id: &MessageId) -> Option<usize> {
        self.0.get(id).copied()
    }

    /// The numbers of these, as far as they were shown: `[3] [4]`.
    pub(super) fn list<'a>(&self, ids: impl IntoIterator<Item = &'a MessageId>) -> String {
        let mut numbers: Vec<usize> = ids.into_iter().filter_map(|id| self.of(id)).collect();
        numbers.sort_unstable();
        let numbers: Vec<String> = numbers.iter().map(|number| format!("[{number}]")).collect();
        numbers.join(" ")
    }
}

/// A line for an event, except for messages and acknowledgements. None if the user need not know.
pub(super) fn event(event: &Event, session: &dyn AnySession) -> Option<String> {
    let me = session.me();
    Some(match event {
        Event::StateChanged(SessionState::Joining) => {
            "on the way in; once in the channel, whoever is in the session can bring you in".to_owned()
        }
        Event::StateChanged(SessionState::Parted) => "you are out of the session".to_owned(),
        Event::StateChanged(_) => return None,
        Event::MembershipChanged { members, .. } if members.is_empty() => return None,
        Event::MembershipChanged {
            members,
            joined,
            parted,
            ..
        } => {
            let came = joined.iter().map(|who| format!(" +{}", name(who)));
            let went = parted.iter().map(|who| format!(" -{}", name(who)));
            let difference: String = came.chain(went).collect();
            match members.len() {
                1 => format!("you are alone in the session;{difference}"),
                _ => format!("members now: {};{difference}", names(members)),
            }
        }
        Event::OperationStarted { by, change, .. } => {
            format!("{} proposes: {}", name(by), change_words(change))
        }
        Event::OperationFailed { cause, .. } => format!("the change of membership has failed: {cause}"),
        Event::ProposalRejected { change, cause } => {
            format!("your proposal ({}) was not taken: {cause}", change_words(change))
        }
        Event::ComingBack { elsewhere } if elsewhere.is_empty() => {
            "alone here for long, or without keys; leaving, and coming back to see who is there".to_owned()
        }
        Event::ComingBack { elsewhere } => format!(
            "{} in another session in this channel; leaving, and coming back to be in one with all",
            match elsewhere.len() {
                1 => format!("{} is", names(elsewhere)),
                _ => format!("{} are", names(elsewhere)),
            }
        ),
        Event::ProposalForbidden { by, change, why } => forbidden(by, change, why),
        Event::SomeoneEntered { member } => {
            format!("{0} is in the channel; /include {0} brings them in", name(member))
        }
        Event::SomeoneLeft { member } => format!("{} has left the channel", name(member)),
        Event::MemberFinished { member } if member == me => return None,
        Event::MemberFinished { member } => format!("{} says goodbye", name(member)),
        Event::KeyPublished { member, .. } => format!(
            "{} has published its signing key: what it wrote proves nothing to others any more",
            name(member)
        ),
        Event::Action { kind, stage, .. } => return action(kind, stage),
        Event::WarningRaised(warning) => self::warning(warning),
        Event::WarningCleared(warning) => format!("no longer: {warning}"),
        Event::UnknownMessage { author, .. } => {
            format!(
                "{} sent something that this version cannot show; updating may help",
                name(author)
            )
        }
        _ => return None,
    })
}

/// Why a proposal of another member is forbidden (O-12).
fn forbidden(by: &MemberId, change: &Change, why: &str) -> String {
    format!(
        "{} wants to {}, which the rules of this session forbid to them; nothing comes of it: {why}",
        name(by),
        match change.is_refresh() {
            true => "make new keys".to_owned(),
            false => change_words(change),
        }
    )
}

fn action(kind: &ActionKind, stage: &ActionStage) -> Option<String> {
    let what = match kind {
        ActionKind::Join => "joining".to_owned(),
        ActionKind::Part => "parting".to_owned(),
        ActionKind::Change(change) => change_words(change),
        _ => "your action".to_owned(),
    };
    Some(match stage {
        ActionStage::Waiting(members) if !members.is_empty() => {
            format!("{what}: waiting for {} to enter the channel", names(members))
        }
        ActionStage::Settled(ActionOutcome::Done) => return None,
        ActionStage::Settled(ActionOutcome::TimedOut) => {
            format!("{what}: nothing came of it in time; try again once everyone concerned is in the channel")
        }
        ActionStage::Settled(outcome @ ActionOutcome::Failed(_)) => {
            format!("{what}: {outcome}; you can try again")
        }
        ActionStage::Settled(outcome) => format!("{what}: {outcome}"),
        _ => return None,
    })
}

/// A change, in words.
pub(super) fn change_words(change: &Change) -> String {
    match (change.include.is_empty(), change.exclude.is_empty()) {
        (true, true) => "new keys".to_owned(),
        (false, true) => format!("include {}", names(&change.include)),
        (true, false) => format!("exclude {}", names(&change.exclude)),
        (false, false) => format!(
            "include {} and exclude {}",
            names(&change.include),
            names(&change.exclude)
        ),
    }
}

/// How an operation ended, in words.
pub(super) fn outcome_words(outcome: &server_order::Outcome) -> String {
    match outcome {
        server_order::Outcome::Finished => "done".to_owned(),
        server_order::Outcome::Aborted { by } => format!("failed, as {} aborted it", name(by)),
        server_order::Outcome::Left { who } => format!("failed, as {} left", name(who)),
    }
}

/// A warning, how bad it is, and what to do about it.
pub(super) fn warning(warning: &Warning) -> String {
    let word = match warning.kind.severity() {
        Severity::Security => "SECURITY WARNING",
        _ => "WARNING",
    };
    format!("{word}: {warning}. {}", advice(warning))
}

/// What a user can do about a warning.
fn advice(warning: &Warning) -> String {
    let who = match warning.members.len() {
        0 => "NAME".to_owned(),
        _ => names(&warning.members),
    };
    match warning.kind {
        WarningKind::NotFullyAcked | WarningKind::MemberAbsent => {
            format!("They may be away; ask them by another way, and if they stay away, /exclude {who}")
        }
        WarningKind::MissingParents => "Wait a while: what is missing is sent again".to_owned(),
        WarningKind::NotDecryptable => {
            "If it goes on, /refresh; if that does not help, /part and join again".to_owned()
        }
        WarningKind::ChainUnconfirmed => {
            "Until they do, do not rely on who is in: compare /history with them by another way".to_owned()
        }
        WarningKind::InconsistentHistory => {
            "Do not trust this session any more: /part, and meet over another relay".to_owned()
        }
        WarningKind::AuthorFork => format!("That is no accident: /exclude {who}"),
        WarningKind::BadMessage => format!("If their program is not outdated, /exclude {who}"),
        WarningKind::BadShare => "If you cannot read what is said, /part and join again".to_owned(),
        WarningKind::FinishTimeout => "They may not have seen what was said last".to_owned(),
        WarningKind::ProposalStarved => {
            "Wait until the others are done; if they are not doing anything, use another relay".to_owned()
        }
        _ => "Look at the documentation of this version for what it means".to_owned(),
    }
}

/// The author and the text, and the message that it answers where that is not the line above.
pub(super) fn message(
    numbers: &mut Numbers,
    session: &dyn AnySession,
    id: MessageId,
    author: &MemberId,
    body: &[u8],
) -> String {
    let number = numbers.give(id);
    let answers = match session.message(&id) {
        Some(view) if !view.follows => match numbers.list(view.parents) {
            parents if parents.is_empty() => "   (answers nothing shown here)".to_owned(),
            parents => format!("   (answers {parents})"),
        },
        _ => String::new(),
    };
    format!(
        "[{number}] {}: {}{answers}",
        name(author),
        crate::text::body(body)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use concilium::MemberSet;

    #[test]
    fn every_warning_comes_with_something_to_do() {
        for kind in WarningKind::ALL {
            let warning = Warning {
                kind,
                members: MemberSet::of(MemberId::new("mal lory\n").unwrap()),
                message: None,
                subsession: None,
            };
            let advice = advice(&warning);
            assert!(
                advice.len() > 20 && !advice.contains("documentation"),
                "{kind:?}: {advice}"
            );
            assert!(!format!("{warning} {advice}").contains('\n'), "A-48");
        }
    }

    #[test]
    fn o12_what_the_rules_forbid_is_said_in_plain_words() {
        let id = |name| MemberId::new(name).unwrap();
        let change = Change::exclude(MemberSet::of(id("bob")));
        let line = forbidden(&id("mal\nlory"), &change, "only moderators include and exclude");
        assert!(line.contains("wants to exclude bob, which the rules"), "{line}");
        assert!(line.ends_with(": only moderators include and exclude"), "{line}");
        assert!(!line.contains('\n'), "A-48");
    }

    #[test]
    fn numbers_are_given_once() {
        let id = |i| MessageId::from_bytes([i; 32]);
        let mut numbers = Numbers::default();
        assert_eq!(
            (numbers.give(id(1)), numbers.give(id(2)), numbers.give(id(1))),
            (1, 2, 1)
        );
        assert_eq!(numbers.list(&[id(2), id(3), id(1)]), "[1] [2]");
    }
}
