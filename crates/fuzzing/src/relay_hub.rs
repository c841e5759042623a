//! The relay's hub under many clients, beside a naive model of it.

use std::collections::{BTreeMap, BTreeSet};

use concilium_core::{MemberId, MemberSet, SessionName, wire};
use concilium_relay::fuzzing::{Connection, Hub, Limits};
use concilium_relay::{CloseReason, PROTOCOL, QueueLimit};

use super::Seed;
use super::input::Input;
use super::relay_model::Model;
use super::relay_protocol::{Ask, Told};

const PEOPLE: [&str; 4] = ["alice", "bob", "carol", "dave"];
const CHANNELS: [&str; 3] = ["tea", "rum", "gin"];

/// Long enough to fill queues several times.
const MAX_ACTIONS: usize = 200;

/// The most connections of a run, ended ones included.
const MAX_CONNECTIONS: usize = 24;

/// Short, so that a packet that is too long is soon made.
const MAX_PACKET_BYTES: usize = 36;

/// Takes the bytes as what many clients do under limits that the bytes choose: connect, take a name over,
/// enter, leave, send, invite, kick, say nonsense, read, break off; and as the relay's end. Each client is
/// told exactly what a naive model says: one order of all that happens in a channel, nothing of channels that
/// it is not in, and no more than the limits allow. Who reads too slowly is cut off, and costs the others
/// nothing.
///
/// # Panics
/// Where a promise is broken.
pub fn relay_hub(data: &[u8]) {
    run(data);
}

/// What a run came by.
#[derive(Debug, Default)]
struct Reached {
    /// The kinds of what was told.
    kinds: BTreeSet<u8>,
    /// How connections ended, as close codes.
    ends: BTreeSet<u16>,
}

struct Run {
    hub: Hub,
    model: Model,
    clients: Vec<Client>,
    /// Packets have ascending numbers.
    packets: u32,
    reached: Reached,
}

/// A connection as its client sees it.
struct Client {
    connection: Connection,
    channels: BTreeMap<SessionName, View>,
}

/// A stay in a channel as told.
struct View {
    members: MemberSet,
    /// The number of the last packet.
    last: Option<u32>,
}

fn run(data: &[u8]) -> Reached {
    let mut input = Input::new(data);
    let limits = Limits {
        channels: 1 + input.below(3),
        members_per_channel: 1 + input.below(4),
        channels_per_connection: 1 + input.below(3),
        queue: QueueLimit::new(1 + input.below(16), 8 * (1 + input.below(64))),
        max_packet_bytes: u32::try_from(MAX_PACKET_BYTES).expect("a small number"),
    };
    let mut run = Run {
        hub: Hub::new(limits),
        model: Model::new(limits),
        clients: Vec::new(),
        packets: 0,
        reached: Reached::default(),
    };
    for _ in 0..MAX_ACTIONS {
        let Some(action) = input.next() else { break };
        run.step(action, &mut input);
    }
    for n in 0..run.clients.len() {
        run.read(n);
    }
    run.reached
}

impl Run {
    fn step(&mut self, action: u8, input: &mut Input<'_>) {
        if action == u8::MAX {
            self.hub.close();
            self.model.close();
            return;
        }
        if action.is_multiple_of(12) {
            let hello = wire::encode(&Ask::Hello {
                protocol: PROTOCOL,
                member: member(input),
                token: [input.byte() % 2; 16],
            });
            self.greet(&hello);
            return;
        }
        if action % 12 == 1 {
            self.greet(input.bytes());
            return;
        }
        if self.clients.is_empty() {
            return;
        }
        let me = input.below(self.clients.len());
        match action % 12 {
            2 | 3 => self.say(me, &wire::encode(&Ask::Enter(channel(input)))),
            4 => self.say(me, &wire::encode(&Ask::Leave(channel(input)))),
            5 | 6 => {
                self.packets += 1;
                let mut packet = self.packets.to_le_bytes().to_vec();
                let channel = channel(input);
                packet.resize(4 + input.below(32), 0);
                self.say(me, &wire::encode(&Ask::Send(channel, packet)));
            }
            7 => self.say(me, &wire::encode(&Ask::Invite(channel(input), member(input)))),
            8 => self.say(me, &wire::encode(&Ask::Kick(channel(input), member(input)))),
            9 => self.say_anything(me, input.bytes()),
            10 => self.read(me),
            _ => self.part(me, CloseReason::Done),
        }
    }

    fn greet(&mut self, hello: &[u8]) {
        if self.clients.len() >= MAX_CONNECTIONS {
            return;
        }
        let greeted = self.hub.greet(hello);
        let expected = self.model.greet(hello);
        match greeted {
            Ok(connection) => {
                assert_eq!(expected, Ok(()));
                self.clients.push(Client {
                    connection,
                    channels: BTreeMap::new(),
                });
            }
            Err(reason) => {
                assert_eq!(Err(reason), expected);
                self.reached.ends.insert(reason.code());
            }
        }
    }

    fn say(&mut self, me: usize, bytes: &[u8]) {
        let heard = self.hub.hear(&self.clients[me].connection, bytes);
        assert_eq!(heard, self.model.hear(me, bytes));
        if let Err(reason) = heard {
            self.part(me, reason);
        }
    }

    /// Anything but a packet that would reach others: those are numbered.
    fn say_anything(&mut self, me: usize, bytes: &[u8]) {
        match wire::decode(bytes, bytes.len()) {
            Ok(Ask::Send(_, packet)) if packet.len() <= MAX_PACKET_BYTES => {}
            _ => self.say(me, bytes),
        }
    }

    fn part(&mut self, me: usize, reason: CloseReason) {
        self.hub.part(&self.clients[me].connection, reason);
        self.model.part(me, reason);
    }

    /// A client reads all that waits for it.
    fn read(&mut self, me: usize) {
        let client = &mut self.clients[me];
        let mut heard = Vec::new();
        let end = loop {
            match client.connection.take() {
                Ok(Some(bytes)) => {
                    heard.push(
                        wire::decode(&bytes, bytes.len()).expect("the relay writes what its page says"),
                    );
                }
                Ok(None) => break None,
                Err(reason) => break Some(reason),
            }
        };
        assert_eq!((heard.clone(), end), self.model.take(me));
        self.reached.ends.extend(end.map(CloseReason::code));
        for told in heard {
            self.reached.kinds.insert(wire::encode(&told)[0]);
            client.hear(told);
        }
    }
}

impl Client {
    /// What a client may rely on, whatever the model says: its own channels alone, and packets in order.
    fn hear(&mut self, told: Told) {
        match told {
            Told::Entered(channel, members) => {
                let view = View { members, last: None };
                assert!(self.channels.insert(channel, view).is_none(), "in already");
            }
            Told::Left(channel) => assert!(self.channels.remove(&channel).is_some(), "it was out"),
            Told::MemberEntered(channel, member) => {
                assert!(self.view(&channel).members.insert(member), "there already");
            }
            // Told again where somebody meant to put out who was not in.
            Told::MemberLeft(channel, member) => {
                self.view(&channel).members.remove(&member);
            }
            Told::Packet(channel, from, packet) => {
                let view = self.view(&channel);
                assert!(view.members.contains(&from), "its author is in the channel");
                let number = packet.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
                assert!(view.last < number, "packets in one order, each once");
                view.last = number;
            }
            Told::Welcome(_) | Told::Invited(..) | Told::Refused(..) | Told::Skipped(_) => {}
        }
    }

    fn view(&mut self, channel: &SessionName) -> &mut View {
        self.channels
            .get_mut(channel)
            .expect("nobody hears of channels that it is not in")
    }
}

fn member(input: &mut Input<'_>) -> MemberId {
    MemberId::new(PEOPLE[input.below(PEOPLE.len())]).expect("a short name")
}

fn channel(input: &mut Input<'_>) -> SessionName {
    SessionName::new(CHANNELS[input.below(CHANNELS.len())]).expect("a short name")
}

pub(super) fn seeds() -> Vec<Seed> {
    /// Three channels of four, long queues.
    const WIDE: [u8; 5] = [2, 3, 2, 15, 63];
    /// Two channels of two, one for each connection.
    const NARROW: [u8; 5] = [1, 1, 0, 15, 63];
    /// Queues of four.
    const SHORT: [u8; 5] = [2, 3, 2, 3, 63];
    let hello = |who: u8| [0, who, 0];
    let enter = |me: u8, channel: u8| [2, me, channel];
    let send = |me: u8, channel: u8| [5, me, channel, 3];
    let all_read = [10, 0, 10, 1, 10, 2];
    let meet = [
        hello(0),
        hello(1),
        hello(2),
        enter(0, 0),
        enter(1, 0),
        enter(2, 0),
    ]
    .concat();
    let talk = [send(0, 0), send(1, 0), send(2, 0), send(0, 0)].concat();
    let others = [enter(0, 1), enter(1, 2), [4, 0, 0]].concat();
    let put_out = [
        [8, 0, 0, 1].as_slice(),
        &[8, 0, 0, 1],
        &[7, 0, 0, 1],
        &[7, 0, 0, 2],
        &[7, 0, 0, 3],
    ]
    .concat();
    // Bob's place is taken over by his next connection, and not by somebody with another token.
    let taken = [[0, 1, 0].as_slice(), &[0, 1, 1], &enter(3, 0), &send(3, 0)].concat();
    let flood: Vec<u8> = (0..6)
        .flat_map(|_| [send(0, 0).as_slice(), &[10, 0]].concat())
        .collect();
    let nonsense = [
        [9, 0, 2, 77, 1].as_slice(),
        &[9, 1, 2, 3, 200],
        &[1, 3, 0, 9, 9],
        &[1, 1, 7],
    ]
    .concat();
    let large = [[9, 2, 43, 3, 3, b't', b'e', b'a', 37].as_slice(), &[1; 37]].concat();
    let refused = [
        enter(0, 1),
        enter(2, 0),
        enter(2, 1),
        enter(2, 2),
        enter(0, 0),
        [4, 2, 2],
    ]
    .concat();
    let join = |limits: [u8; 5], parts: &[&[u8]]| [&limits, parts.concat().as_slice()].concat();
    vec![
        Seed::new(
            "close",
            join(WIDE, &[&meet, &all_read, &talk, &[255], &hello(3), &all_read]),
        ),
        Seed::new(
            "kick",
            join(WIDE, &[&meet, &put_out, &all_read, &talk, &all_read]),
        ),
        Seed::new("limits", join(NARROW, &[&meet, &refused, &all_read])),
        Seed::new(
            "nonsense",
            join(WIDE, &[&meet, &nonsense, &large, &all_read, &talk, &all_read]),
        ),
        Seed::new("rooms", join(WIDE, &[&meet, &talk, &others, &talk, &all_read])),
        Seed::new(
            "slow",
            join(
                SHORT,
                &[
                    &meet,
                    &all_read,
                    &flood,
                    &hello(1),
                    &enter(3, 0),
                    &all_read,
                    &[10, 3],
                ],
            ),
        ),
        Seed::new(
            "taken",
            join(WIDE, &[&meet, &taken, &all_read, &[10, 3], &[11, 0], &[10, 3]]),
        ),
        Seed::new("talk", join(WIDE, &[&meet, &talk, &all_read])),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_reach_every_message_and_every_end_that_the_hub_decides_on() {
        let mut all = Reached::default();
        for seed in seeds() {
            let reached = run(&seed.bytes);
            all.kinds.extend(reached.kinds);
            all.ends.extend(reached.ends);
        }
        assert_eq!(all.kinds, (0..9).collect());
        let ends = [
            CloseReason::Done,
            CloseReason::Shutdown,
            CloseReason::Protocol,
            CloseReason::NameTaken,
            CloseReason::Displaced,
            CloseReason::Malformed,
            CloseReason::TooLarge,
            CloseReason::TooSlow,
        ];
        assert_eq!(all.ends, ends.map(CloseReason::code).into());
    }
}
