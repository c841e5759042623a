//! Exports: how state is written out and read back (K-13).

use concilium_core::{FramedHash, wire};
use concilium_gka::RestoreError;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The layout of exports that this code writes and reads.
const VERSION: u8 = 1;

/// The longest export that is read. With 1,024 members whose names have 255 bytes, the library's group has
/// less than one mebibyte, and a list of members with their keys half of one.
pub(crate) const MAX_BYTES: usize = 4 << 20;

const DIGEST: &str = "concilium 2026-11 v1 gka-mls export";

fn digest(bytes: &[u8]) -> [u8; 32] {
    FramedHash::new(DIGEST).field(bytes).finish()
}

/// A version, the value, and a digest of both. The library gets its own bytes back unchanged, or not at all.
pub(crate) fn export<T: Serialize>(value: &T) -> Zeroizing<Vec<u8>> {
    let body = wire::encode_secret(&(VERSION, value));
    let mut bytes = Zeroizing::new(Vec::with_capacity(body.len().saturating_add(32)));
    bytes.extend_from_slice(&body);
    bytes.extend_from_slice(&digest(&body));
    bytes
}

pub(crate) fn restore<T>(bytes: &[u8]) -> Result<T, RestoreError>
where
    T: Serialize + for<'de> Deserialize<'de>,
{
    let (body, found) = bytes.split_last_chunk::<32>().ok_or(RestoreError)?;
    if *found != digest(body) {
        return Err(RestoreError);
    }
    match wire::decode(body, MAX_BYTES)? {
        (VERSION, value) => Ok(value),
        _ => Err(RestoreError),
    }
}

/// Secret bytes of any length, for serde's `with`.
pub(crate) mod secret {
    use concilium_core::wire;
    use serde::{Deserializer, Serializer};
    use zeroize::Zeroizing;

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        wire::bytes::serialize(bytes, serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Zeroizing<Vec<u8>>, D::Error> {
        wire::bytes::deserialize(deserializer).map(Zeroizing::new)
    }
}
