//! A key agreement that is chosen while the program runs.

use std::any::Any;
use std::fmt;

use concilium_core::{Context, MemberId, PacketId, SessionName};
use zeroize::Zeroizing;

use crate::{
    Ages, AssociatedData, Export, Failure, GroupKeyAgreement, OpenError, Opened, Operation, Progress,
    ProposeError, Reason, ReceiveError, RestoreError, Started, Success,
};

/// Any key agreement, its type erased. For programs whose users choose one, and for tools that would
/// otherwise be compiled once for each.
///
/// It behaves as the key agreement that it was made of. A value of one (a state, a proposal, an opened
/// packet) does not fit another, which refuses it as missing or malformed.
pub struct AnyGka(Box<dyn Forgotten>);

impl AnyGka {
    /// Forgets the type of `gka`.
    pub fn new<G>(gka: G) -> Self
    where
        G: GroupKeyAgreement + Send + 'static,
        G::State: Send,
        G::Proposal: Send,
        G::Payload: Send,
        G::Operation: Send,
    {
        Self(Box::new(gka))
    }
}

impl fmt::Debug for AnyGka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnyGka({})", self.0.suite())
    }
}

/// A state or a proposal of some key agreement.
pub struct AnyState(Box<dyn Kept>);

impl fmt::Debug for AnyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Export for AnyState {
    fn export(&self) -> Zeroizing<Vec<u8>> {
        self.0.export()
    }
}

impl AnyState {
    fn of<T: Kept>(value: T) -> Self {
        Self(Box::new(value))
    }

    fn as_a<T: 'static>(&self) -> Option<&T> {
        (&*self.0 as &dyn Any).downcast_ref()
    }

    fn into_a<T: 'static>(self) -> Option<T> {
        (self.0 as Box<dyn Any>).downcast().ok().map(|value| *value)
    }
}

/// What an opened packet of some key agreement carries.
pub struct AnyPayload(Box<dyn Carried>);

impl fmt::Debug for AnyPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An opened packet with the type of its payload remembered.
fn remember<P: 'static>(packet: Opened<AnyPayload>) -> Result<Opened<P>, ReceiveError> {
    packet.try_map(|_, payload| {
        let payload = (payload.0 as Box<dyn Any>).downcast();
        payload
            .map(|payload| *payload)
            .map_err(|_| ReceiveError::Rejected(Reason::Malformed))
    })
}

/// A running operation of some key agreement.
pub struct AnyOperation(Box<dyn RunningOperation>);

impl fmt::Debug for AnyOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Export for AnyOperation {
    fn export(&self) -> Zeroizing<Vec<u8>> {
        self.0.export()
    }
}

impl Operation for AnyOperation {
    type State = AnyState;
    type Payload = AnyPayload;

    fn receive(
        &mut self,
        packet: Opened<AnyPayload>,
        cx: &mut Context<'_>,
    ) -> Result<Progress<AnyState>, ReceiveError> {
        self.0.receive(packet, cx)
    }
}

impl GroupKeyAgreement for AnyGka {
    type State = AnyState;
    type Proposal = AnyState;
    type Payload = AnyPayload;
    type Operation = AnyOperation;

    crate::forward!(
        0: suite, me, announce, learn, forget, export_announcements, restore_announcements, propose, abort,
        open, accept, ages, restore_state, restore_proposal, restore_operation
    );
}

/// What can be exported, printed, and recognised.
trait Kept: Export + fmt::Debug + Any + Send {}

impl<T: Export + fmt::Debug + Any + Send> Kept for T {}

/// What can be printed and recognised.
trait Carried: fmt::Debug + Any + Send {}

impl<T: fmt::Debug + Any + Send> Carried for T {}

/// [`Operation`] with its types forgotten.
trait RunningOperation: Export + fmt::Debug + Send {
    fn receive(
        &mut self,
        packet: Opened<AnyPayload>,
        cx: &mut Context<'_>,
    ) -> Result<Progress<AnyState>, ReceiveError>;
}

impl<O> RunningOperation for O
where
    O: Operation<State: Send + 'static + Export + fmt::Debug, Payload: 'static> + Send,
{
    fn receive(
        &mut self,
        packet: Opened<AnyPayload>,
        cx: &mut Context<'_>,
    ) -> Result<Progress<AnyState>, ReceiveError> {
        Operation::receive(self, remember(packet)?, cx).map(forget)
    }
}

fn forget<S: Kept>(progress: Progress<S>) -> Progress<AnyState> {
    match progress {
        Progress::Ignored => Progress::Ignored,
        Progress::Continue(packets) => Progress::Continue(packets),
        Progress::Finished(outcome) => Progress::Finished(Box::new(Success {
            state: AnyState::of(outcome.state),
            keys: outcome.keys,
        })),
    }
}

/// [`GroupKeyAgreement`] with its types forgotten.
trait Forgotten: Send {
    fn suite(&self) -> &str;
    fn me(&self) -> &MemberId;
    fn announce(
        &mut self,
        session: &SessionName,
        cx: &mut Context<'_>,
    ) -> Result<Option<Vec<u8>>, ProposeError>;
    fn learn(&mut self, session: &SessionName, from: &MemberId, announcement: &[u8])
    -> Result<(), OpenError>;
    fn forget(&mut self, who: &MemberId);
    fn export_announcements(&self) -> Zeroizing<Vec<u8>>;
    fn restore_announcements(&mut self, bytes: &[u8]) -> Result<(), RestoreError>;
    fn propose(
        &self,
        state: Option<&AnyState>,
        data: AssociatedData,
        cx: &mut Context<'_>,
    ) -> Result<(Vec<u8>, AnyState), ProposeError>;
    fn abort(&self, session: &SessionName, initial: PacketId) -> Result<Vec<u8>, ProposeError>;
    fn open(
        &self,
        session: &SessionName,
        from: &MemberId,
        packet: &[u8],
    ) -> Result<Opened<AnyPayload>, OpenError>;
    fn accept(
        &self,
        state: Option<&AnyState>,
        proposal: Option<AnyState>,
        id: PacketId,
        initial: Opened<AnyPayload>,
        cx: &mut Context<'_>,
    ) -> Result<Started<AnyOperation, AnyState>, ReceiveError>;
    fn ages(&self, state: &AnyState) -> Ages;
    fn restore_state(&self, bytes: &[u8]) -> Result<AnyState, RestoreError>;
    fn restore_proposal(&self, bytes: &[u8]) -> Result<AnyState, RestoreError>;
    fn restore_operation(&self, bytes: &[u8]) -> Result<AnyOperation, RestoreError>;
}

impl<G> Forgotten for G
where
    G: GroupKeyAgreement + Send + 'static,
    G::State: Send,
    G::Proposal: Send,
    G::Payload: Send,
    G::Operation: Send,
{
    fn suite(&self) -> &str {
        GroupKeyAgreement::suite(self)
    }

    fn me(&self) -> &MemberId {
        GroupKeyAgreement::me(self)
    }

    fn announce(
        &mut self,
        session: &SessionName,
        cx: &mut Context<'_>,
    ) -> Result<Option<Vec<u8>>, ProposeError> {
        GroupKeyAgreement::announce(self, session, cx)
    }

    fn learn(
        &mut self,
        session: &SessionName,
        from: &MemberId,
        announcement: &[u8],
    ) -> Result<(), OpenError> {
        GroupKeyAgreement::learn(self, session, from, announcement)
    }

    fn forget(&mut self, who: &MemberId) {
        GroupKeyAgreement::forget(self, who);
    }

    fn export_announcements(&self) -> Zeroizing<Vec<u8>> {
        GroupKeyAgreement::export_announcements(self)
    }

    fn restore_announcements(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        GroupKeyAgreement::restore_announcements(self, bytes)
    }

    fn propose(
        &self,
        state: Option<&AnyState>,
        data: AssociatedData,
        cx: &mut Context<'_>,
    ) -> Result<(Vec<u8>, AnyState), ProposeError> {
        let state = match state {
            Some(state) => Some(
                state
                    .as_a::<G::State>()
                    .ok_or(ProposeError::Members(Reason::NoState))?,
            ),
            None => None,
        };
        let (packet, proposal) = GroupKeyAgreement::propose(self, state, data, cx)?;
        Ok((packet, AnyState::of(proposal)))
    }

    fn abort(&self, session: &SessionName, initial: PacketId) -> Result<Vec<u8>, ProposeError> {
        GroupKeyAgreement::abort(self, session, initial)
    }

    fn open(
        &self,
        session: &SessionName,
        from: &MemberId,
        packet: &[u8],
    ) -> Result<Opened<AnyPayload>, OpenError> {
        let opened = GroupKeyAgreement::open(self, session, from, packet)?;
        opened.try_map(|_, payload| Ok(AnyPayload(Box::new(payload))))
    }

    fn accept(
        &self,
        state: Option<&AnyState>,
        proposal: Option<AnyState>,
        id: PacketId,
        initial: Opened<AnyPayload>,
        cx: &mut Context<'_>,
    ) -> Result<Started<AnyOperation, AnyState>, ReceiveError> {
        let no_state = || {
            ReceiveError::Failed(Failure {
                culprit: None,
                reason: Reason::NoState,
                ends: false,
            })
        };
        let state = match state {
            Some(state) => Some(state.as_a::<G::State>().ok_or_else(no_state)?),
            None => None,
        };
        let proposal = match proposal {
            Some(proposal) => Some(proposal.into_a::<G::Proposal>().ok_or_else(no_state)?),
            None => None,
        };
        let started = GroupKeyAgreement::accept(self, state, proposal, id, remember(initial)?, cx)?;
        Ok(Started {
            operation: AnyOperation(Box::new(started.operation)),
            progress: forget(started.progress),
        })
    }

    fn ages(&self, state: &AnyState) -> Ages {
        let state = state.as_a::<G::State>();
        state
            .map(|state| GroupKeyAgreement::ages(self, state))
            .unwrap_or_default()
    }

    fn restore_state(&self, bytes: &[u8]) -> Result<AnyState, RestoreError> {
        GroupKeyAgreement::restore_state(self, bytes).map(AnyState::of)
    }

    fn restore_proposal(&self, bytes: &[u8]) -> Result<AnyState, RestoreError> {
        GroupKeyAgreement::restore_proposal(self, bytes).map(AnyState::of)
    }

    fn restore_operation(&self, bytes: &[u8]) -> Result<AnyOperation, RestoreError> {
        let operation = GroupKeyAgreement::restore_operation(self, bytes)?;
        Ok(AnyOperation(Box::new(operation)))
    }
}
