//! What a session knows from entering the channel to leaving it.

use std::collections::{BTreeMap, VecDeque};

use concilium_core::{Change, MemberId, MemberSet, PacketId, Time};
use concilium_encryptor::MessageEncryptor;
use concilium_gka::GroupKeyAgreement;
use concilium_server_order::Resolver;
use serde::{Deserialize, Serialize};

use crate::departure::Departure;
use crate::reunion::Estranged;
use crate::waiting::WaitingRoom;
use crate::{ActionOutcome, Event, Session};

/// So many operations aborted one after the other are no accident: somebody keeps the members from changing.
pub(crate) const MAX_ABORTED: u32 = 4;

/// What we know from entering the channel to leaving it.
pub(crate) struct Stay<G: GroupKeyAgreement> {
    /// Who is in the channel.
    pub(crate) channel: MemberSet,
    /// Since when we are.
    pub(crate) entered_at: Time,
    /// Who was there before us and has stayed since (T-11).
    pub(crate) seniors: MemberSet,
    /// Who may have become a member since, as far as we can see from outside: someone to wait for a while after the
    /// last senior has left (T-11).
    pub(crate) hopefuls: MemberSet,
    /// When we stop waiting for them.
    pub(crate) found_at: Time,
    /// Juniors whom we have to include, because whoever they waited for has left (T-11).
    pub(crate) heirs: MemberSet,
    /// Who is there and cannot be included yet. It keeps nobody else out.
    pub(crate) unready: BTreeMap<MemberId, Unready>,
    pub(crate) resolver: Resolver,
    /// What the last successful operation left for the next one.
    pub(crate) keys: Option<G::State>,
    /// A proposal of ours on its way through the channel.
    pub(crate) proposal: Option<Proposal<G::Proposal>>,
    /// Proposals of ours that were refused: as long as the chain stands where they continue from, the channel may
    /// bring them again, and they may count then.
    pub(crate) refused: VecDeque<Proposal<G::Proposal>>,
    /// The operation that runs.
    pub(crate) operation: Option<Running<G::Operation>>,
    /// Session members who have left the channel, and since when: to be excluded (T-4, T-6), and kicked should
    /// they come back before they are (T-7).
    pub(crate) departed: BTreeMap<MemberId, Time>,
    /// Members excluded by an operation who are still in the channel, and who proposed it (T-10).
    pub(crate) excluded: BTreeMap<MemberId, MemberId>,
    /// Whom to put out of the channel, and when it is our turn to do so.
    pub(crate) kicks: BTreeMap<MemberId, Kick>,
    /// Our share of the current keys is bad: we can neither talk nor propose.
    pub(crate) bad_share: bool,
    /// When proposing something of our own accord failed last; it is not tried again at once.
    pub(crate) retry_at: Time,
    /// How many operations have been aborted since the last one that succeeded.
    pub(crate) aborted: u32,
    /// When we include somebody of our own accord again after those: not at once, since whoever we asked in may be the
    /// one who does not answer.
    pub(crate) include_at: Time,
    /// An operation that excludes us seems to have failed, and may have succeeded for the others before (T-10): until
    /// something shows that we still are a member we propose nothing, and leave when this time comes.
    pub(crate) unsure_until: Time,
    pub(crate) departure: Departure,
    /// Who has not confirmed the chain yet, and since when they could have: the end of the first operation that they have
    /// not confirmed, so that no series of operations puts it off (O-10).
    pub(crate) owing: BTreeMap<MemberId, Time>,
    /// How often we have announced ourselves while outside, and when we do so again: what we published may have been lost
    /// (K-14). Never, if the key agreement has nothing to announce.
    pub(crate) announcements: u32,
    pub(crate) announce_at: Time,
    /// Who in the channel is elsewhere (T-17).
    pub(crate) estranged: Estranged,
    /// When we were included, if we did not found the session: what others sent before that is not for us.
    pub(crate) included_at: Option<Time>,
}

/// Somebody who cannot be included, since we do not know its key or what it announced (K-14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unready {
    /// When we first tried.
    pub(crate) since: Time,
    /// When we try again.
    pub(crate) again_at: Time,
}

/// Somebody to be put out of the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kick {
    /// When we ask for it, for the first time or again.
    pub(crate) at: Time,
    /// How often we have asked.
    pub(crate) asked: u32,
}

impl Kick {
    /// After so many requests it seems that the channel does not mean to.
    const VAIN: u32 = 4;

    /// To be asked for then.
    pub(crate) fn due(at: Time) -> Self {
        Self { at, asked: 0 }
    }

    /// Whether the channel should have done it long ago.
    pub(crate) fn is_vain(&self) -> bool {
        self.asked >= Self::VAIN
    }
}

/// A proposal of ours that the channel has not returned yet (O-1: it has no id before).
pub(crate) struct Proposal<P> {
    /// The packet, frame and all: how we know it when it comes back.
    pub(crate) packet: Vec<u8>,
    /// What the key agreement needs should it be accepted.
    pub(crate) private: P,
    pub(crate) change: Change,
    /// Whether it serves the user's action, or only a duty of ours.
    pub(crate) for_action: bool,
    pub(crate) sent_at: Time,
    /// Whether the group has refused it.
    pub(crate) refused: bool,
}

/// An operation under way.
pub(crate) struct Running<O> {
    pub(crate) initial: PacketId,
    /// The key agreement's part. None if we take no part (we are being excluded), or if it has failed for us.
    pub(crate) part: Option<O>,
    /// Whether it is our proposal, made for the user's action.
    pub(crate) for_action: bool,
    /// The latest messages that its initial packet named (G-9).
    pub(crate) latest: Vec<concilium_core::MessageId>,
    /// When we do something about it if it still runs: abort it (O-11), or leave if it excludes us (T-10).
    pub(crate) deadline: Time,
}

impl<G: GroupKeyAgreement> Stay<G> {
    /// What we know when we have entered the channel, and are in no session yet: `channel` are all who are there, us
    /// included.
    pub(crate) fn outside(me: MemberId, channel: MemberSet, entered_at: Time) -> Self {
        let seniors = channel.minus(&MemberSet::of(me.clone()));
        Self {
            channel,
            entered_at,
            seniors,
            hopefuls: MemberSet::new(),
            found_at: Time::NEVER,
            heirs: MemberSet::new(),
            unready: BTreeMap::new(),
            resolver: Resolver::unsynchronised(me),
            keys: None,
            proposal: None,
            refused: VecDeque::new(),
            operation: None,
            departed: BTreeMap::new(),
            excluded: BTreeMap::new(),
            kicks: BTreeMap::new(),
            bad_share: false,
            retry_at: Time::ZERO,
            aborted: 0,
            include_at: Time::ZERO,
            unsure_until: Time::NEVER,
            departure: Departure::default(),
            owing: BTreeMap::new(),
            announcements: 0,
            announce_at: Time::NEVER,
            estranged: Estranged::default(),
            included_at: None,
        }
    }
}

impl<G: GroupKeyAgreement, E: MessageEncryptor> Session<G, E> {
    /// T-10: an operation that excludes us has succeeded without our seeing it, for somebody who proposes to include us
    /// knows us for no member: we are in the channel as if we had just entered.
    ///
    /// Into the session of whoever was alone others may wait to be let (T-11): it waits for them for a while only, should
    /// nothing come of it.
    pub(crate) fn start_over(&mut self) {
        let was_alone = self.is_alone();
        let Some(stay) = self.stay.take() else { return };
        let me = self.gka.me().clone();
        let channel = stay.channel.clone();
        self.clear_session(&stay);
        if self.actions.change().is_some() {
            self.settle_action(ActionOutcome::Left);
        }
        let outside = Stay::outside(me, channel, stay.entered_at);
        let (seniors, hopefuls) = if was_alone {
            (MemberSet::new(), outside.seniors)
        } else {
            (outside.seniors, outside.hopefuls)
        };
        self.stay = Some(Stay {
            resolver: stay.resolver,
            seniors,
            hopefuls,
            estranged: stay.estranged.start_over(),
            ..outside
        });
    }

    /// T-3: what we knew of the session is void. What was said stays readable.
    pub(crate) fn clear_session(&mut self, stay: &Stay<G>) {
        let members = stay.resolver.head().map(|head| head.members.clone());
        self.past.extend(self.current.take());
        self.close_past(|_, _| true);
        self.waiting = WaitingRoom::default();
        self.clear_warnings(|_| true);
        if stay.resolver.is_member() {
            self.emit(Event::MembershipChanged {
                subsession: None,
                members: MemberSet::new(),
                joined: MemberSet::new(),
                parted: members.unwrap_or_default(),
            });
        }
    }
}
