//! Whole sessions over the channel in memory.

use std::collections::BTreeMap;
use std::time::Duration;

use concilium_core::{Change, MemberId, MessageId, PacketId, SessionName, SubsessionId, packet};
use concilium_encryptor::DefaultEncryptor;
use concilium_gka_cliques::Cliques;
use concilium_server_order::Outcome;
use concilium_session::{Session, SessionState, Settings};

use super::Seed;
use super::input::Input;
use concilium_testkit::network::{Conduct, Network};

const PEOPLE: [&str; 3] = ["alice", "bob", "carol"];

/// A run of this many actions sees several operations; a fuzzer tries many runs.
const MAX_ACTIONS: usize = 128;

/// The most events of a run: what more actions lead to is not looked at.
const MAX_EVENTS: u64 = 2_000;

/// The most events under way that a duplicate is still made of.
const MAX_DUPLICATED: usize = 24;

/// Takes the bytes as what three people, the network and the server do: join, change the members, talk, part;
/// deliver to one only, lose, duplicate, swap, make up, replay and damage packets; cut off, crash, start
/// again from a snapshot; and time that passes. Nobody panics or runs in circles; whoever is in the
/// same subsession sees the same members and exports the same secret, and on an honest channel holds the same
/// chain; a message of one id reads the same for all, for ever; a snapshot restores to itself.
///
/// # Panics
/// Where a promise is broken.
pub fn session(data: &[u8]) {
    run(data);
}

#[derive(Debug, Default)]
struct Reached {
    subsessions: BTreeMap<SubsessionId, Subsession>,
    messages: BTreeMap<MessageId, Said>,
    largest: usize,
}

/// What all members of a subsession must see alike.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Subsession {
    members: concilium_core::MemberSet,
    exporter: [u8; 32],
}

/// What all readers of a message must see alike.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    author: MemberId,
    subsession: SubsessionId,
    body: Vec<u8>,
}

struct Run {
    network: Network<Cliques, DefaultEncryptor>,
    /// Everyone was shown the same so far.
    honest: bool,
    /// The final packet of each subsession, as long as all is honest.
    finals: BTreeMap<SubsessionId, PacketId>,
    reached: Reached,
}

fn run(data: &[u8]) -> Reached {
    let people: Vec<MemberId> = (0..PEOPLE.len()).map(who).collect();
    let name = SessionName::new("tea").expect("a short name");
    let mut input = Input::new(data);
    let settings = input.byte();
    let mut choices = Settings::default();
    choices.auto_include = settings & 1 == 1;
    choices.stay_if_last = settings & 2 == 2;
    let conduct = Conduct {
        restart_always: settings & 4 == 4,
        ..Conduct::default()
    };
    let mut run = Run {
        network: Network::of_default_parts(people, name, choices, 1, conduct),
        honest: true,
        finals: BTreeMap::new(),
        reached: Reached::default(),
    };
    for _ in 0..MAX_ACTIONS {
        let Some(action) = input.next() else { break };
        if run.network.channel().next_position() > MAX_EVENTS {
            break;
        }
        run.step(action, &mut input);
        run.network.take_records();
        run.check();
    }
    run.network.settle().expect("A-40: everyone comes to rest");
    run.network
        .run(Duration::from_secs(300))
        .expect("A-40: and stays at rest");
    run.check();
    run.check_snapshots();
    run.reached
}

impl Run {
    fn step(&mut self, action: u8, input: &mut Input<'_>) {
        let operand = usize::from(action / 32);
        let me = who(operand);
        match action % 32 {
            0 => self.tell(&me, |session, cx| session.join(cx).is_ok()),
            1..=3 => {
                let change = change(input.byte());
                self.tell(&me, move |session, cx| session.change(change, cx).is_ok());
            }
            4..=6 => {
                let body = [b'm', action, input.byte()];
                self.tell(&me, |session, cx| session.send(&body, cx).is_ok());
            }
            7 => self.tell(&me, |session, cx| session.part(cx).is_ok()),
            8 => self.tell(&me, |session, cx| session.ack(cx).is_ok()),
            9 => self.tell(&me, |session, cx| session.abort(cx).is_ok()),
            10..=12 => self.network.settle().expect("A-40: everyone comes to rest"),
            13 | 14 => {
                let next = self.network.deliver_next_to(&me);
                next.expect("A-40: nobody runs in circles");
            }
            15 | 16 => {
                let next = self.network.deliver_next();
                next.expect("A-40: nobody runs in circles");
            }
            17 => {
                // From a tenth of a second to four minutes and more.
                let span = Duration::from_millis(100 << (input.byte() % 12));
                self.network.advance(span).expect("A-40: timers come to rest");
            }
            18 => {
                let span = Duration::from_millis(100 << (input.byte() % 12));
                self.network.run(span).expect("A-40: everyone comes to rest");
            }
            _ => self.do_wrong(action, &me, input),
        }
    }

    /// What a server, an outsider or bad luck does.
    fn do_wrong(&mut self, action: u8, me: &MemberId, input: &mut Input<'_>) {
        let now = self.network.now();
        match action % 32 {
            19 => self.show_differently().drop_to(me, 1),
            20 => self.network.channel_mut().drop_from(me, 1),
            21 => self.show_differently().swap(me),
            // Duplicates of duplicates double each time.
            22 if self.network.channel().pending_for_all() < MAX_DUPLICATED => {
                self.show_differently().duplicate(1);
            }
            22 => {}
            23 => {
                let kind = input.byte();
                let bytes = input.bytes();
                let bytes = if kind < 128 {
                    bytes.to_vec()
                } else {
                    [&[packet::VERSION, kind % 5], bytes].concat()
                };
                self.network.channel_mut().forge(me, bytes, now);
            }
            24 | 25 => {
                let number = self.packet(input);
                self.network.channel_mut().replay(number, now, Some);
            }
            26 | 27 => {
                let number = self.packet(input);
                let bit = input.number();
                self.network.channel_mut().replay(number, now, |mut bytes| {
                    if bytes.is_empty() {
                        return None;
                    }
                    let at = bit / 8 % bytes.len();
                    bytes[at] ^= 1 << (bit % 8);
                    Some(bytes)
                });
            }
            28 => {
                // Everything under way is lost; the others go on.
                let _ = self.network.disconnect(me);
            }
            29 => {
                let _ = self.network.crash(me);
            }
            30 => {
                let restored = self.network.restore(me);
                restored.expect("A-29: a process starts from its snapshot");
            }
            // another sender.
            _ => {
                let number = self.packet(input);
                let packets = self.network.channel().packets();
                let bytes = packets
                    .get(number.wrapping_sub(1))
                    .map(|packet| packet.bytes.clone());
                self.network
                    .channel_mut()
                    .forge(me, bytes.unwrap_or_default(), now);
            }
        }
    }

    /// The channel, to show its members different things.
    fn show_differently(&mut self) -> &mut concilium_testkit::channel::Channel {
        self.honest = false;
        self.network.channel_mut()
    }

    /// One of the newest packets, or any.
    fn packet(&self, input: &mut Input<'_>) -> usize {
        let count = self.network.channel().packets().len();
        match input.byte() {
            back @ 0..=15 => count.saturating_sub(usize::from(back)),
            any => usize::from(any) % (count + 1),
        }
    }

    /// Gives a command to a process that runs. If it is refused, nothing has changed.
    fn tell(
        &mut self,
        who: &MemberId,
        command: impl FnOnce(&mut Session<Cliques, DefaultEncryptor>, &mut concilium_core::Context<'_>) -> bool,
    ) {
        if self.network.session(who).is_err() {
            return;
        }
        let answer = self.network.command(who, |session, cx| {
            // The session learns the time first, and does what is due.
            session.handle_timeout(cx);
            let before = session.snapshot();
            // To part while joining gives up the join, whether or not there is a session to part from.
            let is_joining = session.state() == SessionState::Joining;
            command(session, cx) || is_joining || *session.snapshot() == *before
        });
        let answer = answer.expect("A-40: timers come to rest");
        assert!(answer, "a command that is refused changes nothing");
    }

    fn check(&mut self) {
        for n in 0..PEOPLE.len() {
            let Ok(session) = self.network.session(&who(n)) else {
                continue;
            };
            for message in session.messages() {
                let said = Said {
                    author: message.author.clone(),
                    subsession: message.subsession,
                    body: message.body.to_vec(),
                };
                let known = self.reached.messages.entry(message.id).or_insert(said.clone());
                assert_eq!(
                    *known, said,
                    "A-17: a message of one id reads the same for everyone"
                );
            }
            let (Some(id), Some(exporter)) = (session.subsession(), session.exporter("fuzz")) else {
                continue;
            };
            if session.state() != SessionState::Joined {
                continue;
            }
            let subsession = Subsession {
                members: session.members().clone(),
                exporter: *exporter.expose(),
            };
            self.reached.largest = self.reached.largest.max(subsession.members.len());
            let known = self.reached.subsessions.entry(id).or_insert(subsession.clone());
            assert_eq!(
                *known, subsession,
                "K-7: one subsession has one set of members and one secret"
            );
            let newest = session
                .history()
                .iter()
                .rev()
                .find(|record| record.outcome == Outcome::Finished);
            if let (true, Some(record)) = (self.honest, newest) {
                let last = *self.finals.entry(id).or_insert(record.link.packet);
                assert_eq!(
                    last, record.link.packet,
                    "O-5: one packet made it, where the channel is honest"
                );
            }
        }
        if self.honest {
            self.check_chains();
        }
    }

    /// On an honest channel, whoever has accepted the same packet holds the same chain.
    fn check_chains(&self) {
        let mut chains = BTreeMap::new();
        for n in 0..PEOPLE.len() {
            let Ok(session) = self.network.session(&who(n)) else {
                continue;
            };
            for record in session.history() {
                let chain = chains.entry(record.link.packet).or_insert(record.link.chain);
                assert_eq!(*chain, record.link.chain, "O-5: equal packets, equal chains");
            }
        }
    }

    /// What a session saves is all that it is.
    fn check_snapshots(&self) {
        for n in 0..PEOPLE.len() {
            let Ok(session) = self.network.session(&who(n)) else {
                continue;
            };
            let snapshot = session.snapshot();
            let copy = self
                .network
                .copy(&who(n), &snapshot)
                .expect("A-29: a snapshot restores");
            assert_eq!(*copy.snapshot(), *snapshot, "A-29: to what it was taken of");
            assert_eq!(copy.next_timeout(), session.next_timeout());
            assert_eq!(
                (copy.state(), copy.members()),
                (session.state(), session.members())
            );
        }
    }
}

fn who(n: usize) -> MemberId {
    MemberId::new(PEOPLE[n % PEOPLE.len()]).expect("a short name")
}

/// The change that these bits mean: three who come, three who go.
fn change(bits: u8) -> Change {
    let named = |bits: u8| (0..PEOPLE.len()).filter(move |n| bits >> n & 1 == 1).map(who);
    Change {
        include: named(bits).collect(),
        exclude: named(bits >> 3).collect(),
    }
}

pub(super) fn seeds() -> Vec<Seed> {
    let by = |n: u8, action: u8| 32 * n + action;
    // Everyone enters; alice includes bob and carol; a minute passes.
    let meet = [by(0, 0), by(1, 0), by(2, 0), 10, by(0, 1), 0b110, 10, 18, 9];
    let talk = [by(0, 4), 1, 10, by(1, 4), 2, by(2, 4), 3, 10, by(0, 8), 10, 18, 8];
    let refresh = [by(1, 1), 0, 10, 18, 8];
    let exclude = [by(2, 1), 0b010_000, 10, 18, 8];
    let join = |settings: u8, parts: &[&[u8]]| [&[settings], parts.concat().as_slice()].concat();
    let lose = [
        by(0, 19),
        by(0, 4),
        1,
        by(1, 20),
        by(1, 4),
        2,
        10,
        by(2, 21),
        by(2, 4),
        3,
        10,
        18,
        7,
    ];
    let twice = [by(0, 22), by(0, 4), 1, 10, by(1, 22), by(1, 1), 0, 10, 18, 8];
    let replays = [
        24,
        0,
        10,
        25,
        1,
        10,
        24,
        30,
        10,
        31,
        0,
        10,
        by(1, 31),
        40,
        10,
        18,
        3,
    ];
    let flips = [26, 0, 0, 20, 10, 26, 1, 1, 90, 10, 27, 33, 0, 3, 10, 18, 3];
    let race = [by(0, 1), 0, by(1, 1), 0, by(2, 1), 0b010_000, 10, 18, 9];
    let abort = [by(0, 1), 0b110, 15, 15, by(0, 9), 10, 18, 9];
    let crash = [
        by(1, 29),
        10,
        by(0, 4),
        7,
        10,
        18,
        6,
        by(1, 30),
        10,
        by(1, 0),
        10,
        18,
        9,
    ];
    let enter = [by(0, 0), by(1, 0), by(2, 0), 10];
    let part = [by(0, 7), 10, 18, 9, by(1, 7), 10, 18, 9, by(0, 0), 10, 18, 9];
    let forge = [by(0, 23), 200, 4, 1, 2, 3, 4, by(1, 23), 1, 3, 1, 2, 3, 10];
    vec![
        Seed::new("abort", join(0, &[&enter, &abort, &talk])),
        Seed::new("crash", join(0, &[&meet, &talk, &crash])),
        Seed::new("exclude", join(0, &[&meet, &talk, &exclude, &talk])),
        Seed::new("flips", join(0, &[&meet, &flips, &talk, &flips])),
        Seed::new("forge", join(0, &[&enter, &forge, &meet, &forge, &talk])),
        Seed::new("lose", join(0, &[&meet, &lose, &talk])),
        Seed::new("meet", join(1, &[&meet, &talk])),
        Seed::new("part", join(2, &[&meet, &talk, &part])),
        Seed::new("race", join(0, &[&meet, &race, &talk])),
        Seed::new("refresh", join(0, &[&meet, &talk, &refresh, &talk, &refresh])),
        Seed::new("replays", join(0, &[&meet, &talk, &replays, &refresh, &replays])),
        Seed::new("restarts", join(4, &[&meet, &talk, &refresh, &talk])),
        Seed::new("twice", join(0, &[&meet, &twice, &talk])),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k7_o5_seeds_reach_several_subsessions_and_messages() {
        let reached: Vec<Reached> = seeds().iter().map(|seed| run(&seed.bytes)).collect();
        let all = |check: fn(&Reached) -> bool| reached.iter().filter(|reached| check(reached)).count();
        assert!(all(|reached| reached.largest == 3) >= 10, "three in a session");
        assert!(
            all(|reached| reached.subsessions.len() >= 2) >= 4,
            "several subsessions"
        );
        assert!(all(|reached| reached.messages.len() >= 3) >= 10, "messages");
    }
}
