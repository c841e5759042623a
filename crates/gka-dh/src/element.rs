//! Group elements as they travel, and the secret scalars that are multiplied into them.

use std::fmt;

use concilium_core::{Context, RandomnessError, wire};
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_COMPRESSED;
use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::{RistrettoPoint, Scalar};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::point::{Point, SharedPoint};

/// A canonical field encoding that is not the identity's: what a slot must look like to be taken off the
/// wire.
///
/// [`Contribution::raise`] finds out whether it is a point, when a member computes with it. Each member needs
/// only its own of a long list of slots, and decompressing the others would cost more than the rest of a
/// refresh. A slot that is no point harms the member that owns it, exactly as a wrong point would.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Element([u8; Element::BYTES]);

impl Element {
    /// Bytes of an encoding.
    pub const BYTES: usize = 32;

    /// The base point.
    pub const BASE: Self = Self(RISTRETTO_BASEPOINT_COMPRESSED.0);

    /// K-11: refuses the identity (all zero), values not below the field's prime 2^255 - 19, and negative
    /// (odd) ones. These are the conditions of RFC 9496, section 4.3.1, that show in the bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Option<Self> {
        let [first, middle @ .., last] = &bytes;
        let below_prime =
            *last < 0x7f || (*last == 0x7f && (middle.iter().any(|byte| *byte != 0xff) || *first < 0xed));
        let non_negative = *first & 1 == 0;
        let identity = bytes.iter().all(|byte| *byte == 0);
        (below_prime && non_negative && !identity).then_some(Self(bytes))
    }

    /// The encoding.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    pub(crate) fn point(&self) -> Option<RistrettoPoint> {
        CompressedRistretto(self.0).decompress()
    }
}

/// The encodings one after the other: all have one length, so this needs no frames.
#[must_use]
pub fn flatten(elements: &[Element]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(elements.len() * Element::BYTES);
    for element in elements {
        bytes.extend_from_slice(&element.0);
    }
    bytes
}

impl fmt::Debug for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Element(")?;
        for byte in self.0.iter().take(4) {
            write!(f, "{byte:02x}")?;
        }
        write!(f, ")")
    }
}

impl Serialize for Element {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        wire::array::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = wire::array::deserialize(deserializer)?;
        Self::from_bytes(bytes).ok_or_else(|| D::Error::custom("not a group element"))
    }
}

/// Whether all elements differ (K-11).
///
/// Every member asks this of every flow. Elements of honest members differ in their first bytes already. So
/// those bytes are sorted as integers, and whole elements are compared only where two begin alike.
#[must_use]
pub fn all_distinct(elements: &[Element]) -> bool {
    let starts = elements.iter().map(|element| element.0.first_chunk().copied());
    let starts = starts.map(|start| u64::from_ne_bytes(start.unwrap_or_default()));
    differ_pairwise(starts.collect()) || differ_pairwise(elements.to_vec())
}

fn differ_pairwise<T: Ord>(mut items: Vec<T>) -> bool {
    items.sort_unstable();
    items.windows(2).all(|pair| pair.first() != pair.last())
}

/// A member's secret contribution to the group key: a scalar, never zero (K-11).
///
/// C-4: the group has prime order, so all factors that a member mixes in over time condense into this one.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Contribution(Scalar);

/// An element that is not a point: its place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAPoint(
    /// Counted from 0.
    pub usize,
);

impl Contribution {
    /// A fresh one.
    ///
    /// # Errors
    /// The random source fails.
    pub fn random(cx: &mut Context<'_>) -> Result<Self, RandomnessError> {
        // Twice the bytes that a scalar needs: the reduction then leaves no measurable bias.
        let mut scalar = Scalar::from_bytes_mod_order_wide(cx.secret::<64>()?.expose());
        let contribution = Self::checked(scalar).ok_or(RandomnessError);
        scalar.zeroize();
        contribution
    }

    fn checked(scalar: Scalar) -> Option<Self> {
        (scalar != Scalar::ZERO).then_some(Self(scalar))
    }

    /// Both factors in one. Not zero, because neither is and the order is prime.
    #[must_use]
    pub fn times(&self, factor: &Self) -> Self {
        Self(self.0 * factor.0)
    }

    /// This contribution times one element. The result is as secret as the caller's use of it.
    ///
    /// # Errors
    /// The element is no point.
    pub fn raise(&self, element: &Element) -> Result<Zeroizing<[u8; Element::BYTES]>, NotAPoint> {
        let product = Zeroizing::new(multiply(&self.0, element).ok_or(NotAPoint(0))?);
        Ok(Zeroizing::new(product.compress().0))
    }

    /// This contribution times the base point: its public part.
    #[must_use]
    pub fn public(&self) -> Point {
        count();
        let point = RistrettoPoint::mul_base(&self.0);
        Point {
            encoding: Element(point.compress().0),
            point,
        }
    }

    /// The point that only we and the owner of `theirs` can compute.
    #[must_use]
    pub fn agree(&self, theirs: &Point) -> SharedPoint {
        count();
        SharedPoint(theirs.point * self.0)
    }

    /// This contribution times each element, to be sent.
    ///
    /// Compressing costs an inverse square root for each element. Doubling and compressing a whole batch
    /// costs one inversion for all. So this multiplies by one half of the scalar, and the batch doubles.
    ///
    /// # Errors
    /// An element is no point; the first such is named.
    pub fn raise_all(&self, elements: &[Element]) -> Result<Vec<Element>, NotAPoint> {
        let half = Zeroizing::new(self.0.div_by_2());
        let points = elements
            .iter()
            .enumerate()
            .map(|(i, element)| multiply(&half, element).ok_or(NotAPoint(i)))
            .collect::<Result<Vec<_>, _>>()?;
        let raised = RistrettoPoint::double_and_compress_batch(&points);
        raised
            .iter()
            .enumerate()
            .map(|(i, encoding)| Element::from_bytes(encoding.0).ok_or(NotAPoint(i)))
            .collect()
    }
}

/// Constant in time with respect to the scalar; the element is public.
fn multiply(scalar: &Scalar, element: &Element) -> Option<RistrettoPoint> {
    count();
    if *element == Element::BASE {
        return Some(RistrettoPoint::mul_base(scalar));
    }
    element.point().map(|point| point * scalar)
}

#[cfg(feature = "counting")]
thread_local! {
    static MULTIPLICATIONS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Scalar multiplications by this thread so far.
#[cfg(feature = "counting")]
#[must_use]
pub fn multiplications() -> usize {
    MULTIPLICATIONS.get()
}

fn count() {
    #[cfg(feature = "counting")]
    MULTIPLICATIONS.with(|count| count.set(count.get() + 1));
}

impl fmt::Debug for Contribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Contribution(..)")
    }
}

impl Serialize for Contribution {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        wire::array::serialize(self.0.as_bytes(), serializer)
    }
}

impl<'de> Deserialize<'de> for Contribution {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Zeroizing::new(wire::array::deserialize(deserializer)?);
        Option::from(Scalar::from_canonical_bytes(*bytes))
            .and_then(Self::checked)
            .ok_or_else(|| D::Error::custom("not a contribution"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use concilium_core::Time;
    use concilium_core::testing::rng;

    fn contribution(seed: u64) -> Contribution {
        Contribution::random(&mut Context::new(Time::ZERO, &mut rng::seeded(seed))).unwrap()
    }

    fn element(seed: u64) -> Element {
        let raised = contribution(seed).raise_all(&[Element::BASE]).unwrap();
        raised[0]
    }

    #[test]
    fn raising_in_a_batch_and_one_by_one_agree() {
        let elements = [Element::BASE, element(1), element(2)];
        let x = contribution(3);
        let batch = x.raise_all(&elements).unwrap();
        for (one, all) in elements.iter().zip(&batch) {
            assert_eq!(&*x.raise(one).unwrap(), all.as_bytes());
        }
        let both = contribution(4).times(&x).raise_all(&elements).unwrap();
        assert_eq!(
            contribution(4).raise_all(&batch).unwrap(),
            both,
            "C-4: factors condense"
        );
    }

    #[test]
    fn a09_k11_duplicates_are_found() {
        let [a, b, c] = [1, 2, 3].map(element);
        assert!(all_distinct(&[c, a, b]));
        assert!(!all_distinct(&[c, a, c]));
        assert!(all_distinct(&[]));
        let mut near = a;
        near.0[31] ^= 1;
        assert!(all_distinct(&[a, near]));
        near.0 = a.0;
        near.0[0] ^= 2;
        assert!(all_distinct(&[a, near]));
    }

    #[test]
    fn k11_a_zero_or_unreduced_scalar_is_not_restored() {
        let zero = [0; 32];
        assert!(wire::decode::<Contribution>(&zero, 32).is_err());
        assert!(wire::decode::<Contribution>(&[0xff; 32], 32).is_err());
        let x = contribution(1);
        let back: Contribution = wire::decode(&wire::encode_secret(&x), 32).unwrap();
        assert_eq!(back.0, x.0);
    }

    #[test]
    fn a21_k13_contributions_do_not_print() {
        assert_eq!(format!("{:?}", contribution(1)), "Contribution(..)");
    }
}
