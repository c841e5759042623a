//! K-12, A-08: the states that a member held open no message of a subsession that it is not in.

use concilium_core::Context;
use concilium_core::channel::ChannelEvent;
use concilium_core::packet::{self, PacketKind};
use concilium_session::AnySession;

use crate::dice::source;
use crate::plan::{Who, name};
use crate::world::{Held, World};

/// More states than this are not tried; those of a long run are much alike.
const MAX_STATES: usize = 64;

/// More former members are not let listen on.
const MAX_LISTENERS: usize = 6;

/// Tries every state that a member held when its members changed on every message of the run. Members that
/// were put out listen on from the state that they held, as a cheat would.
pub(crate) fn check(world: &mut World<'_>) {
    let mut opened: Vec<(Who, String)> = Vec::new();
    let step = world.held.len().div_ceil(MAX_STATES).max(1);
    for held in world.held.iter().step_by(step) {
        let Some(peer) = world.copy(held.who, &held.snapshot) else {
            continue;
        };
        for sent in world.channel.packets() {
            opened.extend(reads_what_is_not_its(world, held.who, &*peer, &sent.bytes));
        }
    }
    let mut listeners = 0;
    for (place, held) in world.held.iter().enumerate() {
        let next = world.held[place + 1..].iter().find(|next| next.who == held.who);
        if !held.is_in || next.is_some_and(|next| next.is_in) || listeners >= MAX_LISTENERS {
            continue;
        }
        listeners += 1;
        opened.extend(listen_on(world, held));
    }
    for (who, body) in opened {
        let what = format!("{} can read \"{body}\", which is not for it", name(who));
        world.checks.fail("K-12", world.now, what);
    }
}

/// What this packet says, if this session can read it and its member is none of its readers.
fn reads_what_is_not_its(
    world: &World<'_>,
    who: Who,
    peer: &dyn AnySession,
    bytes: &[u8],
) -> Option<(Who, String)> {
    if !matches!(packet::read(bytes), Ok((PacketKind::Message, _))) {
        return None;
    }
    let body = peer.reads(bytes).filter(|body| !body.is_empty())?;
    let written = world.checks.written_as(&body)?;
    let members = world.checks.members_of(&written.subsession)?;
    if members.contains(&world.members[who].id) {
        return None;
    }
    Some((who, String::from_utf8_lossy(&body).into_owned()))
}

/// Goes on from the held state, with all that the channel carried since, and ignores being put out.
fn listen_on(world: &World<'_>, held: &Held) -> Vec<(Who, String)> {
    let Some(mut peer) = world.copy(held.who, &held.snapshot) else {
        return Vec::new();
    };
    let me = &world.members[held.who].id;
    // Its outputs go nowhere, so any randomness will do.
    let mut rng = source(0, "listener");
    let mut opened = Vec::new();
    for (at, event) in world.channel.order_from(held.position) {
        match event {
            ChannelEvent::MemberEntered { member } | ChannelEvent::MemberLeft { member } if member == me => {
                continue;
            }
            ChannelEvent::Packet { bytes, .. } => {
                opened.extend(reads_what_is_not_its(world, held.who, &*peer, bytes));
            }
            _ => {}
        }
        peer.handle(event.clone(), &mut Context::new(*at, &mut rng));
        let _ = peer.drain().unsaved().count();
    }
    for sent in world.channel.packets() {
        opened.extend(reads_what_is_not_its(world, held.who, &*peer, &sent.bytes));
    }
    opened
}
