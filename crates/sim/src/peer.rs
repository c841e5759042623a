//! A session whose key agreement and cipher are forgotten, so that the simulator is compiled once for all of them.

use concilium_core::channel::ChannelEvent;
use concilium_core::{ChainHash, Change, Context, MemberSet, MessageId, Secret, SubsessionId, Time};
use concilium_encryptor::MessageEncryptor;
use concilium_gka::GroupKeyAgreement;
use concilium_session::{
    ActionError, ActionId, MessageView, Output, SendError, Session, SessionState, Warnings,
};
use zeroize::Zeroizing;

/// What the simulator calls of a [`Session`]; each method is the session's own of the same name.
#[expect(missing_docs, reason = "each is documented at the session")]
pub trait Peer {
    fn handle(&mut self, event: ChannelEvent, cx: &mut Context<'_>);
    fn handle_timeout(&mut self, cx: &mut Context<'_>);
    fn poll_output(&mut self) -> Option<Output>;
    fn next_timeout(&self) -> Option<Time>;
    fn snapshot(&self) -> Zeroizing<Vec<u8>>;

    fn join(&mut self, cx: &mut Context<'_>) -> Result<ActionId, ActionError>;
    fn part(&mut self, cx: &mut Context<'_>) -> Result<ActionId, ActionError>;
    fn change(&mut self, change: Change, cx: &mut Context<'_>) -> Result<ActionId, ActionError>;
    fn abort(&mut self, cx: &mut Context<'_>) -> Result<(), ActionError>;
    fn send(&mut self, body: &[u8], cx: &mut Context<'_>) -> Result<MessageId, SendError>;
    fn ack(&mut self, cx: &mut Context<'_>) -> Result<MessageId, SendError>;

    fn state(&self) -> SessionState;
    fn members(&self) -> &MemberSet;
    fn channel(&self) -> Option<&MemberSet>;
    fn subsession(&self) -> Option<SubsessionId>;
    fn chain(&self) -> Option<ChainHash>;
    fn is_operating(&self) -> bool;
    fn exporter(&self, label: &str) -> Option<Secret<32>>;
    fn warnings(&self) -> &Warnings;
    fn message(&self, id: &MessageId) -> Option<MessageView<'_>>;
    fn reads(&self, bytes: &[u8]) -> Option<Vec<u8>>;
}

impl<G: GroupKeyAgreement, E: MessageEncryptor> Peer for Session<G, E> {
    fn handle(&mut self, event: ChannelEvent, cx: &mut Context<'_>) {
        self.handle(event, cx);
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        self.handle_timeout(cx);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.poll_output()
    }

    fn next_timeout(&self) -> Option<Time> {
        self.next_timeout()
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

    fn state(&self) -> SessionState {
        self.state()
    }

    fn members(&self) -> &MemberSet {
        self.members()
    }

    fn channel(&self) -> Option<&MemberSet> {
        self.channel()
    }

    fn subsession(&self) -> Option<SubsessionId> {
        self.subsession()
    }

    fn chain(&self) -> Option<ChainHash> {
        self.chain()
    }

    fn is_operating(&self) -> bool {
        self.operation().is_some()
    }

    fn exporter(&self, label: &str) -> Option<Secret<32>> {
        self.exporter(label)
    }

    fn warnings(&self) -> &Warnings {
        self.warnings()
    }

    fn message(&self, id: &MessageId) -> Option<MessageView<'_>> {
        self.message(id)
    }

    fn reads(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.reads(bytes)
    }
}
