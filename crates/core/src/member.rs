//! Sets of members, and changes from one set to the next.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::MemberId;

/// A set of members, ordered bytewise. On the wire: a strictly ascending list, anything else is refused.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MemberSet(BTreeSet<MemberId>);

impl MemberSet {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeSet::new())
    }

    /// The set of this one member.
    #[must_use]
    pub fn of(member: MemberId) -> Self {
        Self(BTreeSet::from([member]))
    }

    /// Whether `member` is in.
    #[must_use]
    pub fn contains(&self, member: &MemberId) -> bool {
        self.0.contains(member)
    }

    /// Number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody is in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a member; false if it was in already.
    pub fn insert(&mut self, member: MemberId) -> bool {
        self.0.insert(member)
    }

    /// Takes a member out; false if it was not in.
    pub fn remove(&mut self, member: &MemberId) -> bool {
        self.0.remove(member)
    }

    /// The members in ascending order of their bytes.
    pub fn iter(&self) -> std::collections::btree_set::Iter<'_, MemberId> {
        self.0.iter()
    }

    /// The first member in bytewise order.
    #[must_use]
    pub fn first(&self) -> Option<&MemberId> {
        self.0.first()
    }

    /// Whether every member of `self` is in `other` too.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// The members of `self` that are not in `other`.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self(self.0.difference(&other.0).cloned().collect())
    }

    /// The members of `self`, of `other`, and of both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    /// The members that are in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }
}

impl FromIterator<MemberId> for MemberSet {
    fn from_iter<I: IntoIterator<Item = MemberId>>(members: I) -> Self {
        Self(members.into_iter().collect())
    }
}

impl Extend<MemberId> for MemberSet {
    fn extend<I: IntoIterator<Item = MemberId>>(&mut self, members: I) {
        self.0.extend(members);
    }
}

impl IntoIterator for MemberSet {
    type Item = MemberId;
    type IntoIter = std::collections::btree_set::IntoIter<MemberId>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a MemberSet {
    type Item = &'a MemberId;
    type IntoIter = std::collections::btree_set::Iter<'a, MemberId>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// For people: the names in order, separated by spaces.
impl fmt::Display for MemberSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, member) in self.iter().enumerate() {
            if i > 0 {
                write!(f, " ")?;
            }
            write!(f, "{member}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for MemberSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

impl Serialize for MemberSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for MemberSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list: Vec<MemberId> = crate::wire::list::deserialize(deserializer)?;
        if list.is_sorted_by(|a, b| a < b) {
            Ok(Self(list.into_iter().collect()))
        } else {
            Err(serde::de::Error::custom(
                "members must be listed in strictly ascending order",
            ))
        }
    }
}

/// A change of membership: who comes in and who goes out, as one operation. Neither: a key refresh.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Change {
    /// Who comes in.
    pub include: MemberSet,
    /// Who goes out.
    pub exclude: MemberSet,
}

/// Why a change does not fit the members that it is meant for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// To be included, but already in.
    #[error("{0} is already a member")]
    AlreadyMember(MemberId),
    /// To be excluded, but not in.
    #[error("{0} is not a member")]
    NotMember(MemberId),
    /// Both included and excluded.
    #[error("{0} cannot be included and excluded in one change")]
    Both(MemberId),
    /// Nobody would remain.
    #[error("a change must leave at least one member")]
    Empty,
}

impl Change {
    /// New keys for the same members.
    #[must_use]
    pub fn refresh() -> Self {
        Self::default()
    }

    /// These come in.
    pub fn include(members: impl IntoIterator<Item = MemberId>) -> Self {
        Self {
            include: members.into_iter().collect(),
            exclude: MemberSet::new(),
        }
    }

    /// These go out.
    pub fn exclude(members: impl IntoIterator<Item = MemberId>) -> Self {
        Self {
            include: MemberSet::new(),
            exclude: members.into_iter().collect(),
        }
    }

    /// The change that leads from one set to another.
    #[must_use]
    pub fn between(before: &MemberSet, after: &MemberSet) -> Self {
        Self {
            include: after.minus(before),
            exclude: before.minus(after),
        }
    }

    /// Whether the membership stays as it is.
    #[must_use]
    pub fn is_refresh(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    /// The members after this change.
    ///
    /// # Errors
    /// The change does not fit `before`, names someone twice, or leaves nobody.
    pub fn apply(&self, before: &MemberSet) -> Result<MemberSet, ChangeError> {
        if let Some(both) = self.include.intersection(&self.exclude).first() {
            return Err(ChangeError::Both(both.clone()));
        }
        if let Some(already) = self.include.intersection(before).first() {
            return Err(ChangeError::AlreadyMember(already.clone()));
        }
        if let Some(missing) = self.exclude.minus(before).first() {
            return Err(ChangeError::NotMember(missing.clone()));
        }
        let after = before.minus(&self.exclude).union(&self.include);
        if after.is_empty() {
            Err(ChangeError::Empty)
        } else {
            Ok(after)
        }
    }
}

/// For people: `+carol -bob`, or `refresh`.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_refresh() {
            return write!(f, "refresh");
        }
        let come = self.include.iter().map(|member| ('+', member));
        let go = self.exclude.iter().map(|member| ('-', member));
        for (i, (sign, member)) in come.chain(go).enumerate() {
            if i > 0 {
                write!(f, " ")?;
            }
            write!(f, "{sign}{member}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire;

    fn set(names: &str) -> MemberSet {
        names
            .split_whitespace()
            .map(|name| MemberId::new(name).unwrap())
            .collect()
    }

    #[test]
    fn a_change_fits_or_says_why_not() {
        let before = set("alice bob");
        let change = Change {
            include: set("carol"),
            exclude: set("bob"),
        };
        assert_eq!(change.apply(&before), Ok(set("alice carol")));
        assert_eq!(change.to_string(), "+carol -bob");
        assert_eq!(Change::between(&before, &set("alice carol")), change);
        let who = |name: &str| MemberId::new(name).unwrap();
        assert_eq!(
            Change::include(set("bob")).apply(&before),
            Err(ChangeError::AlreadyMember(who("bob")))
        );
        assert_eq!(
            Change::exclude(set("carol")).apply(&before),
            Err(ChangeError::NotMember(who("carol")))
        );
        assert_eq!(
            Change::exclude(set("alice bob")).apply(&before),
            Err(ChangeError::Empty)
        );
        let both = Change {
            include: set("carol"),
            exclude: set("carol"),
        };
        assert_eq!(both.apply(&before), Err(ChangeError::Both(who("carol"))));
        assert_eq!(Change::refresh().apply(&before), Ok(before.clone()));
    }

    #[test]
    fn a09_member_lists_out_of_order_or_with_duplicates_are_refused() {
        let good = wire::encode(&set("a b"));
        assert_eq!(good, [2, 1, b'a', 1, b'b']);
        assert_eq!(wire::decode::<MemberSet>(&good, 100), Ok(set("a b")));
        assert!(wire::decode::<MemberSet>(&[2, 1, b'b', 1, b'a'], 100).is_err());
        assert!(wire::decode::<MemberSet>(&[2, 1, b'a', 1, b'a'], 100).is_err());
    }
}
