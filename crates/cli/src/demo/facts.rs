//! What every member must agree on, and whether they do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use concilium::{
    AnySession, ChainHash, MemberId, MemberSet, MessageId, Secret, SessionState, SubsessionId, WarningKind,
};

/// The label under which members derive a value to compare: it depends on the keys and does not reveal them.
const EXPORTER_LABEL: &str = "concilium demo: the same for everyone";

/// What one member holds for true.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) me: MemberId,
    pub(super) state: SessionState,
    pub(super) members: MemberSet,
    pub(super) subsession: Option<SubsessionId>,
    pub(super) chain: Option<ChainHash>,
    pub(super) exporter: Option<Secret<32>>,
    pub(super) messages: BTreeMap<MessageId, Said>,
    pub(super) warned: BTreeSet<WarningKind>,
}

/// A message as one member has it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) author: MemberId,
    pub(super) body: Vec<u8>,
    pub(super) parents: BTreeSet<MessageId>,
    pub(super) fully_acked: bool,
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Said({})", self.author)
    }
}

impl Facts {
    /// What this session holds for true.
    pub(super) fn of(session: &dyn AnySession) -> Self {
        let messages = session.messages().map(|view| {
            let said = Said {
                author: view.author.clone(),
                body: view.body.to_vec(),
                parents: view.parents.iter().copied().collect(),
                fully_acked: view.fully_acked,
            };
            (view.id, said)
        });
        Self {
            me: session.me().clone(),
            state: session.state(),
            members: session.members().clone(),
            subsession: session.subsession(),
            chain: session.chain(),
            exporter: session.exporter(EXPORTER_LABEL),
            messages: messages.collect(),
            warned: session.warnings().ever().clone(),
        }
    }
}

/// A message that some must have.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub(super) id: MessageId,
    pub(super) author: MemberId,
    pub(super) body: Vec<u8>,
    /// The subsession that it was sent in.
    pub(super) subsession: Option<SubsessionId>,
    /// Its members.
    pub(super) readers: MemberSet,
}

/// Compares the views of a session's members with each other and with what was said. The error names the
/// members that disagree, and on what.
///
/// `fully_acked`: whether all messages must be known to have been seen by all.
pub(super) fn disagreements(all: &[Facts], expected: &[Expected], fully_acked: bool) -> Vec<String> {
    let mut found = Vec::new();
    let Some((first, others)) = all.split_first() else {
        return found;
    };
    let everyone: MemberSet = all.iter().map(|facts| facts.me.clone()).collect();
    for facts in all {
        let me = &facts.me;
        let mut wrong = |what: String| found.push(format!("{me}: {what}"));
        if facts.state != SessionState::Joined {
            wrong(format!("is {}, and should be joined", facts.state));
        }
        if facts.members != everyone {
            wrong(format!(
                "sees the members {}, and should see {everyone}",
                facts.members
            ));
        }
        if facts.members.len() > 1 && (facts.subsession.is_none() || facts.exporter.is_none()) {
            wrong("holds no keys".to_owned());
        }
        if facts.chain.is_none() {
            wrong("knows no chain of operations".to_owned());
        }
        for kind in &facts.warned {
            wrong(format!("has raised the warning {}", kind.word()));
        }
        check_messages(facts, expected, fully_acked, &mut wrong);
    }
    for facts in others {
        let mut differ = |what: &str| found.push(format!("{} and {} disagree on {what}", first.me, facts.me));
        if facts.members != first.members {
            differ("the members");
        }
        if facts.subsession != first.subsession {
            differ("the subsession");
        }
        if facts.chain != first.chain {
            differ("the chain of operations");
        }
        if facts.exporter != first.exporter {
            differ("the exported secret");
        }
        for (id, said) in &facts.messages {
            let Some(theirs) = first.messages.get(id) else {
                continue;
            };
            // A joiner does not see earlier messages (G-9), and not which later ones answer them.
            let seen = |parents: &BTreeSet<MessageId>| -> BTreeSet<MessageId> {
                let seen_by_both =
                    |id: &&MessageId| first.messages.contains_key(id) && facts.messages.contains_key(id);
                parents.iter().filter(seen_by_both).copied().collect()
            };
            if said.author != theirs.author || said.body != theirs.body {
                differ(&format!("who said what in message {id:.8}"));
            } else if seen(&said.parents) != seen(&theirs.parents) {
                differ(&format!("what message {id:.8} answers"));
            }
        }
    }
    found
}

fn check_messages(facts: &Facts, expected: &[Expected], fully_acked: bool, wrong: &mut impl FnMut(String)) {
    let mut unknown: BTreeSet<&MessageId> = facts.messages.keys().collect();
    for message in expected {
        let id = &message.id;
        unknown.remove(id);
        match (facts.messages.get(id), message.readers.contains(&facts.me)) {
            (None, true) => wrong(format!("lacks message {id:.8} of {}", message.author)),
            (Some(_), false) => wrong(format!("has message {id:.8}, which was not for it")),
            (Some(said), true) if said.author != message.author || said.body != message.body => {
                wrong(format!(
                    "has message {id:.8} with another author or body than was sent"
                ));
            }
            (Some(said), true) if fully_acked && !said.fully_acked => {
                wrong(format!("does not know that everybody has seen message {id:.8}"));
            }
            (Some(_), true) | (None, false) => {}
        }
    }
    for id in unknown {
        wrong(format!("has message {id:.8}, which nobody sent"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str) -> MemberId {
        MemberId::new(name).unwrap()
    }

    fn group() -> (Vec<Facts>, Vec<Expected>) {
        let everyone: MemberSet = ["alice", "bob", "carol"].into_iter().map(member).collect();
        let expected: Vec<Expected> = (0..3)
            .map(|i| Expected {
                id: MessageId::from_bytes([i; 32]),
                author: member("alice"),
                body: vec![i],
                subsession: None,
                // The first one was before carol came.
                readers: everyone
                    .iter()
                    .filter(|who| i > 0 || **who != member("carol"))
                    .cloned()
                    .collect(),
            })
            .collect();
        let facts = everyone.iter().map(|me| Facts {
            me: me.clone(),
            state: SessionState::Joined,
            members: everyone.clone(),
            subsession: Some(SubsessionId::from_bytes([1; 32])),
            chain: Some(ChainHash::from_bytes([2; 32])),
            exporter: Some(Secret::new([3; 32])),
            messages: expected
                .iter()
                .enumerate()
                .filter(|(_, message)| message.readers.contains(me))
                .map(|(i, message)| {
                    let previous = expected[..i]
                        .last()
                        .filter(|previous| previous.readers.contains(me));
                    let said = Said {
                        author: message.author.clone(),
                        body: message.body.clone(),
                        parents: previous.map(|previous| previous.id).into_iter().collect(),
                        fully_acked: true,
                    };
                    (message.id, said)
                })
                .collect(),
            warned: BTreeSet::new(),
        });
        (facts.collect(), expected)
    }

    #[test]
    fn members_who_agree_agree() {
        let (facts, expected) = group();
        assert_eq!(disagreements(&facts, &expected, true), Vec::<String>::new());
        assert_eq!(disagreements(&[], &expected, true), Vec::<String>::new());
    }

    #[test]
    fn every_disagreement_is_found_and_named() {
        let second = MessageId::from_bytes([1; 32]);
        let third = MessageId::from_bytes([2; 32]);
        type Break = Box<dyn Fn(&mut Facts)>;
        let said = move |change: fn(&mut Said)| -> Break {
            Box::new(move |facts| change(facts.messages.get_mut(&third).unwrap()))
        };
        let cases: Vec<(Break, &str)> = vec![
            (Box::new(|f| f.state = SessionState::Joining), "carol: is joining"),
            (
                Box::new(|f| assert!(f.members.remove(&member("bob")))),
                "the members",
            ),
            (Box::new(|f| f.subsession = None), "carol: holds no keys"),
            (
                Box::new(|f| f.subsession = Some(SubsessionId::from_bytes([9; 32]))),
                "the subsession",
            ),
            (
                Box::new(|f| f.chain = Some(ChainHash::from_bytes([9; 32]))),
                "the chain",
            ),
            (Box::new(|f| f.chain = None), "carol: knows no chain"),
            (
                Box::new(|f| f.exporter = Some(Secret::new([9; 32]))),
                "the exported secret",
            ),
            (Box::new(|f| f.exporter = None), "carol: holds no keys"),
            (
                Box::new(move |f| drop(f.messages.remove(&third))),
                "carol: lacks message 02020202 of alice",
            ),
            (said(|said| said.author = member("bob")), "another author"),
            (said(|said| said.body = b"x".to_vec()), "or body than was sent"),
            (said(|said| said.parents.clear()), "what message 02020202 answers"),
            (
                said(|said| said.fully_acked = false),
                "does not know that everybody has seen",
            ),
            (
                Box::new(|f| f.warned.extend([WarningKind::AuthorFork])),
                "carol: has raised the warning author-fork",
            ),
            (
                Box::new(move |f| {
                    let said = f.messages[&second].clone();
                    f.messages.insert(MessageId::from_bytes([0; 32]), said);
                }),
                "which was not for it",
            ),
            (
                Box::new(move |f| {
                    let said = f.messages[&second].clone();
                    f.messages.insert(MessageId::from_bytes([7; 32]), said);
                }),
                "which nobody sent",
            ),
        ];
        for (break_it, part) in cases {
            let (mut facts, expected) = group();
            break_it(&mut facts[2]);
            let found = disagreements(&facts, &expected, true);
            assert!(found.iter().any(|line| line.contains(part)), "{part}: {found:?}");
        }
    }
}
