//! The session itself: its state and its face.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use concilium_core::channel::{ChannelAction, ChannelEvent};
use concilium_core::{Change, Context, MemberId, MemberSet, PacketId, SessionName, Time};
use concilium_encryptor::MessageEncryptor;
use concilium_gka::GroupKeyAgreement;
use concilium_server_order::Resolver;
use serde::{Deserialize, Serialize};

use crate::action::Actions;
use crate::clock::Clock;
use crate::log::Log;
use crate::reunion::Estranged;
use crate::subsession::Subsession;
use crate::waiting::WaitingRoom;
use crate::{Event, Output, SessionState, Settings, Warnings};

/// One member's process in one channel. See the [crate's front page](crate) for how to drive it.
///
/// `G` makes the keys, `E` seals the messages; nothing else is swapped here.
pub struct Session<G: GroupKeyAgreement, E: MessageEncryptor> {
    pub(crate) gka: G,
    pub(crate) name: SessionName,
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    /// What we know while we are in the channel; none outside (T-3).
    pub(crate) stay: Option<Stay<G>>,
    /// Messages go here (M-1).
    pub(crate) current: Option<Subsession<E>>,
    /// Shutting down, the newest first: read and acknowledged, no longer written to (M-1). Mostly one or none; more
    /// when members change faster than packets travel.
    pub(crate) past: VecDeque<Subsession<E>>,
    /// Packets that nobody can read yet (M-2).
    pub(crate) waiting: WaitingRoom,
    pub(crate) actions: Actions,
    pub(crate) log: Log,
    pub(crate) warnings: Warnings,
    pub(crate) outputs: VecDeque<Output>,
    /// How often we have left to come back since a chain was last confirmed by all (T-17).
    pub(crate) reunions: u32,
    /// The state that was last announced.
    pub(crate) announced: SessionState,
}

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
    /// We have asked the channel to let us go.
    pub(crate) leaving: bool,
    /// Who has not confirmed the chain yet, and since when they could have: the end of the first operation that they have
    /// not confirmed, so that no series of operations puts it off (O-10).
    pub(crate) owing: BTreeMap<MemberId, Time>,
    /// How often we have announced ourselves while outside, and when we do so again: what we published may have been lost
    /// (K-14). Never, if the key agreement has nothing to announce.
    pub(crate) announcements: u32,
    pub(crate) announce_at: Time,
    /// Who in the channel is elsewhere (T-17).
    pub(crate) estranged: Estranged,
    /// We leave the channel to come back (T-17).
    pub(crate) coming_back: bool,
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

/// The operation that runs, for a screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationView {
    /// Its initial packet.
    pub initial: PacketId,
    /// Who proposed it.
    pub by: MemberId,
    /// Who comes and who goes.
    pub change: Change,
}

impl<G: GroupKeyAgreement, E: MessageEncryptor> Session<G, E> {
    /// A session of this name for the member that `gka` acts for. Outside the channel at first; see
    /// [`join`](Self::join).
    #[must_use]
    pub fn new(gka: G, name: SessionName, settings: Settings) -> Self {
        Self {
            gka,
            name,
            settings,
            clock: Clock::default(),
            stay: None,
            current: None,
            past: VecDeque::new(),
            waiting: WaitingRoom::default(),
            actions: Actions::default(),
            log: Log::default(),
            warnings: Warnings::default(),
            outputs: VecDeque::new(),
            reunions: 0,
            announced: SessionState::Parted,
        }
    }

    /// Takes what the channel tells us. Never fails on account of others: what they do wrong is skipped, or
    /// becomes an event or a warning. Outputs are queued.
    pub fn handle(&mut self, event: ChannelEvent, cx: &mut Context<'_>) {
        let cx = &mut self.clock.read(cx);
        match event {
            ChannelEvent::Entered { members } => self.entered(members, cx),
            ChannelEvent::Left => self.left(cx),
            ChannelEvent::MemberEntered { member } => self.member_entered(member, cx),
            ChannelEvent::MemberLeft { member } => self.member_left(&member, cx),
            ChannelEvent::Packet { from, bytes } => self.packet(&from, &bytes, cx),
            _ => {}
        }
        self.tick(cx);
    }

    /// Does what is due. To be called at [`next_timeout`](Self::next_timeout) or later; at any other time it
    /// does no harm.
    pub fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        let cx = &mut self.clock.read(cx);
        self.tick(cx);
    }

    /// The next output, oldest first. Pure but for the queue. What depends on saved state must be saved before
    /// the outputs are drained: call an input or a command, save a [`snapshot`](Self::snapshot), then drain.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(crate) fn emit(&mut self, event: Event) {
        tracing::debug!(member = %self.gka.me(), ?event, "event");
        self.outputs.push_back(Output::Event(event));
    }

    pub(crate) fn act(&mut self, action: ChannelAction) {
        self.outputs.push_back(Output::Channel(action));
    }

    /// Tells the owner if the state is another one than before.
    pub(crate) fn announce_state(&mut self) {
        let state = self.state();
        if state != self.announced {
            self.announced = state;
            self.emit(Event::StateChanged(state));
        }
    }
}

impl<G: GroupKeyAgreement, E: MessageEncryptor> fmt::Debug for Session<G, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("name", &self.name)
            .field("me", self.gka.me())
            .field("state", &self.state())
            .field("members", self.members())
            .field("subsession", &self.subsession())
            .finish_non_exhaustive()
    }
}
