//! What every operation has to do: start from the right state, know our own packets, and name the culprit of
//! a failure.

use concilium_core::{FramedHash, MemberId, MemberSet, wire};
use concilium_gka::{AssociatedData, Failure, Reason, ReceiveError, RestoreError, Role};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The hash of everything that an operation consisted of (C-5). Public.
pub type CourseHash = [u8; 32];

/// The version of the key agreements that the transcript names.
const VERSION: u64 = 1;

const FINGERPRINT: &str = "concilium 2026-11 v1 gka-dh own packet";

/// The layout of exports that this code writes and reads.
const EXPORT_VERSION: u8 = 2;

/// The longest export that is read: 1,024 members with names of 255 bytes, three times over (before, after,
/// keys), and 200 bytes more for each: room for twice that.
const MAX_EXPORT_BYTES: usize = 2 << 20;

/// C-5, K-6: the beginning of the hash over an operation's whole course: version, suite, session, the
/// transcript of the operation that this one starts from, and the associated data. The label is the key
/// agreement's own.
#[must_use]
pub fn transcript(
    label: &'static str,
    suite: &str,
    data: &AssociatedData,
    base: Option<&CourseHash>,
) -> FramedHash {
    FramedHash::new(label)
        .number(VERSION)
        .field(suite.as_bytes())
        .field(data.session.as_bytes())
        .list(base.into_iter())
        .field(&wire::encode(data))
}

/// A fingerprint of a packet, by which we know our own when it comes back (C-9).
pub(crate) fn fingerprint(role: &Role, payload: &[u8]) -> [u8; 32] {
    let hash = FramedHash::new(FINGERPRINT);
    let hash = match role {
        Role::Initial(data) => hash.number(0).field(&wire::encode(data)),
        Role::Later { initial } => hash.number(1).field(initial.as_bytes()),
        Role::Abort { initial } => hash.number(2).field(initial.as_bytes()),
    };
    hash.field(payload).finish()
}

/// The operation has failed, for us, with a packet after which it goes on for others.
#[must_use]
pub fn failure(culprit: Option<&MemberId>, reason: Reason) -> ReceiveError {
    ReceiveError::Failed(Failure {
        culprit: culprit.cloned(),
        reason,
        ends: false,
    })
}

/// Marks a failure by a packet that completes the operation for every unaffected member.
#[must_use]
pub fn ending(error: ReceiveError) -> ReceiveError {
    match error {
        ReceiveError::Failed(failure) => ReceiveError::Failed(Failure {
            ends: true,
            ..failure
        }),
        other => other,
    }
}

/// Whether we hold what the operation starts from: `state` tells our members and transcript. Only members
/// before the operation can check this.
///
/// # Errors
/// Our state tells other members or another operation, or we have no state.
pub fn check_base(
    me: &MemberId,
    state: Option<(&MemberSet, &CourseHash)>,
    base: Option<&CourseHash>,
    data: &AssociatedData,
) -> Result<(), ReceiveError> {
    match (state, base) {
        _ if !data.before.contains(me) => Ok(()),
        (Some((members, _)), _) if *members != data.before => Err(failure(None, Reason::WrongMembers)),
        // K-9, A-10: a replayed initial packet starts from another state than ours. No culprit is named: it
        // may be replayed by somebody other than its author.
        (Some((_, transcript)), Some(base)) if transcript == base => Ok(()),
        (Some(_), _) => Err(failure(None, Reason::WrongOperation)),
        (None, None) => Ok(()),
        (None, Some(_)) => Err(failure(None, Reason::NoState)),
    }
}

/// C-10: our keys differ from an author's. Each of `suspects` could have caused that. We did not; if one
/// other remains, it is the culprit.
#[must_use]
pub fn only_suspect<'a>(
    me: &MemberId,
    suspects: impl IntoIterator<Item = &'a MemberId>,
) -> Option<&'a MemberId> {
    let mut only = None;
    for suspect in suspects.into_iter().filter(|who| *who != me) {
        if only.is_some_and(|known| known != suspect) {
            return None;
        }
        only = Some(suspect);
    }
    only
}

/// A state as bytes (K-13).
#[must_use]
pub fn export<T: Serialize>(value: &T) -> Zeroizing<Vec<u8>> {
    wire::encode_secret(&(EXPORT_VERSION, value))
}

/// Reads it back.
///
/// # Errors
/// The bytes are damaged, too long, or of another version.
pub fn restore<T: Serialize + for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, RestoreError> {
    match wire::decode(bytes, MAX_EXPORT_BYTES)? {
        (EXPORT_VERSION, value) => Ok(value),
        _ => Err(RestoreError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use concilium_core::PacketId;
    use concilium_core::testing::name;

    #[test]
    fn c10_only_one_suspect_is_named() {
        let [me, bob, carol] = [0, 1, 2].map(name);
        assert_eq!(only_suspect(&me, [&me, &bob, &bob]), Some(&bob));
        assert_eq!(only_suspect(&me, [&bob, &me, &carol]), None);
        assert_eq!(only_suspect(&me, [&me]), None);
    }

    #[test]
    fn c9_a12_fingerprints_tell_roles_and_payloads_apart() {
        let initial = PacketId::from_bytes([1; 32]);
        let all = [
            fingerprint(&Role::Later { initial }, b"x"),
            fingerprint(&Role::Later { initial }, b"y"),
            fingerprint(&Role::Abort { initial }, b"x"),
        ];
        assert!(all[0] != all[1] && all[0] != all[2] && all[1] != all[2]);
    }

    #[test]
    fn k13_exports_of_another_version_are_refused() {
        let bytes = export(&7_u32);
        assert_eq!(restore::<u32>(&bytes), Ok(7));
        assert_eq!(restore::<u32>(&[&[1], &bytes[1..]].concat()), Err(RestoreError));
    }
}
