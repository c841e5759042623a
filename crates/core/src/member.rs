//! Sets of members, and changes from one set to the next.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::MemberId;

/// A set of members, ordered bytewise. Cheap to clone. On the wire: a strictly ascending list, anything else
/// is refused.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MemberSet(
    /// Strictly ascending.
    Arc<Vec<MemberId>>,
);

impl MemberSet {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The set of this one member.
    #[must_use]
    pub fn of(member: MemberId) -> Self {
        Self(Arc::new(vec![member]))
    }

    /// Whether `member` is in.
    #[must_use]
    pub fn contains(&self, member: &MemberId) -> bool {
        self.0.binary_search(member).is_ok()
    }

    /// Number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a member; false if it was in already.
    pub fn insert(&mut self, member: MemberId) -> bool {
        let place = self.0.binary_search(&member);
        if let Err(place) = place {
            Arc::make_mut(&mut self.0).insert(place, member);
        }
        place.is_err()
    }

    /// Takes a member out; false if it was not in.
    pub fn remove(&mut self, member: &MemberId) -> bool {
        let place = self.0.binary_search(member);
        if let Ok(place) = place {
            Arc::make_mut(&mut self.0).remove(place);
        }
        place.is_ok()
    }

    /// The members in ascending order of their bytes.
    pub fn iter(&self) -> std::slice::Iter<'_, MemberId> {
        self.0.iter()
    }

    /// At which place `member` stands in the order, counted from 0.
    #[must_use]
    pub fn position(&self, member: &MemberId) -> Option<usize> {
        self.0.binary_search(member).ok()
    }

    /// The member at a place in the order, counted from 0.
    #[must_use]
    pub fn at(&self, place: usize) -> Option<&MemberId> {
        self.0.get(place)
    }

    /// The first member in bytewise order.
    #[must_use]
    pub fn first(&self) -> Option<&MemberId> {
        self.0.first()
    }

    /// Whether every member of `self` is in `other` too.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.beside(other).all(|(_, shared)| shared)
    }

    /// The members of `self` that are not in `other`.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        self.part(other, false)
    }

    /// The members of `self`, of `other`, and of both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if other.is_empty() {
            return self.clone();
        }
        self.iter().chain(other).cloned().collect()
    }

    /// The members that are in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.part(other, true)
    }

    /// Every member, and whether it is in `other` too: one walk along both.
    fn beside<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (&'a MemberId, bool)> {
        let mut rest = other.0.as_slice();
        self.iter().map(move |member| {
            while let [first, later @ ..] = rest {
                // Mostly they are the same, which is seen sooner than which of them comes first.
                match if first == member {
                    Ordering::Equal
                } else {
                    first.cmp(member)
                } {
                    Ordering::Less => rest = later,
                    Ordering::Equal => return (member, true),
                    Ordering::Greater => break,
                }
            }
            (member, false)
        })
    }

    /// The members that `other` shares, or those that it does not.
    fn part(&self, other: &Self, shared: bool) -> Self {
        let same = Arc::ptr_eq(&self.0, &other.0);
        match other.is_empty() || same {
            true if same == shared => self.clone(),
            true => Self::new(),
            false => {
                let part = self.beside(other).filter(|(_, both)| *both == shared);
                Self(Arc::new(part.map(|(member, _)| member.clone()).collect()))
            }
        }
    }
}

impl FromIterator<MemberId> for MemberSet {
    fn from_iter<I: IntoIterator<Item = MemberId>>(members: I) -> Self {
        let mut members: Vec<_> = members.into_iter().collect();
        // Mostly a few ascending runs, which this sort merges.
        members.sort();
        members.dedup();
        Self(Arc::new(members))
    }
}

impl Extend<MemberId> for MemberSet {
    fn extend<I: IntoIterator<Item = MemberId>>(&mut self, members: I) {
        *self = self.iter().cloned().chain(members).collect();
    }
}

impl IntoIterator for MemberSet {
    type Item = MemberId;
    type IntoIter = std::vec::IntoIter<MemberId>;

    fn into_iter(self) -> Self::IntoIter {
        Arc::unwrap_or_clone(self.0).into_iter()
    }
}

impl<'a> IntoIterator for &'a MemberSet {
    type Item = &'a MemberId;
    type IntoIter = std::slice::Iter<'a, MemberId>;

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
            Ok(Self(Arc::new(list)))
        } else {
            Err(serde::de::Error::custom(
                "members must be listed in strictly ascending order",
            ))
        }
    }
}

/// A change of membership as one operation: the joiners and the excluded members. With neither it is a key
/// refresh.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Change {
    /// The joiners.
    pub include: MemberSet,
    /// The excluded members.
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
    /// No member would remain.
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
    /// The change does not fit `before`, names a member twice, or leaves no member.
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
