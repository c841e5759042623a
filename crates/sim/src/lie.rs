//! What an insider says under its own keys, so that every signature is good, and no honest member says.

use std::cell::RefCell;
use std::fmt;

use concilium_core::keys::{SubsessionKeys, VerifyingKey};
use concilium_core::{Context, MemberId, MessageId, RandomnessError, Secret};
use concilium_encryptor::{Content, Decrypted, MessageEncryptor, OpenError, RestoreError, SealError, Sealed};
use concilium_gka::{AssociatedData, GroupKeyAgreement, ProposeError};
use zeroize::Zeroizing;

/// A lie that is well signed and, where it is a message, well encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// A message with parents that were never written.
    UnknownParents,
    /// A message with as many such parents as fit.
    ManyParents,
    /// A message with a parent and one that comes before it: no antichain (G-2).
    ParentsBeforeParents,
    /// A message whose parents are of other subsessions.
    ParentsElsewhere,
    /// A message without parents, as if its author had said and read nothing yet.
    NoParents,
    /// A message that claims a chain which never was (O-10).
    ChainMadeUp,
    /// A message that claims the right packet, and another chain.
    ChainOther,
    /// A message that claims an earlier place of the chain.
    ChainEarlier,
    /// A finish out of the blue.
    Finish,
    /// A finish, and another one.
    FinishTwice,
    /// A finish, and data after it.
    DataAfterFinish,
    /// The same, the data sent first: it waits for the finish.
    DataBeforeFinish,
    /// A finish that retires the signing key, and data signed with that key (M-9).
    DataAfterRetiring,
    /// A finish with a body that is neither empty nor a key.
    FinishOddBody,
    /// A published key that is not its author's.
    WrongKey,
    /// An acknowledgement with a body.
    AckWithBody,
    /// A message of a kind that there is not.
    UnknownKind,
    /// A proposal after a packet that was never accepted.
    ProposalParent,
    /// A proposal with another chain.
    ProposalChain,
    /// A proposal with an earlier parent.
    ProposalEarlier,
    /// A proposal with latest messages that were never written.
    ProposalLatest,
    /// A proposal for other members than its author's session takes it for.
    ProposalMembers,
    /// A proposal with another suite.
    ProposalSuite,
    /// An abort of the operation that runs.
    AbortRunning,
    /// An abort of one that is over.
    AbortOver,
    /// An abort of one that never was.
    AbortMadeUp,
    /// A packet of the running operation, with values from any earlier packet.
    Borrowed,
    /// A packet of an operation that is over.
    LaterOfOver,
    /// An initial packet that repeats another member's.
    InitialBorrowed,
    /// The next packets of operations leave changed, and signed again.
    Resign,
}

impl Lie {
    /// All of them.
    pub const ALL: [Self; 30] = [
        Self::UnknownParents,
        Self::ManyParents,
        Self::ParentsBeforeParents,
        Self::ParentsElsewhere,
        Self::NoParents,
        Self::ChainMadeUp,
        Self::ChainOther,
        Self::ChainEarlier,
        Self::Finish,
        Self::FinishTwice,
        Self::DataAfterFinish,
        Self::DataBeforeFinish,
        Self::DataAfterRetiring,
        Self::FinishOddBody,
        Self::WrongKey,
        Self::AckWithBody,
        Self::UnknownKind,
        Self::ProposalParent,
        Self::ProposalChain,
        Self::ProposalEarlier,
        Self::ProposalLatest,
        Self::ProposalMembers,
        Self::ProposalSuite,
        Self::AbortRunning,
        Self::AbortOver,
        Self::AbortMadeUp,
        Self::Borrowed,
        Self::LaterOfOver,
        Self::InitialBorrowed,
        Self::Resign,
    ];
}

/// What becomes of a message before it is sealed.
pub(crate) type Bend = Box<dyn FnOnce(&mut Content)>;

/// What becomes of what an operation is about before it is proposed.
pub(crate) type BendData = Box<dyn FnOnce(&mut AssociatedData)>;

thread_local! {
    static CONTENT: RefCell<Option<Bend>> = const { RefCell::new(None) };
    static DATA: RefCell<Option<BendData>> = const { RefCell::new(None) };
}

/// Lets the first message be bent that a lying session seals in `during`.
pub(crate) fn with_content<T>(bend: Bend, during: impl FnOnce() -> T) -> T {
    CONTENT.set(Some(bend));
    let answer = during();
    CONTENT.set(None);
    answer
}

/// Lets the first proposal be bent that a lying session makes in `during`.
pub(crate) fn with_data<T>(bend: BendData, during: impl FnOnce() -> T) -> T {
    DATA.set(Some(bend));
    let answer = during();
    DATA.set(None);
    answer
}

/// A key agreement that, when told to, proposes something else than its session wants. Its states are those
/// of the real one: a session moves between the two by a snapshot.
#[derive(Debug)]
pub(crate) struct LyingGka<G>(pub(crate) G);

impl<G: GroupKeyAgreement> GroupKeyAgreement for LyingGka<G> {
    type State = G::State;
    type Proposal = G::Proposal;
    type Payload = G::Payload;
    type Operation = G::Operation;

    concilium_gka::forward!(
        0: suite, me, announce, learn, forget, export_announcements, restore_announcements, abort, open,
        accept, ages, restore_state, restore_proposal, restore_operation
    );

    fn propose(
        &self,
        state: Option<&G::State>,
        mut data: AssociatedData,
        cx: &mut Context<'_>,
    ) -> Result<(Vec<u8>, G::Proposal), ProposeError> {
        if let Some(bend) = DATA.take() {
            bend(&mut data);
        }
        self.0.propose(state, data, cx)
    }
}

/// A cipher that, when told to, seals something else than its session says. Its exports are those of the real
/// one.
pub(crate) struct LyingCipher<E>(E);

impl<E: fmt::Debug> fmt::Debug for LyingCipher<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LyingCipher({:?})", self.0)
    }
}

impl<E: MessageEncryptor> MessageEncryptor for LyingCipher<E> {
    const SUITE: &'static str = E::SUITE;
    type Step = E::Step;

    fn new(me: &MemberId, keys: &SubsessionKeys) -> Result<Self, RestoreError> {
        E::new(me, keys).map(Self)
    }

    fn seal(&mut self, content: &Content, cx: &mut Context<'_>) -> Result<Sealed, SealError> {
        match CONTENT.take() {
            None => self.0.seal(content, cx),
            Some(bend) => {
                let mut content = content.clone();
                bend(&mut content);
                content.parents.sort_unstable();
                content.parents.dedup();
                self.0.seal(&content, cx)
            }
        }
    }

    fn open(&self, packet: &[u8]) -> Result<Decrypted<E::Step>, OpenError> {
        self.0.open(packet)
    }

    fn commit(&mut self, step: E::Step) {
        self.0.commit(step);
    }

    fn control_key(&mut self, cx: &mut Context<'_>) -> Result<Option<VerifyingKey>, RandomnessError> {
        self.0.control_key(cx)
    }

    fn retired_key(&self) -> Option<Secret<32>> {
        self.0.retired_key()
    }

    fn recognise(&self, packet: &[u8]) -> Option<MessageId> {
        self.0.recognise(packet)
    }

    fn fully_acked(&mut self, packet: &[u8]) {
        self.0.fully_acked(packet);
    }

    fn export(&self) -> Zeroizing<Vec<u8>> {
        self.0.export()
    }

    fn restore(bytes: &[u8]) -> Result<Self, RestoreError> {
        E::restore(bytes).map(Self)
    }
}
