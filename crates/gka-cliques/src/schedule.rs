//! From the group element to keys, and the confirmation that both sides hold the same (C-5, C-6, C-7).

use concilium_core::keys::{SigningKey, VerifyingKey};
use concilium_core::{FramedHash, MemberId, PacketId, Secret, SubsessionId, wire};
use concilium_gka::AssociatedData;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroize as _;

use crate::SUITE;
use crate::agreement::SlotOrder;
use crate::element::{Element, flatten};

/// The version of this key agreement that the transcript names.
const VERSION: u64 = 1;

const TRANSCRIPT: &str = "concilium 2026-11 cliques v1 transcript";
const CONFIRMATION: &str = "concilium 2026-11 cliques v1 confirmation";
const CONFIRMATION_KEY: &[u8] = b"concilium 2026-11 cliques v1 confirmation key";
const GROUP_SECRET: &[u8] = b"concilium 2026-11 cliques v1 group secret";
const SUBSESSION_ID: &[u8] = b"concilium 2026-11 cliques v1 subsession id";

/// The hash of everything that an operation consisted of (C-5). Public.
pub(crate) type Transcript = [u8; 32];

/// What the transcript hash is taken over.
#[derive(Debug)]
pub(crate) struct Course<'a> {
    pub(crate) data: &'a AssociatedData,
    /// The transcript of the operation that this one starts from.
    pub(crate) base: Option<&'a Transcript>,
    /// The members in the order of their slots.
    pub(crate) order: &'a SlotOrder,
    /// The nonces of those who contributed, the initiator's first, then in the order of the joiners.
    pub(crate) nonces: &'a [[u8; 32]],
    pub(crate) slots: &'a [Element],
    /// The initial packet's id, in operations of more than one packet: a packet cannot name its own.
    pub(crate) initial: Option<PacketId>,
}

impl Course<'_> {
    /// C-5, K-6: one framed hash over the whole course.
    pub(crate) fn transcript(&self) -> Transcript {
        FramedHash::new(TRANSCRIPT)
            .number(VERSION)
            .field(SUITE.as_bytes())
            .field(self.data.session.as_bytes())
            .list(self.base.into_iter())
            .field(&wire::encode(self.data))
            .number(self.order.len() as u64)
            .fields(self.order.iter().map(MemberId::as_bytes))
            .list(self.nonces.iter())
            .field(&flatten(self.slots))
            .list(self.initial.iter().map(PacketId::as_bytes))
            .finish()
    }
}

/// The keys that come of one operation (C-6). Erased when dropped.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Keys {
    transcript: Transcript,
    /// As long as HMAC's block, which is the longest key that is used as it is.
    confirmation: Secret<64>,
    /// What the subsession's encryptor starts from.
    pub(crate) secret: Secret<32>,
    pub(crate) subsession: SubsessionId,
}

impl Keys {
    /// C-6: HKDF with SHA-256 (RFC 5869), the transcript hash as salt, the group element's encoding as input.
    pub(crate) fn derive(transcript: Transcript, shared: &[u8; Element::BYTES]) -> Self {
        let (mut extracted, hkdf) = Hkdf::<Sha256>::extract(Some(&transcript), shared);
        extracted.as_mut_slice().zeroize();
        Self {
            transcript,
            confirmation: expand(&hkdf, CONFIRMATION_KEY),
            secret: expand(&hkdf, GROUP_SECRET),
            subsession: SubsessionId::from_bytes(*expand(&hkdf, SUBSESSION_ID).expose()),
        }
    }

    pub(crate) fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// Our confirmation: that we hold these keys, and the key that we shall sign with (C-7).
    pub(crate) fn confirm(&self, me: &MemberId, signing: &SigningKey) -> Confirmation {
        let key = *signing.verifying_key();
        Confirmation {
            transcript: self.transcript,
            key,
            mac: self.mac(me, &key),
        }
    }

    /// Whether `author` holds the same keys (K-7), in constant time.
    pub(crate) fn confirmed_by(&self, author: &MemberId, confirmation: &Confirmation) -> bool {
        self.mac(author, &confirmation.key)
            .ct_eq(&confirmation.mac)
            .into()
    }

    fn mac(&self, author: &MemberId, key: &VerifyingKey) -> [u8; 32] {
        let framed = FramedHash::new(CONFIRMATION)
            .field(&self.transcript)
            .field(author.as_bytes())
            .field(key.as_bytes())
            .finish();
        Hmac::<Sha256>::new(self.confirmation.expose().into())
            .chain_update(framed)
            .finalize()
            .into_bytes()
            .into()
    }
}

fn expand<const N: usize>(hkdf: &Hkdf<Sha256>, label: &[u8]) -> Secret<N> {
    const {
        assert!(
            N <= 255 * 32,
            "HKDF gives at most 255 hashes, and has no other error"
        )
    };
    let mut key = Secret::zeroed();
    let expanded = hkdf.expand(label, key.expose_mut());
    debug_assert!(expanded.is_ok());
    key
}

/// What a member says to confirm an operation (C-7). Its id is its packet's author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Confirmation {
    /// What its author took part in.
    pub(crate) transcript: Transcript,
    /// What its author will sign with (C-8).
    pub(crate) key: VerifyingKey,
    /// Made with the confirmation key.
    pub(crate) mac: [u8; 32],
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use concilium_core::{ChainHash, MemberSet, MessageId, SessionName};

    fn data() -> AssociatedData {
        AssociatedData {
            session: SessionName::new("tea").unwrap(),
            suite: "s/e".into(),
            parent: PacketId::from_bytes([1; 32]),
            chain: ChainHash::from_bytes([2; 32]),
            latest: Vec::new(),
            before: MemberSet::new(),
            after: MemberSet::new(),
        }
    }

    #[test]
    fn c5_k6_a09_everything_changes_the_transcript() {
        let (a, b) = (MemberId::new("a").unwrap(), MemberId::new("b").unwrap());
        let (x, y) = (Element::BASE, Element::from_bytes([2; 32]).unwrap());
        let changed: [fn(&mut AssociatedData); 8] = [
            |_| {},
            |data| data.session = SessionName::new("rum").unwrap(),
            |data| data.suite.push('x'),
            |data| data.parent = PacketId::from_bytes([9; 32]),
            |data| data.chain = ChainHash::from_bytes([9; 32]),
            |data| data.latest.push(MessageId::from_bytes([9; 32])),
            |data| data.before.extend([MemberId::new("a").unwrap()]),
            |data| data.after.extend([MemberId::new("a").unwrap()]),
        ];
        let ids = [[3; 32], [4; 32]];
        let mut seen = BTreeSet::new();
        let mut count = 0;
        for change in changed {
            let mut data = data();
            change(&mut data);
            for base in [None, Some(&ids[0]), Some(&ids[1])] {
                for (kept, joiners) in [(vec![&a], vec![&b]), (vec![&b], vec![&a]), (vec![&a], vec![])] {
                    let set = |members: Vec<&MemberId>| members.into_iter().cloned().collect();
                    let order = SlotOrder {
                        kept: set(kept),
                        joiners: set(joiners),
                    };
                    for nonces in [&ids[..], &ids[..1]] {
                        for slots in [vec![x, y], vec![y, x], vec![x]] {
                            for initial in [None, Some(PacketId::from_bytes(ids[0]))] {
                                let course = Course {
                                    data: &data,
                                    base,
                                    order: &order,
                                    nonces,
                                    slots: &slots,
                                    initial,
                                };
                                seen.insert(course.transcript());
                                count += 1;
                            }
                        }
                    }
                }
            }
        }
        assert_eq!(seen.len(), count);
    }

    #[test]
    fn c6_c7_keys_and_confirmations_are_bound_to_transcript_point_author_and_key() {
        let keys = Keys::derive([1; 32], &[2; 32]);
        let [left, right] = keys.confirmation.expose().as_chunks().0 else {
            panic!("64 bytes");
        };
        let parts = BTreeSet::from([keys.secret.expose(), keys.subsession.as_bytes(), left, right]);
        assert_eq!(parts.len(), 4, "C-6: each label gives another key");
        let others = [Keys::derive([3; 32], &[2; 32]), Keys::derive([1; 32], &[4; 32])];
        let (alice, bob) = (MemberId::new("alice").unwrap(), MemberId::new("bob").unwrap());
        let signing = SigningKey::from_seed(&Secret::new([5; 32]));
        let confirmation = keys.confirm(&alice, &signing);
        assert!(keys.confirmed_by(&alice, &confirmation));
        assert!(!keys.confirmed_by(&bob, &confirmation));
        for other in others {
            assert!(other.secret != keys.secret && other.subsession != keys.subsession);
            assert!(!other.confirmed_by(&alice, &confirmation));
        }
        let other = SigningKey::from_seed(&Secret::new([6; 32]));
        let swapped = Confirmation {
            key: *other.verifying_key(),
            ..confirmation
        };
        assert!(!keys.confirmed_by(&alice, &swapped));
    }
}
