//! How much a packet's length tells, and how to swap the policy.

use std::fmt;

/// The byte that ends the unpadded text (ISO/IEC 7816-4); zeros follow.
pub(crate) const MARKER: u8 = 0x80;

/// To which length a message is padded (M-3). The length of a packet follows from the padded length alone.
///
/// Every member computes the same lengths: a message that is padded to any other is malformed, so padding
/// carries no second channel.
pub trait Padding {
    /// The policy's name, a part of the suite's: printable ASCII without a slash.
    const NAME: &'static str;

    /// The padded length of `len` bytes: at least `len`, at most twice as much plus 4096, and never smaller
    /// for a larger `len`.
    fn padded(len: usize) -> usize;
}

/// To 128 bytes or the next power of two above: a packet tells its length to within a factor of two.
pub struct Buckets(());

impl Padding for Buckets {
    const NAME: &'static str = "buckets";

    fn padded(len: usize) -> usize {
        /// A short message with one parent fits the smallest bucket.
        const SMALLEST: usize = 128;
        len.next_power_of_two().max(SMALLEST)
    }
}

/// Not at all: a packet tells the exact length of its message. For measurements, and for channels that pad.
pub struct NoPadding(());

impl Padding for NoPadding {
    const NAME: &'static str = "unpadded";

    fn padded(len: usize) -> usize {
        len
    }
}

impl fmt::Debug for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAME)
    }
}

impl fmt::Debug for NoPadding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAME)
    }
}

/// What stands in front of the marker and the zeros, if the padding is the one that the policy makes.
pub(crate) fn strip<P: Padding>(padded: &[u8]) -> Option<&[u8]> {
    let mut rest = padded;
    // Half of a buffer may be zeros: look at them 32 at a time.
    while let Some((front, last)) = rest.split_last_chunk::<32>()
        && *last == [0; 32]
    {
        rest = front;
    }
    while let Some((0, front)) = rest.split_last() {
        rest = front;
    }
    match rest.split_last() {
        Some((&MARKER, text)) if P::padded(rest.len()) == padded.len() => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn m03_buckets_are_powers_of_two_from_128() {
        for (len, padded) in [
            (0, 128),
            (128, 128),
            (129, 256),
            (256, 256),
            (257, 512),
            (70_000, 131_072),
        ] {
            assert_eq!(Buckets::padded(len), padded, "{len}");
        }
    }

    fn padded<P: Padding>(text: &[u8]) -> Vec<u8> {
        let mut bytes = text.to_vec();
        bytes.push(MARKER);
        bytes.resize(P::padded(bytes.len()), 0);
        bytes
    }

    proptest! {
        #[test]
        fn m03_padding_comes_off_again(text in proptest::collection::vec(prop_oneof![Just(0), Just(0x80), any::<u8>()], 0..400)) {
            let (bucket, exact) = (padded::<Buckets>(&text), padded::<NoPadding>(&text));
            prop_assert_eq!(strip::<Buckets>(&bucket), Some(text.as_slice()));
            prop_assert_eq!(strip::<NoPadding>(&exact), Some(text.as_slice()));
        }

        #[test]
        fn a09_every_padding_but_the_canonical_one_is_refused(
            bytes in proptest::collection::vec(prop_oneof![Just(0), Just(0x80), any::<u8>()], 0..400),
        ) {
            if let Some(text) = strip::<Buckets>(&bytes) {
                prop_assert_eq!(padded::<Buckets>(text), bytes);
            }
        }
    }

    #[test]
    fn a09_wrong_padding_is_refused_by_name() {
        let good = padded::<Buckets>(b"text");
        for at in 5..good.len() {
            let mut bad = good.clone();
            bad[at] = 1;
            assert_eq!(strip::<Buckets>(&bad), None, "a one at {at}");
        }
        let mut longer = good.clone();
        longer.resize(256, 0);
        assert_eq!(strip::<Buckets>(&longer), None, "a bucket too large");
        assert_eq!(strip::<Buckets>(&good[..64]), None, "no bucket at all");
        assert_eq!(strip::<Buckets>(&[0; 128]), None, "nothing but zeros");
        assert_eq!(strip::<Buckets>(&[]), None);
        assert_eq!(strip::<NoPadding>(b"text\x80\0"), None, "zeros where none belong");
    }
}
