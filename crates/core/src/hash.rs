//! Hashing of structured input without ambiguity.

use std::fmt;

/// A BLAKE3 hash over labelled, length-framed fields: two different sequences of fields never hash the same
/// bytes (A-09). Hashes for different purposes never collide, because the context label goes through BLAKE3's
/// key-derivation mode.
///
/// Each field is hashed as its length in bytes (64 bits, little-endian) and its bytes; a list as its number
/// of items, framed as a field, and then its items.
///
/// ```
/// use concilium_core::FramedHash;
///
/// let hash = |a: &[u8], b: &[u8]| FramedHash::new("example 2026 two fields").field(a).field(b).finish();
/// assert_ne!(hash(b"ab", b"c"), hash(b"a", b"bc"));
/// ```
pub struct FramedHash(blake3::Hasher);

impl FramedHash {
    /// So many bytes of a list are hashed at once: as many as the hash function takes at its best speed.
    const PIECE: usize = 16 << 10;

    /// Starts a hash for one purpose. The label must be a constant of the program, unique to that purpose.
    #[must_use]
    pub fn new(context: &'static str) -> Self {
        Self(blake3::Hasher::new_derive_key(context))
    }

    /// Adds one field.
    #[must_use]
    pub fn field(mut self, bytes: &[u8]) -> Self {
        self.push(bytes);
        self
    }

    /// Adds a number, as a field of eight bytes, little-endian.
    #[must_use]
    pub fn number(self, number: u64) -> Self {
        self.field(&number.to_le_bytes())
    }

    /// Adds a list: how many items, then each item as a field.
    #[must_use]
    pub fn list<T: AsRef<[u8]>>(self, items: impl ExactSizeIterator<Item = T>) -> Self {
        self.number(items.len() as u64).fields(items)
    }

    /// Adds some fields, one after the other. Their number must follow from what was hashed before.
    #[must_use]
    pub fn fields<T: AsRef<[u8]>>(mut self, items: impl Iterator<Item = T>) -> Self {
        // Collected first: hashing a piece takes many times as long as copying it, and lists may be of a
        // thousand.
        let mut framed = Vec::new();
        for item in items {
            let bytes = item.as_ref();
            framed.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            framed.extend_from_slice(bytes);
            if framed.len() >= Self::PIECE {
                self.0.update(&framed);
                framed.clear();
            }
        }
        self.0.update(&framed);
        self
    }

    /// The hash.
    #[must_use]
    pub fn finish(&self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }

    /// As many bytes of the hash as `output` holds (BLAKE3's extendable output).
    pub fn finish_into(&self, output: &mut [u8]) {
        self.0.finalize_xof().fill(output);
    }

    fn push(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }
}

impl fmt::Debug for FramedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FramedHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hash(fields: &[Vec<u8>]) -> [u8; 32] {
        fields
            .iter()
            .fold(FramedHash::new("test"), |hash, field| hash.field(field))
            .finish()
    }

    proptest! {
        #[test]
        fn a09_framing_is_injective(
            a in proptest::collection::vec(proptest::collection::vec(0_u8..3, 0..3), 0..4),
            b in proptest::collection::vec(proptest::collection::vec(0_u8..3, 0..3), 0..4),
        ) {
            prop_assert_eq!(a == b, hash(&a) == hash(&b));
        }
    }

    #[test]
    fn a09_long_lists_are_hashed_item_by_item() {
        for len in [0, 1, 31, 5000, 40_000] {
            let items: Vec<Vec<u8>> = (0..5_u8).map(|n| vec![n; len]).collect();
            let one_by_one = items
                .iter()
                .fold(FramedHash::new("a").number(5), |hash, item| hash.field(item));
            assert_eq!(
                FramedHash::new("a").list(items.iter()).finish(),
                one_by_one.finish()
            );
        }
    }

    #[test]
    fn a12_contexts_separate() {
        assert_ne!(
            FramedHash::new("a").field(b"x").finish(),
            FramedHash::new("b").field(b"x").finish()
        );
        let (one, two) = ([b"x".as_slice()], [b"x".as_slice(), b"".as_slice()]);
        let list = |items: &[&[u8]]| FramedHash::new("a").list(items.iter()).field(b"").finish();
        assert_ne!(list(&one), list(&two));
    }
}
