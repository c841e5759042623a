//! The resolver: one member's view of the chain.

use std::collections::{BTreeMap, BTreeSet};

use concilium_core::{ChainHash, MemberId, MemberSet, PacketId};
use serde::{Deserialize, Serialize};

use crate::confirmations::Confirmations;
use crate::record::History;
use crate::verdict::{Accepted, Lineage, Rejected, is_well_formed};
use crate::{
    Acceptance, ChainRole, Comparison, Difference, Initial, Outcome, Record, Rejection, chain_start,
    chain_step, leave_id,
};

/// How many parents are remembered while we are not a member (O-7). A flood of proposals reaches this limit.
/// Nothing is evicted then, or old proposals could be shown to us as new ones. Every proposal is rejected as
/// [`Rejection::MemoryFull`] instead, and the session enters the channel again.
pub const MAX_REMEMBERED: usize = 1024;

/// A place in the chain: the last accepted packet and the chain hash there. Initial packets name their parent
/// so (O-2), and members confirm their history so (O-10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Link {
    /// The packet that ended the last accepted operation.
    pub packet: PacketId,
    /// The chain hash with that packet.
    pub chain: ChainHash,
}

/// Where the last accepted operation left the session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Head {
    /// What the next initial packet must name.
    pub link: Link,
    /// The members: those after a success, those before a failure.
    pub members: MemberSet,
}

impl Head {
    /// Whether an initial packet continues from here.
    fn continues(&self, initial: &Initial) -> Result<(), Rejection> {
        let author = || initial.author.clone();
        if initial.parent.packet != self.link.packet {
            Err(Rejection::WrongParent) // O-4
        } else if !self.members.contains(&initial.author) {
            // before the checks below, which accuse the author as a member.
            Err(Rejection::AuthorNotMember { author: author() })
        } else if initial.parent.chain != self.link.chain {
            Err(Rejection::WrongChain { author: author() })
        } else if initial.before != self.members {
            Err(Rejection::WrongMembers { author: author() })
        } else {
            Ok(())
        }
    }
}

/// Why a packet that would end an operation does not. It has changed nothing.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error, Serialize, Deserialize,
)]
#[non_exhaustive]
pub enum EndRejection {
    /// The operation that it names does not run: it has ended, or was never accepted (O-4).
    #[error("the operation that the packet names is not running; ignore the packet")]
    NotRunning,
    /// An abort by an author that is a member neither before nor after the operation (O-11).
    #[error("only members of the operation may abort it; ignore the packet")]
    Outsider,
}

/// How sure we are of our place in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Footing {
    /// We followed the chain ourselves, or all have confirmed it.
    Firm,
    /// O-8: adopted from an initial packet, and no other member has spoken yet.
    Adopted,
    /// An operation that excludes us seemed to fail. We could not have seen its success (T-10), so the abort
    /// or leave may have come too late for the others.
    PerhapsExcluded,
}

/// What we know of the chain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Chain {
    head: Head,
    /// The operation that runs, if one does. It continues from `head`.
    running: Option<Initial>,
    footing: Footing,
}

impl Chain {
    /// Whether we are perhaps excluded (T-10): the others may have gone on without us.
    fn is_perhaps_excluded(&self, me: &MemberId) -> bool {
        let excluded = self.running.as_ref().is_some_and(|running| running.excludes(me));
        excluded || self.footing == Footing::PerhapsExcluded
    }
}

/// Decides which membership packets count. Each stay in a channel has one. The crate's front page shows which
/// event calls which method.
///
/// Resolvers that are fed the same events in the same order agree: on the operations, on how they ended, on
/// the members, and on the chain hash. Where that cannot be known, because we join or are being excluded,
/// [`Resolver::is_provisional`] says so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Resolver {
    me: MemberId,
    /// `None` while we know nothing of the chain. A joiner whose operation failed is no member, but knows
    /// where that left the others.
    chain: Option<Chain>,
    /// O-7: parents that initial packets have named while we were not a member.
    remembered: BTreeSet<PacketId>,
    history: History,
    confirmations: Confirmations,
}

impl Resolver {
    /// We entered a channel and know nothing: some initial packet has to include us.
    #[must_use]
    pub fn unsynchronised(me: MemberId) -> Self {
        Self {
            me,
            chain: None,
            remembered: BTreeSet::new(),
            history: History::default(),
            confirmations: Confirmations::default(),
        }
    }

    /// We start a chain, alone in our session. The parent must be random (O-2), so that no packet of another
    /// session fits ours.
    #[must_use]
    pub fn found(me: MemberId, parent: PacketId) -> Self {
        let link = Link {
            packet: parent,
            chain: chain_start(&parent),
        };
        let members = MemberSet::of(me.clone());
        Self {
            chain: Some(Chain {
                head: Head { link, members },
                running: None,
                footing: Footing::Firm,
            }),
            ..Self::unsynchronised(me)
        }
    }

    /// An initial packet arrived while `channel`, ourselves included, was in the channel. If it is accepted,
    /// its operation runs: [`judge`](Self::judge) and then [`start`](Self::start) or [`reject`](Self::reject)
    /// at once.
    ///
    /// # Errors
    /// It does not count. For members nothing has changed. Waiting members, and members that are perhaps
    /// excluded, may have remembered its parent (O-7).
    pub fn initial(&mut self, initial: &Initial, channel: &MemberSet) -> Result<Acceptance, Rejection> {
        match self.judge(initial, channel) {
            Ok(accepted) => Ok(self.start(accepted)),
            Err(rejected) => Err(self.reject(rejected)),
        }
    }

    /// The verdict on an initial packet that arrives while `channel`, ourselves included, is in the channel.
    /// Nothing changes before the caller hands the verdict to [`start`](Self::start) or
    /// [`reject`](Self::reject). If the key agreement cannot use the packet, the caller drops the verdict
    /// instead.
    ///
    /// # Errors
    /// The packet would not count. The error holds what the resolver would keep of it.
    pub fn judge(&self, initial: &Initial, channel: &MemberSet) -> Result<Accepted, Rejected> {
        is_well_formed(initial, channel).map_err(Rejected::without_trace)?;
        match &self.chain {
            Some(chain) if chain.head.members.contains(&self.me) => {
                let judged = match chain.running {
                    Some(_) => Err(Rejection::OperationRunning), // O-4
                    None => chain.head.continues(initial),
                };
                judged.map_err(|rejection| Rejected {
                    rejection,
                    // O-7, if it turns out that we are out.
                    remembers: self.parent_to_remember(initial, chain.is_perhaps_excluded(&self.me)),
                    loses_chain: false,
                })?;
                Ok(Accepted::new(initial, Acceptance::Member, Lineage::Continues)) // O-4: the first in channel order
            }
            _ => self.judge_as_outsider(initial),
        }
    }

    fn judge_as_outsider(&self, initial: &Initial) -> Result<Accepted, Rejected> {
        let parent = initial.parent.packet;
        if self.running().is_some() {
            return Err(Rejected {
                rejection: Rejection::OperationRunning,
                // O-7: either we run what the members run, and this parent is no longer theirs; or we were
                // misled, and they may be using it up right now.
                remembers: self.parent_to_remember(initial, true),
                loses_chain: false,
            });
        }
        if self.remembered.contains(&parent) {
            return Err(Rejected::without_trace(Rejection::RememberedParent)); // O-7, A-10
        }
        if self.remembered.len() >= MAX_REMEMBERED {
            return Err(Rejected::without_trace(Rejection::MemoryFull));
        }
        let known = self
            .chain
            .as_ref()
            .filter(|chain| chain.head.link.packet == parent);
        if let Some(chain) = known {
            // We tried to join, and saw where the failure left the members: judge as they do.
            chain.head.continues(initial).map_err(Rejected::without_trace)?;
        }
        // A packet that takes us for a member already does not include us either: we hold nothing to take
        // part with.
        if !initial.joins(&self.me) {
            return Err(Rejected {
                rejection: Rejection::NotIncluded,
                remembers: Some(parent), // O-7: it uses the parent up all the same.
                loses_chain: known.is_some(), // The members go on to where we cannot follow.
            });
        }
        // A head that we know of does not bind us: we have it on one member's word (O-8), and if that one was
        // mistaken, this is the way back.
        let lineage = if known.is_some() {
            Lineage::Continues
        } else {
            Lineage::Begins
        };
        Ok(Accepted::new(initial, Acceptance::Joining, lineage))
    }

    /// As [`judge`](Self::judge), but as a waiting member that has seen all that we have seen (O-7). For a
    /// member that has learned from others that it is out. [`start`](Self::start) then forgets the chain that
    /// we followed.
    ///
    /// # Errors
    /// The packet would not include us.
    pub fn judge_anew(&self, initial: &Initial, channel: &MemberSet) -> Result<Accepted, Rejection> {
        is_well_formed(initial, channel)?;
        let used = self.used_parents();
        if used.contains(&initial.parent.packet) {
            Err(Rejection::RememberedParent)
        } else if used.len() >= MAX_REMEMBERED {
            Err(Rejection::MemoryFull)
        } else if !initial.joins(&self.me) {
            Err(Rejection::NotIncluded)
        } else {
            Ok(Accepted::new(initial, Acceptance::Joining, Lineage::Leaves))
        }
    }

    /// The parents that a waiting member would remember (O-7) if it had seen all that we have seen.
    fn used_parents(&self) -> BTreeSet<PacketId> {
        let mut used = self.remembered.clone();
        used.extend(self.history.records().iter().map(|record| record.parent));
        used.extend(self.chain.iter().map(|chain| chain.head.link.packet));
        used
    }

    /// The packet's parent, if it is to be remembered and there is room (O-7).
    fn parent_to_remember(&self, initial: &Initial, remember: bool) -> Option<PacketId> {
        let room = remember && self.remembered.len() < MAX_REMEMBERED;
        room.then_some(initial.parent.packet)
    }

    /// Runs the operation of a packet that this resolver has accepted, and has judged nothing since.
    pub fn start(&mut self, accepted: Accepted) -> Acceptance {
        let Accepted {
            initial,
            acceptance,
            lineage,
        } = accepted;
        match lineage {
            Lineage::Continues => {}
            Lineage::Begins => self.history.clear(),
            Lineage::Leaves => {
                *self = Self {
                    remembered: self.used_parents(),
                    ..Self::unsynchronised(self.me.clone())
                };
            }
        }
        match (&mut self.chain, acceptance) {
            (Some(chain), Acceptance::Member) => chain.running = Some(initial),
            _ => {
                self.remembered.insert(initial.parent.packet); // O-7: its parent is used up.
                self.chain = Some(Chain {
                    head: Head {
                        link: initial.parent,
                        members: initial.before.clone(),
                    },
                    running: Some(initial),
                    footing: Footing::Adopted, // O-8
                });
            }
        }
        acceptance
    }

    /// Keeps what is to be kept of a packet that this resolver has rejected (O-7), and returns why it was
    /// rejected.
    pub fn reject(&mut self, rejected: Rejected) -> Rejection {
        self.remembered.extend(rejected.remembers);
        if rejected.loses_chain {
            self.chain = None;
        }
        rejected.rejection
    }

    /// Whether the operation of this initial packet runs: later packets that name another one are ignored
    /// (O-3).
    #[must_use]
    pub fn is_running(&self, initial: &PacketId) -> bool {
        self.running().is_some_and(|running| running.id == *initial)
    }

    /// The operation of `initial` succeeded with the packet `last`, as the key agreement says. The two are
    /// the same for an operation of one packet (O-9).
    ///
    /// # Errors
    /// That operation does not run; nothing has changed.
    pub fn finished(&mut self, last: PacketId, initial: &PacketId) -> Result<Record, EndRejection> {
        self.settle(last, initial, Outcome::Finished)
    }

    /// `by` aborted the operation of `initial`, by an authentic packet of this id (O-11).
    ///
    /// # Errors
    /// That operation does not run, or is none of the author's business; nothing has changed.
    pub fn aborted(
        &mut self,
        last: PacketId,
        initial: &PacketId,
        by: &MemberId,
    ) -> Result<Record, EndRejection> {
        let running = self.running().filter(|running| running.id == *initial);
        let Some(running) = running else {
            return Err(EndRejection::NotRunning); // O-4: too late
        };
        if !running.before.contains(by) && !running.after.contains(by) {
            return Err(EndRejection::Outsider);
        }
        let by = by.clone();
        self.settle(last, initial, Outcome::Aborted { by })
    }

    /// Another member left the channel, and `remaining` are still there. If it was a member of M while an
    /// operation ran, the operation has failed, and this says how (T-5). A member that is being excluded may
    /// leave without harm.
    pub fn left(&mut self, who: &MemberId, remaining: &MemberSet) -> Option<Record> {
        let running = self.running().filter(|running| running.after.contains(who))?;
        let initial = running.id;
        let last = leave_id(&initial, who, remaining);
        let who = who.clone();
        self.settle(last, &initial, Outcome::Left { who }).ok()
    }

    /// The one place where the chain advances, for successes and failures.
    fn settle(
        &mut self,
        last: PacketId,
        initial: &PacketId,
        outcome: Outcome,
    ) -> Result<Record, EndRejection> {
        // O-4: only the first packet that ends the operation counts.
        let chain = self.chain.as_mut().ok_or(EndRejection::NotRunning)?;
        let running = chain.running.take_if(|running| running.id == *initial);
        let initial = running.ok_or(EndRejection::NotRunning)?;
        // O-5, and O-9: one packet is one step. The hash between the two steps of longer operations is not
        // needed.
        let before = &chain.head.link.chain;
        let hash = if outcome.is_success() && last == initial.id {
            chain_step(before, &last, ChainRole::Both)
        } else {
            let started = chain_step(before, &initial.id, ChainRole::Initial);
            chain_step(&started, &last, outcome.role())
        };
        let link = Link {
            packet: last,
            chain: hash,
        };
        let members = if outcome.is_success() {
            initial.after.clone()
        } else {
            initial.before.clone()
        };
        if !outcome.is_success() && initial.excludes(&self.me) {
            chain.footing = Footing::PerhapsExcluded; // T-10
        }
        if members.contains(&self.me) && chain.footing != Footing::PerhapsExcluded {
            self.remembered.clear(); // From here on the right parent is known.
        } else {
            self.remembered.insert(initial.parent.packet); // O-7; a joiner has it there already
        }
        let record = self.history.push(&initial, outcome, link);
        self.confirmations.advance(&members, record.number, link);
        chain.head = Head { link, members };
        self.firm_up();
        Ok(record)
    }

    /// A verified message of `member` confirms this link (O-10). A message on its way while an operation ends
    /// confirms an earlier link, and names it.
    pub fn confirm(&mut self, member: &MemberId, link: Link) -> Comparison {
        let Some(chain) = self
            .chain
            .as_ref()
            .filter(|chain| chain.head.members.contains(&self.me))
        else {
            return Comparison::NotExpected;
        };
        let ours = self.history.find(&link.packet);
        let expected = chain.head.members.contains(member);
        let perhaps_excluded = chain.is_perhaps_excluded(&self.me);
        match ours {
            Some((number, hash)) if hash == link.chain => {
                if expected {
                    self.confirmations.agree(member, number);
                    self.firm_up();
                }
                if number == self.history.count() {
                    Comparison::Consistent
                } else {
                    Comparison::Older
                }
            }
            // An excluded member cannot know how the operation ended (T-10), even while the next one includes
            // it again.
            None if !expected => Comparison::NotExpected,
            None if perhaps_excluded => Comparison::Ahead,
            None if chain.running.is_some() && self.confirmations.hold(member, link) => Comparison::Ahead,
            // Also a packet older than the history: better one alarm too many than one hidden behind many
            // operations.
            ours => {
                let ours = ours.map(|(_, hash)| hash);
                self.confirmations
                    .differ(member, Difference { theirs: link, ours });
                Comparison::Different
            }
        }
    }

    /// O-8: provisional until all have confirmed, and for good if a member's history differs.
    fn firm_up(&mut self) {
        let Some(chain) = &mut self.chain else { return };
        if chain.footing == Footing::Firm
            || !chain.head.members.contains(&self.me)
            || !self.confirmations.differences().is_empty()
        {
            return;
        }
        let mut missing = self
            .confirmations
            .missing(&chain.head.members, self.history.count());
        if self.history.count() == 0 || missing.all(|member| *member == self.me) {
            chain.footing = Footing::Firm;
        }
    }

    /// Our own name.
    #[must_use]
    pub fn me(&self) -> &MemberId {
        &self.me
    }

    /// Where the last accepted operation left the session, as far as we know. Our own initial packets name
    /// its link (O-2).
    #[must_use]
    pub fn head(&self) -> Option<&Head> {
        self.chain.as_ref().map(|chain| &chain.head)
    }

    /// The operation that runs, if one does. One that excludes us runs until we leave, unless we see it fail:
    /// its success is not for us to see (T-10).
    #[must_use]
    pub fn running(&self) -> Option<&Initial> {
        self.chain.as_ref()?.running.as_ref()
    }

    /// Whether we are a member of the session, as far as we know.
    #[must_use]
    pub fn is_member(&self) -> bool {
        self.head().is_some_and(|head| head.members.contains(&self.me))
    }

    /// Whether we follow the chain: we are a member, or being included right now.
    #[must_use]
    pub fn is_synchronised(&self) -> bool {
        self.is_member() || self.running().is_some()
    }

    /// Whether we are perhaps excluded (T-10): an operation excludes us, or one that did seemed to fail.
    #[must_use]
    pub fn is_perhaps_excluded(&self) -> bool {
        self.chain
            .as_ref()
            .is_some_and(|chain| chain.is_perhaps_excluded(&self.me))
    }

    /// Whether we hold our place in the chain on others' word: we are joining or have joined and not all have
    /// confirmed the history yet (O-8), or an operation that excludes us seems to have failed. Show it.
    #[must_use]
    pub fn is_provisional(&self) -> bool {
        self.is_synchronised()
            && self
                .chain
                .as_ref()
                .is_some_and(|chain| chain.footing != Footing::Firm)
    }

    /// What our next message must confirm (O-10): the link after the last operation. `None` if we are not a
    /// member, or none has ended since we founded the session.
    #[must_use]
    pub fn claim(&self) -> Option<Link> {
        let head = self
            .head()
            .filter(|_| self.is_member() && self.history.count() > 0)?;
        Some(head.link)
    }

    /// Which members have not confirmed the last operation (O-10). Late ones deserve a warning.
    #[must_use]
    pub fn missing(&self) -> MemberSet {
        let Some(head) = self.head().filter(|_| self.claim().is_some()) else {
            return MemberSet::new();
        };
        let missing = self.confirmations.missing(&head.members, self.history.count());
        missing.filter(|member| **member != self.me).cloned().collect()
    }

    /// The members that have confirmed another history than ours: permanent evidence (O-10). At most
    /// [`MAX_DIFFERENCES`](crate::MAX_DIFFERENCES), the first about each member.
    #[must_use]
    pub fn differences(&self) -> &BTreeMap<MemberId, Difference> {
        self.confirmations.differences()
    }

    /// The operations that have ended, newest last: at most [`MAX_HISTORY`](crate::MAX_HISTORY), and none
    /// from before we joined.
    #[must_use]
    pub fn history(&self) -> &[Record] {
        self.history.records()
    }

    /// Whether we have seen a chain of this channel at this place: ours ends there, or a proposal has
    /// continued from there. This reaches as far as the [history](Self::history) and a waiting member's
    /// memory (O-7). If we are a member, the author of a proposal from any other place is at another place of
    /// the chain.
    #[must_use]
    pub fn has_seen(&self, place: &PacketId) -> bool {
        let at_head = self.head().is_some_and(|head| head.link.packet == *place);
        let mut records = self.history().iter();
        at_head || self.remembered.contains(place) || records.any(|record| record.parent == *place)
    }
}
