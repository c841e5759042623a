//! The hashes of the server order, and from what members computed to keys.

use concilium_core::keys::SigningKey;
use concilium_core::{MemberId, PacketId, Secret};
use concilium_gka_dh::Keys;
use concilium_server_order::{ChainRole, chain_start, chain_step, leave_id, packet_id};
use serde_json::{Value, json};

use crate::frames::{id, names, set};
use crate::hex;

/// `order.json`.
pub(crate) fn order() -> Value {
    let channel = set("alice bob carol");
    let initial = packet_id(b"packet", &id("alice"), &channel);
    let remaining = set("alice carol");
    let parent = PacketId::from_bytes([0x55; 32]);
    let start = chain_start(&parent);
    let roles = [
        ("initial", ChainRole::Initial),
        ("final", ChainRole::Final),
        ("both", ChainRole::Both),
        ("abort", ChainRole::Abort),
        ("leave", ChainRole::Leave),
    ];
    let steps = roles.map(|(name, role)| {
        json!({
            "before": start.to_string(),
            "packet": initial.to_string(),
            "role": name,
            "after": chain_step(&start, &initial, role).to_string(),
        })
    });
    json!({
        "what": "the hashes of the server order (O-1, O-5, T-5)",
        "packet_ids": [
            {"bytes": hex("packet"), "from": "alice", "channel": names(&channel), "id": initial.to_string()},
            {"bytes": "", "from": "bob", "channel": ["bob"], "id": packet_id(b"", &id("bob"), &set("bob")).to_string()},
        ],
        "leave_ids": [{
            "initial": initial.to_string(),
            "who": "bob",
            "remaining": names(&remaining),
            "id": leave_id(&initial, &id("bob"), &remaining).to_string(),
        }],
        "starts": [{"parent": parent.to_string(), "chain": start.to_string()}],
        "steps": steps,
    })
}

/// `keys.json`.
pub(crate) fn keys() -> Value {
    let (transcript, computed) = ([0x66; 32], [0x77; 32]);
    let keys = Keys::derive(transcript, &computed);
    let alice: MemberId = id("alice");
    let signing = SigningKey::from_seed(&Secret::new([0x88; 32]));
    let confirmation = keys.confirm(&alice, &signing);
    let encoded = concilium_core::wire::encode(&confirmation);
    json!({
        "what": "from what the members computed to keys, and a confirmation (C-6, C-7)",
        "transcript": hex(transcript),
        "computed": hex(computed),
        "secret": hex(keys.secret().expose()),
        "subsession": keys.subsession().to_string(),
        "author": "alice",
        "verifying_key": hex(signing.verifying_key().as_bytes()),
        "confirmation": hex(encoded),
    })
}
