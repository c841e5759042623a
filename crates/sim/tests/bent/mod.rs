//! A key agreement and a cipher with a bug in them, each chosen by a number. The member bob has it, or everyone.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use concilium_core::keys::SubsessionKeys;
use concilium_core::{Context, MemberId, PacketId, Secret, SessionName, SubsessionId};
use concilium_encryptor::{Content, Kind, MessageEncryptor, OpenError, Opened, SealError, Sealed};
use concilium_gka::{
    Ages, AssociatedData, Directory, Export, GroupKeyAgreement, Identity, OpenError as GkaOpenError,
    Opened as GkaOpened, Progress, ProposeError, ReceiveError, RestoreError, Started,
};
use concilium_testkit::{encryptor, gka};
use zeroize::Zeroizing;

/// The bugs.
pub(crate) mod bug {
    pub(crate) const NONE: u8 = 0;
    // Of the key agreement.
    /// Bob derives another key than the others.
    pub(crate) const OTHER_KEY: u8 = 1;
    /// Opening a packet, even one that is refused, changes what is saved.
    pub(crate) const COUNTS: u8 = 2;
    /// What is saved cannot be read back.
    pub(crate) const NO_RESTORE: u8 = 3;
    // Of the cipher.
    /// Bob reads something else than was written.
    pub(crate) const OTHER_BODY: u8 = 4;
    /// Parents are forgotten.
    pub(crate) const NO_PARENTS: u8 = 5;
    /// Bob takes data for something that is only to be acknowledged.
    pub(crate) const ACKS_UNREAD: u8 = 6;
    /// All subsessions have one key.
    pub(crate) const ONE_KEY: u8 = 7;
    /// Bob's process panics when it reads data.
    pub(crate) const PANICS: u8 = 8;
    /// Bob opens nothing.
    pub(crate) const GOES_DEAF: u8 = 9;
    /// Bob's acknowledgements are enormous.
    pub(crate) const FLOODS: u8 = 10;
    /// A session keeps far more than it needs.
    pub(crate) const HOARDS: u8 = 11;
    /// Bob forgets what he has read and said.
    pub(crate) const FORKS: u8 = 12;
}

fn is_bob(who: &MemberId) -> bool {
    who.as_bytes() == b"bob"
}

/// The key agreement without secrecy, with a bug.
#[derive(Debug)]
pub(crate) struct BentGka<const BUG: u8> {
    inner: gka::Plain,
    opened: Rc<Cell<u64>>,
}

impl<const BUG: u8> BentGka<BUG> {
    pub(crate) fn new(identity: Identity, directory: Arc<dyn Directory>) -> Self {
        Self {
            inner: gka::Plain::new(identity, directory),
            opened: Rc::default(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct BentState<const BUG: u8> {
    inner: gka::PlainState,
    opened: Rc<Cell<u64>>,
}

impl<const BUG: u8> Export for BentState<BUG> {
    fn export(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = self.inner.export();
        bytes.push(self.opened.get().to_le_bytes()[0]);
        bytes
    }
}

#[derive(Debug)]
pub(crate) struct BentOver<const BUG: u8>(gka::PlainOver);

impl<const BUG: u8> Export for BentOver<BUG> {
    fn export(&self) -> Zeroizing<Vec<u8>> {
        self.0.export()
    }
}

impl<const BUG: u8> concilium_gka::Operation for BentOver<BUG> {
    type State = BentState<BUG>;
    type Payload = gka::PlainPayload;

    fn receive(
        &mut self,
        _: GkaOpened<gka::PlainPayload>,
        _: &mut Context<'_>,
    ) -> Result<Progress<BentState<BUG>>, ReceiveError> {
        Err(ReceiveError::Rejected(concilium_gka::Reason::OutOfTurn))
    }
}

impl<const BUG: u8> GroupKeyAgreement for BentGka<BUG> {
    type State = BentState<BUG>;
    type Proposal = gka::PlainProposal;
    type Payload = gka::PlainPayload;
    type Operation = BentOver<BUG>;

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
    ) -> Result<GkaOpened<Self::Payload>, GkaOpenError> {
        if BUG == bug::COUNTS {
            self.opened.set(self.opened.get() + 1);
        }
        self.inner.open(session, from, packet)
    }

    fn accept(
        &self,
        state: Option<&Self::State>,
        proposal: Option<Self::Proposal>,
        id: PacketId,
        initial: GkaOpened<Self::Payload>,
        cx: &mut Context<'_>,
    ) -> Result<Started<Self::Operation, Self::State>, ReceiveError> {
        let state = state.map(|state| &state.inner);
        let started = self.inner.accept(state, proposal, id, initial, cx)?;
        let progress = match started.progress {
            Progress::Finished(outcome) => {
                let mut keys = outcome.keys;
                if BUG == bug::OTHER_KEY && is_bob(self.me()) {
                    keys.secret = Secret::new([7; 32]);
                }
                Progress::Finished(Box::new(concilium_gka::Outcome {
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
        if BUG == bug::NO_RESTORE {
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
pub(crate) struct BentCipher<const BUG: u8> {
    inner: encryptor::Plain,
    is_bob: bool,
}

impl<const BUG: u8> BentCipher<BUG> {
    fn has(&self, bug: u8) -> bool {
        BUG == bug && self.is_bob
    }
}

impl<const BUG: u8> MessageEncryptor for BentCipher<BUG> {
    const SUITE: &'static str = "bent";
    type Step = ();

    fn new(me: &MemberId, keys: &SubsessionKeys) -> Result<Self, concilium_encryptor::RestoreError> {
        let inner = if BUG == bug::ONE_KEY {
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
            is_bob: is_bob(me),
        })
    }

    fn seal(&mut self, content: &Content, cx: &mut Context<'_>) -> Result<Sealed, SealError> {
        let mut content = content.clone();
        if self.has(bug::FLOODS) && content.kind != Kind::DATA {
            content.body = vec![0; 60_000];
        }
        if self.has(bug::FORKS) {
            content.parents.clear();
        }
        self.inner.seal(&content, cx)
    }

    fn open(&self, packet: &[u8]) -> Result<Opened<()>, OpenError> {
        if self.has(bug::GOES_DEAF) {
            return Err(OpenError::NotDecryptable);
        }
        let mut opened = self.inner.open(packet)?;
        let is_data = opened.content.kind == Kind::DATA;
        if BUG == bug::NO_PARENTS {
            opened.content.parents.clear();
        }
        if self.has(bug::OTHER_BODY) && is_data && !is_bob(&opened.author) {
            opened.content.body.push(b'!');
        }
        if self.has(bug::ACKS_UNREAD) && is_data && !is_bob(&opened.author) {
            opened.content.kind = Kind::CONSISTENCY;
        }
        assert!(!(self.has(bug::PANICS) && is_data), "planted");
        Ok(opened)
    }

    fn commit(&mut self, (): ()) {}

    fn export(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = self.inner.export();
        if BUG == bug::HOARDS {
            bytes.extend(std::iter::repeat_n(0, 1 << 20));
        }
        bytes.push(u8::from(self.is_bob));
        bytes
    }

    fn restore(bytes: &[u8]) -> Result<Self, concilium_encryptor::RestoreError> {
        let (last, inner) = bytes.split_last().ok_or(concilium_encryptor::RestoreError)?;
        Ok(Self {
            inner: encryptor::Plain::restore(inner)?,
            is_bob: *last == 1,
        })
    }
}
