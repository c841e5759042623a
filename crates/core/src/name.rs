//! Opaque names: of members and of sessions.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why some bytes are not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// A name has at least one byte.
    #[error("a name must not be empty")]
    Empty,
    /// A name has at most [`MemberId::MAX_BYTES`] bytes.
    #[error("a name has at most 255 bytes, this one has {0}")]
    TooLong(usize),
}

/// A name's bytes. Short names, as most are, need no memory of their own: a packet may hold a thousand names,
/// which every receiver reads, copies and drops.
///
/// Ordered bytewise, in both forms: bytes that are the beginning of longer ones come first.
#[derive(Clone)]
enum Bytes {
    Short { len: u8, bytes: [u8; SHORT] },
    Long(Arc<[u8]>),
}

/// As many bytes as make a short name as large in memory as four pointers.
const SHORT: usize = 30;

impl Bytes {
    fn new(name: &[u8]) -> Self {
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..name.len()), u8::try_from(name.len())) {
            (Some(start), Ok(len)) => {
                start.copy_from_slice(name);
                Self::Short { len, bytes }
            }
            _ => Self::Long(name.into()),
        }
    }

    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Self::Long(bytes) => bytes,
        }
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            // Copies of a name share one allocation, which is compared before their bytes are.
            (Self::Long(one), Self::Long(other)) => Arc::ptr_eq(one, other) || one == other,
            _ => self.as_slice() == other.as_slice(),
        }
    }
}

impl Eq for Bytes {}

impl PartialOrd for Bytes {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Bytes {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

impl Hash for Bytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Bytes);

        impl $name {
            /// The longest name, in bytes.
            pub const MAX_BYTES: usize = 255;

            /// Takes the bytes as a name.
            ///
            /// # Errors
            /// Empty, or longer than [`Self::MAX_BYTES`].
            pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, NameError> {
                let bytes = bytes.as_ref();
                match bytes.len() {
                    0 => Err(NameError::Empty),
                    len if len > Self::MAX_BYTES => Err(NameError::TooLong(len)),
                    _ => Ok(Self(Bytes::new(bytes))),
                }
            }

            /// The name's bytes, exactly as given.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_slice()
            }
        }

        /// For people: UTF-8 text with everything that is not plainly printable escaped, so that no name
        /// can forge a line or a terminal sequence. Injective: a backslash is escaped too.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_escaped(self.as_bytes(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                crate::wire::bytes::serialize(self.as_bytes(), serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::wire::bytes::deserialize_with(deserializer, |bytes| Self::new(bytes))
            }
        }
    };
}

name! {
    /// The opaque name of one participating device: 1 to 255 bytes, ordered bytewise. Two devices of one
    /// person are two members. Cheap to clone.
    MemberId
}

name! {
    /// The name of a session, as its members agreed on it: 1 to 255 bytes. It is signed into every
    /// operation, so that no packet of one session fits into another. Cheap to clone.
    SessionName
}

fn write_escaped(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == '\\' || !(c == ' ' || c.is_alphanumeric() || c.is_ascii_graphic()) {
                write!(f, "{}", c.escape_default())?;
            } else {
                write!(f, "{c}")?;
            }
        }
        for byte in chunk.invalid() {
            write!(f, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a48_length_limits() {
        assert_eq!(MemberId::new(""), Err(NameError::Empty));
        assert!(MemberId::new([0; 255]).is_ok());
        assert_eq!(MemberId::new([0; 256]), Err(NameError::TooLong(256)));
    }

    #[test]
    fn a48_display_is_one_printable_line() {
        let odd = MemberId::new(b"a\n\x1b[31m\xff\\__proto__ \xe2\x80\xae").unwrap();
        assert_eq!(odd.to_string(), "a\\n\\u{1b}[31m\\xff\\\\__proto__ \\u{202e}");
    }

    proptest! {
        #[test]
        fn a48_names_travel_exactly_and_print_injectively(
            a in proptest::collection::vec(any::<u8>(), 1..=255),
            b in proptest::collection::vec(any::<u8>(), 1..=255),
        ) {
            let (a, b) = (MemberId::new(a).unwrap(), MemberId::new(b).unwrap());
            let back: MemberId = crate::wire::decode(&crate::wire::encode(&a), 300).unwrap();
            prop_assert_eq!(&back, &a);
            prop_assert_eq!(a == b, a.to_string() == b.to_string());
        }

        #[test]
        fn a48_names_are_ordered_by_their_bytes_whatever_their_length(
            a in proptest::collection::vec(0_u8..2, 1..=40),
            b in proptest::collection::vec(0_u8..2, 1..=40),
            same in 0_usize..40,
        ) {
            // Both with one beginning, so that the ends decide. One is a short name and the other is not.
            let b = [&a[..same.min(a.len())], &b].concat();
            let (one, other) = (MemberId::new(&a).unwrap(), MemberId::new(&b).unwrap());
            prop_assert_eq!(one.cmp(&other), a.cmp(&b));
            prop_assert_eq!(one == other, a == b);
            prop_assert_eq!(one.as_bytes(), &a);
        }
    }
}
