//! What the user can ask for. Errors are the caller's own misuse, and change nothing.

use concilium_core::channel::ChannelAction;
use concilium_core::{Change, Context, MessageId};
use concilium_encryptor::{Kind, MAX_BODY_BYTES, MessageEncryptor, SealError};
use concilium_gka::{GroupKeyAgreement, MAX_MEMBERS};

use crate::subsession::{SpeakError, Subsession};
use crate::subsessions::Which;
use crate::{ActionError, ActionId, ActionKind, SendError, Session, SessionState};

/// With this many messages that are not fully acknowledged, we send no more: the group would be talking to a
/// member that is not there.
const MAX_UNACKED: usize = 100_000;

impl<G: GroupKeyAgreement, E: MessageEncryptor> Session<G, E> {
    /// Enters the channel and joins the session: founds one if the channel is empty, else waits to be
    /// included (T-11).
    ///
    /// # Errors
    /// Already in the channel, or something else is under way (T-15).
    pub fn join(&mut self, cx: &mut Context<'_>) -> Result<ActionId, ActionError> {
        let cx = &mut self.clock.read(cx);
        if let Some(id) = self.same_action(&ActionKind::Join)? {
            return Ok(id);
        }
        if self.stay.is_some() {
            return Err(ActionError::AlreadyJoined);
        }
        let id = self.begin(ActionKind::Join);
        self.act(ChannelAction::Enter);
        self.tick(cx);
        Ok(id)
    }

    /// Finishes and leaves the channel (T-9, L-6). Gives up joining, if that is what is under way.
    ///
    /// # Errors
    /// Not in a session, or something else is under way (T-15).
    pub fn part(&mut self, cx: &mut Context<'_>) -> Result<ActionId, ActionError> {
        let cx = &mut self.clock.read(cx);
        if self.actions.is_joining() {
            return Ok(self.give_up_joining(cx));
        }
        if let Some(id) = self.same_action(&ActionKind::Part)? {
            return Ok(id);
        }
        if self.stay.is_none() {
            return Err(ActionError::NotJoined);
        }
        let id = self.begin(ActionKind::Part);
        self.tick(cx);
        Ok(id)
    }

    /// Parts before the join has come to its end.
    fn give_up_joining(&mut self, cx: &mut Context<'_>) -> ActionId {
        self.settle_action(crate::ActionOutcome::Left);
        let id = self.begin(ActionKind::Part);
        if self.stay.is_none() {
            // The channel may be about to let us in; if it is not, there is nothing to leave.
            self.act(ChannelAction::Leave);
            self.settle_action(crate::ActionOutcome::Done);
        }
        self.tick(cx);
        id
    }

    /// Proposes to change the members of the session, or the keys only. Members to be included that are not
    /// in the channel are invited first.
    ///
    /// # Errors
    /// Not in a session, something else is under way (T-15), the change is not possible, or the session's
    /// policy does not let us propose it (O-12).
    pub fn change(&mut self, change: Change, cx: &mut Context<'_>) -> Result<ActionId, ActionError> {
        let cx = &mut self.clock.read(cx);
        if self.state() != SessionState::Joined {
            return Err(ActionError::NotJoined);
        }
        let kind = ActionKind::Change(change);
        if let Some(id) = self.same_action(&kind)? {
            return Ok(id);
        }
        let ActionKind::Change(change) = &kind else {
            return Err(ActionError::NotJoined);
        };
        if change.exclude.contains(self.gka.me()) {
            return Err(ActionError::ExcludeSelf); // T-9
        }
        let members = change.apply(self.members())?.len();
        if members > MAX_MEMBERS {
            return Err(ActionError::TooMany {
                members,
                limit: MAX_MEMBERS,
            });
        }
        self.permits_us(change)?; // O-12
        let id = self.begin(kind);
        if let Err(error) = self.pursue(cx) {
            self.actions.cancel();
            return Err(error.into());
        }
        self.tick(cx);
        Ok(id)
    }

    /// Sends a message to the members of the current subsession, up to 64 KiB (M-1).
    ///
    /// # Errors
    /// Not in a session, alone in it, leaving it, or the body is too long.
    pub fn send(&mut self, body: &[u8], cx: &mut Context<'_>) -> Result<MessageId, SendError> {
        if body.len() > MAX_BODY_BYTES {
            return Err(SendError::TooLong(body.len()));
        }
        self.say(Kind::DATA, body, cx)
    }

    /// Acknowledges everything seen so far, explicitly.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub fn ack(&mut self, cx: &mut Context<'_>) -> Result<MessageId, SendError> {
        self.say(Kind::MANUAL_ACK, &[], cx)
    }

    /// Ends the running operation as failed (O-11), unless another packet ends it first.
    ///
    /// # Errors
    /// None is running that we may abort.
    pub fn abort(&mut self, cx: &mut Context<'_>) -> Result<(), ActionError> {
        let cx = &mut self.clock.read(cx);
        let initial = self
            .stay
            .as_ref()
            .and_then(|stay| stay.course.operation.as_ref())
            .map(|running| running.initial);
        self.send_abort(initial.ok_or(ActionError::NoOperation)?)?;
        self.tick(cx);
        Ok(())
    }

    fn say(&mut self, kind: Kind, body: &[u8], cx: &mut Context<'_>) -> Result<MessageId, SendError> {
        let cx = &mut self.clock.read(cx);
        match self.state() {
            SessionState::Joined => {}
            SessionState::Parting => return Err(SendError::Parting),
            _ => return Err(SendError::NotJoined),
        }
        if self.stay.as_ref().is_some_and(|stay| stay.course.is_keyless()) {
            return Err(SendError::NoKeys);
        }
        let others = |current: &Subsession<E>| current.transcript.members().len() > 1;
        let current = self
            .current
            .as_ref()
            .filter(|current| others(current))
            .ok_or(SendError::Alone)?;
        let unacked = current.transcript.unacked_messages().len();
        if unacked >= MAX_UNACKED {
            return Err(SendError::Congested(unacked));
        }
        let id = self
            .speak(Which::Current, kind, body, cx)
            .map_err(|error| match error {
                SpeakError::NoSubsession => SendError::Alone,
                SpeakError::Seal(SealError::BodyTooLong(len)) => SendError::TooLong(len),
                SpeakError::Seal(SealError::Finished) => SendError::Parting,
                SpeakError::Seal(SealError::Randomness(error)) => SendError::Randomness(error),
                SpeakError::Seal(error) => SendError::Seal(error),
                SpeakError::Transcript(error) => SendError::Transcript(error),
            })?;
        self.tick(cx);
        Ok(id)
    }
}
