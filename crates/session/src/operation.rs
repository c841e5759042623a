//! Membership operations: proposing them, following them, and what their ends change (K, O and M-1).

use concilium_core::channel::ChannelAction;
use concilium_core::packet::{self, PacketKind};
use concilium_core::{Context, MemberId, MemberSet, PacketId};
use concilium_encryptor::MessageEncryptor;
use concilium_gka::{
    AssociatedData, Failure, GroupKeyAgreement, Opened, Operation as _, Progress, ProposeError, Reason,
    ReceiveError, Role, Started, Success,
};
use concilium_server_order::{
    Acceptance, Accepted, EndRejection, Initial, Link, Record, Rejected, Rejection, packet_id,
};

use crate::course::{MAX_ABORTED, Proposal, Running, Wish};
use crate::stay::Stay;
use crate::subsession::Subsession;
use crate::{ActionOutcome, ActionStage, Event, FailureCause, RejectionCause, Session, WarningKind};

impl<G: GroupKeyAgreement, E: MessageEncryptor> Session<G, E> {
    /// The names of key agreement and cipher: members must have the same.
    fn suite(&self) -> String {
        format!("{}/{}", self.gka.suite(), E::SUITE)
    }

    /// Proposes a change to the group. Nothing has happened until the channel returns the packet.
    pub(crate) fn propose(&mut self, wish: Wish, cx: &mut Context<'_>) -> Result<(), ProposeError> {
        let suite = self.suite();
        let Some(stay) = &mut self.stay else { return Ok(()) };
        let Some(head) = stay.chain.resolver.head() else {
            return Ok(());
        };
        let latest = self
            .current
            .as_ref()
            .map(|current| current.transcript.heads().copied().collect());
        let data = AssociatedData {
            session: self.name.clone(),
            suite,
            parent: head.link.packet,
            chain: head.link.chain,
            latest: latest.unwrap_or_default(),
            before: head.members.clone(),
            after: head
                .members
                .minus(&wish.change.exclude)
                .union(&wish.change.include),
        };
        let (packet, private) = self.gka.propose(stay.course.keys.as_ref(), data, cx)?;
        let packet = packet::frame(PacketKind::Operation, &packet);
        let for_action = wish.for_action;
        stay.course.proposal = Some(Proposal {
            packet: packet.clone(),
            private,
            wish,
            sent_at: self.clock.now(),
            refused: false,
        });
        self.act(ChannelAction::Send { bytes: packet });
        if for_action && let Some(action) = self.actions.current_mut() {
            action.proposals += 1;
            let proposals = action.proposals;
            self.stage(ActionStage::Proposed(proposals));
        }
        Ok(())
    }

    /// A packet of an operation. First it must be authentic as its sender's (K-15). One that is not starts
    /// nothing, ends nothing and blocks nothing.
    pub(crate) fn operation_packet(&mut self, from: &MemberId, bytes: &[u8], cx: &mut Context<'_>) {
        let body = bytes.get(packet::FRAME_BYTES..).unwrap_or_default();
        let opened = match self.gka.open(&self.name, from, body) {
            Ok(opened) => opened,
            Err(error) => return self.skip(from, &error),
        };
        self.heard_from_outside(from);
        let unseen = |stay: &Stay<G>| !stay.channel.contains(from);
        if self.stay.as_ref().is_some_and(unseen) {
            self.note_stray(from, cx);
        }
        let Some(stay) = &mut self.stay else { return };
        let id = packet_id(bytes, from, &stay.channel); // O-1
        match opened.role().clone() {
            Role::Initial(data) => {
                let own = if from == self.gka.me() {
                    stay.course.take_own(bytes)
                } else {
                    None
                };
                self.initial(id, data, opened, own, cx);
            }
            Role::Later { initial } => self.later(id, initial, opened, cx),
            Role::Abort { initial } => self.aborted(id, initial, opened.author(), cx),
        }
    }

    /// An initial packet: the first with the right parent starts its operation (O-4). It is judged first, in
    /// the order in which all members judge it, and applied when nothing can fail any more.
    fn initial(
        &mut self,
        id: PacketId,
        data: AssociatedData,
        opened: Opened<G::Payload>,
        own: Option<Proposal<G::Proposal>>,
        cx: &mut Context<'_>,
    ) {
        let author = opened.author().clone();
        let wish = own
            .as_ref()
            .filter(|own| !own.refused)
            .map(|own| own.wish.clone());
        if data.suite != self.suite() {
            let why = format!(
                "{author} proposes with the suite {}, we use {}",
                data.suite,
                self.suite()
            );
            return self.skip(&author, &why);
        }
        // O-12: before every check that members judge differently, and before the packet has any effect.
        if let Err(forbidden) = self.permits(&author, &data.before, &data.after) {
            self.pass_by(own, &data);
            let why = forbidden.to_string();
            return match wish {
                Some(wish) => self.rejected(wish, RejectionCause::Forbidden(why)),
                None => self.emit(Event::ProposalForbidden {
                    by: author,
                    change: data.change(),
                    why,
                }),
            };
        }
        let initial = Initial {
            id,
            parent: Link {
                packet: data.parent,
                chain: data.chain,
            },
            author,
            before: data.before.clone(),
            after: data.after.clone(),
        };
        // If we are perhaps excluded or alone, we adopt the session of a proposer that includes us.
        let may_go_over =
            initial.joins(self.gka.me()) && (self.is_perhaps_excluded() || self.gives_way(&initial));
        let Some(stay) = &self.stay else { return };
        let accepted = match stay.judge(&initial, may_go_over) {
            Ok(accepted) => accepted,
            Err(rejected) => return self.does_not_count(rejected, own, wish, &initial.author, &data, cx),
        };
        if !data.after.contains(self.gka.me()) {
            return self.begin_operation(accepted, None, wish, data, cx);
        }
        let keys = self.stay.as_ref().and_then(|stay| stay.course.keys.as_ref());
        let keys = keys.filter(|_| accepted.acceptance() == Acceptance::Member);
        let taken = self.gka.accept(keys, own.map(|own| own.private), id, opened, cx);
        match taken {
            Ok(started) => self.begin_operation(accepted, Some(Ok(started)), wish, data, cx),
            Err(ReceiveError::Rejected(reason)) => {
                self.is_unusable(&accepted, &reason, wish, &initial.author, cx);
            }
            Err(ReceiveError::Failed(failure)) => {
                self.begin_operation(accepted, Some(Err(failure)), wish, data, cx);
            }
            // Ours alone: the operation runs, and we cannot take part.
            Err(_) => {
                self.begin_operation(accepted, Some(Err(nobodys(Reason::NoRandomness))), wish, data, cx)
            }
        }
    }

    /// A proposal of ours that starts nothing may count later. One of others shows a waiting member its
    /// seniors and hopefuls.
    fn pass_by(&mut self, own: Option<Proposal<G::Proposal>>, data: &AssociatedData) {
        if let Some(stay) = &mut self.stay {
            if let Some(own) = own {
                stay.course.refuse(own);
            }
            stay.look_from_outside(data);
        }
    }

    /// The packet does not count by the server order (O-4, O-6, O-7).
    fn does_not_count(
        &mut self,
        rejected: Rejected,
        own: Option<Proposal<G::Proposal>>,
        wish: Option<Wish>,
        author: &MemberId,
        data: &AssociatedData,
        cx: &mut Context<'_>,
    ) {
        let Some(stay) = &mut self.stay else { return };
        let rejection = stay.chain.resolver.reject(rejected);
        self.pass_by(own, data);
        if rejection.is_evidence() || self.is_from_elsewhere(data) {
            self.note_stray(author, cx);
        }
        if rejection.is_evidence() {
            self.warn(WarningKind::InconsistentHistory, MemberSet::of(author.clone()));
        }
        match wish {
            Some(wish) => self.rejected(wish, rejection_cause(rejection)),
            None => self.skip(author, &rejection),
        }
    }

    /// The key agreement rejects the packet, which is then ignored. If it includes us by a stale
    /// announcement, it still counts for the others, and they take us for a member: a sign that its author is
    /// a stray (T-17).
    fn is_unusable(
        &mut self,
        accepted: &Accepted,
        reason: &Reason,
        wish: Option<Wish>,
        author: &MemberId,
        cx: &mut Context<'_>,
    ) {
        if accepted.acceptance() == Acceptance::Joining && *reason == Reason::StaleAnnouncement {
            self.note_stray(author, cx);
        }
        match wish {
            Some(wish) => self.rejected(wish, RejectionCause::Unusable(*reason)),
            None => self.skip(author, reason),
        }
    }

    /// The operation runs. `part` is our part in it, or the reason why we have none. It is absent where the
    /// operation excludes us.
    fn begin_operation(
        &mut self,
        accepted: Accepted,
        part: Option<Part<G>>,
        wish: Option<Wish>,
        data: AssociatedData,
        cx: &mut Context<'_>,
    ) {
        let (id, author) = (accepted.initial().id, accepted.initial().author.clone());
        if accepted.takes_over() {
            self.start_over();
        }
        let Some(stay) = &mut self.stay else { return };
        stay.chain.resolver.start(accepted);
        if author != *self.gka.me() {
            stay.chain.is_in(); // Its author continues from our place, so takes us for a member.
            stay.strays.forget(&author);
        }
        let timing = self.settings.timing;
        let wait = if part.is_some() {
            timing.operation_deadline(data.after.len(), cx)
        } else {
            timing.excluded_departure() // T-10
        };
        let deadline = self.clock.now().after(wait);
        let change = data.change();
        // A joiner begins anew (T-3), and sees nothing more of a subsession that it may have been in before.
        for subsession in self.current.iter_mut().chain(&mut self.past) {
            subsession.state.gone.extend(change.include.clone());
        }
        let (part, progress) = match part {
            Some(Ok(started)) => (Some(started.operation), Some(Ok(started.progress))),
            Some(Err(failure)) => (None, Some(Err(failure))),
            None => (None, None),
        };
        let for_action = wish.is_some_and(|wish| wish.for_action);
        stay.course.operation = Some(Running {
            initial: id,
            part,
            for_action,
            latest: data.latest,
            deadline,
        });
        if for_action {
            self.stage(ActionStage::Accepted);
        }
        self.emit(Event::OperationStarted {
            initial: id,
            by: author,
            change,
        });
        match progress {
            Some(Ok(progress)) => self.progress(id, progress, cx),
            Some(Err(failure)) => self.broken(id, failure, cx),
            None => {}
        }
    }

    /// Whether we are alone in our session and adopt another one in the same channel that includes us. Of two
    /// lone members, the one with the lesser name stays. See decision 0013.
    fn gives_way(&self, to: &Initial) -> bool {
        self.is_alone() && (to.before.len() > 1 || to.author < *self.gka.me())
    }

    /// A further packet of the running operation (O-3).
    fn later(&mut self, id: PacketId, initial: PacketId, opened: Opened<G::Payload>, cx: &mut Context<'_>) {
        let author = opened.author().clone();
        let Some(stay) = &mut self.stay else { return };
        if !stay.chain.resolver.is_running(&initial) {
            // Its author works at an operation that our chain never accepted, so it is on another chain.
            let mut ended = stay.chain.resolver.history().iter();
            if stay.chain.resolver.is_member() && ended.all(|record| record.initial != initial) {
                self.note_stray(&author, cx);
            }
            return self.skip(&author, &"it belongs to an operation that is not running");
        }
        let part = stay
            .course
            .operation
            .as_mut()
            .filter(|running| running.initial == initial);
        let Some(part) = part.and_then(|running| running.part.as_mut()) else {
            return;
        };
        match part.receive(opened, cx) {
            Ok(progress) => self.progress(id, progress, cx),
            Err(ReceiveError::Failed(failure)) => self.broken(id, failure, cx),
            Err(error) => self.skip(&author, &error),
        }
    }

    fn progress(&mut self, id: PacketId, progress: Progress<G::State>, cx: &mut Context<'_>) {
        match progress {
            Progress::Ignored => {}
            Progress::Continue(packets) => {
                for packet in packets {
                    self.act(ChannelAction::Send {
                        bytes: packet::frame(PacketKind::Operation, &packet),
                    });
                }
            }
            Progress::Finished(outcome) => self.finished(id, *outcome, cx),
        }
    }

    /// M-1: the operation has succeeded, everything switches at once.
    fn finished(&mut self, last: PacketId, outcome: Success<G::State>, cx: &mut Context<'_>) {
        let timing = self.settings.timing;
        let (now, me) = (self.clock.now(), self.gka.me().clone());
        let members_before = self.members().clone();
        let Some(stay) = &mut self.stay else { return };
        let Some(running) = stay.course.succeed() else {
            return;
        };
        let Ok(record) = stay.chain.resolver.finished(last, &running.initial) else {
            return;
        };
        let confirm_due = now.after(timing.confirmation_delay(cx));
        let due_before = self.current.as_ref().map(|current| current.state.confirm_due);
        let next = Subsession::new(
            &me,
            &outcome.keys,
            self.current.as_ref(),
            running.latest,
            due_before.map_or(confirm_due, |before| before.min(confirm_due)),
        );
        let Some(next) = next else {
            // They are of no use to talk with.
            return self.left_without_keys(&record, nobodys(Reason::UnfitKeys), cx);
        };
        stay.course.hold(outcome.state);
        // An operation of one packet of our own succeeds without any other member.
        if record.author != me || last != running.initial {
            stay.strays.forget_all();
        }
        if record.include.contains(&me) {
            stay.chain.included(now);
        }
        let subsession = next.state.id;
        self.retire_current();
        self.current = Some(next);
        self.clear_warnings(|warning| {
            matches!(
                warning.kind,
                WarningKind::ProposalStarved | WarningKind::MemberAbsent
            )
        });
        self.operation_ended(&record, &members_before, Some(subsession));
        self.reread(cx);
    }

    /// What every end of an operation that advances the chain to new members calls for.
    fn operation_ended(
        &mut self,
        record: &Record,
        before: &MemberSet,
        subsession: Option<concilium_core::SubsessionId>,
    ) {
        let members = self.members().clone();
        if let Some(stay) = &mut self.stay {
            stay.chain.expect_confirmations(self.clock.now());
            stay.arrival.let_in(&members);
            let still_here = record.exclude.intersection(&stay.channel);
            stay.door.changed(&members, still_here, &record.author);
        }
        self.invite_again();
        let (joined, parted) = (members.minus(before), before.minus(&members));
        self.emit(Event::MembershipChanged {
            subsession,
            members,
            joined,
            parted,
        });
        if self.actions.is_joining() {
            self.settle_action(ActionOutcome::Done);
        }
        self.settle_change(record.author == *self.gka.me());
    }

    /// The operation has failed for us, by what we can see and others perhaps cannot (C-10).
    fn broken(&mut self, last: PacketId, failure: Failure, cx: &mut Context<'_>) {
        let Some(stay) = &mut self.stay else { return };
        let Some(running) = stay.course.operation.as_mut() else {
            return;
        };
        running.part = None; // K-4: its secrets are gone
        let initial = running.initial;
        let joins = stay
            .chain
            .resolver
            .running()
            .is_some_and(|running| running.joins(self.gka.me()));
        let members = failure.culprit.clone().map(MemberSet::of).unwrap_or_default();
        let ended = if failure.ends {
            stay.chain.resolver.finished(last, &initial).ok()
        } else {
            None
        };
        // A joiner has seen nothing yet. It may be shown an earlier course of the same operation, and then
        // only the channel is to blame.
        let shown_again = joins && failure.culprit.is_none();
        let is_ours = failure.reason == Reason::NoRandomness;
        if !shown_again && !is_ours {
            self.warn(WarningKind::BadShare, members);
        }
        let _ = self.send_abort(initial);
        if let Some(record) = ended {
            // The others have moved on with keys that we do not have. The abort comes too late to stop them,
            // but tells them.
            self.left_without_keys(&record, failure, cx);
        }
    }

    /// We are a member, and hold no keys to talk with.
    fn left_without_keys(&mut self, record: &Record, failure: Failure, cx: &mut Context<'_>) {
        let before = self.members().clone();
        let wait = self.settings.timing.reunion_delay(self.reunions, cx);
        if let Some(stay) = &mut self.stay {
            stay.strays.decide_at = self.clock.now().after(wait);
            stay.course.go_without_keys();
        }
        self.retire_current();
        let cause = FailureCause::Broken {
            culprit: failure.culprit,
            reason: failure.reason,
        };
        self.emit(Event::OperationFailed {
            initial: record.initial,
            cause,
        });
        self.operation_ended(record, &before, None);
    }

    /// Asks the group to end an operation as failed (O-11).
    pub(crate) fn send_abort(&mut self, initial: PacketId) -> Result<(), ProposeError> {
        let packet = self.gka.abort(&self.name, initial)?;
        self.act(ChannelAction::Send {
            bytes: packet::frame(PacketKind::Operation, &packet),
        });
        Ok(())
    }

    /// A member asks to end the operation as failed (O-11). Its abort competes with other final packets.
    fn aborted(&mut self, id: PacketId, initial: PacketId, by: &MemberId, cx: &mut Context<'_>) {
        let Some(stay) = &mut self.stay else { return };
        match stay.chain.resolver.aborted(id, &initial, by) {
            Ok(record) => self.operation_failed(&record, FailureCause::Aborted(by.clone()), cx),
            Err(EndRejection::NotRunning) => {
                // An honest member aborts an operation of one packet only if that packet gave it a bad share.
                let last = stay.chain.resolver.history().last();
                let one_packet =
                    last.is_some_and(|last| last.initial == initial && last.link.packet == initial);
                if one_packet
                    && stay.chain.resolver.is_member()
                    && self.members().contains(by)
                    && by != self.gka.me()
                {
                    self.warn(WarningKind::BadShare, MemberSet::of(by.clone()));
                }
            }
            Err(refusal) => self.skip(by, &refusal),
        }
    }

    /// The operation has failed, for everyone at the same place of the chain: the members are as before.
    pub(crate) fn operation_failed(&mut self, record: &Record, cause: FailureCause, cx: &mut Context<'_>) {
        let confirm_due = self
            .clock
            .now()
            .after(self.settings.timing.confirmation_delay(cx));
        if let Some(current) = &mut self.current {
            // O-10: a failure is a link of the chain too. What is due already is not put off by it.
            current.state.confirm_due = current.state.confirm_due.min(confirm_due);
        }
        let Some(stay) = &mut self.stay else { return };
        let for_action = stay.course.fail();
        stay.chain.expect_confirmations(self.clock.now());
        if record.exclude.contains(self.gka.me()) {
            stay.chain
                .exclusion_failed(&self.settings.timing, self.clock.now());
        }
        stay.door.unchanged();
        let aborted = if matches!(cause, FailureCause::Aborted(_)) {
            let includes = !record.include.is_empty();
            stay.course
                .abort(includes, &self.settings.timing, self.clock.now())
        } else {
            0
        };
        self.emit(Event::OperationFailed {
            initial: record.initial,
            cause: cause.clone(),
        });
        if aborted >= MAX_ABORTED {
            self.warn(WarningKind::ProposalStarved, MemberSet::new());
            if aborted.is_multiple_of(MAX_ABORTED) {
                self.clear_the_door(&record.author);
            }
        }
        if for_action {
            self.settle_action(ActionOutcome::Failed(cause));
        }
        self.invite_again();
    }
}

impl<G: GroupKeyAgreement> Stay<G> {
    /// The verdict on an initial packet: from our place in the chain, or as a waiting member's where we may
    /// adopt the proposer's session. A packet that a waiting member would reject does not take us out of our
    /// session, nor does an old one shown again.
    fn judge(&self, initial: &Initial, may_go_over: bool) -> Result<Accepted, Rejected> {
        if may_go_over && let Ok(accepted) = self.chain.resolver.judge_anew(initial, &self.channel) {
            return Ok(accepted);
        }
        self.chain.resolver.judge(initial, &self.channel)
    }

    /// T-11: we are in no session, and see an operation of one that others have.
    fn look_from_outside(&mut self, data: &AssociatedData) {
        if self.chain.resolver.is_synchronised() {
            return;
        }
        let others = self
            .channel
            .minus(&MemberSet::of(self.chain.resolver.me().clone()));
        let (before, after) = (&data.before, &data.after);
        self.arrival
            .overheard(before.intersection(&others), after.intersection(&others));
    }
}

/// Our part in an operation that starts, or why we have none.
type Part<G> = Result<Started<<G as GroupKeyAgreement>::Operation, <G as GroupKeyAgreement>::State>, Failure>;

fn rejection_cause(rejection: Rejection) -> RejectionCause {
    match rejection {
        Rejection::OperationRunning | Rejection::WrongParent => RejectionCause::AnotherFirst,
        Rejection::NotAllPresent { .. } => RejectionCause::NotPresent,
        other => RejectionCause::Order(other),
    }
}

/// A failure that stops us, and that no member is to blame for.
fn nobodys(reason: Reason) -> Failure {
    Failure {
        culprit: None,
        reason,
        ends: false,
    }
}
