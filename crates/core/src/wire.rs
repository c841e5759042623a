//! The one codec of the workspace: serde values to bytes and back.
//!
//! The encoding is bincode 2's standard configuration: integers as variable-length, little-endian; sequences
//! with their length in front; structures field by field; enumerations by the index of their variant.
//! [`decode`] takes exactly one value, refuses trailing bytes, and refuses every encoding but the one that
//! [`encode`] makes. Its memory is bounded by a constant times the input, as long as types read their
//! sequences through [`list`], [`bytes`](mod@bytes) and [`text`], which allocate as they read and not as they
//! are told.
//!
//! Only this file knows of `bincode`, so that another codec is a change of one file.

use bincode::config::{Configuration, standard};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

const CONFIGURATION: Configuration = standard();

/// Why bytes are not the encoding of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Longer than the caller allows.
    #[error("{len} bytes are more than the limit of {limit}")]
    TooLong {
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not the encoding of such a value, or only the start of one.
    #[error("the bytes are not a value of the expected form")]
    Malformed,
    /// A value, and then more.
    #[error("{0} bytes trail the value")]
    Trailing(usize),
    /// Stands for a value, but is not the encoding that `encode` makes.
    #[error("the encoding is not the canonical one")]
    NotCanonical,
}

/// The bytes of a value.
///
/// # Panics
/// Never for the types of this workspace. Only a `Serialize` that fails by itself makes this fail, and ours
/// do not.
#[must_use]
#[expect(
    clippy::expect_used,
    reason = "writing to memory fails only where a Serialize fails by itself; ours do not"
)]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one module that the ban points to"
)]
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    bincode::serde::encode_to_vec(value, CONFIGURATION).expect("our types serialize")
}

/// The bytes of a value that holds secrets: erased when dropped. No other copy is made on the way, because
/// the buffer is sized before it is written.
///
/// # Panics
/// As [`encode`]: never for our types.
#[must_use]
#[expect(
    clippy::expect_used,
    reason = "as for encode; the slice has the size that the size writer counted"
)]
pub fn encode_secret<T: Serialize + ?Sized>(value: &T) -> Zeroizing<Vec<u8>> {
    let mut size = Counter(0);
    bincode::serde::encode_into_writer(value, &mut size, CONFIGURATION).expect("our types serialize");
    let mut bytes = Zeroizing::new(vec![0; size.0]);
    bincode::serde::encode_into_slice(value, &mut bytes, CONFIGURATION).expect("the size was counted");
    bytes
}

/// Counts what would be written.
struct Counter(usize);

impl bincode::enc::write::Writer for Counter {
    fn write(&mut self, bytes: &[u8]) -> Result<(), bincode::error::EncodeError> {
        self.0 += bytes.len();
        Ok(())
    }
}

/// Compares the bytes written with the bytes read.
struct Comparer<'a>(&'a [u8]);

impl bincode::enc::write::Writer for Comparer<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), bincode::error::EncodeError> {
        // Arrays come byte by byte; comparing a byte needs no call.
        let rest = match (bytes, self.0) {
            ([byte], [first, rest @ ..]) => (byte == first).then_some(rest),
            _ => self.0.strip_prefix(bytes),
        };
        match rest {
            Some(rest) => {
                self.0 = rest;
                Ok(())
            }
            None => Err(bincode::error::EncodeError::UnexpectedEnd),
        }
    }
}

/// The value that these bytes, all of them, canonically encode.
///
/// # Errors
/// More than `limit` bytes, malformed, followed by others, or not canonical.
pub fn decode<T>(bytes: &[u8], limit: usize) -> Result<T, DecodeError>
where
    T: Serialize + for<'de> Deserialize<'de>,
{
    if bytes.len() > limit {
        return Err(DecodeError::TooLong {
            len: bytes.len(),
            limit,
        });
    }
    let (value, used) = bincode::serde::borrow_decode_from_slice::<T, _>(bytes, CONFIGURATION)
        .map_err(|_| DecodeError::Malformed)?;
    if used < bytes.len() {
        return Err(DecodeError::Trailing(bytes.len() - used));
    }
    let mut comparer = Comparer(bytes);
    match bincode::serde::encode_into_writer(&value, &mut comparer, CONFIGURATION) {
        Ok(()) if comparer.0.is_empty() => Ok(value),
        _ => Err(DecodeError::NotCanonical),
    }
}

/// `#[serde(with = "wire::bytes")]` for `Vec<u8>`: a byte string, copied at once and not byte by byte.
pub mod bytes {
    use std::convert::Infallible;
    use std::fmt;

    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    /// Writes the length and the bytes.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    /// Reads a byte string; nothing is allocated for bytes that are not there.
    ///
    /// # Errors
    /// The deserializer's.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserialize_with(deserializer, |bytes| Ok::<_, Infallible>(bytes.to_vec()))
    }

    /// Reads a byte string and passes it to `make`, without a copy on the way.
    pub(crate) fn deserialize_with<'de, T, F: fmt::Display, D: Deserializer<'de>>(
        deserializer: D,
        make: impl FnOnce(&[u8]) -> Result<T, F>,
    ) -> Result<T, D::Error> {
        struct Bytes<M>(M);

        impl<T, F: fmt::Display, M: FnOnce(&[u8]) -> Result<T, F>> Visitor<'_> for Bytes<M> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a byte string")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<T, E> {
                (self.0)(bytes).map_err(E::custom)
            }
        }

        deserializer.deserialize_bytes(Bytes(make))
    }
}

/// `#[serde(with = "wire::text")]` for `String`: without it, memory is reserved for as much text as the input
/// announces, whether it is there or not.
pub mod text {
    use std::fmt;

    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    /// Writes the length and the text.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(text)
    }

    /// Reads a text; nothing is allocated for text that is not there.
    ///
    /// # Errors
    /// The deserializer's.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = String;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
                Ok(text.to_owned())
            }
        }

        // As a borrowed text, so that the codec looks for the bytes before room is made for them.
        deserializer.deserialize_str(Text)
    }
}

/// `#[serde(with = "wire::list")]` for `Vec<T>`: reserves nothing on the word of the input.
pub mod list {
    use std::fmt;
    use std::marker::PhantomData;

    use serde::de::{SeqAccess, Visitor};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes the number of items and the items.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<T: Serialize, S: Serializer>(items: &[T], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(items)
    }

    /// Reads a list. It grows as items arrive, independent of the announced length.
    ///
    /// # Errors
    /// The deserializer's.
    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<T>, D::Error> {
        struct List<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(list)
            }
        }

        deserializer.deserialize_seq(List(PhantomData))
    }
}

/// `#[serde(with = "wire::array")]` for `[u8; N]` of any `N`: the bytes, without a length.
pub mod array {
    use std::fmt;

    use serde::de::{Error, SeqAccess, Visitor};
    use serde::ser::SerializeTuple;
    use serde::{Deserializer, Serializer};

    /// Writes the bytes.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<const N: usize, S: Serializer>(
        bytes: &[u8; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(N)?;
        for byte in bytes {
            tuple.serialize_element(byte)?;
        }
        tuple.end()
    }

    /// Reads exactly `N` bytes.
    ///
    /// # Errors
    /// The deserializer's, or too few bytes.
    pub fn deserialize<'de, const N: usize, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<[u8; N], D::Error> {
        struct Array<const N: usize>;

        impl<'de, const N: usize> Visitor<'de> for Array<N> {
            type Value = [u8; N];

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{N} bytes")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<[u8; N], A::Error> {
                let mut bytes = [0; N];
                for byte in &mut bytes {
                    *byte = items
                        .next_element()?
                        .ok_or_else(|| A::Error::custom("too few bytes"))?;
                }
                Ok(bytes)
            }
        }

        deserializer.deserialize_tuple(N, Array::<N>)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a37_no_room_is_made_for_text_that_is_not_there() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Said(#[serde(with = "text")] String);

        let bytes = encode(&Said("tea".into()));
        assert_eq!(decode(&bytes, 10), Ok(Said("tea".into())));
        // A text that announces 2^62 bytes: aborts a process that believes it.
        let bomb = [&[253][..], &(1_u64 << 62).to_le_bytes(), b"tea"].concat();
        assert_eq!(decode::<Said>(&bomb, 100), Err(DecodeError::Malformed));
        assert_eq!(decode::<Said>(&[1, 0xff], 100), Err(DecodeError::Malformed));
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        number: u64,
        #[serde(with = "bytes")]
        body: Vec<u8>,
        #[serde(with = "list")]
        list: Vec<[u8; 32]>,
        #[serde(with = "array")]
        array: [u8; 64],
        choice: Option<bool>,
    }

    fn sample(number: u64, body: Vec<u8>) -> Sample {
        Sample {
            number,
            body,
            list: vec![[7; 32]],
            array: [9; 64],
            choice: Some(true),
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(number: u64, body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let value = sample(number, body);
            let bytes = encode(&value);
            let secret = encode_secret(&value);
            prop_assert_eq!(secret.as_slice(), bytes.as_slice());
            prop_assert_eq!(decode::<Sample>(&bytes, bytes.len()), Ok(value));
            let too_long = DecodeError::TooLong { len: bytes.len(), limit: bytes.len() - 1 };
            prop_assert_eq!(decode::<Sample>(&bytes, bytes.len() - 1), Err(too_long));
        }

        #[test]
        fn every_accepted_encoding_is_the_canonical_one(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(value) = decode::<(u32, Vec<u16>, Option<u8>)>(&bytes, 64) {
                prop_assert_eq!(encode(&value), bytes);
            }
        }
    }

    #[test]
    fn a09_other_encodings_of_the_same_value_are_refused() {
        assert_eq!(decode::<u32>(&[5], 9), Ok(5));
        assert_eq!(
            decode::<u32>(&[251, 5, 0], 9),
            Err(DecodeError::NotCanonical),
            "five in a wider integer"
        );
        assert_eq!(decode::<u32>(&[5, 0], 9), Err(DecodeError::Trailing(1)));
        assert_eq!(decode::<bool>(&[2], 9), Err(DecodeError::Malformed));
        assert_eq!(decode::<u32>(&[], 9), Err(DecodeError::Malformed));
    }
}
