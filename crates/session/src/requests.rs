//! What a session asks of the channel on its own behalf: to leave, to carry an announcement, to put a member
//! out.

use concilium_core::channel::ChannelAction;
use concilium_core::packet::{self, PacketKind};
use concilium_core::{Context, MemberId};
use concilium_encryptor::MessageEncryptor;
use concilium_gka::GroupKeyAgreement;

use crate::Session;

impl<G: GroupKeyAgreement, E: MessageEncryptor> Session<G, E> {
    /// K-14: publishes what others may need to include us.
    pub(crate) fn announce(&mut self, cx: &mut Context<'_>) {
        if let Ok(Some(announcement)) = self.gka.announce(&self.name, cx) {
            self.act(ChannelAction::Send {
                bytes: packet::frame(PacketKind::Announcement, &announcement),
            });
            if let Some(stay) = &mut self.stay {
                stay.arrival.announced(&self.settings.timing, self.clock.now());
            }
        }
    }

    /// Puts a member out of the channel. All members have this duty, so they take turns; `first` acts at
    /// once.
    pub(crate) fn kick_in_turn(&mut self, member: MemberId, first: Option<&MemberId>) {
        let rank = self.rank(first);
        let turn = self.clock.now().after(self.settings.timing.turn(rank));
        if let Some(stay) = &mut self.stay {
            stay.door.put_out(member, turn);
        }
    }

    /// T-18: operation after operation was aborted. We put out all that are in the channel and not in the
    /// session; those that want to come in enter again (T-12). One of them may not answer, may not be there,
    /// or may have been told of other members than we were.
    pub(crate) fn clear_the_door(&mut self, first: &MemberId) {
        let members = self.members().clone();
        let Some(stay) = self.stay.as_ref().filter(|stay| stay.chain.resolver.is_member()) else {
            return;
        };
        for member in stay.channel.minus(&members) {
            self.kick_in_turn(member, Some(first));
        }
    }

    pub(crate) fn kick_if_due(&mut self) {
        if self.is_going() {
            return; // The others may have let them in again, without us.
        }
        let Some(stay) = &mut self.stay else { return };
        let due = stay.door.kicks_due(&self.settings.timing, self.clock.now());
        for member in due {
            self.act(ChannelAction::Kick { member });
        }
    }
}
