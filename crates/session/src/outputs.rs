//! What a session says: outputs, the state as it was last announced, warnings. Nothing else writes them.

use concilium_core::channel::ChannelAction;
use concilium_core::{MemberId, MemberSet, MessageId, SubsessionId};
use concilium_encryptor::MessageEncryptor;
use concilium_gka::GroupKeyAgreement;

use crate::{Event, Output, Session, Warning, WarningKind};

impl<G: GroupKeyAgreement, E: MessageEncryptor> Session<G, E> {
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

    /// Something came in that changes nothing.
    pub(crate) fn skip(&mut self, from: &MemberId, why: &dyn std::fmt::Display) {
        self.emit(Event::Skipped {
            from: from.clone(),
            why: why.to_string(),
        });
    }

    /// Raises a warning about these members.
    pub(crate) fn warn(&mut self, kind: WarningKind, members: MemberSet) {
        self.warn_within(kind, members, None, None);
    }

    /// Raises a warning about these members, and perhaps about one message and one subsession.
    pub(crate) fn warn_within(
        &mut self,
        kind: WarningKind,
        members: MemberSet,
        message: Option<MessageId>,
        subsession: Option<SubsessionId>,
    ) {
        let warning = Warning {
            kind,
            members,
            message,
            subsession,
        };
        if self.warnings.raise(warning.clone()) {
            tracing::warn!(member = %self.gka.me(), %warning, "warning raised");
            self.emit(Event::WarningRaised(warning));
        }
    }

    pub(crate) fn clear_warnings(&mut self, gone: impl Fn(&Warning) -> bool) {
        if self.warnings.is_empty() {
            return;
        }
        for warning in self.warnings.clear(gone) {
            self.emit(Event::WarningCleared(warning));
        }
    }
}
