//! The payload of a packet.

use concilium_core::{FramedHash, wire};
use concilium_gka::{AssociatedData, OpenError, Reason, Role};
use mls_rs::mls_rs_codec::MlsDecode as _;
use mls_rs::{MlsMessage, WireFormat};
use serde::{Deserialize, Serialize};

use crate::SUITE;
use crate::crypto::CIPHER_SUITE;

/// The longest announcement: a key package has 300 bytes, with a name of 255 and a signature.
pub const MAX_ANNOUNCEMENT_BYTES: usize = 1024;

/// The bytes that the messages of MLS may have in any group: blank leaves and nodes of former members.
const BASE_BYTES: usize = 8 * 1024;

/// The bytes that they may have more for each member named in the associated data: a key package in the
/// commit, a leaf and the nodes above it in the welcome, and the ciphertext for the member.
const MEMBER_BYTES: usize = 1536;

/// An opened packet of this key agreement: a change of members, or nothing in an abort.
#[derive(Debug)]
pub struct Payload(pub(crate) Option<Change>);

#[derive(Debug)]
pub(crate) struct Change {
    /// For the staying members; none where only the author stays.
    pub(crate) commit: Option<MlsMessage>,
    /// For the joiners; none where there are none.
    pub(crate) welcome: Option<MlsMessage>,
    /// What all derive from their keys.
    pub(crate) check: [u8; 32],
    /// Of all that the packet says, where it is said to be ours.
    pub(crate) fingerprint: Option<[u8; 32]>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct WirePayload {
    #[serde(with = "wire::bytes")]
    pub(crate) commit: Vec<u8>,
    #[serde(with = "wire::bytes")]
    pub(crate) welcome: Vec<u8>,
    pub(crate) check: [u8; 32],
}

const FINGERPRINT: &str = "concilium 2026-11 v1 gka-mls own packet";

/// What an initial packet says, data and payload.
pub(crate) fn fingerprint(data: &AssociatedData, payload: &[u8]) -> [u8; 32] {
    FramedHash::new(FINGERPRINT)
        .field(&wire::encode(data))
        .field(payload)
        .finish()
}

/// How many stay, and how many join.
pub(crate) fn staying_and_joining(data: &AssociatedData) -> (usize, usize) {
    let staying = data.after.intersection(&data.before).len();
    (staying, data.after.len().saturating_sub(staying))
}

/// Reads one message of MLS, and nothing after it.
pub(crate) fn read_message(bytes: &[u8]) -> Result<MlsMessage, Reason> {
    let mut rest = bytes;
    let message = MlsMessage::mls_decode(&mut rest).map_err(|_| Reason::Malformed)?;
    if rest.is_empty() {
        Ok(message)
    } else {
        Err(Reason::Malformed)
    }
}

impl Payload {
    /// Reads the payload of a packet whose signature holds. All checks that need no state are made here.
    pub(crate) fn read(role: &Role, bytes: &[u8], is_ours: bool) -> Result<Self, OpenError> {
        match role {
            Role::Initial(data) => Self::read_change(data, bytes, is_ours),
            Role::Abort { .. } if bytes.is_empty() => Ok(Self(None)),
            Role::Abort { .. } => Err(OpenError::Invalid(Reason::Malformed)),
            // K-9: the first packet is the only one.
            Role::Later { .. } => Err(OpenError::Invalid(Reason::OutOfTurn)),
        }
    }

    fn read_change(data: &AssociatedData, bytes: &[u8], is_ours: bool) -> Result<Self, OpenError> {
        data.check_suite(SUITE).map_err(OpenError::Invalid)?;
        // no more than members of that number can need.
        let named = data.before.len().saturating_add(data.after.len());
        if bytes.len() > BASE_BYTES.saturating_add(named.saturating_mul(MEMBER_BYTES)) {
            return Err(OpenError::Invalid(Reason::Limit));
        }
        let WirePayload {
            commit,
            welcome,
            check,
        } = wire::decode(bytes, bytes.len())?;
        let (staying, joining) = staying_and_joining(data);
        let commit = optional(&commit, staying > 1, |message| {
            message.wire_format() == WireFormat::PublicMessage
        })?;
        let welcome = optional(&welcome, joining > 0, |message| {
            message.wire_format() == WireFormat::Welcome
                && message.cipher_suite() == Some(CIPHER_SUITE)
                && message.welcome_key_package_references().len() == joining
        })?;
        Ok(Self(Some(Change {
            commit,
            welcome,
            check,
            fingerprint: is_ours.then(|| fingerprint(data, bytes)),
        })))
    }
}

/// A message that is there if it is due, and then of the right kind.
fn optional(
    bytes: &[u8],
    is_due: bool,
    fits: impl FnOnce(&MlsMessage) -> bool,
) -> Result<Option<MlsMessage>, OpenError> {
    if !is_due {
        return if bytes.is_empty() {
            Ok(None)
        } else {
            Err(OpenError::Invalid(Reason::Malformed))
        };
    }
    let message = read_message(bytes).map_err(OpenError::Invalid)?;
    if fits(&message) {
        Ok(Some(message))
    } else {
        Err(OpenError::Invalid(Reason::Malformed))
    }
}
