//! What people write to each other.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::wire;

/// What a message says: bytes of the application's choice. Only its length is printed, so that logs and
/// errors do not tell what people say.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Body(#[serde(with = "wire::bytes")] Vec<u8>);

impl Body {
    /// The bytes, to be taken over.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a21_bodies_do_not_print() {
        let body = Body::from(b"tea at five".to_vec());
        assert_eq!(format!("{body:?}"), "Body(11 bytes)");
        assert_eq!(wire::decode(&wire::encode(&body), 20), Ok(body));
    }
}
