//! To join in a member's name.

use std::sync::Arc;
use std::time::Duration;

use concilium_core::channel::ChannelEvent;
use concilium_core::{Change, MemberSet, packet};
use concilium_gka::{Identity, signed};

use crate::course::{VICTIM, members};
use crate::stage::{Keys, Process, Stage, id};

/// What a member says to those in the session.
const SECRET: &str = "for members alone";

/// Long enough for exclusions of departed members, and for any operation.
const A_WHILE: Duration = Duration::from_secs(180);

/// What an attacker joins with.
pub(crate) struct Impostor {
    /// The name in which it joins, and the key that it has.
    pub(crate) identity: Identity,
    /// Whom its sessions trust.
    pub(crate) directory: Arc<Keys>,
    /// T's session, to vote for the impostor from the inside, if the attacker has it.
    pub(crate) accomplice: Option<Process>,
}

/// Whether a session of the impostor becomes a member under its name, with keys that it shares with an honest
/// member. The server puts the real one out of the channel. Then the members include again what seems to be
/// back; `host` proposes it.
pub(crate) fn join(stage: &Stage, impostor: Impostor, host: &str, seed: u64) -> bool {
    let mut stage = stage.copy();
    let name = impostor.identity.member().clone();
    let joiner = Process::fresh(stage.parts, impostor.identity, &impostor.directory, seed);
    let has_accomplice = impostor.accomplice.is_some();
    if let Some(accomplice) = impostor.accomplice {
        stage.replace(accomplice);
    }
    stage.channel.cut_off(&name, stage.now);
    stage.replace(joiner);
    stage.run(A_WHILE);
    let as_name = name.to_string();
    let _ = stage.act(&as_name, |session, cx| session.join(cx));
    stage.run(Duration::from_secs(10));
    let change = Change::include(MemberSet::of(name.clone()));
    let _ = stage.act(host, |session, cx| session.change(change, cx));
    stage.run(A_WHILE);
    let honest: Vec<&str> = members()
        .filter(|who| id(who) != name && !(*who == VICTIM && has_accomplice))
        .collect();
    let shares = |stage: &Stage, who: &str| {
        let (theirs, ours) = (stage.session(who), stage.session(&as_name));
        theirs.members().contains(&name)
            && theirs.subsession().is_some()
            && theirs.subsession() == ours.subsession()
    };
    let is_in = honest.iter().any(|who| shares(&stage, who));
    let talker = honest[0];
    let _ = stage.act(talker, |session, cx| session.send(SECRET.as_bytes(), cx));
    stage.run(Duration::from_secs(5));
    let reads = stage
        .channel
        .packets()
        .iter()
        .filter_map(|sent| stage.session(&as_name).reads(&sent.bytes))
        .any(|body| body == SECRET.as_bytes());
    is_in || reads
}

/// Whether an honest member accepts an operation that the server shows as `author`'s, signed by `identity`.
/// It is the one that `author` really proposes in the `next` stage, so that only the signature can be wrong
/// with it.
pub(crate) fn propose(stage: &Stage, next: &Stage, author: &str, identity: &Identity) -> bool {
    let session = stage.session("alice").name().clone();
    let proposals = next.channel.packets()[stage.channel.packets().len()..].iter();
    let bytes = proposals
        .filter(|sent| sent.from == id(author))
        .find_map(|sent| match packet::read(&sent.bytes) {
            Ok((packet::PacketKind::Operation, body)) => {
                let opened = signed::open(body, &session, &sent.from, &**stage.directory()).ok()?;
                let (_, role, payload) = opened.into_parts();
                signed::seal(identity, &session, role, payload).ok()
            }
            _ => None,
        })
        .unwrap();
    let bytes = packet::frame(packet::PacketKind::Operation, &bytes);
    let mut stage = stage.copy();
    let chain = stage.session("alice").chain();
    stage.channel.forge(&id(author), bytes, stage.now);
    stage.run(Duration::from_secs(1));
    members()
        .filter(|who| *who != author)
        .any(|who| stage.session(who).chain() != chain || stage.session(who).operation().is_some())
}

/// Whether a session of the impostor gets into the subsession at hand without an operation. It takes the
/// place of the real one at the channel, with `stolen` or from nothing.
pub(crate) fn take_seat(stage: &Stage, impostor: &Impostor, stolen: Option<Process>, seed: u64) -> bool {
    let mut stage = stage.copy();
    let name = impostor.identity.member().clone();
    let at_hand = stage.subsession("alice");
    let is_fresh = stolen.is_none();
    let fresh = || Process::fresh(stage.parts, impostor.identity.clone(), &impostor.directory, seed);
    let process = stolen.unwrap_or_else(fresh);
    stage.replace(process);
    if is_fresh {
        let _ = stage.act(&name.to_string(), |session, cx| session.join(cx));
        let members = stage.channel.members().clone();
        stage.give(&name, ChannelEvent::Entered { members });
    }
    stage.run(Duration::from_secs(60));
    stage.subsession("alice") == at_hand && stage.subsession(&name.to_string()) == at_hand
}
