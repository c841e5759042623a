//! Points that all members compute with, and what two members share.

use std::fmt;

use concilium_core::wire;
use curve25519_dalek::RistrettoPoint;
use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::traits::Identity as _;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::element::Element;

/// A point off the wire with its encoding: canonical, not the identity, and on the curve (K-11). Public.
///
/// For elements with which all members compute. All find out alike whether it is a point, when the packet is
/// opened.
#[derive(Clone, Copy)]
pub struct Point {
    pub(crate) encoding: Element,
    pub(crate) point: RistrettoPoint,
}

impl Point {
    /// Reads an encoding (RFC 9496, section 4.3.1).
    #[must_use]
    pub fn from_bytes(bytes: [u8; Element::BYTES]) -> Option<Self> {
        let encoding = Element::from_bytes(bytes)?;
        let point = encoding.point()?;
        Some(Self { encoding, point })
    }

    /// The encoding.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Element::BYTES] {
        self.encoding.as_bytes()
    }
}

/// By the encodings: each point has exactly one.
impl PartialEq for Point {
    fn eq(&self, other: &Self) -> bool {
        self.encoding == other.encoding
    }
}

impl Eq for Point {}

impl fmt::Debug for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.encoding.fmt(f)
    }
}

impl Serialize for Point {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.encoding.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Point {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = wire::array::deserialize(deserializer)?;
        Self::from_bytes(bytes).ok_or_else(|| D::Error::custom("not a group element"))
    }
}

/// The point that two members share by a Diffie-Hellman exchange, or a point computed from such points.
/// Secret: erased when dropped, redacted when printed, compared in constant time.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SharedPoint(pub(crate) RistrettoPoint);

impl SharedPoint {
    /// This point minus another one, to be sent. `None`: they are the same, and the identity is not sent
    /// (K-11).
    #[must_use]
    pub fn minus(&self, other: &Self) -> Option<Point> {
        let point = self.0 - other.0;
        let encoding = Element::from_bytes(point.compress().0)?;
        Some(Point { encoding, point })
    }

    /// This point plus a difference that was sent. `None`: it would be the identity, which no two members
    /// share.
    #[must_use]
    pub fn plus(&self, difference: &Point) -> Option<Self> {
        let sum = Self(self.0 + difference.point);
        (sum.0 != RistrettoPoint::identity()).then_some(sum)
    }

    /// The encoding, to derive keys from.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<[u8; Element::BYTES]> {
        let mut compressed = self.0.compress();
        let bytes = Zeroizing::new(compressed.0);
        compressed.zeroize();
        bytes
    }
}

impl ConstantTimeEq for SharedPoint {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl fmt::Debug for SharedPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link(..)")
    }
}

impl Serialize for SharedPoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        wire::array::serialize(&self.encode(), serializer)
    }
}

impl<'de> Deserialize<'de> for SharedPoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Zeroizing::new(wire::array::deserialize(deserializer)?);
        CompressedRistretto(*bytes)
            .decompress()
            .filter(|point| *point != RistrettoPoint::identity())
            .map(Self)
            .ok_or_else(|| D::Error::custom("not what two members share"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Contribution;
    use concilium_core::testing::rng;
    use concilium_core::{Context, Time};

    fn contribution(seed: u64) -> Contribution {
        Contribution::random(&mut Context::new(Time::ZERO, &mut rng::seeded(seed))).unwrap()
    }

    #[test]
    fn both_ends_of_a_link_hold_the_same_and_differences_lead_from_one_to_the_next() {
        let [a, b, c] = [1, 2, 3].map(contribution);
        let (ab, bc) = (a.agree(&b.public()), c.agree(&b.public()));
        assert!(bool::from(ab.ct_eq(&b.agree(&a.public()))));
        assert!(!bool::from(ab.ct_eq(&bc)));
        let difference = bc.minus(&ab).unwrap();
        let sent = Point::from_bytes(*difference.as_bytes()).unwrap();
        assert_eq!(*ab.plus(&sent).unwrap().encode(), *bc.encode());
        let public = a.public();
        assert_eq!(a.raise_all(&[Element::BASE]).unwrap(), [public.encoding]);
    }

    #[test]
    fn k11_the_identity_is_neither_sent_nor_computed_nor_restored() {
        let [a, b] = [1, 2].map(contribution);
        let link = a.agree(&b.public());
        assert!(link.minus(&link).is_none());
        let other = a.agree(&a.public());
        let negative = SharedPoint(RistrettoPoint::identity()).minus(&link).unwrap();
        assert!(link.plus(&negative).is_none() && other.plus(&negative).is_some());
        assert!(wire::decode::<SharedPoint>(&[0; 32], 32).is_err());
        assert!(Point::from_bytes([0; 32]).is_none());
        let restored: SharedPoint = wire::decode(&wire::encode_secret(&link), 32).unwrap();
        assert!(bool::from(restored.ct_eq(&link)));
    }

    #[test]
    fn a03_k11_a_canonical_field_encoding_off_the_curve_is_no_point() {
        let off = (2..=u8::MAX).step_by(2).find(|low| {
            let mut bytes = [0; 32];
            bytes[0] = *low;
            Element::from_bytes(bytes).is_some() && Point::from_bytes(bytes).is_none()
        });
        assert!(off.is_some(), "half of all field elements are off the curve");
    }

    #[test]
    fn a21_k13_links_do_not_print() {
        let link = contribution(1).agree(&contribution(2).public());
        assert_eq!(format!("{link:?}"), "Link(..)");
    }
}
