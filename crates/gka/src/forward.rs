//! Key agreements around key agreements.

/// Methods of a [`GroupKeyAgreement`](crate::GroupKeyAgreement) that call the same method of a field: for a
/// key agreement that wraps another and changes little of it. To be written into the `impl`, beside the four
/// types and the other methods.
///
/// ```
/// use concilium_core::{Context, MemberId, PacketId};
/// use concilium_gka::{AssociatedData, GroupKeyAgreement, Opened, ProposeError, Reason, ReceiveError, Started};
///
/// /// Lets nobody be excluded.
/// struct Together<G>(G);
///
/// impl<G: GroupKeyAgreement> GroupKeyAgreement for Together<G> {
///     type State = G::State;
///     type Proposal = G::Proposal;
///     type Payload = G::Payload;
///     type Operation = G::Operation;
///
///     concilium_gka::forward!(
///         0: suite, me, announce, learn, forget, export_announcements, restore_announcements, abort, open, accept,
///         ages, restore_state, restore_proposal, restore_operation
///     );
///
///     fn propose(
///         &self,
///         state: Option<&G::State>,
///         data: AssociatedData,
///         cx: &mut Context<'_>,
///     ) -> Result<(Vec<u8>, G::Proposal), ProposeError> {
///         if data.change().exclude.is_empty() {
///             self.0.propose(state, data, cx)
///         } else {
///             Err(ProposeError::Members(Reason::WrongMembers))
///         }
///     }
/// }
/// ```
#[macro_export]
macro_rules! forward {
    ($field:tt: $($method:ident),+ $(,)?) => {
        $($crate::forward!(@$method $field);)+
    };
    (@suite $field:tt) => {
        fn suite(&self) -> &str {
            self.$field.suite()
        }
    };
    (@me $field:tt) => {
        fn me(&self) -> &$crate::exports::MemberId {
            self.$field.me()
        }
    };
    (@announce $field:tt) => {
        fn announce(
            &mut self,
            session: &$crate::exports::SessionName,
            cx: &mut $crate::exports::Context<'_>,
        ) -> Result<Option<Vec<u8>>, $crate::ProposeError> {
            self.$field.announce(session, cx)
        }
    };
    (@learn $field:tt) => {
        fn learn(
            &mut self,
            session: &$crate::exports::SessionName,
            from: &$crate::exports::MemberId,
            announcement: &[u8],
        ) -> Result<(), $crate::OpenError> {
            self.$field.learn(session, from, announcement)
        }
    };
    (@forget $field:tt) => {
        fn forget(&mut self, who: &$crate::exports::MemberId) {
            self.$field.forget(who);
        }
    };
    (@export_announcements $field:tt) => {
        fn export_announcements(&self) -> $crate::exports::Zeroizing<Vec<u8>> {
            self.$field.export_announcements()
        }
    };
    (@restore_announcements $field:tt) => {
        fn restore_announcements(&mut self, bytes: &[u8]) -> Result<(), $crate::RestoreError> {
            self.$field.restore_announcements(bytes)
        }
    };
    (@propose $field:tt) => {
        fn propose(
            &self,
            state: Option<&Self::State>,
            data: $crate::AssociatedData,
            cx: &mut $crate::exports::Context<'_>,
        ) -> Result<(Vec<u8>, Self::Proposal), $crate::ProposeError> {
            self.$field.propose(state, data, cx)
        }
    };
    (@abort $field:tt) => {
        fn abort(
            &self,
            session: &$crate::exports::SessionName,
            initial: $crate::exports::PacketId,
        ) -> Result<Vec<u8>, $crate::ProposeError> {
            self.$field.abort(session, initial)
        }
    };
    (@open $field:tt) => {
        fn open(
            &self,
            session: &$crate::exports::SessionName,
            from: &$crate::exports::MemberId,
            packet: &[u8],
        ) -> Result<$crate::Opened<Self::Payload>, $crate::OpenError> {
            self.$field.open(session, from, packet)
        }
    };
    (@accept $field:tt) => {
        fn accept(
            &self,
            state: Option<&Self::State>,
            proposal: Option<Self::Proposal>,
            id: $crate::exports::PacketId,
            initial: $crate::Opened<Self::Payload>,
            cx: &mut $crate::exports::Context<'_>,
        ) -> Result<$crate::Started<Self::Operation, Self::State>, $crate::ReceiveError> {
            self.$field.accept(state, proposal, id, initial, cx)
        }
    };
    (@ages $field:tt) => {
        fn ages(&self, state: &Self::State) -> $crate::Ages {
            self.$field.ages(state)
        }
    };
    (@restore_state $field:tt) => {
        fn restore_state(&self, bytes: &[u8]) -> Result<Self::State, $crate::RestoreError> {
            self.$field.restore_state(bytes)
        }
    };
    (@restore_proposal $field:tt) => {
        fn restore_proposal(&self, bytes: &[u8]) -> Result<Self::Proposal, $crate::RestoreError> {
            self.$field.restore_proposal(bytes)
        }
    };
    (@restore_operation $field:tt) => {
        fn restore_operation(&self, bytes: &[u8]) -> Result<Self::Operation, $crate::RestoreError> {
            self.$field.restore_operation(bytes)
        }
    };
}
