//! The session itself: its state and its face.

use std::collections::VecDeque;
use std::fmt;

use concilium_core::channel::ChannelEvent;
use concilium_core::packet::{self, PacketKind};
use concilium_core::{Change, Context, MemberId, PacketId, SessionName};
use concilium_encryptor::MessageEncryptor;
use concilium_gka::GroupKeyAgreement;
use serde::{Deserialize, Serialize};

use crate::action::Actions;
use crate::clock::Clock;
use crate::log::Log;
use crate::stay::Stay;
use crate::subsession::Subsession;
use crate::waiting::WaitingRoom;
use crate::{Output, SessionState, Settings, Warnings};

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
    /// Past subsessions, the newest first: read and acknowledged, no longer written to (M-1). Mostly one or
    /// none; more when members change faster than packets travel.
    pub(crate) past: VecDeque<Subsession<E>>,
    /// Packets that we cannot read yet (M-2).
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

/// The operation that runs, for a screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationView {
    /// Its initial packet.
    pub initial: PacketId,
    /// Its author.
    pub by: MemberId,
    /// The change that it makes.
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

    /// Takes what the channel tells us. It never fails because of others: their faults are skipped, or become
    /// events or warnings. Outputs are queued.
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

    /// Does what is due. To be called at [`next_timeout`](Self::next_timeout) or later. A call at any other
    /// time does no harm.
    pub fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        let cx = &mut self.clock.read(cx);
        self.tick(cx);
    }

    /// Any packet from the channel.
    pub(crate) fn packet(&mut self, from: &MemberId, bytes: &[u8], cx: &mut Context<'_>) {
        if self.stay.is_none() {
            return;
        }
        match packet::read(bytes) {
            Ok((PacketKind::Operation, _)) => self.operation_packet(from, bytes, cx),
            Ok((PacketKind::Message, body)) => self.message_packet(from, body, cx),
            Ok((PacketKind::Announcement, _)) if !self.is_in_channel(from) => {
                self.skip(from, &"it is not in the channel; what it announced is void"); // K-14
            }
            Ok((PacketKind::Announcement, body)) => {
                if let Err(error) = self.gka.learn(&self.name, from, body) {
                    self.skip(from, &error);
                } else if let Some(stay) = &mut self.stay {
                    stay.door.announced(from);
                }
            }
            Ok(_) => {}
            Err(error) => self.skip(from, &error),
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
