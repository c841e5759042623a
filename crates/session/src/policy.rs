//! What each member may propose (O-12).

use std::fmt;
use std::sync::Arc;

use concilium_core::{Change, MemberId, MemberSet, SessionName};
use concilium_encryptor::MessageEncryptor;
use concilium_gka::GroupKeyAgreement;
use serde::{Deserialize, Serialize};

use crate::Session;
use crate::course::Wish;

/// Decides what each member may propose. Every member and waiting member asks it about every proposal, before
/// the proposal has any effect. A forbidden proposal has none (O-12).
///
/// **It must be the same for all members of the session**, and give the same answer on the same facts at any
/// time. It may use no clock, no state, and nothing else that some members lack. Members whose policies
/// differ accept different operations. The session then splits among them, and the confirmations of the chain
/// show it (O-10). Take the policy from something that all agree on before they join, such as the program
/// itself, or an invitation that names the moderators.
///
/// A policy is never asked about excluding members that are not in the channel when the proposal is
/// delivered. That is a duty of all members (T-4), since nothing else can change before it is done (O-6). So
/// members that leave get no session stuck under any policy.
///
/// ```
/// use concilium_session::{Forbidden, Policy, ProposalFacts};
///
/// /// Nobody is put out while they are here; anybody may include.
/// struct NobodyOut;
///
/// impl Policy for NobodyOut {
///     fn name(&self) -> String {
///         "nobody-out".to_owned()
///     }
///
///     fn allows(&self, proposal: &ProposalFacts<'_>) -> Result<(), Forbidden> {
///         if proposal.change().exclude.is_empty() {
///             Ok(())
///         } else {
///             Err(Forbidden::because("nobody is put out of this session; ask them to part"))
///         }
///     }
/// }
/// ```
pub trait Policy: Send + Sync {
    /// Its name, which no policy that decides differently may have. A session does not restore from a
    /// snapshot under a policy of another name.
    fn name(&self) -> String;

    /// Whether this may be proposed.
    ///
    /// # Errors
    /// It may not, and why, for people.
    fn allows(&self, proposal: &ProposalFacts<'_>) -> Result<(), Forbidden>;
}

/// What a policy decides on: the contents of a proposal that is authentic as its author's (K-15). The members
/// before are the author's claim. Members refuse the proposal next if the claim is wrong; waiting members
/// cannot know (O-8).
///
/// Members to be excluded that were not in the channel when the proposal was delivered are left out, as if
/// already excluded. All know the members of the channel at that moment, as for O-6: the packet's id depends
/// on them (O-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProposalFacts<'a> {
    /// The session.
    pub session: &'a SessionName,
    /// The author.
    pub author: &'a MemberId,
    /// The members before.
    pub before: &'a MemberSet,
    /// The members after.
    pub after: &'a MemberSet,
}

impl<'a> ProposalFacts<'a> {
    /// The facts of a proposal.
    #[must_use]
    pub const fn new(
        session: &'a SessionName,
        author: &'a MemberId,
        before: &'a MemberSet,
        after: &'a MemberSet,
    ) -> Self {
        Self {
            session,
            author,
            before,
            after,
        }
    }

    /// The proposed change of members. A refresh of the keys if it is empty.
    #[must_use]
    pub fn change(&self) -> Change {
        Change::between(self.before, self.after)
    }
}

/// A proposal that the session's policy does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session's policy forbids it: {why}")]
pub struct Forbidden {
    why: String,
}

impl Forbidden {
    /// Forbidden for this reason, in words for people: what is not allowed, and what to do instead.
    pub fn because(why: impl Into<String>) -> Self {
        Self { why: why.into() }
    }

    /// The reason alone.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }
}

/// The default: every member may propose everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Everybody;

impl Everybody {
    const NAME: &'static str = "everybody";
}

impl Policy for Everybody {
    fn name(&self) -> String {
        Self::NAME.to_owned()
    }

    fn allows(&self, _: &ProposalFacts<'_>) -> Result<(), Forbidden> {
        Ok(())
    }
}

/// Only these members may include and exclude. Every member may refresh the keys, and exclude departed
/// members (T-4).
///
/// While no moderator is a member, every member may include moderators, and only those; none but departed
/// members go out. The others go on talking, and include the first moderator that comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moderators(MemberSet);

impl Moderators {
    /// The policy under which these moderate.
    pub fn new(moderators: impl IntoIterator<Item = MemberId>) -> Self {
        Self(moderators.into_iter().collect())
    }
}

impl Policy for Moderators {
    fn name(&self) -> String {
        format!("moderators {}", self.0)
    }

    fn allows(&self, proposal: &ProposalFacts<'_>) -> Result<(), Forbidden> {
        let change = proposal.change();
        if self.0.contains(proposal.author) || change.is_refresh() {
            return Ok(());
        }
        let returns = change.exclude.is_empty() && change.include.is_subset(&self.0);
        if returns && proposal.before.intersection(&self.0).is_empty() {
            return Ok(());
        }
        let why = format!("only moderators include and exclude; ask one of them: {}", self.0);
        Err(Forbidden::because(why))
    }
}

impl fmt::Debug for dyn Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl PartialEq for dyn Policy {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for dyn Policy {}

/// Policies in stored settings. A policy is code, so only its name can be stored, and only the default can be
/// restored from that. Settings with another policy fail to load; they never load without it.
pub(crate) mod by_name {
    use concilium_core::wire;
    use serde::de::Error as _;
    use serde::{Deserializer, Serializer};

    use super::{Arc, Deserialize, Everybody, Policy, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Name(#[serde(with = "wire::text")] String);

    pub(crate) fn serialize<S: Serializer>(policy: &Arc<dyn Policy>, to: S) -> Result<S::Ok, S::Error> {
        Name(policy.name()).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<dyn Policy>, D::Error> {
        let Name(name) = Name::deserialize(from)?;
        if name == Everybody::NAME {
            Ok(Arc::new(Everybody))
        } else {
            Err(D::Error::custom(format_args!(
                "the policy `{name}` is code and cannot be read; store the default, and set the policy afterwards"
            )))
        }
    }
}

impl<G: GroupKeyAgreement, E: MessageEncryptor> Session<G, E> {
    /// O-12: whether `author` may lead the members from `before` to `after`. Members and waiting members
    /// answer alike.
    pub(crate) fn permits(
        &self,
        author: &MemberId,
        before: &MemberSet,
        after: &MemberSet,
    ) -> Result<(), Forbidden> {
        let Some(stay) = &self.stay else { return Ok(()) };
        let absent = before.minus(after).minus(&stay.channel);
        let left = before.minus(&absent);
        if !absent.is_empty() && left == *after {
            return Ok(()); // T-4
        }
        let facts = ProposalFacts::new(&self.name, author, &left, after);
        self.settings.policy.allows(&facts)
    }

    /// O-12: whether we may propose this to the members as they are.
    pub(crate) fn permits_us(&self, change: &Change) -> Result<(), Forbidden> {
        let before = self.members();
        let after = before.minus(&change.exclude).union(&change.include);
        self.permits(self.gka.me(), before, &after)
    }

    /// O-12: which of these we may include together with what we want already.
    pub(crate) fn permitted_comers(&self, wish: &Change, comers: MemberSet) -> MemberSet {
        let mut all = wish.clone();
        all.include.extend(comers.clone());
        if comers.is_empty() || self.permits_us(&all).is_ok() {
            return comers;
        }
        let mut permitted = wish.clone();
        for comer in comers {
            let mut more = permitted.clone();
            more.include.insert(comer);
            if self.permits_us(&more).is_ok() {
                permitted = more;
            }
        }
        permitted.include.minus(&wish.include)
    }

    /// O-12: the part of our wish that we may propose, and whether the user's change is in it. If our duties
    /// may not be done together, the exclusions come first, which every member may do.
    pub(crate) fn permitted_wish(&self, wish: Wish) -> Option<Wish> {
        if self.permits_us(&wish.change).is_ok() {
            return Some(wish);
        }
        let stay = self.stay.as_ref()?;
        if stay.door.puts_out_first(&stay.channel) {
            return None; // T-7: they are put out first; then it is ours to do.
        }
        let gone = wish.change.exclude.minus(&stay.channel);
        (!gone.is_empty()).then(|| Wish {
            change: Change::exclude(gone),
            for_action: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use concilium_core::wire;

    use super::*;
    use crate::Settings;

    fn id(name: &str) -> MemberId {
        MemberId::new(name).unwrap()
    }

    fn set(names: &str) -> MemberSet {
        names.split_whitespace().map(id).collect()
    }

    #[test]
    fn o12_moderators_include_and_exclude_others_refresh() {
        let policy = Moderators::new([id("m"), id("n")]);
        let session = SessionName::new("s").unwrap();
        for (author, before, after, allowed) in [
            ("m", "a m", "a b m", true),
            ("m", "a m", "m", true),
            ("m", "m", "m n", true),
            ("a", "a m", "a m", true),
            ("a", "a m", "a b m", false),
            ("a", "a b m", "a m", false),
            ("a", "a m", "a", false),
            ("a", "a m", "a m n", false),
            // No moderator is in.
            ("a", "a", "a m", true),
            ("a", "a", "a m n", true),
            ("a", "a", "a b", false),
            ("a", "a", "a b m", false),
            ("a", "a b", "a", false),
            ("a", "a b", "a m", false),
        ] {
            let (author, before, after) = (id(author), set(before), set(after));
            let judged = policy.allows(&ProposalFacts::new(&session, &author, &before, &after));
            assert_eq!(judged.is_ok(), allowed, "{author}: {before} to {after}");
        }
    }

    #[test]
    fn o12_a_policy_is_never_lost_in_storage() {
        let read = |bytes: &[u8]| wire::decode::<Settings>(bytes, bytes.len());
        let mut settings = Settings::default();
        assert_eq!(read(&wire::encode(&settings)).unwrap(), settings);
        settings.policy = Arc::new(Moderators::new([id("m")]));
        assert_ne!(settings, Settings::default());
        read(&wire::encode(&settings)).unwrap_err();
    }
}
