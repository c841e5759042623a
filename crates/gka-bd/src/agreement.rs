//! The key agreement as the contract wants it: proposing, opening, accepting.

use std::fmt;
use std::sync::Arc;

use concilium_core::keys::SigningKey;
use concilium_core::{Context, MemberId, PacketId, SessionName};
use concilium_gka::{
    Ages, AssociatedData, Directory, GroupKeyAgreement, Identity, OpenError, Opened, ProposeError,
    ReceiveError, RestoreError, Role, Started, signed,
};
use concilium_gka_dh::{Contribution, abort, restore};

use crate::SUITE;
use crate::operation::Operation;
use crate::payload::{Content, Hello, Payload};
use crate::state::{Proposal, State};

/// Burmester and Desmedt's key agreement with authenticated confirmation, as one member runs it.
pub struct BurmesterDesmedt {
    identity: Arc<Identity>,
    directory: Arc<dyn Directory>,
}

impl BurmesterDesmedt {
    /// The key agreement of the member with this identity. It trusts the identity keys of `directory`.
    #[must_use]
    pub fn new(identity: Identity, directory: Arc<dyn Directory>) -> Self {
        Self {
            identity: Arc::new(identity),
            directory,
        }
    }
}

impl fmt::Debug for BurmesterDesmedt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BurmesterDesmedt")
            .field("member", self.identity.member())
            .finish_non_exhaustive()
    }
}

impl GroupKeyAgreement for BurmesterDesmedt {
    type State = State;
    type Proposal = Proposal;
    type Payload = Payload;
    type Operation = Operation;

    fn suite(&self) -> &str {
        SUITE
    }

    fn me(&self) -> &MemberId {
        self.identity.member()
    }

    fn propose(
        &self,
        state: Option<&State>,
        data: AssociatedData,
        cx: &mut Context<'_>,
    ) -> Result<(Vec<u8>, Proposal), ProposeError> {
        let held = state.map(|state| &state.members);
        data.check_proposal(SUITE, self.me(), held, &*self.directory)?;
        // B-1: fresh in every proposal, so that no contribution serves two operations.
        let contribution = Contribution::random(cx)?;
        let signing = SigningKey::from_seed(&cx.secret()?);
        let content = Content::Initial {
            base: state.map(|state| state.transcript),
            body: Hello {
                point: contribution.public(),
                key: *signing.verifying_key(),
            },
        };
        let session = data.session.clone();
        let (packet, fingerprint) = content.seal(&self.identity, &session, Role::Initial(data))?;
        let proposal = Proposal {
            contribution,
            signing,
            fingerprint,
        };
        Ok((packet, proposal))
    }

    fn abort(&self, session: &SessionName, initial: PacketId) -> Result<Vec<u8>, ProposeError> {
        abort(&self.identity, session, initial)
    }

    fn open(
        &self,
        session: &SessionName,
        from: &MemberId,
        packet: &[u8],
    ) -> Result<Opened<Payload>, OpenError> {
        // K-15: one signature, checked here and nowhere else, before anything is made of the payload.
        signed::open(packet, session, from, &*self.directory)?
            .try_map(|role, bytes| Payload::read(role, &bytes))
    }

    fn accept(
        &self,
        state: Option<&State>,
        proposal: Option<Proposal>,
        id: PacketId,
        initial: Opened<Payload>,
        cx: &mut Context<'_>,
    ) -> Result<Started<Operation, State>, ReceiveError> {
        Operation::start(&self.identity, state, proposal, id, initial, cx)
    }

    fn ages(&self, state: &State) -> Ages {
        let ages = state.members.iter().map(|who| (who.clone(), state.since));
        Ages(ages.collect())
    }

    fn restore_state(&self, bytes: &[u8]) -> Result<State, RestoreError> {
        State::restore(self.me(), bytes)
    }

    fn restore_proposal(&self, bytes: &[u8]) -> Result<Proposal, RestoreError> {
        restore(bytes)
    }

    fn restore_operation(&self, bytes: &[u8]) -> Result<Operation, RestoreError> {
        Operation::restore(&self.identity, bytes)
    }
}
