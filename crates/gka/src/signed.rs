//! Packets signed with identity keys: K-15 for key agreements that want it.
//!
//! On the wire (`docs/spec/key-agreement.md` has the layout): author, role (0 with the associated data, 1 or
//! 2 with the initial packet's id), payload, signature. The signature covers a 64-byte [`FramedHash`] under a
//! context label of its own over the session's name and all that stands before it. Every part tells its
//! length, so a signature fits only one session, role and operation. The session's name travels in
//! initial packets only; for the others it comes from the reader.

use concilium_core::keys::Signature;
use concilium_core::wire::{self, DecodeError};
use concilium_core::{FramedHash, MemberId, PacketId, SessionName, packet};
use serde::{Deserialize, Serialize};

use crate::{AssociatedData, Directory, Identity, OpenError, Opened, ProposeError, Reason, Role};

const CONTEXT: &str = "concilium 2026-11 v1 gka operation packet signature";

/// The longest signed packet, in bytes: what the outer frame leaves.
pub const MAX_BYTES: usize = packet::MAX_BYTES - packet::FRAME_BYTES;

#[derive(Serialize, Deserialize)]
enum WireRole {
    Initial(AssociatedData),
    Later(PacketId),
    Abort(PacketId),
}

/// What is signed; the signature's bytes follow.
#[derive(Serialize, Deserialize)]
struct WirePacket {
    author: MemberId,
    role: WireRole,
    #[serde(with = "wire::bytes")]
    payload: Vec<u8>,
}

impl From<Role> for WireRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Initial(data) => Self::Initial(data),
            Role::Later { initial } => Self::Later(initial),
            Role::Abort { initial } => Self::Abort(initial),
        }
    }
}

impl From<WireRole> for Role {
    fn from(role: WireRole) -> Self {
        match role {
            WireRole::Initial(data) => Self::Initial(data),
            WireRole::Later(initial) => Self::Later { initial },
            WireRole::Abort(initial) => Self::Abort { initial },
        }
    }
}

/// Makes a packet signed by us.
///
/// # Errors
/// It would be longer than [`MAX_BYTES`].
pub fn seal(
    identity: &Identity,
    session: &SessionName,
    role: Role,
    payload: Vec<u8>,
) -> Result<Vec<u8>, ProposeError> {
    let mut bytes = wire::encode(&WirePacket {
        author: identity.member().clone(),
        role: role.into(),
        payload,
    });
    let signature = identity.sign(&signed_bytes(session, &bytes));
    bytes.extend_from_slice(signature.as_bytes());
    if bytes.len() > MAX_BYTES {
        Err(ProposeError::TooLong(bytes.len()))
    } else {
        Ok(bytes)
    }
}

/// Opens a packet: authentic as `from`'s for this session, or an error.
///
/// # Errors
/// Malformed, from another member, from a member whose key we do not know, or not signed with that key.
pub fn open(
    bytes: &[u8],
    session: &SessionName,
    from: &MemberId,
    directory: &dyn Directory,
) -> Result<Opened<Vec<u8>>, OpenError> {
    let (signed, signature) = bytes.split_last_chunk().ok_or(DecodeError::Malformed)?;
    let WirePacket {
        author,
        role,
        payload,
    } = wire::decode(signed, MAX_BYTES - signature.len())?;
    // channel sender, claimed author and key must be one.
    if author != *from {
        return Err(OpenError::WrongSender {
            claimed: author,
            sender: from.clone(),
        });
    }
    if let WireRole::Initial(data) = &role {
        let by_member = data.before.contains(&author) && data.after.contains(&author);
        if data.session != *session || !data.is_well_formed() || !by_member {
            return Err(OpenError::Invalid(Reason::WrongMembers));
        }
    }
    let key = directory
        .identity_key(&author)
        .ok_or_else(|| OpenError::UnknownIdentity(author.clone()))?;
    key.verify(&signed_bytes(session, signed), &Signature::from_bytes(*signature))
        .map_err(|_| OpenError::BadSignature(author.clone()))?;
    Ok(Opened::vouch(author, role.into(), payload))
}

/// Each packet has one encoding (`wire::decode` takes no other), so the received bytes stand for their
/// contents.
fn signed_bytes(session: &SessionName, packet: &[u8]) -> [u8; 64] {
    let mut digest = [0; 64];
    FramedHash::new(CONTEXT)
        .field(session.as_bytes())
        .field(packet)
        .finish_into(&mut digest);
    digest
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use concilium_core::{ChainHash, MemberSet, Secret};

    fn member(name: &str) -> MemberId {
        MemberId::new(name).unwrap()
    }

    fn identity(name: &str, seed: u8) -> Identity {
        Identity::new(member(name), &Secret::new([seed; 32]))
    }

    fn session(name: &str) -> SessionName {
        SessionName::new(name).unwrap()
    }

    fn roles() -> Vec<Role> {
        let (x, y) = (PacketId::from_bytes([1; 32]), PacketId::from_bytes([2; 32]));
        let data = AssociatedData {
            session: session("s"),
            suite: "test/test".into(),
            parent: x,
            chain: ChainHash::from_bytes([3; 32]),
            latest: vec![],
            before: MemberSet::of(member("alice")),
            after: MemberSet::from_iter([member("alice"), member("bob")]),
        };
        let initial = |initial| [Role::Later { initial }, Role::Abort { initial }];
        [Role::Initial(data)]
            .into_iter()
            .chain(initial(x))
            .chain(initial(y))
            .collect()
    }

    fn directory() -> BTreeMap<MemberId, concilium_core::keys::VerifyingKey> {
        [identity("alice", 1), identity("bob", 2)]
            .map(|identity| (identity.member().clone(), *identity.verifying_key()))
            .into()
    }

    #[test]
    fn k15_signed_packets_open_as_they_were_sealed() {
        for role in roles() {
            let packet = seal(
                &identity("alice", 1),
                &session("s"),
                role.clone(),
                b"payload".into(),
            )
            .unwrap();
            let opened = open(&packet, &session("s"), &member("alice"), &directory()).unwrap();
            assert_eq!((opened.author(), opened.role()), (&member("alice"), &role));
            assert_eq!(opened.payload(), b"payload");
        }
    }

    #[test]
    fn a14_sender_author_and_key_must_agree() {
        let role = || roles().remove(1);
        let packet = seal(&identity("alice", 1), &session("s"), role(), vec![]).unwrap();
        let wrong = OpenError::WrongSender {
            claimed: member("alice"),
            sender: member("bob"),
        };
        assert_eq!(
            open(&packet, &session("s"), &member("bob"), &directory()).unwrap_err(),
            wrong
        );
        let forged = seal(&identity("alice", 2), &session("s"), role(), vec![]).unwrap();
        let bad = OpenError::BadSignature(member("alice"));
        assert_eq!(
            open(&forged, &session("s"), &member("alice"), &directory()).unwrap_err(),
            bad
        );
        let stranger = seal(&identity("carol", 3), &session("s"), role(), vec![]).unwrap();
        let unknown = OpenError::UnknownIdentity(member("carol"));
        assert_eq!(
            open(&stranger, &session("s"), &member("carol"), &directory()).unwrap_err(),
            unknown
        );
    }

    #[test]
    fn a12_a_signature_fits_one_session_role_and_payload_only() {
        let alice = identity("alice", 1);
        let payloads: [&[u8]; 2] = [b"", b"payload"];
        let mut cases = Vec::new();
        for name in ["s", "t"] {
            for role in roles() {
                for payload in payloads {
                    cases.push((session(name), role.clone(), payload.to_vec()));
                }
            }
        }
        let signed = |(session, role, payload): &(SessionName, Role, Vec<u8>)| {
            let packet = seal(&alice, session, role.clone(), payload.clone()).unwrap();
            signed_bytes(session, &packet[..packet.len() - 64])
        };
        for (i, case) in cases.iter().enumerate() {
            let signature = alice.sign(&signed(case));
            for (j, other) in cases.iter().enumerate() {
                let bytes = signed(other);
                assert_eq!(
                    alice.verifying_key().verify(&bytes, &signature).is_ok(),
                    i == j,
                    "{i} as {j}"
                );
            }
        }
    }

    #[test]
    fn a45_stripped_empty_and_swapped_signatures_do_not_count() {
        let packet = seal(
            &identity("alice", 1),
            &session("s"),
            roles().remove(0),
            b"p".into(),
        )
        .unwrap();
        let check = |bytes: &[u8]| open(bytes, &session("s"), &member("alice"), &directory()).map(|_| ());
        assert!(check(&packet).is_ok());
        let unsigned = &packet[..packet.len() - 64];
        assert!(matches!(check(unsigned), Err(OpenError::Malformed(_))));
        let empty = [unsigned, &[0; 64]].concat();
        assert_eq!(check(&empty), Err(OpenError::BadSignature(member("alice"))));
        let swapped = [unsigned, identity("bob", 2).sign(unsigned).as_bytes().as_slice()].concat();
        assert_eq!(check(&swapped), Err(OpenError::BadSignature(member("alice"))));
    }

    #[test]
    fn a46_initial_packets_by_outsiders_do_not_open() {
        let packet = seal(&identity("bob", 2), &session("s"), roles().remove(0), vec![]).unwrap();
        let opened = open(&packet, &session("s"), &member("bob"), &directory());
        assert_eq!(
            opened.unwrap_err(),
            OpenError::Invalid(Reason::WrongMembers),
            "bob is not in before"
        );
    }

    proptest::proptest! {
        #[test]
        fn a18_no_bytes_panic_and_no_flipped_bit_opens(bit in 0_usize..8 * 300, noise: Vec<u8>) {
            let _ = open(&noise, &session("s"), &member("alice"), &directory());
            let mut packet = seal(&identity("alice", 1), &session("s"), roles().remove(0), b"p".into()).unwrap();
            let bits = packet.len() * 8;
            packet[bit % bits / 8] ^= 1 << (bit % 8);
            proptest::prop_assert!(open(&packet, &session("s"), &member("alice"), &directory()).is_err());
        }
    }
}
