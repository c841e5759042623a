//! One member's key agreement: proposing, opening, accepting.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use concilium_core::keys::SigningKey;
use concilium_core::{Context, MemberId, PacketId, Secret, SessionName, wire};
use concilium_gka::{
    Ages, AssociatedData, Directory, Failure, GroupKeyAgreement, Identity, OpenError, Opened, Progress,
    ProposeError, Reason, ReceiveError, RestoreError, Role, Started, Success, signed,
};
use mls_rs::error::MlsError;
use mls_rs::group::proposal::Proposal as GroupProposal;
use mls_rs::group::{CommitEffect, ReceivedMessage};
use mls_rs::mls_rules::ProposalInfo;
use mls_rs::{ExtensionList, MlsMessage};
use zeroize::Zeroizing;

use crate::SUITE;
use crate::announcement::Announcements;
use crate::desk::{Desk, Things};
use crate::epoch::{Client, Epoch, Group, client, digest, leaf_extensions, member_at, no_time};
use crate::export::{export, restore};
use crate::packet::{Change, Payload, WirePayload, fingerprint};
use crate::state::{Over, Proposal, State};

/// MLS, as one member runs it, in one session.
pub struct Mls {
    identity: Identity,
    directory: Arc<dyn Directory>,
    desk: Desk,
    client: Client,
    /// In a mutex because a key package is erased when it has served, which is in [`accept`](Self::accept).
    announcements: Mutex<Announcements>,
}

impl fmt::Debug for Mls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mls")
            .field("member", self.identity.member())
            .finish_non_exhaustive()
    }
}

/// A change that we propose, before it is a packet.
struct Draft {
    group: Box<Group>,
    commit: Vec<u8>,
    welcome: Vec<u8>,
}

impl Mls {
    /// The key agreement of the member with this identity.
    #[must_use]
    pub fn new(identity: Identity, directory: Arc<dyn Directory>) -> Self {
        let desk = Desk::default();
        let client = client(&identity, Arc::clone(&directory), &desk);
        Self {
            identity,
            directory,
            desk,
            client,
            announcements: Mutex::default(),
        }
    }

    /// What is locked is changed by single assignments, so that a panic leaves nothing half done.
    pub(crate) fn announcements(&self) -> MutexGuard<'_, Announcements> {
        self.announcements.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Makes the commit, on a copy of our group, and applies it there.
    fn draft(
        &self,
        state: Option<&State>,
        data: &AssociatedData,
        digest: &[u8; 32],
        signing: &SigningKey,
        key_packages: &[(MemberId, MlsMessage)],
        seed: &Secret<32>,
    ) -> Result<Draft, MlsError> {
        let extensions = leaf_extensions(signing.verifying_key());
        let (draft, _) = self.desk.with(Things::random(seed), || {
            let mut group = match state {
                Some(state) => state.group.clone(),
                None => Box::new(self.client.create_group(
                    ExtensionList::new(),
                    extensions.clone(),
                    Some(no_time()),
                )?),
            };
            let mut leave = Vec::new();
            for who in &data.before.minus(&data.after) {
                leave.push(group.member_with_identity(who.as_bytes())?.index);
            }
            let mut commit = group
                .commit_builder()
                .authenticated_data(digest.to_vec())
                .set_leaf_node_extensions(extensions)
                .commit_time(no_time());
            for leaf in leave {
                commit = commit.remove_member(leaf)?;
            }
            for (_, key_package) in key_packages {
                commit = commit.add_member(key_package.clone())?;
            }
            let output = commit.build()?;
            group.apply_pending_commit()?;
            let stays = data.after.intersection(&data.before).len() > 1;
            let welcome = output.welcome_messages.first();
            Ok::<_, MlsError>(Draft {
                group,
                commit: if stays {
                    output.commit_message.to_bytes()?
                } else {
                    Vec::new()
                },
                welcome: welcome.map_or(Ok(Vec::new()), MlsMessage::to_bytes)?,
            })
        });
        draft
    }

    /// Why no draft could be made. The library does not name the culprit, so each possible one is tried
    /// alone. This happens only when a member publishes keys that cannot be encrypted to.
    fn blame(
        &self,
        state: Option<&State>,
        data: &AssociatedData,
        signing: &SigningKey,
        key_packages: &[(MemberId, MlsMessage)],
        seed: &Secret<32>,
    ) -> ProposeError {
        let makes = |data: &AssociatedData, key_packages: &[(MemberId, MlsMessage)]| {
            let draft = self.draft(state, data, &digest(data), signing, key_packages, seed);
            draft.is_ok()
        };
        let mut alone = data.clone();
        alone.after = data.before.clone();
        if makes(&alone, &[]) {
            for (joiner, key_package) in key_packages {
                alone.after.insert(joiner.clone());
                if !makes(&alone, &[(joiner.clone(), key_package.clone())]) {
                    return ProposeError::NotAnnounced(joiner.clone());
                }
                alone.after.remove(joiner);
            }
        }
        for member in data.before.iter().filter(|who| *who != self.me()) {
            alone.after.remove(member);
            if makes(&alone, &[]) {
                return ProposeError::CorruptShare(member.clone());
            }
            alone.after.insert(member.clone());
        }
        ProposeError::Members(Reason::WrongMembers)
    }

    /// The epoch that our own proposal leads to.
    fn accept_ours(
        &self,
        state: Option<&State>,
        proposal: Option<Proposal>,
        change: &Change,
    ) -> Result<Epoch, ReceiveError> {
        let ours = proposal.filter(|proposal| Some(proposal.fingerprint) == change.fingerprint);
        // A thief has our identity key, or the packet was accepted before.
        let ours = ours.ok_or_else(|| failed(None, Reason::ContributionChanged))?;
        if ours.base != state.map(|state| state.subsession) {
            return Err(failed(None, Reason::WrongOperation));
        }
        Ok(ours.epoch)
    }

    /// The epoch that the commit of another member leads to, for a staying member.
    fn follow(
        &self,
        state: &State,
        author: &MemberId,
        data: &AssociatedData,
        commit: MlsMessage,
    ) -> Result<Epoch, ReceiveError> {
        let by_author = |reason| failed(Some(author), reason);
        let digest = digest(data);
        let mut group = state.group.clone();
        let (received, _) = self.desk.with(Things::default(), || {
            group.process_incoming_message_with_time(commit, no_time())
        });
        let received = received.map_err(|error| match error {
            // K-9: of another group or another epoch. It may be replayed by somebody other than its author.
            MlsError::GroupIdMismatch | MlsError::InvalidEpoch => failed(None, Reason::WrongOperation),
            _ => by_author(Reason::KeyMismatch),
        })?;
        let ReceivedMessage::Commit(commit) = received else {
            return Err(by_author(Reason::Malformed));
        };
        let CommitEffect::NewEpoch(change) = commit.effect else {
            return Err(by_author(Reason::WrongMembers));
        };
        // the committer, by MLS, is the packet's author.
        let is_authors = member_at(&state.group, commit.committer).as_ref() == Some(author);
        // No member is excluded and included again. As the tree's members are those after, the leaves of
        // staying members are as they were.
        let is_removal = |info: &&ProposalInfo<_>| matches!(info.proposal, GroupProposal::Remove(_));
        let removals = change.applied_proposals.iter().filter(is_removal).count();
        if commit.is_external || !is_authors || removals != data.before.minus(&data.after).len() {
            return Err(by_author(Reason::WrongMembers));
        }
        if commit.authenticated_data != digest {
            return Err(by_author(Reason::TranscriptMismatch)); // K-6
        }
        let (me, signing) = (self.me(), state.signing.clone());
        let known = state.known_but(author);
        let epoch = Epoch::new(group, signing, me, data, &digest, known).map_err(by_author)?;
        // C-8: the sender of a packet signs with a fresh key from then on.
        let renewed = epoch.verifying.get(author);
        if state.members.values().any(|member| Some(&member.key) == renewed) {
            return Err(by_author(Reason::Duplicate));
        }
        Ok(epoch)
    }

    /// The epoch that the welcome leads to, for a joiner.
    fn join(
        &self,
        author: &MemberId,
        data: &AssociatedData,
        welcome: &MlsMessage,
    ) -> Result<Epoch, ReceiveError> {
        let by_author = |reason| failed(Some(author), reason);
        let references = welcome.welcome_key_package_references();
        let invitation = self.announcements().invitation(
            &data.session,
            references.into_iter().map(|reference| &**reference),
        );
        // By one that has served, or that we never made. The author may not know that; to us it is nothing.
        let invitation = invitation.ok_or(ReceiveError::Rejected(Reason::StaleAnnouncement))?;
        let things = Things {
            key_package: Some((invitation.reference, invitation.data)),
            ..Things::default()
        };
        let (joined, _) = self
            .desk
            .with(things, || self.client.join_group(None, welcome, Some(no_time())));
        let (group, info) = joined.map_err(|_| by_author(Reason::KeyMismatch))?;
        // the signer of the group, by MLS, is the packet's author.
        if member_at(&group, info.sender).as_ref() != Some(author) {
            return Err(by_author(Reason::WrongMembers));
        }
        let (me, signing, digest) = (self.me(), invitation.signing, digest(data));
        Epoch::new(Box::new(group), signing, me, data, &digest, |_| None).map_err(by_author)
    }
}

/// The operation is over for us. For every unaffected member it has succeeded, since it is one packet.
fn failed(culprit: Option<&MemberId>, reason: Reason) -> ReceiveError {
    ReceiveError::Failed(Failure {
        culprit: culprit.cloned(),
        reason,
        ends: true,
    })
}

impl GroupKeyAgreement for Mls {
    type State = State;
    type Proposal = Proposal;
    type Payload = Payload;
    type Operation = Over;

    fn suite(&self) -> &str {
        SUITE
    }

    fn me(&self) -> &MemberId {
        self.identity.member()
    }

    /// A key package, under our identity key. It stays the same until a member has included us by it, as
    /// others may rely on it already.
    fn announce(
        &mut self,
        session: &SessionName,
        cx: &mut Context<'_>,
    ) -> Result<Option<Vec<u8>>, ProposeError> {
        if let Some(announcement) = self.announcements().announced(session) {
            return Ok(Some(announcement));
        }
        let seed = cx.secret()?;
        let signing = SigningKey::from_seed(&cx.secret()?);
        let extensions = leaf_extensions(signing.verifying_key());
        let (made, things) = self.desk.with(Things::random(&seed), || {
            self.client
                .generate_key_package_message(ExtensionList::new(), extensions, Some(no_time()))
        });
        let (Ok(key_package), Some(private)) = (made, things.key_package) else {
            return Err(ProposeError::Members(Reason::Malformed));
        };
        let announcement =
            self.announcements()
                .publish(&self.identity, session, &key_package, private, signing);
        announcement
            .map(Some)
            .ok_or(ProposeError::Members(Reason::Malformed))
    }

    fn learn(
        &mut self,
        session: &SessionName,
        from: &MemberId,
        announcement: &[u8],
    ) -> Result<(), OpenError> {
        self.announcements()
            .learn(&*self.directory, session, from, announcement)
    }

    fn forget(&mut self, who: &MemberId) {
        self.announcements().forget(who);
    }

    fn export_announcements(&self) -> Zeroizing<Vec<u8>> {
        export(&*self.announcements())
    }

    fn restore_announcements(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        let announcements = if bytes.is_empty() {
            Announcements::default()
        } else {
            restore(bytes)?
        };
        *self.announcements() = announcements;
        Ok(())
    }

    fn propose(
        &self,
        state: Option<&State>,
        data: AssociatedData,
        cx: &mut Context<'_>,
    ) -> Result<(Vec<u8>, Proposal), ProposeError> {
        let held = state.map(|state| state.members.keys());
        data.check_proposal(SUITE, self.me(), held, &*self.directory)?;
        let mut key_packages = Vec::new();
        for who in data.after.minus(&data.before).into_iter() {
            let Some(key_package) = self.announcements().of(&data.session, &who) else {
                return Err(ProposeError::NotAnnounced(who));
            };
            key_packages.push((who, key_package));
        }
        let seed = cx.secret()?;
        let signing = SigningKey::from_seed(&cx.secret()?);
        let digest = digest(&data);
        let Ok(draft) = self.draft(state, &data, &digest, &signing, &key_packages, &seed) else {
            return Err(self.blame(state, &data, &signing, &key_packages, &seed));
        };
        let Draft {
            group,
            commit,
            welcome,
        } = draft;
        let me = self.me();
        let known = |who: &MemberId| state.and_then(|state| state.known_but(me)(who));
        let epoch = Epoch::new(group, signing, me, &data, &digest, known).map_err(ProposeError::Members)?;
        let payload = wire::encode(&WirePayload {
            commit,
            welcome,
            check: epoch.derived.check,
        });
        let base = state.map(|state| state.subsession);
        let fingerprint = fingerprint(&data, &payload);
        let proposal = Proposal::new(epoch, self.desk.clone(), base, fingerprint);
        let session = data.session.clone();
        let packet = signed::seal(&self.identity, &session, Role::Initial(data), payload)?;
        Ok((packet, proposal))
    }

    fn abort(&self, session: &SessionName, initial: PacketId) -> Result<Vec<u8>, ProposeError> {
        signed::seal(&self.identity, session, Role::Abort { initial }, Vec::new())
    }

    fn open(
        &self,
        session: &SessionName,
        from: &MemberId,
        packet: &[u8],
    ) -> Result<Opened<Payload>, OpenError> {
        let is_ours = from == self.me();
        signed::open(packet, session, from, &*self.directory)?
            .try_map(|role, bytes| Payload::read(role, &bytes, is_ours))
    }

    fn accept(
        &self,
        state: Option<&State>,
        proposal: Option<Proposal>,
        id: PacketId,
        initial: Opened<Payload>,
        cx: &mut Context<'_>,
    ) -> Result<Started<Over, State>, ReceiveError> {
        let (author, role, Payload(change)) = initial.into_parts();
        let (Role::Initial(data), Some(change)) = (role, change) else {
            return Err(ReceiveError::Rejected(Reason::OutOfTurn));
        };
        let me = self.me();
        if !data.after.contains(me) {
            return Err(ReceiveError::Rejected(Reason::WrongMembers));
        }
        let stays = data.before.contains(me);
        let state = state.filter(|_| stays);
        if state.is_some_and(|state| !state.has_members(&data.before)) {
            return Err(failed(None, Reason::WrongOperation));
        }
        let check = change.check;
        let epoch = if author == *me {
            self.accept_ours(state, proposal, &change)?
        } else if stays {
            let (Some(state), Some(commit)) = (state, change.commit) else {
                return Err(failed(None, Reason::NoState));
            };
            self.follow(state, &author, &data, commit)?
        } else {
            let welcome = change.welcome.ok_or_else(|| failed(None, Reason::NoState))?;
            self.join(&author, &data, &welcome)?
        };
        // K-7: members that finish hold the keys from which the author made this, for these associated data.
        if epoch.derived.check != check {
            return Err(failed(Some(&author), Reason::KeyMismatch));
        }
        self.announcements().settle(me, &epoch.verifying);
        let renewed = |who: &MemberId| {
            let before = state.and_then(|state| state.members.get(who));
            let before = before.filter(|_| *who != author).map(|member| member.renewed);
            before.unwrap_or(cx.now())
        };
        let (state, keys) = State::begin(epoch, self.desk.clone(), renewed);
        Ok(Started {
            operation: Over(id),
            progress: Progress::Finished(Box::new(Success { state, keys })),
        })
    }

    fn ages(&self, state: &State) -> Ages {
        let ages = state
            .members
            .iter()
            .map(|(who, member)| (who.clone(), member.renewed));
        Ages(ages.collect())
    }

    fn restore_state(&self, bytes: &[u8]) -> Result<State, RestoreError> {
        State::restore(self.me(), &self.client, &self.desk, bytes)
    }

    fn restore_proposal(&self, bytes: &[u8]) -> Result<Proposal, RestoreError> {
        Proposal::restore(self.me(), &self.client, &self.desk, bytes)
    }

    fn restore_operation(&self, bytes: &[u8]) -> Result<Over, RestoreError> {
        restore(bytes)
    }
}
