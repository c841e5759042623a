//! Whole operations of the key agreements over ristretto255, packet by packet.

use std::collections::VecDeque;
use std::sync::Arc;

use concilium_core::{Context, MemberId, MemberSet, PacketId, Time};
use concilium_gka::{Directory, GroupKeyAgreement, Identity, Operation as _, Progress, Role, Success};
use concilium_server_order::packet_id;
use serde_json::{Value, json};

use crate::frames::{data, directory, identity, identity_seed, names, set};
use crate::hex;
use crate::source::Source;

/// A member, and what the last operation left it.
struct Party<G: GroupKeyAgreement> {
    gka: G,
    state: Option<G::State>,
    operation: Option<G::Operation>,
    outcome: Option<Success<G::State>>,
    source: Source,
}

/// `cliques.json` and `bd.json`: a group is established, takes somebody in, puts somebody out, and refreshes
/// its keys.
pub(crate) fn operations<G: GroupKeyAgreement>(
    name: &str,
    make: fn(Identity, Arc<dyn Directory>) -> G,
) -> Value {
    let everybody = set("alice bob carol dave");
    let trusted: Arc<dyn Directory> = Arc::new(directory(&everybody));
    let mut parties: Vec<Party<G>> = everybody
        .iter()
        .zip(100..)
        .map(|(member, seed)| Party {
            gka: make(identity(member), trusted.clone()),
            state: None,
            operation: None,
            outcome: None,
            source: Source::new(seed),
        })
        .collect();
    let course = [
        ("alice", "alice", "alice bob carol"),
        ("carol", "alice bob carol", "alice bob carol dave"),
        ("alice", "alice bob carol dave", "alice carol dave"),
        ("dave", "alice carol dave", "alice carol dave"),
        ("alice", "alice carol dave", "alice bob dave"),
    ];
    let operations: Vec<Value> = course
        .into_iter()
        .map(|(author, before, after)| operation(&mut parties, author, before, after))
        .collect();
    let members: Vec<Value> = everybody
        .iter()
        .map(|member| {
            json!({
                "member": member.to_string(),
                "identity_seed": hex(identity_seed(member)),
                "identity_key": hex(identity(member).verifying_key().as_bytes()),
            })
        })
        .collect();
    json!({
        "what": format!("operations of {name} one after the other; all four members are in the channel"),
        "session": "tea",
        "members": members,
        "channel": names(&everybody),
        "operations": operations,
    })
}

fn operation<G: GroupKeyAgreement>(
    parties: &mut [Party<G>],
    author: &str,
    before: &str,
    after: &str,
) -> Value {
    let suite = format!(
        "{}/aes256gcm+buckets",
        parties.first().expect("there are four").gka.suite()
    );
    let data = data(&suite, before, after, vec![]);
    let members = data.after.clone();
    let everybody: MemberSet = parties.iter().map(|party| party.gka.me().clone()).collect();
    let proposer = place(parties, author);
    for party in &mut *parties {
        let was_in = data.before.contains(party.gka.me()) && data.before.len() > 1;
        party.state = party.state.take().filter(|_| was_in);
    }
    let mut packets = VecDeque::new();
    let mut contributions = Vec::new();
    let party = parties.get_mut(proposer).expect("it is there");
    let (packet, private) = party
        .gka
        .propose(
            party.state.as_ref(),
            data.clone(),
            &mut Context::new(Time::ZERO, &mut party.source),
        )
        .expect("it can be proposed");
    for scalar in party.source.take_contributions() {
        contributions.push(json!({"member": author, "scalar": hex(scalar), "packet": 0}));
    }
    let mut private = Some(private);
    packets.push_back((party.gka.me().clone(), packet));
    let mut shown = Vec::new();
    let mut sent = 1_usize;
    while let Some((from, packet)) = packets.pop_front() {
        let framed = concilium_core::packet::frame(concilium_core::packet::PacketKind::Operation, &packet);
        let id = packet_id(&framed, &from, &everybody);
        shown.push(json!({"from": from.to_string(), "packet": hex(&framed), "id": id.to_string()}));
        for place in 0..parties.len() {
            let party = parties.get_mut(place).expect("it is there");
            if !members.contains(party.gka.me()) {
                continue;
            }
            let own = (place == proposer).then(|| private.take()).flatten();
            let answers = deliver(party, &data.session, &from, &packet, id, own);
            let drawn = party.source.take_contributions();
            let me = party.gka.me().clone();
            for scalar in &drawn {
                contributions.push(json!({"member": me.to_string(), "scalar": hex(scalar), "packet": sent}));
            }
            sent += answers.len();
            packets.extend(answers.into_iter().map(|answer| (me.clone(), answer)));
        }
    }
    let mut keys = None;
    let mut signing = Vec::new();
    for party in parties
        .iter_mut()
        .filter(|party| members.contains(party.gka.me()))
    {
        let outcome = party.outcome.take().expect("everybody has finished");
        party.operation = None;
        party.state = Some(outcome.state);
        let verifying: Vec<Value> = outcome
            .keys
            .verifying
            .iter()
            .map(|(member, key)| json!({"member": member.to_string(), "key": hex(key.as_bytes())}))
            .collect();
        let these = json!({
            "subsession": outcome.keys.subsession.to_string(),
            "secret": hex(outcome.keys.secret.expose()),
            "verifying_keys": verifying,
        });
        assert!(keys.is_none() || keys.as_ref() == Some(&these), "they agree");
        keys = Some(these);
        signing.push(json!({
            "member": party.gka.me().to_string(),
            "seed": hex(outcome.keys.signing.seed().expose()),
        }));
    }
    json!({
        "author": author,
        "suite": suite,
        "parent": data.parent.to_string(),
        "chain": data.chain.to_string(),
        "before": names(&data.before),
        "after": names(&data.after),
        "contributions": contributions,
        "packets": shown,
        "keys": keys,
        "signing_keys": signing,
    })
}

fn place<G: GroupKeyAgreement>(parties: &[Party<G>], name: &str) -> usize {
    let found = parties
        .iter()
        .position(|party| party.gka.me().to_string() == name);
    found.expect("it is one of them")
}

fn deliver<G: GroupKeyAgreement>(
    party: &mut Party<G>,
    session: &concilium_core::SessionName,
    from: &MemberId,
    packet: &[u8],
    id: PacketId,
    own: Option<G::Proposal>,
) -> Vec<Vec<u8>> {
    let opened = party.gka.open(session, from, packet).expect("it is authentic");
    let cx = &mut Context::new(Time::ZERO, &mut party.source);
    let progress = if matches!(opened.role(), Role::Initial(_)) {
        let started = party
            .gka
            .accept(party.state.as_ref(), own, id, opened, cx)
            .expect("it counts");
        party.operation = Some(started.operation);
        started.progress
    } else {
        let operation = party.operation.as_mut().expect("it runs");
        operation.receive(opened, cx).expect("it counts")
    };
    match progress {
        Progress::Continue(packets) => packets,
        Progress::Finished(outcome) => {
            party.outcome = Some(*outcome);
            Vec::new()
        }
        _ => Vec::new(),
    }
}
