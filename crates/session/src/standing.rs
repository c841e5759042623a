//! Questions about the channel, the session and ourselves, which all rules ask.

use std::sync::LazyLock;

use concilium_core::{MemberId, MemberSet};
use concilium_encryptor::MessageEncryptor;
use concilium_gka::GroupKeyAgreement;

use crate::{Session, SessionState};

/// The answer while there are no members.
static NOBODY: LazyLock<MemberSet> = LazyLock::new(MemberSet::new);

impl<G: GroupKeyAgreement, E: MessageEncryptor> Session<G, E> {
    /// The members of the session, as we see it: only us when we are alone, none when we are not in one.
    #[must_use]
    pub fn members(&self) -> &MemberSet {
        let resolver = self
            .stay
            .as_ref()
            .map(|stay| &stay.chain.resolver)
            .filter(|resolver| resolver.is_member());
        resolver
            .and_then(|resolver| resolver.head())
            .map_or(&NOBODY, |head| &head.members)
    }

    /// The state of the session.
    #[must_use]
    pub fn state(&self) -> SessionState {
        match &self.stay {
            None if self.actions.is_joining() => SessionState::Joining,
            None => SessionState::Parted,
            Some(stay) if stay.departure.is_under_way() || self.actions.is_parting() => SessionState::Parting,
            Some(stay) if stay.chain.resolver.is_member() => SessionState::Joined,
            Some(_) => SessionState::Joining,
        }
    }

    /// The present members: in the session and in the channel, and not departed.
    pub(crate) fn present(&self) -> MemberSet {
        let Some(stay) = &self.stay else {
            return MemberSet::new();
        };
        if stay.door.departed().next().is_none() {
            return stay.channel.clone();
        }
        stay.channel
            .iter()
            .filter(|member| !stay.door.has_departed(member))
            .cloned()
            .collect()
    }

    /// Whether what the others do is not ours to judge any more: we may be out, or are about to leave.
    pub(crate) fn is_going(&self) -> bool {
        self.is_perhaps_excluded()
            || self
                .stay
                .as_ref()
                .is_some_and(|stay| stay.departure.is_under_way())
    }

    /// Whether we are perhaps excluded (T-10). We stay, and acknowledge what we can still read, until a
    /// proposal includes us as a joiner.
    pub(crate) fn is_perhaps_excluded(&self) -> bool {
        self.stay
            .as_ref()
            .is_some_and(|stay| stay.chain.is_perhaps_excluded())
    }

    /// Whether we are the only member of our session.
    pub(crate) fn is_alone(&self) -> bool {
        self.members().len() == 1 && self.members().contains(self.gka.me())
    }

    /// Whether the member is in the channel, as far as we are told.
    pub(crate) fn is_in_channel(&self, member: &MemberId) -> bool {
        self.stay
            .as_ref()
            .is_some_and(|stay| stay.channel.contains(member))
    }

    /// Our place among the session's members in the channel, after `first`, if that is a member.
    pub(crate) fn rank(&self, first: Option<&MemberId>) -> usize {
        let me = self.gka.me();
        let Some(stay) = &self.stay else { return 0 };
        if first == Some(me) {
            return 0;
        }
        let members = self.members();
        let is_present = |member: &MemberId| members.contains(member) && stay.channel.contains(member);
        let others = members
            .iter()
            .take_while(|member| *member != me)
            .filter(|member| Some(*member) != first && stay.channel.contains(member));
        others.count() + usize::from(first.is_some_and(is_present))
    }

    /// Whether we expect to be able to read what a member sends now. Not while we are a waiting member; not
    /// while we are perhaps excluded, since the others may be further than we see (T-10); and not just after
    /// we were included, since they may have sent it before.
    pub(crate) fn expects_to_read(&self, from: &MemberId) -> bool {
        let Some(stay) = &self.stay else { return false };
        let new_here = stay.chain.is_new_here(&self.settings.timing, self.clock.now());
        self.members().contains(from) && !self.is_perhaps_excluded() && !new_here && !stay.course.is_keyless()
    }

    /// T-17: whether we are without company: a waiting member; or alone in the session and, as far as we are
    /// told, in the channel; or alone in the session, after inclusions that all failed.
    pub(crate) fn lacks_company(&self) -> bool {
        self.stay.as_ref().is_some_and(|stay| {
            let nobody_comes = stay.channel.len() == 1 || stay.course.is_stuck();
            !stay.chain.resolver.is_member() || self.is_alone() && nobody_comes
        })
    }
}
