//! A key agreement that breaks one rule of the contract, to see that the conformance kit notices.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard};

use concilium_core::keys::{SubsessionKeys, VerifyingKey};
use concilium_core::{Context, FramedHash, MemberId, PacketId, Secret, SessionName};
use concilium_gka::{
    AssociatedData, Directory, Export, GroupKeyAgreement, Identity, OpenError, Opened, Operation, Progress,
    ProposeError, Reason, ReceiveError, RestoreError, Role, Started, Success,
};
use zeroize::Zeroizing;

use concilium_core::testing::name;
use concilium_gka::conformance::{Make, checks};

/// Which rule is broken, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// K-1: whoever has proposed takes nobody else's proposal any more.
    ProposingCommits,
    /// K-2: an initial packet of ours is taken as started before the channel gave it.
    OwnProposalRefused,
    /// K-3: packets must come in the order of their authors' names.
    OrderMatters,
    /// K-4: one member's verifying key is missing.
    KeyMissing,
    /// K-5: rejected packets are counted.
    RejectionsCounted,
    /// K-6: the chain hash is left out.
    DataIgnored,
    /// K-7: one member has another secret.
    SecretsDiffer,
    /// K-7: the secret depends on what was said after all had confirmed it.
    SecretUnconfirmed,
    /// K-8: the operation finishes when it has hardly begun.
    TooEarly,
    /// K-9: packets of other operations are taken.
    AnyOperation,
    /// K-10: nobody can be excluded.
    ExclusionRefused,
    /// K-11: two members have one key.
    KeyTwice,
    /// K-12: the secret is always the same.
    SecretStays,
    /// K-13: an operation cannot be restored.
    NotRestored,
    /// K-13: what was announced is gone after a restart.
    AnnouncementsLost,
    /// K-13, A-21: an operation prints its secrets.
    Printed,
    /// K-14: any announcement is taken.
    AnyAnnouncement,
    /// K-14: who has left can be included still.
    NothingForgotten,
    /// K-15: a packet counts whoever sends it.
    AnySender,
    /// whatever initial packet comes in our name is taken for the one that we proposed.
    OwnUnchecked,
}

impl Violation {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::ProposingCommits,
        Self::OwnProposalRefused,
        Self::OrderMatters,
        Self::KeyMissing,
        Self::RejectionsCounted,
        Self::DataIgnored,
        Self::SecretsDiffer,
        Self::SecretUnconfirmed,
        Self::TooEarly,
        Self::AnyOperation,
        Self::ExclusionRefused,
        Self::KeyTwice,
        Self::SecretStays,
        Self::NotRestored,
        Self::AnnouncementsLost,
        Self::Printed,
        Self::AnyAnnouncement,
        Self::NothingForgotten,
        Self::AnySender,
        Self::OwnUnchecked,
    ];

    /// The name of the check that must notice it.
    #[must_use]
    pub const fn check(self) -> &'static str {
        match self {
            Self::ProposingCommits | Self::OwnProposalRefused => {
                "k02_any_of_several_racing_proposals_can_be_accepted"
            }
            Self::OrderMatters => "k03_independent_packets_come_in_any_order",
            Self::KeyMissing | Self::KeyTwice => "k04_success_yields_everything_at_once",
            Self::RejectionsCounted => "k05_a18_rejected_packets_change_nothing",
            Self::DataIgnored => "k06_associated_data_are_authenticated",
            Self::SecretsDiffer => "k07_a06_who_finishes_agrees_whatever_a_member_sends",
            Self::SecretUnconfirmed => "k07_a06_who_finishes_agrees_whatever_two_members_do_together",
            Self::TooEarly => "k08_nothing_is_used_before_success",
            Self::AnyOperation => "k09_a01_a_packet_belongs_to_one_operation",
            Self::ExclusionRefused => "k10_excluding_takes_no_packet_of_the_excluded",
            Self::SecretStays => "k12_who_is_out_learns_nothing",
            Self::NotRestored => "k13_state_goes_through_exports",
            Self::AnnouncementsLost => "k13_k14_announcements_outlive_a_restart",
            Self::Printed => "a21_nothing_secret_is_printed",
            Self::AnyAnnouncement => "k14_announcements_are_authentic",
            Self::NothingForgotten => "k14_who_has_left_announces_anew",
            Self::AnySender => "a14_sender_author_and_key_are_one",
            Self::OwnUnchecked => "a02_our_packets_are_not_taken_as_ours_when_changed",
        }
    }

    /// Whether [that check](Self::check) fails for this key agreement, broken so.
    ///
    /// # Panics
    /// No check has that name.
    pub fn is_noticed<G: GroupKeyAgreement>(self, make: impl Make<G>) -> bool {
        let check = self.check();
        let broken =
            |identity: Identity, directory: Arc<dyn Directory>| Broken::new(make(identity, directory), self);
        macro_rules! run {
            ($make:expr; $($name:ident),* $(,)?) => {
                match check {
                    $(
                        stringify!($name) => {
                            catch_unwind(AssertUnwindSafe(|| checks::$name($make))).is_err()
                        }
                    )*
                    _ => panic!("no check is called {check}"),
                }
            };
        }
        concilium_gka::for_each_gka_check!(run!(&broken))
    }
}

/// `G` with one [`Violation`].
#[derive(Debug)]
pub struct Broken<G> {
    inner: G,
    violation: Violation,
    /// Our latest proposal's packet.
    proposed: Mutex<Option<Vec<u8>>>,
}

impl<G: GroupKeyAgreement> Broken<G> {
    /// Breaks `inner`.
    pub fn new(inner: G, violation: Violation) -> Self {
        Self {
            inner,
            violation,
            proposed: Mutex::default(),
        }
    }

    fn proposed(&self) -> MutexGuard<'_, Option<Vec<u8>>> {
        self.proposed.lock().expect("no other thread")
    }

    fn is(&self, violation: Violation) -> bool {
        self.violation == violation
    }
}

/// A running operation, broken.
pub struct BrokenOperation<O> {
    inner: O,
    violation: Violation,
    me: MemberId,
    id: PacketId,
    rejected: u8,
    last: Option<MemberId>,
}

impl<O: Export> Export for BrokenOperation<O> {
    fn export(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = self.inner.export().to_vec();
        bytes.extend_from_slice(self.id.as_bytes());
        bytes.push(self.rejected);
        bytes.into()
    }
}

impl<O: Export + fmt::Debug> fmt::Debug for BrokenOperation<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.violation == Violation::Printed {
            write!(f, "{:?}", self.inner.export().as_slice())
        } else {
            self.inner.fmt(f)
        }
    }
}

fn broken_keys(violation: Violation, me: &MemberId, keys: &mut SubsessionKeys) {
    match violation {
        Violation::KeyMissing => {
            let last = keys.verifying.keys().next_back().cloned();
            last.and_then(|last| keys.verifying.remove(&last));
        }
        Violation::SecretsDiffer if *me == name(1) => keys.secret = Secret::new([1; 32]),
        Violation::SecretUnconfirmed => {
            let heard = FramedHash::new("concilium testkit unconfirmed")
                .field(keys.secret.expose())
                .list(keys.verifying.values().map(VerifyingKey::as_bytes));
            keys.secret = Secret::new(heard.finish());
        }
        Violation::SecretStays => keys.secret = Secret::new([2; 32]),
        Violation::KeyTwice => {
            let first = keys.verifying.values().next().copied();
            if let (Some(first), Some(last)) = (first, keys.verifying.values_mut().next_back()) {
                *last = first;
            }
        }
        _ => {}
    }
}

fn broken_progress<S>(violation: Violation, me: &MemberId, mut progress: Progress<S>) -> Progress<S> {
    if let Progress::Finished(outcome) = &mut progress {
        broken_keys(violation, me, &mut outcome.keys);
    }
    progress
}

impl<O: Operation> Operation for BrokenOperation<O> {
    type State = O::State;
    type Payload = O::Payload;

    fn receive(
        &mut self,
        packet: Opened<O::Payload>,
        cx: &mut Context<'_>,
    ) -> Result<Progress<O::State>, ReceiveError> {
        let author = packet.author().clone();
        if self.violation == Violation::OrderMatters {
            if self.last.as_ref().is_some_and(|last| author < *last) {
                return Err(ReceiveError::Rejected(Reason::OutOfTurn));
            }
            self.last = Some(author);
        }
        let packet = if self.violation == Violation::AnyOperation {
            let (author, _, payload) = packet.into_parts();
            Opened::vouch(author, Role::Later { initial: self.id }, payload)
        } else {
            packet
        };
        let result = self.inner.receive(packet, cx);
        if self.violation == Violation::RejectionsCounted && matches!(result, Err(ReceiveError::Rejected(_)))
        {
            self.rejected = self.rejected.wrapping_add(1);
        }
        result.map(|progress| broken_progress(self.violation, &self.me, progress))
    }
}

impl<G: GroupKeyAgreement> GroupKeyAgreement for Broken<G> {
    type State = G::State;
    type Proposal = G::Proposal;
    type Payload = G::Payload;
    type Operation = BrokenOperation<G::Operation>;

    concilium_gka::forward!(
        inner: suite, me, export_announcements, abort, ages, restore_state, restore_proposal
    );

    fn announce(
        &mut self,
        session: &SessionName,
        cx: &mut Context<'_>,
    ) -> Result<Option<Vec<u8>>, ProposeError> {
        if self.is(Violation::AnyAnnouncement) {
            return Ok(Some(vec![1]));
        }
        self.inner.announce(session, cx)
    }

    fn learn(
        &mut self,
        session: &SessionName,
        from: &MemberId,
        announcement: &[u8],
    ) -> Result<(), OpenError> {
        if self.is(Violation::AnyAnnouncement) {
            return Ok(());
        }
        self.inner.learn(session, from, announcement)
    }

    fn forget(&mut self, who: &MemberId) {
        if !self.is(Violation::NothingForgotten) {
            self.inner.forget(who);
        }
    }

    fn restore_announcements(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        if self.is(Violation::AnnouncementsLost) {
            return Err(RestoreError);
        }
        self.inner.restore_announcements(bytes)
    }

    fn propose(
        &self,
        state: Option<&G::State>,
        mut data: AssociatedData,
        cx: &mut Context<'_>,
    ) -> Result<(Vec<u8>, G::Proposal), ProposeError> {
        if self.is(Violation::DataIgnored) {
            data.chain = concilium_core::ChainHash::from_bytes([0xff; 32]);
        }
        if self.is(Violation::ExclusionRefused) && !data.change().exclude.is_empty() {
            return Err(ProposeError::Members(Reason::WrongMembers));
        }
        let (packet, proposal) = self.inner.propose(state, data, cx)?;
        *self.proposed() = Some(packet.clone());
        Ok((packet, proposal))
    }

    fn open(
        &self,
        session: &SessionName,
        from: &MemberId,
        packet: &[u8],
    ) -> Result<Opened<G::Payload>, OpenError> {
        let opened = self.inner.open(session, from, packet);
        if let (true, Err(OpenError::WrongSender { claimed, .. })) = (self.is(Violation::AnySender), &opened)
        {
            return self.inner.open(session, claimed, packet);
        }
        let is_initial = |opened: &Opened<_>| matches!(opened.role(), Role::Initial(_));
        if self.is(Violation::OwnUnchecked) && from == self.me() && opened.as_ref().is_ok_and(is_initial) {
            let proposed = self.proposed();
            return self
                .inner
                .open(session, from, proposed.as_deref().unwrap_or(packet));
        }
        opened
    }

    fn accept(
        &self,
        state: Option<&G::State>,
        proposal: Option<G::Proposal>,
        id: PacketId,
        initial: Opened<G::Payload>,
        cx: &mut Context<'_>,
    ) -> Result<Started<Self::Operation, G::State>, ReceiveError> {
        let ours = initial.author() == self.me();
        let commits = self.is(Violation::ProposingCommits) && self.proposed().is_some() && !ours;
        if commits || (self.is(Violation::OwnProposalRefused) && ours) {
            return Err(ReceiveError::Rejected(Reason::OutOfTurn));
        }
        let Started { operation, progress } = self.inner.accept(state, proposal, id, initial, cx)?;
        let operation = BrokenOperation {
            inner: operation,
            violation: self.violation,
            me: self.me().clone(),
            id,
            rejected: 0,
            last: None,
        };
        let mut progress = broken_progress(self.violation, self.me(), progress);
        if let (true, Progress::Continue(_), Some(state)) = (self.is(Violation::TooEarly), &progress, state) {
            let state = self.inner.restore_state(&state.export());
            let signing = concilium_core::keys::SigningKey::from_seed(&Secret::new([3; 32]));
            let keys = SubsessionKeys {
                subsession: concilium_core::SubsessionId::from_bytes(*id.as_bytes()),
                secret: Secret::new([3; 32]),
                verifying: [(self.me().clone(), *signing.verifying_key())].into(),
                signing,
            };
            if let Ok(state) = state {
                progress = Progress::Finished(Box::new(Success { state, keys }));
            }
        }
        Ok(Started { operation, progress })
    }

    fn restore_operation(&self, bytes: &[u8]) -> Result<Self::Operation, RestoreError> {
        if self.is(Violation::NotRestored) {
            return Err(RestoreError);
        }
        let (inner, rest) = bytes
            .split_at_checked(bytes.len().saturating_sub(33))
            .ok_or(RestoreError)?;
        let (id, rejected) = rest.split_first_chunk::<32>().ok_or(RestoreError)?;
        Ok(BrokenOperation {
            inner: self.inner.restore_operation(inner)?,
            violation: self.violation,
            me: self.me().clone(),
            id: PacketId::from_bytes(*id),
            rejected: *rejected.first().ok_or(RestoreError)?,
            last: None,
        })
    }
}
