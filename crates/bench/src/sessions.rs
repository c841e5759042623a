//! What a whole session costs: time for each message, and packets by the way.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::hint::black_box;
use std::time::Duration;

use concilium_core::channel::ChannelEvent;
use concilium_core::keys::{SigningKey, SubsessionKeys};
use concilium_core::testing::{name, names, rng::seeded};
use concilium_core::{Change, Context, MemberId, Secret, SessionName, SubsessionId, Time};
use concilium_encryptor::{Content, DefaultEncryptor, Kind, MessageEncryptor};
use concilium_gka_cliques::Cliques;
use concilium_session::Settings;
use concilium_sim::scale::{self, Phase};
use concilium_sim::{Cipher, Gka, Suite};
use concilium_testkit::network::{Conduct, Network};

use crate::measure::{Effort, elapsed, least, stopwatch};
use crate::report::Row;

/// How many messages come in a row.
const MESSAGES: u32 = 200;

/// The cost for a session of this many members to take in a message with all that follows from it, beside
/// opening it with the encryptor alone.
pub fn rows(effort: Effort, members: usize, report: &mut dyn FnMut(Row)) {
    let (mut handle, mut open) = (handling(members), opening(members));
    // In turn, so that other load of the machine falls on both alike.
    let (handled, opened): (Vec<_>, Vec<_>) = (0..effort.rounds).map(|_| (handle(), open())).unzip();
    let (handled, opened) = (least(handled), least(opened));
    let row = Row::time(
        format!("handle a message, session of {members}"),
        handled,
        opened,
        "opening it with the encryptor alone",
    );
    report(row.at_most(1.5));
}

/// Counts what is sent by the way: acknowledgements and heartbeats, in silence and in talk.
pub fn chatter(members: usize, report: &mut dyn FnMut(Row)) {
    const TALK: u32 = 40;
    // Of many, an hour says as much as ten of few.
    let hours = if members > 50 { 1 } else { 10 };
    let mut net = group(members);
    let before = net.channel().sent().packets;
    net.run(Duration::from_secs(hours * 3600)).unwrap();
    let idle = (net.channel().sent().packets - before) as f64 / hours as f64;
    let name_of = |what: &str| format!("packets, {what}, session of {members}");
    report(Row::new(
        name_of("an hour of silence"),
        idle,
        members as f64,
        "packets",
        "members",
    ));
    for (what, pause) in [("a message each 5 s", 5), ("a message each 5 min", 300)] {
        let before = net.channel().sent().packets;
        for said in 0..TALK as usize {
            // A stride without a common factor lets all members speak in turn, and neighbours seldom.
            let who = name(said * 7 % members);
            net.command(&who, |session, cx| session.send(&[7; 64], cx))
                .unwrap()
                .unwrap();
            net.run(Duration::from_secs(pause)).unwrap();
        }
        let sent = (net.channel().sent().packets - before) as f64;
        let said = f64::from(TALK);
        report(Row::new(name_of(what), sent, said, "packets", "messages"));
    }
}

/// A session of this many members, two minutes old.
fn group(members: usize) -> Network<Cliques, DefaultEncryptor> {
    let session = SessionName::new("bench").unwrap();
    let everyone = names(0..members).into_iter().collect();
    let conduct = Conduct {
        never_save: true,
        ..Conduct::default()
    };
    let mut net = Network::of_default_parts(everyone, session, Settings::default(), 1, conduct);
    net.command(&name(0), |session, cx| session.join(cx))
        .unwrap()
        .unwrap();
    net.settle().unwrap();
    let all = Change::include(names(1..members));
    net.command(&name(0), |session, cx| session.change(all, cx))
        .unwrap()
        .unwrap();
    net.run(Duration::from_secs(120)).unwrap();
    net
}

/// One member sends in a row; another one takes it in. How long a message takes, each time that the result is
/// called.
fn handling(members: usize) -> impl FnMut() -> Duration {
    let (alice, bob) = (name(0), name(1));
    let mut net = group(members);
    let before = net.channel().packets().len();
    for _ in 0..MESSAGES {
        net.command(&alice, |session, cx| session.send(&[7; 64], cx))
            .unwrap()
            .unwrap();
    }
    let events: Vec<ChannelEvent> = net.channel().packets()[before..]
        .iter()
        .map(|packet| ChannelEvent::Packet {
            from: packet.from.clone(),
            bytes: packet.bytes.clone(),
        })
        .collect();
    let (snapshot, now) = (net.session(&bob).unwrap().snapshot(), net.now());
    let mut random = seeded(2);
    move || {
        let mut session = net.copy(&bob, &snapshot).unwrap();
        let events = events.clone();
        elapsed(|| {
            for event in events {
                session.handle(event, &mut Context::new(now, &mut random));
                for output in session.drain().unsaved() {
                    black_box(output);
                }
            }
        }) / MESSAGES
    }
}

/// The same messages, opened and no more.
fn opening(members: usize) -> impl FnMut() -> Duration {
    let signing: BTreeMap<MemberId, SigningKey> = names(0..members)
        .into_iter()
        .enumerate()
        .map(|(i, who)| (who, SigningKey::from_seed(&Secret::new([i as u8; 32]))))
        .collect();
    let keys = |who: &MemberId| SubsessionKeys {
        subsession: SubsessionId::from_bytes([2; 32]),
        secret: Secret::new([3; 32]),
        signing: signing[who].clone(),
        verifying: signing
            .iter()
            .map(|(who, key)| (who.clone(), *key.verifying_key()))
            .collect(),
    };
    let (alice, bob) = (name(0), name(1));
    let mut sealer = DefaultEncryptor::new(&alice, &keys(&alice)).unwrap();
    let opener = DefaultEncryptor::new(&bob, &keys(&bob)).unwrap();
    let mut random = seeded(3);
    let mut parents = Vec::new();
    let packets: Vec<Vec<u8>> = (0..MESSAGES)
        .map(|_| {
            let content = Content {
                kind: Kind::DATA,
                parents: std::mem::take(&mut parents),
                confirmation: None,
                body: vec![7; 64],
            };
            let sealed = sealer
                .seal(&content, &mut Context::new(Time::ZERO, &mut random))
                .unwrap();
            parents.push(sealed.id);
            sealed.packet
        })
        .collect();
    move || {
        elapsed(|| {
            for packet in &packets {
                black_box(opener.open(black_box(packet)).unwrap());
            }
        }) / MESSAGES
    }
}

/// The cost of one input to a simulated session, in groups of these sizes, with parts that hide nothing, so
/// that the sessions' own work shows. The other sizes are compared with the first.
pub fn growth(sizes: &[usize], report: &mut dyn FnMut(Row)) {
    let suite = Suite::named(Gka::Plain, Cipher::Plain);
    let mut first = None;
    for &members in sizes {
        let clock = stopwatch();
        let (mut inputs, mut took) = (0, Duration::ZERO);
        let violations = scale::phases(members, 1, &suite, &mut || clock(), &mut |phase: Phase| {
            if ["confirm", "talk"].contains(&phase.name) {
                inputs += phase.work.inputs;
                took += phase.took;
            }
            Ok::<(), Infallible>(())
        });
        assert_eq!(violations, Ok(Vec::new()));
        let each = took.as_secs_f64() * 1e6 / inputs as f64;
        let first = *first.get_or_insert(each);
        let beside = format!("a group of {}", sizes[0]);
        report(Row::new(
            format!("simulated input, group of {members}"),
            each,
            first,
            "us",
            beside,
        ));
    }
}
