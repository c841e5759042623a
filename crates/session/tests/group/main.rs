//! Whole sessions against servers and members that do what they should not, by the ids in `docs/security.md`:
//! real keys, the default cipher, and every case of what the row speaks of.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

#[path = "../common/mod.rs"]
mod common;

mod clocks;
mod crashes;
mod departure;
mod insider;
mod joiner;
mod order;
mod outsiders;
mod parting;
mod races;
mod reunion;
mod server;
mod silent;
mod strangers;

use std::collections::BTreeSet;
use std::time::Duration;

use common::{Net, establish, id, set};
use concilium_core::channel::{ChannelAction, ChannelEvent};
use concilium_core::packet::{self, PacketKind};
use concilium_core::testing::rng::seeded;
use concilium_core::{ChainHash, Change, Context, MemberId, SessionName};
use concilium_encryptor::{DefaultEncryptor, MessageEncryptor};
use concilium_gka::{AssociatedData, Role, signed};
use concilium_gka_cliques::Cliques;
use concilium_session::{Output, Session, SessionState, Settings, WarningKind};
use concilium_testkit::network::Conduct;

type Process = Session<Cliques, DefaultEncryptor>;

const NAMES: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];

const MINUTE: Duration = Duration::from_secs(60);

/// The first `inside` of [`NAMES`] in a session and at rest; the next `outside` of them have a process and no
/// more.
fn group(inside: usize, outside: usize, seed: u64) -> Net {
    group_with(inside, outside, seed, Settings::default(), Conduct::default())
}

fn group_with(inside: usize, outside: usize, seed: u64, settings: Settings, conduct: Conduct) -> Net {
    let members = NAMES[..inside + outside].iter().map(|name| id(name)).collect();
    let name = SessionName::new("s").unwrap();
    let mut net = Net::of(members, name, settings, seed, conduct);
    establish(&mut net, NAMES[0], &NAMES[1..inside].join(" "));
    net.run(MINUTE * 2).unwrap();
    let _ = net.take_records();
    net
}

/// Shows a process something, whatever the channel says.
fn show(net: &mut Net, who: &str, event: ChannelEvent) {
    net.command(&id(who), |session, cx| session.handle(event, cx))
        .unwrap();
}

/// Takes back what is under way to a process.
fn withdraw(net: &mut Net, who: &str) -> Vec<ChannelEvent> {
    std::iter::from_fn(|| net.channel_mut().take(&id(who)))
        .map(|delivery| delivery.event)
        .collect()
}

fn change(net: &mut Net, who: &str, change: Change) {
    net.command(&id(who), |session, cx| session.change(change, cx))
        .unwrap()
        .unwrap();
}

fn chain(net: &Net, who: &str) -> Option<ChainHash> {
    net.session(&id(who)).unwrap().chain()
}

fn members(net: &Net, who: &str) -> String {
    net.session(&id(who)).unwrap().members().to_string()
}

/// The kinds of warning that a member ever had.
fn warned(net: &Net, who: &str) -> BTreeSet<WarningKind> {
    net.session(&id(who)).unwrap().warnings().ever().clone()
}

/// Whether these are in one session, with one history and one set of keys.
fn same(net: &Net, names: &[&str]) -> bool {
    let view = |name: &&str| {
        let session = net.session(&id(name)).unwrap();
        let keys = session.exporter("test").map(|secret| *secret.expose());
        (
            session.state(),
            session.members().clone(),
            session.subsession(),
            session.chain(),
            keys,
        )
    };
    let first = view(&names[0]);
    first.0 == SessionState::Joined && names.iter().all(|name| view(name) == first)
}

/// Everybody says something, and everybody hears it.
fn all_talk(net: &mut Net, names: &[&str], case: &str) {
    use common::Talk;
    for name in names {
        net.talk(name, &format!("{name} after {case}"));
    }
    net.run(MINUTE * 2).unwrap();
    for reader in names {
        let log = net.log(reader);
        for name in names {
            assert!(
                log.contains(&format!("{name} after {case}")),
                "{case}: {reader} does not hear {name}"
            );
        }
    }
}

/// The packets that a process wants to send after this, if it is heard by nobody.
fn sent_by<E: MessageEncryptor>(session: &mut Session<Cliques, E>) -> Vec<Vec<u8>> {
    session
        .drain()
        .unsaved()
        .filter_map(|output| match output {
            Output::Channel(ChannelAction::Send { bytes }) => Some(bytes),
            _ => None,
        })
        .collect()
}

/// What a member would propose now, as it would stand on the channel.
fn proposal(net: &Net, who: &str, change: Change) -> Vec<u8> {
    let mut session = copy(net, who);
    session
        .change(change, &mut Context::new(net.now(), &mut seeded(77)))
        .unwrap();
    let mut packets = sent_by(&mut session);
    packets.retain(|packet| is_operation(packet));
    packets.remove(0)
}

/// A member's session, apart from the network.
fn copy(net: &Net, who: &str) -> Process {
    let snapshot = net.session(&id(who)).unwrap().snapshot();
    net.copy(&id(who), &snapshot).unwrap()
}

fn is_operation(packet: &[u8]) -> bool {
    matches!(packet::read(packet), Ok((PacketKind::Operation, _)))
}

/// What a packet that proposes something is about, and what it carries for the key agreement.
fn read_proposal(net: &Net, from: &str, packet: &[u8]) -> (AssociatedData, Vec<u8>) {
    let (_, body) = packet::read(packet).unwrap();
    let name = SessionName::new("s").unwrap();
    let opened = signed::open(body, &name, &id(from), &**net.directory()).unwrap();
    match opened.into_parts() {
        (_, Role::Initial(data), payload) => (data, payload),
        (_, role, _) => panic!("{role:?} proposes nothing"),
    }
}

/// The same with another author's signature under it: well made, and authentic as that author's.
fn signed_by(net: &Net, author: &str, role: Role, payload: Vec<u8>) -> Vec<u8> {
    let name = SessionName::new("s").unwrap();
    let packet = signed::seal(net.identity(&id(author)).unwrap(), &name, role, payload).unwrap();
    packet::frame(PacketKind::Operation, &packet)
}

fn packet_of(from: &str, bytes: Vec<u8>) -> ChannelEvent {
    ChannelEvent::Packet {
        from: id(from),
        bytes,
    }
}

/// All orders of so many things.
fn orders(len: usize) -> Vec<Vec<usize>> {
    if len == 0 {
        return vec![vec![]];
    }
    let mut all = Vec::new();
    for shorter in orders(len - 1) {
        for place in 0..len {
            let mut order = shorter.clone();
            order.insert(place, len - 1);
            all.push(order);
        }
    }
    all
}

/// Those of `names` whose bit is set.
fn subset<'n>(names: &[&'n str], mask: usize) -> Vec<&'n str> {
    (0..names.len())
        .filter(|i| mask & (1 << i) != 0)
        .map(|i| names[i])
        .collect()
}

/// Everyone who takes somebody for a fellow member that stands elsewhere in the chain knows that something is
/// wrong.
fn all_who_are_deceived_are_warned(net: &Net, names: &[&str], case: &str) {
    for one in names {
        let session = net.session(&id(one)).unwrap();
        let is_member = |other: &&&str| session.members().contains(&id(other)) && other != &one;
        if session.state() == SessionState::Joined
            && names
                .iter()
                .filter(is_member)
                .any(|other| chain(net, other) != session.chain())
        {
            assert!(!session.warnings().is_empty(), "{case}: {one} is not warned");
        }
    }
}

fn ids(names: &[&str]) -> Vec<MemberId> {
    names.iter().map(|name| id(name)).collect()
}

#[test]
fn the_orders_are_all_and_different() {
    let all: BTreeSet<_> = orders(4).into_iter().collect();
    assert_eq!(all.len(), 24);
    assert_eq!(subset(&NAMES, 0b10110), ["bob", "carol", "erin"]);
    assert!(set("alice").len() == 1 && ids(&NAMES).len() == 5);
}
