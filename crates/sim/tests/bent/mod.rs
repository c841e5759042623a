//! A key agreement and a cipher with a bug in them, in the one or the other. The member bob has it, or
//! everyone.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use concilium_core::keys::SubsessionKeys;
use concilium_core::{Context, MemberId, PacketId, Secret, SessionName, SubsessionId};
use concilium_encryptor::{Content, Decrypted, Kind, MessageEncryptor, OpenError, SealError, Sealed};
use concilium_gka::{
    Ages, AssociatedData, Directory, Export, GroupKeyAgreement, Identity, OpenError as GkaOpenError, Opened,
    Progress, ProposeError, ReceiveError, RestoreError, Started,
};
use concilium_testkit::{encryptor, gka};
use zeroize::Zeroizing;

/// What is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    None,
    // In the key agreement.
    /// Bob derives another key than the others.
    OtherKey,
    /// Opening a packet, even one that is refused, changes what is saved.
    Counts,
    /// What is saved cannot be read back.
    NoRestore,
    // In the cipher.
    /// Bob reads something else than was written.
    OtherBody,
    /// Parents are forgotten.
    NoParents,
    /// Bob takes data for something that is only to be acknowledged.
    AcksUnread,
    /// All subsessions have one key.
    OneKey,
    /// Bob's process panics when it reads data.
    Panics,
    /// Bob opens nothing.
    GoesDeaf,
    /// Bob's acknowledgements are enormous.
    Floods,
    /// A session keeps far more than it needs.
    Hoards,
    /// Bob forgets what he has read and said.
    Forks,
}

thread_local! {
    /// What the ciphers of this thread's run have: an encryptor is made from its type, which cannot say it.
    static PLANTED: Cell<Bug> = const { Cell::new(Bug::None) };
}

fn is_bob(who: &MemberId) -> bool {
    who.as_bytes() == b"bob"
}

/// The key agreement without secrecy, with a bug.
#[derive(Debug)]
pub(crate) struct BentGka {
    inner: gka::Plain,
    bug: Bug,
    opened: Rc<Cell<u64>>,
}

impl BentGka {
    /// One with this bug; the ciphers that this thread makes from now on have it too.
    pub(crate) fn new(bug: Bug, identity: Identity, directory: Arc<dyn Directory>) -> Self {
        PLANTED.set(bug);
        Self {
            inner: gka::Plain::new(identity, directory),
            bug,
            opened: Rc::default(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct BentState {
    inner: gka::PlainState,
    opened: Rc<Cell<u64>>,
}

impl Export for BentState {
    fn export(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = self.inner.export();
        bytes.push(self.opened.get().to_le_bytes()[0]);
        bytes
    }
}

#[derive(Debug)]
pub(crate) struct BentOver(gka::PlainOver);

impl Export for BentOver {
    fn export(&self) -> Zeroizing<Vec<u8>> {
        self.0.export()
    }
}

impl concilium_gka::Operation for BentOver {
    type State = BentState;
    type Payload = gka::PlainPayload;

    fn receive(
        &mut self,
        _: Opened<gka::PlainPayload>,
        _: &mut Context<'_>,
    ) -> Result<Progress<BentState>, ReceiveError> {
        Err(ReceiveError::Rejected(concilium_gka::Reason::OutOfTurn))
    }
}

impl GroupKeyAgreement for BentGka {
    type State = BentState;
    type Proposal = gka::PlainProposal;
    type Payload = gka::PlainPayload;
    type Operation = BentOver;

    concilium_gka::forward!(inner: suite, me, abort, restore_proposal);

    fn propose(
        &self,
        state: Option<&Self::State>,
        data: AssociatedData,
        cx: &mut Context<'_>,
    ) -> Result<(Vec<u8>, Self::Proposal), ProposeError> {
        self.inner.propose(state.map(|state| &state.inner), data, cx)
    }

    fn open(
        &self,
        session: &SessionName,
        from: &MemberId,
        packet: &[u8],
    ) -> Result<Opened<Self::Payload>, GkaOpenError> {
        if self.bug == Bug::Counts {
            self.opened.set(self.opened.get() + 1);
        }
        self.inner.open(session, from, packet)
    }

    fn accept(
        &self,
        state: Option<&Self::State>,
        proposal: Option<Self::Proposal>,
        id: PacketId,
        initial: Opened<Self::Payload>,
        cx: &mut Context<'_>,
    ) -> Result<Started<Self::Operation, Self::State>, ReceiveError> {
        let state = state.map(|state| &state.inner);
        let started = self.inner.accept(state, proposal, id, initial, cx)?;
        let progress = match started.progress {
            Progress::Finished(outcome) => {
                let mut keys = outcome.keys;
                if self.bug == Bug::OtherKey && is_bob(self.me()) {
                    keys.secret = Secret::new([7; 32]);
                }
                Progress::Finished(Box::new(concilium_gka::Success {
                    state: BentState {
                        inner: outcome.state,
                        opened: Rc::clone(&self.opened),
                    },
                    keys,
                }))
            }
            Progress::Continue(packets) => Progress::Continue(packets),
            Progress::Ignored => Progress::Ignored,
        };
        Ok(Started {
            operation: BentOver(started.operation),
            progress,
        })
    }

    fn ages(&self, state: &Self::State) -> Ages {
        self.inner.ages(&state.inner)
    }

    fn restore_state(&self, bytes: &[u8]) -> Result<Self::State, RestoreError> {
        let (_, inner) = bytes.split_last().ok_or(RestoreError)?;
        if self.bug == Bug::NoRestore {
            return Err(RestoreError);
        }
        Ok(BentState {
            inner: self.inner.restore_state(inner)?,
            opened: Rc::clone(&self.opened),
        })
    }

    fn restore_operation(&self, bytes: &[u8]) -> Result<Self::Operation, RestoreError> {
        self.inner.restore_operation(bytes).map(BentOver)
    }
}

/// The cipher without secrecy, with a bug.
#[derive(Debug)]
pub(crate) struct BentCipher {
    inner: encryptor::Plain,
    bug: Bug,
    is_bob: bool,
}

impl BentCipher {
    fn has(&self, bug: Bug) -> bool {
        self.bug == bug && self.is_bob
    }
}

impl MessageEncryptor for BentCipher {
    const SUITE: &'static str = "bent";
    type Step = ();

    fn new(me: &MemberId, keys: &SubsessionKeys) -> Result<Self, concilium_encryptor::RestoreError> {
        let bug = PLANTED.get();
        let inner = if bug == Bug::OneKey {
            let same = SubsessionKeys {
                subsession: SubsessionId::from_bytes([1; 32]),
                secret: Secret::new([1; 32]),
                signing: keys.signing.clone(),
                verifying: keys.verifying.clone(),
            };
            encryptor::Plain::new(me, &same)?
        } else {
            encryptor::Plain::new(me, keys)?
        };
        Ok(Self {
            inner,
            bug,
            is_bob: is_bob(me),
        })
    }

    fn seal(&mut self, content: &Content, cx: &mut Context<'_>) -> Result<Sealed, SealError> {
        let mut content = content.clone();
        if self.has(Bug::Floods) && content.kind != Kind::DATA {
            content.body = vec![0; 60_000];
        }
        if self.has(Bug::Forks) {
            content.parents.clear();
        }
        self.inner.seal(&content, cx)
    }

    fn open(&self, packet: &[u8]) -> Result<Decrypted<()>, OpenError> {
        if self.has(Bug::GoesDeaf) {
            return Err(OpenError::NotDecryptable);
        }
        let mut opened = self.inner.open(packet)?;
        let is_data = opened.content.kind == Kind::DATA;
        if self.bug == Bug::NoParents {
            opened.content.parents.clear();
        }
        if self.has(Bug::OtherBody) && is_data && !is_bob(&opened.author) {
            opened.content.body.push(b'!');
        }
        if self.has(Bug::AcksUnread) && is_data && !is_bob(&opened.author) {
            opened.content.kind = Kind::CONSISTENCY;
        }
        assert!(!(self.has(Bug::Panics) && is_data), "planted");
        Ok(opened)
    }

    fn commit(&mut self, (): ()) {}

    fn export(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = self.inner.export();
        if self.bug == Bug::Hoards {
            bytes.extend(std::iter::repeat_n(0, 1 << 20));
        }
        bytes.push(u8::from(self.is_bob));
        bytes
    }

    fn restore(bytes: &[u8]) -> Result<Self, concilium_encryptor::RestoreError> {
        let (last, inner) = bytes.split_last().ok_or(concilium_encryptor::RestoreError)?;
        Ok(Self {
            inner: encryptor::Plain::restore(inner)?,
            bug: PLANTED.get(),
            is_bob: *last == 1,
        })
    }
}
