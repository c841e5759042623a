//! What must hold in every run, seen from outside of the sessions. Nothing here trusts what a session says of
//! itself; it is only compared with what the others say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use concilium_core::{ChainHash, MemberId, MemberSet, MessageId, SubsessionId, Time};
use concilium_session::{AnySession, Event, Warning};
use concilium_testkit::network::EPOCH;

use crate::plan::{Who, name};

/// For whom the exporter's secrets are made that are compared.
const EXPORTER_LABEL: &str = "concilium simulator";

/// More violations than this say nothing new.
const MAX_VIOLATIONS: usize = 16;

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule that it breaks.
    pub rule: &'static str,
    /// When, in milliseconds from the beginning.
    pub at: u64,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at {:.3}s: {}",
            self.rule,
            self.at as f64 / 1000.0,
            self.what
        )
    }
}

/// A subsession, as the first honest member that was in it saw it.
struct Agreed {
    by: Who,
    members: MemberSet,
    secret: [u8; 32],
    chain: Option<ChainHash>,
}

/// A message, as the first honest reader read it.
struct Read {
    by: Who,
    author: MemberId,
    body: Vec<u8>,
    /// Those of its parents that are of its own subsession.
    parents: BTreeSet<MessageId>,
    subsession: SubsessionId,
}

/// A message, as its author wrote it.
pub(crate) struct Written {
    pub(crate) author: Who,
    pub(crate) body: Vec<u8>,
    pub(crate) subsession: SubsessionId,
    /// What its author had read in the same subsession.
    knew: Vec<MessageId>,
}

/// One warning, when it was raised.
#[derive(Clone, Debug)]
pub(crate) struct Raised {
    pub(crate) who: Who,
    pub(crate) at: Time,
    pub(crate) warning: Warning,
}

/// The checkers. See the [module](self).
pub(crate) struct Checks {
    subsessions: BTreeMap<SubsessionId, Agreed>,
    chains: BTreeMap<ChainHash, (Who, MemberSet)>,
    read: BTreeMap<MessageId, Read>,
    pub(crate) written: BTreeMap<MessageId, Written>,
    /// What each has been given, in this life of its process.
    delivered: Vec<BTreeMap<MessageId, SubsessionId>>,
    /// What each has ever been given.
    ever: Vec<BTreeSet<MessageId>>,
    restarted: BTreeSet<Who>,
    /// The liars: what they believe is not asked any more.
    pub(crate) liars: BTreeSet<Who>,
    pub(crate) raised: Vec<Raised>,
    /// The members that found themselves out of the session, and when.
    pub(crate) put_out: Vec<(Who, Time)>,
    pub(crate) violations: Vec<Violation>,
    /// The moderators. Empty if every member may include and exclude.
    moderators: MemberSet,
    /// The published keys that each member knows of: their owners and subsessions.
    published: Vec<BTreeSet<(MemberId, SubsessionId)>>,
    /// Whether members with one subsession must have one chain. Not so if the server shows them different
    /// orders.
    pub(crate) one_order: bool,
}

impl Checks {
    pub(crate) fn new(members: usize, moderators: MemberSet) -> Self {
        Self {
            subsessions: BTreeMap::new(),
            chains: BTreeMap::new(),
            read: BTreeMap::new(),
            written: BTreeMap::new(),
            delivered: vec![BTreeMap::new(); members],
            ever: vec![BTreeSet::new(); members],
            restarted: BTreeSet::new(),
            liars: BTreeSet::new(),
            raised: Vec::new(),
            put_out: Vec::new(),
            violations: Vec::new(),
            moderators,
            published: vec![BTreeSet::new(); members],
            one_order: true,
        }
    }

    /// Something must not be.
    pub(crate) fn fail(&mut self, rule: &'static str, now: Time, what: impl Into<String>) {
        if self.violations.len() < MAX_VIOLATIONS {
            self.violations.push(Violation {
                rule,
                at: now.since(EPOCH).as_millis() as u64,
                what: what.into(),
            });
        }
    }

    /// Whether there is no use in going on.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.violations.len() >= MAX_VIOLATIONS
            || self
                .violations
                .iter()
                .any(|violation| violation.rule == "restless")
    }

    /// A process has started again: its outputs may come once more.
    pub(crate) fn restarted(&mut self, who: Who) {
        self.restarted.insert(who);
    }

    /// A member has written a message.
    pub(crate) fn wrote(&mut self, who: Who, id: MessageId, body: &[u8], peer: &dyn AnySession) {
        let Some(subsession) = peer.subsession() else {
            return;
        };
        let knew = self.delivered[who]
            .iter()
            .filter(|(known, within)| **within == subsession && **known != id)
            .map(|(known, _)| *known)
            .collect();
        self.written.insert(
            id,
            Written {
                author: who,
                body: body.to_vec(),
                subsession,
                knew,
            },
        );
    }

    /// A session has told its owner something.
    pub(crate) fn told(&mut self, who: Who, event: &Event, peer: &dyn AnySession, now: Time) {
        match event {
            Event::WarningRaised(warning) => self.raised.push(Raised {
                who,
                at: now,
                warning: warning.clone(),
            }),
            Event::MembershipChanged { members, .. } if members.is_empty() => self.put_out.push((who, now)),
            _ => {}
        }
        if self.liars.contains(&who) {
            return;
        }
        match event {
            Event::Message { id, author, body } => self.delivered(who, id, author, body, peer, now),
            Event::MembershipChanged {
                subsession: Some(_), ..
            } => {
                self.is_permitted(who, peer, now);
                self.agree(who, peer, now);
            }
            Event::KeyPublished {
                member, subsession, ..
            } => {
                self.published[who].insert((member.clone(), *subsession));
            }
            Event::FullyAcked { id } => self.acknowledged(who, id, now),
            _ => {}
        }
    }

    /// O-12: only moderators include and exclude. Others may exclude departed members, and include a
    /// moderator where there is none.
    fn is_permitted(&mut self, who: Who, peer: &dyn AnySession, now: Time) {
        let Some(record) = peer.history().last().filter(|_| !self.moderators.is_empty()) else {
            return;
        };
        if self.moderators.contains(&record.author) {
            return;
        }
        let absent = |members: &MemberSet| match peer.channel() {
            Some(channel) => members.minus(channel),
            None => members.clone(),
        };
        // The members of the channel at the proposal are known only for operations of one packet.
        let at_once = record.initial == record.link.packet;
        let out_while_here = at_once && absent(&record.exclude) != record.exclude;
        let kept = peer.members().minus(&record.include);
        let returns =
            record.include.is_subset(&self.moderators) && kept.intersection(&self.moderators).is_empty();
        if out_while_here || !(record.include.is_empty() || returns) {
            let what = format!(
                "{} takes a change by {}, who is no moderator: {} came, {} went",
                name(who),
                record.author,
                record.include,
                record.exclude
            );
            self.fail("O-12", now, what);
        }
    }

    /// K-7, O-5: one subsession has one set of members, one secret and one chain.
    fn agree(&mut self, who: Who, peer: &dyn AnySession, now: Time) {
        let (Some(id), Some(secret)) = (peer.subsession(), peer.exporter(EXPORTER_LABEL)) else {
            return;
        };
        let ours = Agreed {
            by: who,
            members: peer.members().clone(),
            secret: *secret.expose(),
            chain: peer.chain(),
        };
        let Some(theirs) = self.subsessions.get(&id) else {
            self.subsessions.insert(id, ours);
            return;
        };
        let (one, other) = (name(theirs.by), name(who));
        if theirs.members != ours.members {
            let what = format!(
                "in one subsession {one} sees {}, {other} sees {}",
                theirs.members, ours.members
            );
            return self.fail("K-7", now, what);
        }
        if theirs.secret != ours.secret {
            let what = format!("{one} and {other} have different keys for one subsession");
            return self.fail("K-7", now, what);
        }
        if self.one_order && theirs.chain != ours.chain {
            let what = format!("{one} and {other} came to one subsession by different chains");
            self.fail("O-5", now, what);
        }
    }

    /// O-5: one chain leads to one set of members.
    pub(crate) fn stands(&mut self, who: Who, peer: &dyn AnySession, now: Time) {
        if self.liars.contains(&who) || peer.members().is_empty() {
            return;
        }
        let Some(chain) = peer.chain() else { return };
        let members = peer.members();
        match self.chains.get(&chain) {
            None => {
                self.chains.insert(chain, (who, members.clone()));
            }
            Some((_, theirs)) if theirs == members => {}
            Some((other, theirs)) => {
                let what = format!(
                    "at one place of the chain {} sees {theirs}, {} sees {members}",
                    name(*other),
                    name(who)
                );
                self.fail("O-5", now, what);
            }
        }
    }

    fn delivered(
        &mut self,
        who: Who,
        id: &MessageId,
        author: &MemberId,
        body: &[u8],
        peer: &dyn AnySession,
        now: Time,
    ) {
        let Some(view) = peer.message(id) else {
            let what = format!(
                "{} is told of a message that its session does not list",
                name(who)
            );
            return self.fail("M-6", now, what);
        };
        let subsession = view.subsession;
        if self.delivered[who].insert(*id, subsession).is_some() && !self.restarted.contains(&who) {
            let what = format!("{} is given one message twice", name(who));
            self.fail("G-5", now, what);
        }
        self.ever[who].insert(*id);
        if self.published[who].contains(&(author.clone(), subsession)) {
            let what = format!(
                "{} is given a message signed with a key that {author} published",
                name(who)
            );
            self.fail("M-9", now, what);
        }
        let parents: BTreeSet<MessageId> = view
            .parents
            .iter()
            .filter(|parent| {
                peer.message(parent)
                    .is_some_and(|parent| parent.subsession == subsession)
            })
            .copied()
            .collect();
        // M-5, G-1, G-3: what one honest reader reads, all read, the same.
        match self.read.get(id) {
            None => {
                let read = Read {
                    by: who,
                    author: author.clone(),
                    body: body.to_vec(),
                    parents,
                    subsession,
                };
                self.read.insert(*id, read);
            }
            Some(read) => {
                let same = read.author == *author
                    && read.body == body
                    && read.parents == parents
                    && read.subsession == subsession;
                if !same {
                    let what = format!("{} and {} read one message differently", name(read.by), name(who));
                    self.fail("M-5", now, what);
                }
            }
        }
        self.was_written(who, id, author, body, now);
    }

    /// An honest author wrote exactly this, and the messages that it had read before were read before (G-1).
    fn was_written(&mut self, who: Who, id: &MessageId, author: &MemberId, body: &[u8], now: Time) {
        let liar = self
            .liars
            .iter()
            .any(|liar| name(*liar).as_bytes() == author.as_bytes());
        if liar || name(who).as_bytes() == author.as_bytes() {
            return;
        }
        let Some(written) = self.written.get(id) else {
            let what = format!(
                "{} reads a message of {author} that {author} never wrote",
                name(who)
            );
            return self.fail("M-4", now, what);
        };
        if name(written.author).as_bytes() != author.as_bytes() || written.body != body {
            let what = format!("{} reads something else than {author} wrote", name(who));
            return self.fail("M-4", now, what);
        }
        let missing = written
            .knew
            .iter()
            .filter(|known| !self.ever[who].contains(*known))
            .count();
        if missing > 0 {
            let what = format!(
                "{} is given a message of {author} before {missing} that {author} had read",
                name(who)
            );
            self.fail("G-1", now, what);
        }
    }

    /// G-6: a fully acked message was read by every honest member of its subsession.
    fn acknowledged(&mut self, who: Who, id: &MessageId, now: Time) {
        if !self.ever[who].contains(id) {
            let what = format!(
                "{} is told that a message is fully acked that it was never given",
                name(who)
            );
            return self.fail("G-6", now, what);
        }
        let Some(subsession) = self.written.get(id).map(|written| written.subsession) else {
            return;
        };
        let Some(agreed) = self.subsessions.get(&subsession) else {
            return;
        };
        let unread: Vec<String> = (0..self.ever.len())
            .filter(|reader| !self.liars.contains(reader) && !self.ever[*reader].contains(id))
            .map(name)
            .filter(|reader| {
                agreed
                    .members
                    .iter()
                    .any(|member| member.as_bytes() == reader.as_bytes())
            })
            .collect();
        if !unread.is_empty() {
            let what = format!(
                "{} takes a message for fully acked that {} never read",
                name(who),
                unread.join(", ")
            );
            self.fail("G-6", now, what);
        }
    }

    /// The members of a subsession, as its honest members see them.
    pub(crate) fn members_of(&self, subsession: &SubsessionId) -> Option<&MemberSet> {
        self.subsessions.get(subsession).map(|agreed| &agreed.members)
    }

    /// The author of this body, and its subsession.
    pub(crate) fn written_as(&self, body: &[u8]) -> Option<&Written> {
        self.written.values().find(|written| written.body == body)
    }
}
