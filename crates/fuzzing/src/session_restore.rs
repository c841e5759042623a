//! Sessions that come back from bytes.

use std::sync::LazyLock;
use std::time::Duration;

use concilium_core::channel::ChannelEvent;
use concilium_core::testing::rng;
use concilium_core::{Change, Context, MemberId, SessionName, Time, wire};
use concilium_encryptor::DefaultEncryptor;
use concilium_gka_cliques::Cliques;
use concilium_session::{Output, Session, Settings};
use concilium_testkit::network::{Conduct, Network};
use serde::{Deserialize, Serialize};

use super::Seed;
use super::input::Input;

const PEOPLE: [&str; 3] = ["alice", "bob", "carol"];

/// What a session is shown after it came back.
const MAX_EVENTS: usize = 24;

/// Outputs that one call leads to, at most.
const MAX_OUTPUTS: usize = 1_000;

/// Takes the bytes as a snapshot, as damage to one, or as what a session is shown after it came back. Nothing
/// makes [`Session::restore`] panic; what it takes is a session whose snapshot is those bytes, and one
/// that answers to whatever comes; and a session that comes back after each event does the same as one that
/// runs on (A-29, K-13).
///
/// # Panics
/// Where a promise is broken.
pub fn session_restore(data: &[u8]) {
    run(data);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    Refused,
    /// What was damaged is another state.
    Damaged,
    WentOn {
        outputs: usize,
    },
}

type Talker = Session<Cliques, DefaultEncryptor>;

/// A group's life, in snapshots and packets.
struct Past {
    network: Network<Cliques, DefaultEncryptor>,
    snapshots: Vec<Snapshot>,
    packets: Vec<(MemberId, Vec<u8>)>,
}

struct Snapshot {
    who: MemberId,
    at: Time,
    /// How many packets had been sent.
    packets: usize,
    bytes: Vec<u8>,
}

/// A snapshot as docs tell it: a version, and byte strings.
#[derive(Serialize, Deserialize)]
struct Layout(u8, #[serde(with = "wire::list")] Vec<Part>);

#[derive(Clone, Serialize, Deserialize)]
struct Part(#[serde(with = "wire::bytes")] Vec<u8>);

fn run(data: &[u8]) -> Reached {
    let past = past();
    let mut input = Input::new(data);
    let action = input.byte();
    let count = past.snapshots.len();
    let snapshot = &past.snapshots[input.below(count)];
    match action % 4 {
        0 => restored(past, snapshot, input.rest(), &mut Input::new(&[])),
        1 => {
            let mut bytes = snapshot.bytes.clone();
            damage(&mut bytes, &mut input);
            restored(past, snapshot, &bytes, &mut input)
        }
        2 => {
            let bytes = rearranged(past, snapshot, &mut input);
            restored(past, snapshot, &bytes, &mut input)
        }
        _ => goes_on(past, snapshot, &mut input),
    }
}

/// Whatever comes back is what the bytes say, and answers.
fn restored(past: &Past, snapshot: &Snapshot, bytes: &[u8], input: &mut Input<'_>) -> Reached {
    let Ok(mut session) = past.network.copy(&snapshot.who, bytes) else {
        assert!(bytes != snapshot.bytes, "A-29: a snapshot restores");
        return Reached::Refused;
    };
    assert_eq!(
        *session.snapshot(),
        bytes,
        "A-29: what comes back is what the bytes say"
    );
    let (mut now, mut next) = (snapshot.at, snapshot.packets);
    for _ in 0..4 {
        let happening = Happening::of(past, &mut next, input);
        now = now.after(happening.wait);
        let _ = happening.show(&mut session, now);
    }
    Reached::Damaged
}

/// One session runs on, another comes back before each event: nobody can tell them apart.
fn goes_on(past: &Past, snapshot: &Snapshot, input: &mut Input<'_>) -> Reached {
    let copy = |bytes: &[u8]| {
        past.network
            .copy(&snapshot.who, bytes)
            .expect("A-29: a snapshot restores")
    };
    let mut runs_on = copy(&snapshot.bytes);
    let (mut now, mut next) = (snapshot.at, snapshot.packets);
    let mut outputs = 0;
    for _ in 0..MAX_EVENTS {
        if input.is_empty() {
            break;
        }
        let happening = Happening::of(past, &mut next, input);
        now = now.after(happening.wait);
        let mut comes_back = copy(&runs_on.snapshot());
        assert_eq!(comes_back.next_timeout(), runs_on.next_timeout(), "A-29");
        let (one, other) = (
            happening.show(&mut runs_on, now),
            happening.show(&mut comes_back, now),
        );
        outputs += one.len();
        assert_eq!(one, other, "A-29: the same outputs");
        assert_eq!(
            *runs_on.snapshot(),
            *comes_back.snapshot(),
            "A-29: the same state"
        );
    }
    Reached::WentOn { outputs }
}

/// What a session is shown or told to do, after so much time.
struct Happening {
    wait: Duration,
    seed: u64,
    what: What,
}

enum What {
    Event(ChannelEvent),
    Send(Vec<u8>),
    Change(Change),
    Part,
    Nothing,
}

impl Happening {
    /// `next` is the number of the packet that came next in the past.
    fn of(past: &Past, next: &mut usize, input: &mut Input<'_>) -> Self {
        let action = input.byte();
        let seed = u64::from(input.byte());
        let count = past.packets.len();
        let what = match action % 12 {
            number @ 0..=3 => {
                let at = if number < 3 {
                    *next % count
                } else {
                    input.below(count)
                };
                *next = at + 1;
                let (from, bytes) = past.packets[at].clone();
                What::Event(ChannelEvent::Packet { from, bytes })
            }
            4 => What::Event(ChannelEvent::Packet {
                from: who(input),
                bytes: input.bytes().to_vec(),
            }),
            5 => What::Event(ChannelEvent::MemberEntered { member: who(input) }),
            6 => What::Event(ChannelEvent::MemberLeft { member: who(input) }),
            7 => What::Event(ChannelEvent::Left),
            8 => What::Event(ChannelEvent::Entered {
                members: PEOPLE.map(member).into_iter().collect(),
            }),
            9 => What::Send(vec![action, input.byte()]),
            10 => What::Change(change(input)),
            _ if action >= 240 => What::Part,
            _ => What::Nothing,
        };
        Self {
            // From nothing to a quarter of an hour.
            wait: Duration::from_millis((1 << (input.byte() % 20)) - 1),
            seed,
            what,
        }
    }

    /// Shows it to a session, and takes what it has to say.
    fn show(&self, session: &mut Talker, now: Time) -> Vec<Output> {
        let mut rng = rng::seeded(self.seed);
        let mut cx = Context::new(now, &mut rng);
        session.handle_timeout(&mut cx);
        match &self.what {
            What::Event(event) => session.handle(event.clone(), &mut cx),
            What::Send(body) => drop(session.send(body, &mut cx)),
            What::Change(change) => drop(session.change(change.clone(), &mut cx)),
            What::Part => drop(session.part(&mut cx)),
            What::Nothing => {}
        }
        let outputs: Vec<Output> = session.drain().unsaved().take(MAX_OUTPUTS).collect();
        assert!(outputs.len() < MAX_OUTPUTS, "A-40: one call leads to few outputs");
        outputs
    }
}

/// Some bytes changed, put in or taken out.
fn damage(bytes: &mut Vec<u8>, input: &mut Input<'_>) {
    for _ in 0..1 + input.below(3) {
        if bytes.is_empty() {
            return;
        }
        let at = (input.number() << 8 | usize::from(input.byte())) % bytes.len();
        match input.byte() % 4 {
            0 | 1 => bytes[at] ^= input.byte(),
            2 => bytes.insert(at, input.byte()),
            _ => bytes.truncate(at),
        }
    }
}

/// A snapshot whose parts are damaged, dropped, doubled, or come from another one; each with its right
/// length.
fn rearranged(past: &Past, snapshot: &Snapshot, input: &mut Input<'_>) -> Vec<u8> {
    let layout =
        |bytes: &[u8]| wire::decode::<Layout>(bytes, bytes.len()).expect("a snapshot is laid out so");
    let Layout(version, mut parts) = layout(&snapshot.bytes);
    let count = past.snapshots.len();
    let Layout(_, others) = layout(&past.snapshots[input.below(count)].bytes);
    for _ in 0..1 + input.below(3) {
        if parts.is_empty() {
            break;
        }
        let at = input.below(parts.len());
        match input.byte() % 8 {
            0 => drop(parts.remove(at)),
            1 => parts.insert(at, parts[at].clone()),
            2 => parts.push(parts[at].clone()),
            3 | 4 => parts[at] = others[at % others.len()].clone(),
            _ => damage(&mut parts[at].0, input),
        }
    }
    wire::encode(&Layout(version, parts))
}

fn past() -> &'static Past {
    static PAST: LazyLock<Past> = LazyLock::new(live);
    &PAST
}

/// Three people meet, talk, put one out, take it in again and refresh their keys: everyone's snapshots on the
/// way, also in the middle of operations.
fn live() -> Past {
    let people = PEOPLE.map(member);
    let [alice, bob, carol] = &people;
    let name = SessionName::new("tea").expect("a short name");
    let settings = Settings::default();
    let mut network = Network::of_default_parts(people.to_vec(), name, settings, 1, Conduct::default());
    let mut snapshots = Vec::new();
    for who in &people {
        network
            .command(who, |session, cx| session.join(cx).is_ok())
            .expect("its timers rest");
        save(&network, &mut snapshots);
    }
    let include = |who: &MemberId| Change::include([who.clone()]);
    let changes = [
        (alice, include(bob)),
        (bob, include(carol)),
        (carol, Change::exclude([alice.clone()])),
        (bob, include(alice)),
        (alice, Change::default()),
    ];
    for (by, change) in changes {
        network.settle().expect("everyone comes to rest");
        network
            .command(by, move |session, cx| session.change(change, cx).is_ok())
            .expect("its timers rest");
        for _ in 0..3 {
            save(&network, &mut snapshots);
            for _ in 0..2 {
                network.deliver_next().expect("nobody runs in circles");
            }
        }
        network.settle().expect("everyone comes to rest");
        let said = network.command(by, |session, cx| session.send(b"hello", cx).is_ok());
        said.expect("its timers rest");
        // Acknowledgements are owed now.
        network.settle().expect("everyone comes to rest");
        save(&network, &mut snapshots);
        network
            .run(Duration::from_secs(100))
            .expect("everyone comes to rest");
        save(&network, &mut snapshots);
    }
    let packets = network.channel().packets().iter();
    let packets = packets
        .map(|packet| (packet.from.clone(), packet.bytes.clone()))
        .collect();
    Past {
        network,
        snapshots,
        packets,
    }
}

fn save(network: &Network<Cliques, DefaultEncryptor>, snapshots: &mut Vec<Snapshot>) {
    for who in PEOPLE.map(member) {
        let session = network.session(&who).expect("nobody crashes");
        snapshots.push(Snapshot {
            at: network.now(),
            packets: network.channel().packets().len(),
            bytes: session.snapshot().to_vec(),
            who,
        });
    }
}

fn member(name: &str) -> MemberId {
    MemberId::new(name).expect("a short name")
}

fn who(input: &mut Input<'_>) -> MemberId {
    member(PEOPLE[input.below(PEOPLE.len())])
}

/// The change that a byte means: three who come, three who go.
fn change(input: &mut Input<'_>) -> Change {
    let bits = input.byte();
    let named = |bits: u8| {
        let chosen = PEOPLE.iter().enumerate().filter(move |(n, _)| bits >> n & 1 == 1);
        chosen.map(|(_, name)| member(name)).collect()
    };
    Change {
        include: named(bits),
        exclude: named(bits >> 3),
    }
}

pub(super) fn seeds() -> Vec<Seed> {
    // The packets that came next, an old one, noise, news of others, commands, and time.
    let events = [
        [0, 1, 0, 0, 2, 4, 0, 3, 8, 1, 4, 9].as_slice(),
        &[3, 2, 30, 4, 4, 1, 2, 3, 1, 2, 3, 4],
        &[
            5, 5, 2, 3, 6, 6, 1, 4, 9, 7, 8, 9, 10, 8, 0, 12, 11, 9, 18, 7, 1, 3, 8, 2, 8,
        ],
    ]
    .concat();
    let mut seeds = vec![Seed::new("noise", [&[0, 0], [1; 100].as_slice()].concat())];
    // The first part once more, behind the last.
    seeds.push(Seed::new("trailing", [2, 40, 40, 0, 0, 2]));
    for moment in (0..84).step_by(12) {
        seeds.push(Seed::new(
            format!("goes-on-{moment}"),
            [&[3, moment], events.as_slice()].concat(),
        ));
        let damage = [1, moment, 0, 0, moment, 9, 0, 1 + moment];
        seeds.push(Seed::new(
            format!("damaged-{moment}"),
            [damage.as_slice(), &events].concat(),
        ));
        let rearranged = [2, moment, 83 - moment, 1, 4 + moment % 7, 3, 14, 4];
        seeds.push(Seed::new(
            format!("rearranged-{moment}"),
            [rearranged.as_slice(), &events].concat(),
        ));
    }
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a29_seeds_reach_sessions_that_go_on_and_damage_that_is_refused_or_taken() {
        let reached: Vec<Reached> = seeds().iter().map(|seed| run(&seed.bytes)).collect();
        let count = |check: fn(&Reached) -> bool| reached.iter().filter(|reached| check(reached)).count();
        assert!(count(|reached| *reached == Reached::Refused) > 3, "{reached:?}");
        assert!(count(|reached| *reached == Reached::Damaged) > 3, "{reached:?}");
        let went_on = |reached: &Reached| matches!(reached, Reached::WentOn { outputs } if *outputs > 3);
        assert!(count(went_on) > 3, "{reached:?}");
    }
    #[test]
    fn a29_every_snapshot_of_the_past_comes_back_with_what_was_due() {
        let count = u8::try_from(past().snapshots.len()).unwrap();
        for moment in 0..count {
            assert_eq!(run(&[3, moment]), Reached::WentOn { outputs: 0 });
        }
    }
}
