//! The 32-byte ids of the protocol.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Takes the bytes as an id.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The id's bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        /// All 64 hexadecimal digits; with a precision, as in `{:.8}`, that many of them.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let digits = f.precision().unwrap_or(64);
                for (i, byte) in self.0.iter().enumerate() {
                    if 2 * i + 1 < digits {
                        write!(f, "{byte:02x}")?;
                    } else if 2 * i < digits {
                        write!(f, "{:x}", byte >> 4)?;
                    }
                }
                Ok(())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:.8})"), self)
            }
        }
    };
}

id! {
    /// Names a packet as the channel echoed it: a hash over its bytes, its sender and the channel's members
    /// at that moment (rule O-1). Known only once the packet has come back.
    PacketId
}

id! {
    /// The running hash over all accepted operations of a session (rule O-5).
    ChainHash
}

id! {
    /// Names a message: a keyed hash that only the subsession's members can compute (rule M-5).
    MessageId
}

id! {
    /// Names a subsession: what one successful operation created, its members and keys.
    SubsessionId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_whole_and_shortened() {
        let id = PacketId::from_bytes([0xab; 32]);
        assert_eq!(id.to_string(), "ab".repeat(32));
        assert_eq!(format!("{id:.8}"), "abababab");
        assert_eq!(format!("{id:.3}"), "aba");
        assert_eq!(format!("{id:?}"), "PacketId(abababab)");
    }
}
