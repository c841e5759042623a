//! The one course of events that every attack is tried on.

use std::collections::BTreeMap;
use std::time::Duration;

use concilium_core::{Change, MemberSet, SubsessionId};
use concilium_test_parts::Parts;

use crate::stage::{Stage, id};

const MINUTE: Duration = Duration::from_secs(60);

/// The member that is corrupt, or whose secrets leak: T.
pub const VICTIM: &str = "tess";

/// The others. Bob is the one in whose name attackers speak and join besides T's.
pub(crate) const OTHERS: [&str; 3] = ["alice", "bob", "carol"];

/// The members for most of the course.
pub(crate) fn members() -> impl Iterator<Item = &'static str> {
    OTHERS.into_iter().chain([VICTIM])
}

/// The subsessions of the course, one after the other; the leak comes in the middle of the fourth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// T is not a member yet.
    Before,
    /// T is one, and contributes to the keys once more before the leak.
    Early,
    /// T has contributed for the last time before the leak; the subsession ends before it.
    Late,
    /// Another member has renewed the keys; said, and seen by all, before the leak.
    Acknowledged,
    /// The same subsession, after the leak.
    AtHand,
    /// Another member has renewed the keys.
    Followed,
    /// T has contributed once more.
    Renewed,
    /// T has been excluded.
    Excluded,
}

impl Moment {
    /// All of them, in their order.
    pub const ALL: [Self; 8] = [
        Self::Before,
        Self::Early,
        Self::Late,
        Self::Acknowledged,
        Self::AtHand,
        Self::Followed,
        Self::Renewed,
        Self::Excluded,
    ];

    /// What a member says at this moment.
    fn body(self, who: &str) -> String {
        format!("{self:?}, says {who}")
    }

    /// When this was said.
    pub(crate) fn of_body(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let (moment, _) = text.split_once(", says ")?;
        Self::ALL.into_iter().find(|known| format!("{known:?}") == moment)
    }

    /// All that is said at this moment.
    pub(crate) fn bodies(self) -> impl Iterator<Item = String> {
        members().map(move |who| self.body(who))
    }
}

/// The course of events, with a copy of everything at each moment.
#[derive(Debug)]
pub struct Course {
    pub(crate) parts: Parts,
    stages: BTreeMap<Moment, Stage>,
}

impl Course {
    /// Lets it happen with these parts.
    #[must_use]
    pub fn run(parts: Parts) -> Self {
        let mut stage = Stage::new(parts, &["alice", "bob", "carol", "dave", VICTIM]);
        let mut stages = BTreeMap::new();
        stage.act("alice", |session, cx| session.join(cx)).unwrap();
        stage.run(MINUTE);
        let everybody = |names: &[&str]| names.iter().map(|name| id(name)).collect::<MemberSet>();
        let course = [
            (
                Moment::Before,
                Some(("alice", Change::include(everybody(&["bob", "carol"])))),
            ),
            (
                Moment::Early,
                Some(("alice", Change::include(everybody(&[VICTIM])))),
            ),
            (Moment::Late, Some((VICTIM, Change::refresh()))),
            (Moment::Acknowledged, Some(("alice", Change::refresh()))),
            (Moment::AtHand, None),
            (Moment::Followed, Some(("bob", Change::refresh()))),
            (Moment::Renewed, Some((VICTIM, Change::refresh()))),
            (
                Moment::Excluded,
                Some(("alice", Change::exclude(everybody(&[VICTIM])))),
            ),
        ];
        for (moment, operation) in course {
            if let Some((who, change)) = operation {
                stage.change(who, change);
            }
            let at_hand = stage.session("alice").members().clone();
            let members: Vec<&str> = members().filter(|who| at_hand.contains(&id(who))).collect();
            let subsession = stage.subsession("alice");
            assert!(subsession.is_some(), "{parts:?}: {moment:?}");
            for who in &members {
                assert_eq!(
                    stage.subsession(who),
                    subsession,
                    "{parts:?}: {who} at {moment:?}"
                );
            }
            for who in &members {
                stage.say(who, &moment.body(who));
            }
            // Until all have everything, and the subsession before has closed.
            stage.run(MINUTE * 3);
            for who in &members {
                let said = stage
                    .session(who)
                    .messages()
                    .filter(|message| Moment::of_body(message.body) == Some(moment) && message.fully_acked);
                assert_eq!(said.count(), members.len(), "{parts:?}: {who} at {moment:?}");
            }
            stages.insert(moment, stage.copy());
        }
        Self { parts, stages }
    }

    /// Everything as it was at the end of a moment.
    pub(crate) fn at(&self, moment: Moment) -> &Stage {
        &self.stages[&moment]
    }

    /// The subsession of a moment.
    pub(crate) fn subsession(&self, moment: Moment) -> SubsessionId {
        self.at(moment).subsession("alice").unwrap()
    }

    /// The end of all.
    pub(crate) fn end(&self) -> &Stage {
        self.at(Moment::Excluded)
    }
}
