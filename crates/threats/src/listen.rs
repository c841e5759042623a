//! To read.

use std::collections::BTreeSet;
use std::sync::Arc;

use concilium_core::channel::ChannelEvent;
use concilium_core::{SessionName, SubsessionId};

use crate::attacker::{Attacker, Listener};
use crate::course::{Course, Moment, VICTIM};
use crate::loot::Loot;

/// What an attacker that only listens comes to.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// The moments from which it read something.
    pub(crate) read: BTreeSet<Moment>,
    /// The moments whose messages T's process still holds, to show them.
    pub(crate) shown: BTreeSet<Moment>,
    /// The moments in whose subsession a session of its own came to be, in T's name.
    pub(crate) seat_of_victim: BTreeSet<Moment>,
    /// The same, in the name of others.
    pub(crate) seat_of_others: BTreeSet<Moment>,
}

/// Listens to the whole course in every way that the attacker's secrets allow.
pub(crate) fn listen(course: &Course, attacker: Attacker) -> Heard {
    let mut heard = Heard::default();
    heard.read.extend(plainly(course));
    let everybody = course.end().directory();
    for name in [VICTIM, "alice", "bob"] {
        let identity = attacker.identity_as(name);
        // It changes the trusted keys only where it impersonates a member.
        let keys = Attacker::directory_for(&identity, everybody);
        let listener = Listener::fresh(course.parts, identity, &keys);
        let seats = follow(course, listener, &mut heard);
        let seat = if name == VICTIM {
            &mut heard.seat_of_victim
        } else {
            &mut heard.seat_of_others
        };
        seat.extend(moments_of(course, &seats));
    }
    for theft in attacker.thefts() {
        let listener = Listener::stolen(course, *theft);
        let shown = listener.process.session.messages();
        let shown: Vec<Moment> = shown
            .filter_map(|message| Moment::of_body(message.body))
            .collect();
        if attacker == Attacker::Seat {
            // It was there, and read them.
            heard.read.extend(&shown);
        }
        heard.shown.extend(shown);
        let seats = follow(course, listener, &mut heard);
        heard.seat_of_victim.extend(moments_of(course, &seats));
    }
    heard
}

/// What all can read on the channel.
fn plainly(course: &Course) -> BTreeSet<Moment> {
    let packets = course.end().channel.packets();
    let shows = |body: &str| {
        packets
            .iter()
            .any(|sent| sent.bytes.windows(body.len()).any(|part| part == body.as_bytes()))
    };
    Moment::ALL
        .into_iter()
        .filter(|moment| moment.bodies().any(|body| shows(&body)))
        .collect()
}

fn moments_of(course: &Course, subsessions: &BTreeSet<SubsessionId>) -> Vec<Moment> {
    Moment::ALL
        .into_iter()
        .filter(|moment| subsessions.contains(&course.subsession(*moment)))
        .collect()
}

/// Lets a session hear the rest of the course, and tries all that it holds on all packets, each time that its
/// keys have changed. Returns the subsessions that it has been in.
fn follow(course: &Course, mut listener: Listener, heard: &mut Heard) -> BTreeSet<SubsessionId> {
    let end = course.end();
    let mut seats = BTreeSet::new();
    let mut tried = None;
    loop {
        let current = listener.process.session.subsession();
        if tried != Some(current) {
            tried = Some(current);
            seats.extend(current);
            try_all(course, &listener, heard);
        }
        let Some(event) = listener.next(end) else {
            break;
        };
        if let ChannelEvent::Packet { bytes, .. } = &event {
            let body = listener.process.session.reads(bytes);
            heard.read.extend(body.and_then(|body| Moment::of_body(&body)));
        }
        listener.hear(event);
    }
    try_all(course, &listener, heard);
    seats
}

/// Tries all that a session holds on all packets of the course.
fn try_all(course: &Course, listener: &Listener, heard: &mut Heard) {
    let packets = course.end().channel.packets();
    let session = &listener.process.session;
    let loot = Loot::of(course.parts, &session.snapshot());
    let name: &SessionName = session.name();
    let everybody = Arc::clone(course.end().directory());
    let mut keys = loot.recomputed(course.parts.cipher, name, packets, &*everybody);
    keys.extend(loot.subsessions);
    for sent in packets {
        // By hand first: it costs no verifying.
        let by_hand = keys
            .iter()
            .find_map(|keys| Moment::of_body(keys.open(&sent.bytes)?.body()));
        let by_session = || session.reads(&sent.bytes).and_then(|body| Moment::of_body(&body));
        heard.read.extend(by_hand.or_else(by_session));
    }
}
