//! What a snapshot of a session holds, taken apart.

use concilium_core::keys::SigningKey;
use concilium_core::keys::VerifyingKey;
use concilium_core::{MemberMap, SessionName, Time, packet, wire};
use concilium_gka::{Directory, signed};
use concilium_gka_dh::{Confirmation, Contribution, Element, Keys};
use concilium_test_parts::{Cipher, Gka, Parts};
use concilium_testkit::channel::SentPacket;
use serde::{Deserialize, Serialize};

use crate::cipher::SubsessionLoot;

/// The parts of a snapshot, in their order.
#[derive(Serialize, Deserialize)]
struct Bytes(#[serde(with = "wire::bytes")] Vec<u8>);

#[derive(Serialize, Deserialize)]
struct SnapshotParts(#[serde(with = "wire::list")] Vec<Bytes>);

/// The secrets of one snapshot that this crate knows how to use by itself, besides restoring the session.
pub(crate) struct Loot {
    /// The keys of the subsessions, the current one first.
    pub(crate) subsessions: Vec<SubsessionLoot>,
    contribution: Option<Contribution>,
}

impl Loot {
    /// Takes a snapshot apart.
    pub(crate) fn of(parts: Parts, snapshot: &[u8]) -> Self {
        let (_, SnapshotParts(pieces)): (u8, SnapshotParts) = wire::decode(snapshot, snapshot.len()).unwrap();
        let subsessions = pieces
            .iter()
            .filter_map(|piece| SubsessionLoot::of_export(parts.cipher, &piece.0))
            .collect();
        let contribution = pieces
            .iter()
            .filter(|_| parts.gka == Gka::Cliques)
            .find_map(|piece| concilium_gka_dh::restore::<CliquesState>(&piece.0).ok())
            .map(|state| state.contribution);
        Self {
            subsessions,
            contribution,
        }
    }

    /// The keys of every subsession whose group secret follows from what the key agreement keeps and what its
    /// packets show. Only the default keeps such a thing: a member's contribution, which lasts until its next
    /// one.
    pub(crate) fn recomputed(
        &self,
        cipher: Cipher,
        session: &SessionName,
        packets: &[SentPacket],
        directory: &dyn Directory,
    ) -> Vec<SubsessionLoot> {
        let Some(contribution) = &self.contribution else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for sent in packets {
            let Ok((packet::PacketKind::Operation, body)) = packet::read(&sent.bytes) else {
                continue;
            };
            let Ok(opened) = signed::open(body, session, &sent.from, directory) else {
                continue;
            };
            let Some((flow, confirmation)) = downflow(opened.payload()) else {
                continue;
            };
            let (encodings, _) = flow.elements.as_chunks::<32>();
            let slots = encodings.iter().filter_map(|bytes| Element::from_bytes(*bytes));
            found.extend(slots.filter_map(|slot| {
                let shared = contribution.raise(&slot).ok()?;
                let keys = Keys::derive(confirmation.transcript, &*shared);
                keys.confirmed_by(&sent.from, &confirmation).then(|| {
                    SubsessionLoot::of_group_secret(
                        cipher,
                        &keys.subsession(),
                        keys.secret(),
                        encodings.len(),
                    )
                })
            }));
        }
        found
    }
}

/// What the default key agreement exports of its state.
#[derive(Serialize, Deserialize)]
struct CliquesState {
    transcript: [u8; 32],
    contribution: Contribution,
    signing: SigningKey,
    verifying: MemberMap<VerifyingKey>,
    shares: Vec<(Element, Time)>,
}

#[derive(Serialize, Deserialize)]
struct Flow {
    nonce: [u8; 32],
    #[serde(with = "wire::bytes")]
    elements: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
enum Body {
    Upflow(Flow),
    Downflow(Flow, Confirmation),
    Confirmation(Confirmation),
}

#[derive(Serialize, Deserialize)]
struct Initial {
    base: Option<[u8; 32]>,
    body: Body,
}

/// The slots of an operation, if its payload shows them: it is the initial packet's, or a later one's.
fn downflow(payload: &[u8]) -> Option<(Flow, Confirmation)> {
    let initial = wire::decode::<Initial>(payload, payload.len()).map(|initial| initial.body);
    match initial.or_else(|_| wire::decode(payload, payload.len())) {
        Ok(Body::Downflow(flow, confirmation)) => Some((flow, confirmation)),
        _ => None,
    }
}
