//! What a session can be asked. Nothing here changes anything.

use std::fmt;

use concilium_core::{
    ChainHash, Change, MemberId, MemberSet, MessageId, Secret, SessionName, SubsessionId, Time, packet,
};
use concilium_encryptor::MessageEncryptor;
use concilium_gka::GroupKeyAgreement;
use concilium_server_order::Record;

use crate::session::OperationView;
use crate::subsession::Subsession;
use crate::{Session, Settings, Warnings};

/// A message with the application's data, for a screen.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageView<'a> {
    /// Its id.
    pub id: MessageId,
    /// Its author.
    pub author: &'a MemberId,
    /// The subsession that it was written in.
    pub subsession: SubsessionId,
    /// What it says.
    pub body: &'a [u8],
    /// The latest messages with data that its author had seen, across a change of membership too (G-9).
    pub parents: &'a [MessageId],
    /// Whether it just follows the message shown above it; if not, its parents matter to the reader (G-8).
    pub follows: bool,
    /// Whether everyone has seen it.
    pub fully_acked: bool,
    /// The readers that have not, as far as we know.
    pub unacked: MemberSet,
}

/// Without what the body says.
impl fmt::Debug for MessageView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageView")
            .field("id", &self.id)
            .field("author", &self.author)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl<G: GroupKeyAgreement, E: MessageEncryptor> Session<G, E> {
    /// Our own name.
    #[must_use]
    pub fn me(&self) -> &MemberId {
        self.gka.me()
    }

    /// The session's name.
    #[must_use]
    pub fn name(&self) -> &SessionName {
        &self.name
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The key agreement.
    #[must_use]
    pub fn gka(&self) -> &G {
        &self.gka
    }

    /// The members of the channel; `None` outside of it.
    #[must_use]
    pub fn channel(&self) -> Option<&MemberSet> {
        self.stay.as_ref().map(|stay| &stay.channel)
    }

    /// The current subsession. `None` if there is none, as for a founder that is still alone.
    #[must_use]
    pub fn subsession(&self) -> Option<SubsessionId> {
        self.current.as_ref().map(|current| current.state.id)
    }

    /// When we ask into the silence, unless a member says something before (L-5). `None` while there are no
    /// others.
    #[must_use]
    pub fn next_heartbeat(&self) -> Option<Time> {
        let others = |current: &&Subsession<E>| current.transcript.members().len() > 1;
        let asks_at = self.current.as_ref().filter(others)?.state.presence.ask_at();
        Some(self.clock.shows(asks_at)).filter(|at| *at < Time::NEVER)
    }

    /// The hash over all accepted operations (O-5).
    #[must_use]
    pub fn chain(&self) -> Option<ChainHash> {
        self.stay
            .as_ref()?
            .chain
            .resolver
            .head()
            .map(|head| head.link.chain)
    }

    /// Whether we hold our place in the chain on others' word so far (O-8).
    #[must_use]
    pub fn is_provisional(&self) -> bool {
        self.stay
            .as_ref()
            .is_some_and(|stay| stay.chain.resolver.is_provisional())
    }

    /// The operation that runs.
    #[must_use]
    pub fn operation(&self) -> Option<OperationView> {
        let running = self.stay.as_ref()?.chain.resolver.running()?;
        let change = Change::between(&running.before, &running.after);
        Some(OperationView {
            initial: running.id,
            by: running.author.clone(),
            change,
        })
    }

    /// The operations that have ended since we joined, newest last.
    #[must_use]
    pub fn history(&self) -> &[Record] {
        self.stay
            .as_ref()
            .map_or(&[], |stay| stay.chain.resolver.history())
    }

    /// The warnings in force, and which there ever were.
    #[must_use]
    pub fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    /// The messages with the application's data, in the order of display. It changes only at its end.
    pub fn messages(&self) -> impl Iterator<Item = MessageView<'_>> {
        self.log
            .timeline()
            .items()
            .iter()
            .filter_map(|item| self.viewed(&item.message, item.follows))
    }

    /// One message with data.
    #[must_use]
    pub fn message(&self, id: &MessageId) -> Option<MessageView<'_>> {
        let item = self
            .log
            .timeline()
            .items()
            .iter()
            .find(|item| item.message == *id)?;
        self.viewed(id, item.follows)
    }

    fn viewed(&self, id: &MessageId, follows: bool) -> Option<MessageView<'_>> {
        let logged = self.log.get(id)?;
        let live = self
            .subsessions()
            .find(|subsession| subsession.state.id == logged.subsession);
        let unacked = match (live, &logged.unseen) {
            (Some(subsession), _) => subsession.transcript.unacked(id).unwrap_or_default(),
            (None, Some(unseen)) => unseen.clone(),
            (None, None) => MemberSet::new(),
        };
        Some(MessageView {
            id: *id,
            author: &logged.author,
            subsession: logged.subsession,
            body: &logged.body,
            parents: &logged.parents,
            follows,
            fully_acked: unacked.is_empty(),
            unacked,
        })
    }

    /// A secret that only the members of the current subsession share, for the application's own use. Each
    /// label gives another one. `None` without keys.
    #[must_use]
    pub fn exporter(&self, label: &str) -> Option<Secret<32>> {
        self.current.as_ref().map(|current| current.exporter(label))
    }

    /// The body of a packet as it stands on the channel, if it is a message that we hold the keys for. The
    /// session does not change.
    #[must_use]
    pub fn reads(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let Ok((packet::PacketKind::Message, body)) = packet::read(bytes) else {
            return None;
        };
        self.subsessions()
            .find_map(|subsession| subsession.encryptor.open(body).ok())
            .map(|opened| opened.content.body)
    }
}
