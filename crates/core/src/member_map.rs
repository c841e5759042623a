//! Something about each member.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{MemberId, MemberSet, wire};

/// A value for each member of a set, ordered bytewise by member. Cheap to clone. On the wire: a list of
/// pairs, strictly ascending by member, anything else is refused.
///
/// Two lists side by side, and not a tree: a group of a thousand members makes such maps anew at each
/// operation, and keeps them in several places.
///
/// ```
/// use concilium_core::{MemberId, MemberMap};
///
/// # fn main() -> Result<(), concilium_core::NameError> {
/// let (alice, bob) = (MemberId::new("alice")?, MemberId::new("bob")?);
/// let ages: MemberMap<u32> = [(bob.clone(), 41), (alice.clone(), 42)].into_iter().collect();
/// assert_eq!(ages.get(&alice), Some(&42));
/// assert_eq!(ages.iter().next(), Some((&alice, &42)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct MemberMap<V> {
    members: MemberSet,
    /// One for each of `members`, in their order.
    values: Arc<Vec<V>>,
}

impl<V> Default for MemberMap<V> {
    fn default() -> Self {
        Self {
            members: MemberSet::new(),
            values: Arc::default(),
        }
    }
}

impl<V> MemberMap<V> {
    /// The empty map.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// These values, one for each of these members in their order. `None` if the numbers differ.
    #[must_use]
    pub fn zip(members: MemberSet, values: Vec<V>) -> Option<Self> {
        (members.len() == values.len()).then(|| Self {
            members,
            values: Arc::new(values),
        })
    }

    /// The members.
    #[must_use]
    pub fn members(&self) -> &MemberSet {
        &self.members
    }

    /// Number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The value of `member`.
    #[must_use]
    pub fn get(&self, member: &MemberId) -> Option<&V> {
        self.values.get(self.members.position(member)?)
    }

    /// Whether `member` is in.
    #[must_use]
    pub fn contains_key(&self, member: &MemberId) -> bool {
        self.members.contains(member)
    }

    /// Members and values in ascending order of the members' bytes.
    pub fn iter(&self) -> std::iter::Zip<std::slice::Iter<'_, MemberId>, std::slice::Iter<'_, V>> {
        self.members.iter().zip(self.values.iter())
    }

    /// The members in ascending order of their bytes.
    pub fn keys(&self) -> std::slice::Iter<'_, MemberId> {
        self.members.iter()
    }

    /// The values in the order of their members.
    pub fn values(&self) -> std::slice::Iter<'_, V> {
        self.values.iter()
    }
}

impl<V: Clone> MemberMap<V> {
    /// The values in the order of their members, to be changed.
    pub fn values_mut(&mut self) -> std::slice::IterMut<'_, V> {
        Arc::make_mut(&mut self.values).iter_mut()
    }

    /// Puts in a value; the one that it replaces, if there was one.
    pub fn insert(&mut self, member: MemberId, value: V) -> Option<V> {
        let values = Arc::make_mut(&mut self.values);
        if let Some(old) = self
            .members
            .position(&member)
            .and_then(|place| values.get_mut(place))
        {
            return Some(std::mem::replace(old, value));
        }
        let place = self.members.iter().take_while(|known| **known < member).count();
        self.members.insert(member);
        values.insert(place.min(values.len()), value);
        None
    }

    /// Takes a member out, and its value.
    pub fn remove(&mut self, member: &MemberId) -> Option<V> {
        let place = self.members.position(member)?;
        self.members.remove(member);
        let values = Arc::make_mut(&mut self.values);
        (place < values.len()).then(|| values.remove(place))
    }
}

impl<V> FromIterator<(MemberId, V)> for MemberMap<V> {
    /// Of several values for one member the last one stays.
    fn from_iter<I: IntoIterator<Item = (MemberId, V)>>(pairs: I) -> Self {
        BTreeMap::from_iter(pairs).into()
    }
}

impl<V> From<BTreeMap<MemberId, V>> for MemberMap<V> {
    fn from(map: BTreeMap<MemberId, V>) -> Self {
        let (members, values): (Vec<_>, Vec<_>) = map.into_iter().unzip();
        Self {
            members: members.into_iter().collect(),
            values: Arc::new(values),
        }
    }
}

impl<V, const N: usize> From<[(MemberId, V); N]> for MemberMap<V> {
    fn from(pairs: [(MemberId, V); N]) -> Self {
        Self::from_iter(pairs)
    }
}

impl<'a, V> IntoIterator for &'a MemberMap<V> {
    type Item = (&'a MemberId, &'a V);
    type IntoIter = std::iter::Zip<std::slice::Iter<'a, MemberId>, std::slice::Iter<'a, V>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<V: fmt::Debug> fmt::Debug for MemberMap<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<V: Serialize> Serialize for MemberMap<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for MemberMap<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pairs: Vec<(MemberId, V)> = wire::list::deserialize(deserializer)?;
        let ascending = pairs.is_sorted_by(|(one, _), (other, _)| one < other);
        let (members, values): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        Self::zip(members.into_iter().collect(), values)
            .filter(|_| ascending)
            .ok_or_else(|| serde::de::Error::custom("members must be listed in strictly ascending order"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn member(n: u8) -> MemberId {
        MemberId::new([n]).unwrap()
    }

    proptest! {
        #[test]
        fn does_what_a_map_of_the_standard_library_does(changes: Vec<(bool, u8, u16)>) {
            let (mut ours, mut naive) = (MemberMap::new(), BTreeMap::new());
            for (put, who, value) in changes {
                let who = member(who % 8);
                if put {
                    prop_assert_eq!(ours.insert(who.clone(), value), naive.insert(who, value));
                } else {
                    prop_assert_eq!(ours.remove(&who), naive.remove(&who));
                }
                prop_assert!(ours.iter().eq(&naive) && ours.len() == naive.len());
                prop_assert!((0..8).map(member).all(|who| ours.get(&who) == naive.get(&who)));
            }
            // The encoding is that of such a map, too.
            let bytes = wire::encode(&naive);
            prop_assert_eq!(&wire::encode(&ours), &bytes);
            prop_assert_eq!(wire::decode::<MemberMap<u16>>(&bytes, 1000), Ok(ours.clone()));
            prop_assert_eq!(naive.into_iter().collect::<MemberMap<u16>>(), ours);
        }
    }

    #[test]
    fn a09_k11_members_out_of_order_or_twice_are_refused() {
        assert!(wire::decode::<MemberMap<u8>>(&[2, 1, b'a', 7, 1, b'b', 8], 100).is_ok());
        assert!(wire::decode::<MemberMap<u8>>(&[2, 1, b'b', 7, 1, b'a', 8], 100).is_err());
        assert!(wire::decode::<MemberMap<u8>>(&[2, 1, b'a', 7, 1, b'a', 8], 100).is_err());
    }
}
