//! The library's questions to its user: the identity of members, and what a commit may do.

use std::fmt;
use std::sync::Arc;

use concilium_core::MemberId;
use concilium_gka::Directory;
use mls_rs::group::{GroupContext, Roster};
use mls_rs::identity::{CredentialType, SigningIdentity};
use mls_rs::mls_rules::{CommitDirection, CommitOptions, CommitSource, EncryptionOptions, ProposalBundle};
use mls_rs::time::MlsTime;
use mls_rs::{ExtensionList, IdentityProvider, MlsRules};
use mls_rs_core::error::IntoAnyError;
use mls_rs_core::identity::{BasicCredential, MemberValidationContext};

/// Not allowed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forbidden;

impl IntoAnyError for Forbidden {}

/// A member's name, from its credential.
pub(crate) fn member_of(identity: &SigningIdentity) -> Option<MemberId> {
    let credential = identity.credential.as_basic()?;
    MemberId::new(credential.identifier()).ok()
}

/// The directory decides which signature key is whose: it must be the member's identity key.
#[derive(Clone)]
pub struct Trust(pub(crate) Arc<dyn Directory>);

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").finish_non_exhaustive()
    }
}

impl IdentityProvider for Trust {
    type Error = Forbidden;

    fn validate_member(
        &self,
        signing_identity: &SigningIdentity,
        _: Option<MlsTime>,
        _: MemberValidationContext<'_>,
    ) -> Result<(), Forbidden> {
        let member = member_of(signing_identity).ok_or(Forbidden)?;
        let key = self.0.identity_key(&member).ok_or(Forbidden)?;
        if signing_identity.signature_key.as_bytes() == key.as_bytes() {
            Ok(())
        } else {
            Err(Forbidden)
        }
    }

    /// External senders are not allowed.
    fn validate_external_sender(
        &self,
        _: &SigningIdentity,
        _: Option<MlsTime>,
        _: Option<&ExtensionList>,
    ) -> Result<(), Forbidden> {
        Err(Forbidden)
    }

    fn identity(&self, signing_identity: &SigningIdentity, _: &ExtensionList) -> Result<Vec<u8>, Forbidden> {
        member_of(signing_identity)
            .map(|member| member.as_bytes().to_vec())
            .ok_or(Forbidden)
    }

    /// A leaf stays its member's.
    fn valid_successor(
        &self,
        predecessor: &SigningIdentity,
        successor: &SigningIdentity,
        _: &ExtensionList,
    ) -> Result<bool, Forbidden> {
        let member = member_of(successor).ok_or(Forbidden)?;
        Ok(member_of(predecessor) == Some(member))
    }

    fn supported_types(&self) -> Vec<CredentialType> {
        vec![BasicCredential::credential_type()]
    }
}

/// A commit adds and removes members and does nothing else; its author always renews its keys.
#[derive(Clone, Copy, Debug)]
pub struct Rules;

impl MlsRules for Rules {
    type Error = Forbidden;

    fn filter_proposals(
        &self,
        _: CommitDirection,
        _: CommitSource,
        _: &Roster<'_>,
        _: &GroupContext,
        proposals: ProposalBundle,
    ) -> Result<ProposalBundle, Forbidden> {
        let allowed = proposals.add_proposals().len() + proposals.remove_proposals().len();
        if allowed == proposals.length() {
            Ok(proposals)
        } else {
            Err(Forbidden)
        }
    }

    fn commit_options(
        &self,
        _: &Roster<'_>,
        _: &GroupContext,
        _: &ProposalBundle,
    ) -> Result<CommitOptions, Forbidden> {
        Ok(CommitOptions::new()
            .with_path_required(true)
            .with_ratchet_tree_extension(true)
            .with_single_welcome_message(true)
            .with_allow_external_commit(false))
    }

    fn encryption_options(&self, _: &Roster<'_>, _: &GroupContext) -> Result<EncryptionOptions, Forbidden> {
        Ok(EncryptionOptions::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mls_rs::group::Sender;
    use mls_rs::group::proposal::Proposal;
    use mls_rs::mls_rules::ProposalSource;

    #[test]
    fn k06_a_commit_does_nothing_but_what_the_associated_data_say() {
        let mut group = concilium_gka::conformance::Group::established(2, 1, crate::Mls::new);
        let state = group
            .member(&concilium_core::testing::name(0))
            .state
            .take()
            .unwrap();
        let filter = |proposals: ProposalBundle| {
            let (roster, context) = (state.group.roster(), state.group.context());
            let source = CommitSource::ExistingMember(roster.member_with_index(0).unwrap());
            Rules.filter_proposals(CommitDirection::Receive, source, &roster, context, proposals)
        };
        assert!(filter(ProposalBundle::default()).is_ok());
        let mut extensions = ProposalBundle::default();
        extensions.add(
            Proposal::GroupContextExtensions(ExtensionList::new()),
            Sender::Member(0),
            ProposalSource::ByValue,
        );
        assert!(filter(extensions).is_err());
    }
}
