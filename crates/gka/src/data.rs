//! What the session has a key agreement authenticate.

use concilium_core::{
    ChainHash, Change, ChangeError, MemberId, MemberSet, MessageId, PacketId, SessionName, wire,
};
use serde::{Deserialize, Serialize};

use crate::{Directory, ProposeError, Reason};

/// The associated data of an operation: readable by all, authenticated by the time that the operation
/// succeeds (K-6).
///
/// On the wire stand the members before, the joiners and the excluded members, so that no member is named
/// twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "WireData", try_from = "WireData")]
pub struct AssociatedData {
    /// The session's name.
    pub session: SessionName,
    /// The names of the key agreement and of the cipher, equal for all members: ASCII, joined by a slash.
    pub suite: String,
    /// The last accepted final packet (O-2).
    pub parent: PacketId,
    /// The chain hash there (O-5).
    pub chain: ChainHash,
    /// The latest messages that the proposer had seen in the current subsession (O-2, G-9), at most
    /// [`AssociatedData::MAX_LATEST`].
    pub latest: Vec<MessageId>,
    /// The members before: M'. The proposer is one of them.
    pub before: MemberSet,
    /// The members after: M.
    pub after: MemberSet,
}

impl AssociatedData {
    /// More latest messages than this are not carried: as many as a session may have members.
    pub const MAX_LATEST: usize = MAX_MEMBERS;

    /// The change of members.
    #[must_use]
    pub fn change(&self) -> Change {
        Change::between(&self.before, &self.after)
    }

    /// Whether the sets are such as an operation may have: not empty, not beyond [`MAX_MEMBERS`],
    /// and lists within their limits.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        !self.before.is_empty()
            && !self.after.is_empty()
            && self.before.len() <= MAX_MEMBERS
            && self.after.len() <= MAX_MEMBERS
            && self.latest.len() <= Self::MAX_LATEST
            && self.suite.len() <= MAX_SUITE_BYTES
    }

    /// Whether the key agreement that the suite names is this one.
    ///
    /// # Errors
    /// [`Reason::WrongSuite`]: it is another.
    pub fn check_suite(&self, gka: &str) -> Result<(), Reason> {
        if self.suite.split('/').next() == Some(gka) {
            Ok(())
        } else {
            Err(Reason::WrongSuite)
        }
    }

    /// Whether `me` can propose such an operation of the key agreement `gka`: what every implementation
    /// checks first. `held` are the members of our state, in bytewise order; `None` if we hold none and are
    /// alone.
    ///
    /// # Errors
    /// The members do not fit, the suite is another one, or a joiner's identity key is not known.
    pub fn check_proposal<'a>(
        &self,
        gka: &str,
        me: &MemberId,
        held: Option<impl IntoIterator<Item = &'a MemberId>>,
        directory: &dyn Directory,
    ) -> Result<(), ProposeError> {
        let fits = match held {
            Some(held) => held.into_iter().eq(&self.before),
            None => self.before.len() == 1,
        };
        if !fits || !self.is_well_formed() || !self.before.contains(me) || !self.after.contains(me) {
            return Err(ProposeError::Members(Reason::WrongMembers));
        }
        self.check_suite(gka).map_err(ProposeError::Members)?;
        let unknown = |joiner: &&MemberId| directory.identity_key(joiner).is_none();
        match self.after.minus(&self.before).iter().find(unknown) {
            Some(unknown) => Err(ProposeError::UnknownIdentity(unknown.clone())),
            None => Ok(()),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct WireData {
    session: SessionName,
    #[serde(with = "wire::text")]
    suite: String,
    parent: PacketId,
    chain: ChainHash,
    #[serde(with = "wire::list")]
    latest: Vec<MessageId>,
    before: MemberSet,
    change: Change,
}

impl From<AssociatedData> for WireData {
    fn from(data: AssociatedData) -> Self {
        Self {
            change: data.change(),
            session: data.session,
            suite: data.suite,
            parent: data.parent,
            chain: data.chain,
            latest: data.latest,
            before: data.before,
        }
    }
}

impl TryFrom<WireData> for AssociatedData {
    type Error = ChangeError;

    fn try_from(data: WireData) -> Result<Self, ChangeError> {
        Ok(Self {
            after: data.change.apply(&data.before)?,
            session: data.session,
            suite: data.suite,
            parent: data.parent,
            chain: data.chain,
            latest: data.latest,
            before: data.before,
        })
    }
}

/// The largest session. A limit so that a packet can bound the work that it causes; 512 is required to work.
pub const MAX_MEMBERS: usize = 1024;

/// The longest suite name, in bytes.
pub const MAX_SUITE_BYTES: usize = 128;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use concilium_core::Secret;
    use concilium_core::keys::SigningKey;

    fn members(names: &str) -> MemberSet {
        names
            .split_whitespace()
            .map(|name| MemberId::new(name).unwrap())
            .collect()
    }

    fn data(suite: &str, before: &str, after: &str) -> AssociatedData {
        AssociatedData {
            session: SessionName::new("s").unwrap(),
            suite: suite.into(),
            parent: PacketId::from_bytes([0; 32]),
            chain: ChainHash::from_bytes([0; 32]),
            latest: Vec::new(),
            before: members(before),
            after: members(after),
        }
    }

    #[test]
    fn k11_a_proposal_fits_its_authors_state_suite_and_directory() {
        let key = *SigningKey::from_seed(&Secret::new([1; 32])).verifying_key();
        let directory: BTreeMap<_, _> = members("a b c").into_iter().map(|who| (who, key)).collect();
        let check = |data: &AssociatedData, held: Option<&str>| {
            let held = held.map(members);
            let me = MemberId::new("a").unwrap();
            data.check_proposal("gka", &me, held.as_ref(), &directory)
        };
        assert_eq!(check(&data("gka/x", "a b", "a c"), Some("a b")), Ok(()));
        assert_eq!(check(&data("gka", "a", "a b"), None), Ok(()));

        let wrong_members = Err(ProposeError::Members(Reason::WrongMembers));
        for (before, after, held) in [
            ("a b", "a b", Some("a b c")),
            ("a b", "a b", Some("a")),
            ("a b", "a b", None),
            ("b", "a b", Some("b")),
            ("a b", "b", Some("a b")),
            ("a b", "", Some("a b")),
        ] {
            let data = data("gka/x", before, after);
            assert_eq!(check(&data, held), wrong_members, "{before} to {after}");
        }
        let mut many = data("gka/x", "a", "a");
        many.latest = vec![MessageId::from_bytes([0; 32]); AssociatedData::MAX_LATEST + 1];
        assert_eq!(check(&many, Some("a")), wrong_members);

        let wrong_suite = Err(ProposeError::Members(Reason::WrongSuite));
        for suite in ["", "/x", "gkas/x", "x/gka"] {
            assert_eq!(check(&data(suite, "a", "a"), Some("a")), wrong_suite, "{suite}");
        }
        let stranger = MemberId::new("d").unwrap();
        let unknown = Err(ProposeError::UnknownIdentity(stranger));
        assert_eq!(check(&data("gka/x", "a", "a b d"), Some("a")), unknown);
        // A member can be excluded even if its key is not known.
        assert_eq!(check(&data("gka/x", "a d", "a"), Some("a d")), Ok(()));
    }
}
