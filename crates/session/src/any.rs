//! A session whose key agreement and encryptor are chosen while the program runs.

use std::fmt;

use concilium_core::channel::ChannelEvent;
use concilium_core::{
    ChainHash, Change, Context, MemberId, MemberSet, MessageId, Secret, SessionName, SubsessionId, Time,
};
use concilium_encryptor::MessageEncryptor;
use concilium_gka::GroupKeyAgreement;
use concilium_server_order::Record;
use zeroize::Zeroizing;

use crate::{
    ActionError, ActionId, Drain, Due, MessageView, OperationView, SendError, Session, SessionState, Summary,
    Warnings,
};

/// The methods of a [`Session`] that drivers call, for every choice of parts. Each method is the session's
/// own of the same name.
///
/// For programs that let their users choose the parts, and for tools that would otherwise be compiled once
/// for each pair of them: they keep a `Box<dyn AnySession>`.
#[expect(missing_docs, reason = "each is documented at the session")]
pub trait AnySession: fmt::Debug {
    fn handle(&mut self, event: ChannelEvent, cx: &mut Context<'_>);
    fn handle_timeout(&mut self, cx: &mut Context<'_>);
    fn drain(&mut self) -> Drain<'_>;
    fn next_timeout(&self) -> Option<Time>;
    fn next_due(&self) -> Option<Due>;
    fn next_heartbeat(&self) -> Option<Time>;
    fn snapshot(&self) -> Zeroizing<Vec<u8>>;
    fn join(&mut self, cx: &mut Context<'_>) -> Result<ActionId, ActionError>;
    fn part(&mut self, cx: &mut Context<'_>) -> Result<ActionId, ActionError>;
    fn change(&mut self, change: Change, cx: &mut Context<'_>) -> Result<ActionId, ActionError>;
    fn abort(&mut self, cx: &mut Context<'_>) -> Result<(), ActionError>;
    fn send(&mut self, body: &[u8], cx: &mut Context<'_>) -> Result<MessageId, SendError>;
    fn ack(&mut self, cx: &mut Context<'_>) -> Result<MessageId, SendError>;
    fn me(&self) -> &MemberId;
    fn name(&self) -> &SessionName;
    fn state(&self) -> SessionState;
    fn members(&self) -> &MemberSet;
    fn channel(&self) -> Option<&MemberSet>;
    fn presence(&self) -> MemberSet;
    fn subsession(&self) -> Option<SubsessionId>;
    fn chain(&self) -> Option<ChainHash>;
    fn is_provisional(&self) -> bool;
    fn operation(&self) -> Option<OperationView>;
    fn history(&self) -> &[Record];
    fn warnings(&self) -> &Warnings;
    fn summary(&self) -> Summary;
    fn message(&self, id: &MessageId) -> Option<MessageView<'_>>;
    fn exporter(&self, label: &str) -> Option<Secret<32>>;
    fn reads(&self, bytes: &[u8]) -> Option<Vec<u8>>;
    fn messages(&self) -> Box<dyn Iterator<Item = MessageView<'_>> + '_>;
}

impl<G: GroupKeyAgreement, E: MessageEncryptor> AnySession for Session<G, E> {
    fn handle(&mut self, event: ChannelEvent, cx: &mut Context<'_>) {
        self.handle(event, cx)
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        self.handle_timeout(cx)
    }

    fn drain(&mut self) -> Drain<'_> {
        self.drain()
    }

    fn next_timeout(&self) -> Option<Time> {
        self.next_timeout()
    }

    fn next_due(&self) -> Option<Due> {
        self.next_due()
    }

    fn next_heartbeat(&self) -> Option<Time> {
        self.next_heartbeat()
    }

    fn snapshot(&self) -> Zeroizing<Vec<u8>> {
        self.snapshot()
    }

    fn join(&mut self, cx: &mut Context<'_>) -> Result<ActionId, ActionError> {
        self.join(cx)
    }

    fn part(&mut self, cx: &mut Context<'_>) -> Result<ActionId, ActionError> {
        self.part(cx)
    }

    fn change(&mut self, change: Change, cx: &mut Context<'_>) -> Result<ActionId, ActionError> {
        self.change(change, cx)
    }

    fn abort(&mut self, cx: &mut Context<'_>) -> Result<(), ActionError> {
        self.abort(cx)
    }

    fn send(&mut self, body: &[u8], cx: &mut Context<'_>) -> Result<MessageId, SendError> {
        self.send(body, cx)
    }

    fn ack(&mut self, cx: &mut Context<'_>) -> Result<MessageId, SendError> {
        self.ack(cx)
    }

    fn me(&self) -> &MemberId {
        self.me()
    }

    fn name(&self) -> &SessionName {
        self.name()
    }

    fn state(&self) -> SessionState {
        self.state()
    }

    fn members(&self) -> &MemberSet {
        self.members()
    }

    fn channel(&self) -> Option<&MemberSet> {
        self.channel()
    }

    fn presence(&self) -> MemberSet {
        self.presence()
    }

    fn subsession(&self) -> Option<SubsessionId> {
        self.subsession()
    }

    fn chain(&self) -> Option<ChainHash> {
        self.chain()
    }

    fn is_provisional(&self) -> bool {
        self.is_provisional()
    }

    fn operation(&self) -> Option<OperationView> {
        self.operation()
    }

    fn history(&self) -> &[Record] {
        self.history()
    }

    fn warnings(&self) -> &Warnings {
        self.warnings()
    }

    fn summary(&self) -> Summary {
        self.summary()
    }

    fn message(&self, id: &MessageId) -> Option<MessageView<'_>> {
        self.message(id)
    }

    fn exporter(&self, label: &str) -> Option<Secret<32>> {
        self.exporter(label)
    }

    fn reads(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.reads(bytes)
    }

    fn messages(&self) -> Box<dyn Iterator<Item = MessageView<'_>> + '_> {
        Box::new(self.messages())
    }
}
