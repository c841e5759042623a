//! The relay's protocol, as its page says it, beside the readers.

use concilium_core::{MemberId, MemberSet, SessionName, wire};
use concilium_relay::fuzzing::{Hub, Limits, Reading, from_client, from_relay};
use concilium_relay::{CloseReason, PROTOCOL, QueueLimit, Refusal};
use serde::{Deserialize, Serialize};

use super::Seed;
use super::input::Input;

/// Takes the bytes as a message from either side and as a hello, or makes a message out of them. The readers
/// take exactly what the table of the relay's front page allows, in one encoding each; a kind that is not in
/// it is told from garbage, and a hello of another version from one that cannot be read.
///
/// # Panics
/// Where a promise is broken.
pub fn relay_protocol(data: &[u8]) {
    let mut input = Input::new(data);
    if input.byte().is_multiple_of(2) {
        anything(input.rest());
        return;
    }
    match input.byte() % 2 {
        0 => made(&ask(&mut input), Ask::KINDS, from_client, &mut input),
        _ => made(&told(&mut input), Told::KINDS, from_relay, &mut input),
    }
}

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Ask {
    Hello {
        protocol: u8,
        member: MemberId,
        #[serde(with = "wire::array")]
        token: [u8; 16],
    },
    Enter(SessionName),
    Leave(SessionName),
    Send(SessionName, #[serde(with = "wire::bytes")] Vec<u8>),
    Invite(SessionName, MemberId),
    Kick(SessionName, MemberId),
}

impl Ask {
    pub(super) const KINDS: u8 = 6;
}

/// What the relay says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Told {
    Welcome(u32),
    Entered(SessionName, MemberSet),
    Left(SessionName),
    MemberEntered(SessionName, MemberId),
    MemberLeft(SessionName, MemberId),
    Packet(SessionName, MemberId, #[serde(with = "wire::bytes")] Vec<u8>),
    Invited(SessionName, MemberId),
    Refused(SessionName, Refusal),
    Skipped(u8),
}

impl Told {
    const KINDS: u8 = 9;
}

/// What the readers must make of these bytes.
fn expected<T: for<'de> Deserialize<'de> + Serialize>(bytes: &[u8], kinds: u8) -> Reading {
    match bytes.first() {
        Some(kind) if *kind >= kinds => Reading::Unknown(*kind),
        _ if wire::decode::<T>(bytes, bytes.len()).is_ok() => Reading::Known(bytes.to_vec()),
        _ => Reading::Malformed,
    }
}

/// What the relay must make of these bytes where a hello is due: who it is, and the token.
pub(super) fn expected_hello(bytes: &[u8]) -> Result<(MemberId, [u8; 16]), CloseReason> {
    match (bytes, wire::decode(bytes, bytes.len())) {
        ([0, PROTOCOL, ..], Ok(Ask::Hello { member, token, .. })) => Ok((member, token)),
        ([0, protocol, ..], _) if *protocol != PROTOCOL => Err(CloseReason::Protocol),
        _ => Err(CloseReason::Malformed),
    }
}

fn anything(bytes: &[u8]) {
    assert_eq!(from_client(bytes), expected::<Ask>(bytes, Ask::KINDS));
    assert_eq!(from_relay(bytes), expected::<Told>(bytes, Told::KINDS));
    let hub = Hub::new(Limits {
        channels: 1,
        members_per_channel: 1,
        channels_per_connection: 1,
        queue: QueueLimit::new(1, 100),
        max_packet_bytes: 9,
    });
    match (hub.greet(bytes), expected_hello(bytes)) {
        (Ok(connection), Ok(_)) => {
            let welcome = wire::encode(&Told::Welcome(9));
            assert_eq!(connection.take(), Ok(Some(welcome)), "a hello is welcomed");
        }
        (Err(reason), Err(expected)) => assert_eq!(reason, expected),
        (greeted, expected) => panic!("{greeted:?} where it should be {expected:?}"),
    }
}

/// A message reads as itself; cut short or lengthened it is none, and of a later kind it is skipped.
fn made<T: Serialize>(message: &T, kinds: u8, read: fn(&[u8]) -> Reading, input: &mut Input<'_>) {
    let bytes = wire::encode(message);
    assert_eq!(read(&bytes), Reading::Known(bytes.clone()));
    let cut = &bytes[..input.number() % bytes.len()];
    assert_eq!(read(cut), Reading::Malformed, "cut short");
    let longer = [bytes.as_slice(), &[input.byte()]].concat();
    assert_eq!(read(&longer), Reading::Malformed, "something trails it");
    let kind = input.byte().max(kinds);
    let later = [&[kind], &bytes[1..]].concat();
    assert_eq!(read(&later), Reading::Unknown(kind), "A-41: a kind to come");
    let mut altered = bytes;
    let bit = input.number() % (8 * altered.len());
    altered[bit / 8] ^= 1 << (bit % 8);
    anything(&altered);
}

fn ask(input: &mut Input<'_>) -> Ask {
    match input.byte() % Ask::KINDS {
        0 => Ask::Hello {
            protocol: input.byte(),
            member: member(input),
            token: [input.byte(); 16],
        },
        1 => Ask::Enter(channel(input)),
        2 => Ask::Leave(channel(input)),
        3 => Ask::Send(channel(input), input.bytes().to_vec()),
        4 => Ask::Invite(channel(input), member(input)),
        _ => Ask::Kick(channel(input), member(input)),
    }
}

fn told(input: &mut Input<'_>) -> Told {
    const REFUSALS: [Refusal; 8] = [
        Refusal::AlreadyIn,
        Refusal::ChannelFull,
        Refusal::TooManyChannels,
        Refusal::TooManyOwnChannels,
        Refusal::NotIn,
        Refusal::NotConnected,
        Refusal::NotMember,
        Refusal::AlreadyMember,
    ];
    match input.byte() % Told::KINDS {
        0 => Told::Welcome(u32::from(input.byte()) << (input.byte() % 24)),
        1 => {
            let count = input.below(6);
            Told::Entered(channel(input), (0..count).map(|_| member(input)).collect())
        }
        2 => Told::Left(channel(input)),
        3 => Told::MemberEntered(channel(input), member(input)),
        4 => Told::MemberLeft(channel(input), member(input)),
        5 => Told::Packet(channel(input), member(input), input.bytes().to_vec()),
        6 => Told::Invited(channel(input), member(input)),
        7 => Told::Refused(channel(input), REFUSALS[input.below(REFUSALS.len())]),
        _ => Told::Skipped(input.byte()),
    }
}

fn channel(input: &mut Input<'_>) -> SessionName {
    SessionName::new(input.bytes()).unwrap_or_else(|_| SessionName::new("tea").expect("a short name"))
}

fn member(input: &mut Input<'_>) -> MemberId {
    MemberId::new(input.bytes()).unwrap_or_else(|_| MemberId::new("alice").expect("a short name"))
}

pub(super) fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    let names = [
        3, b't', b'e', b'a', 3, b'b', b'o', b'b', 4, 1, 2, 3, 4, 0, 5, 7, 200, 0, 9,
    ];
    for (side, kinds) in [(0, Ask::KINDS), (1, Told::KINDS)] {
        for kind in 0..kinds {
            let made = [&[1, side, kind], names.as_slice()].concat();
            seeds.push(Seed::new(format!("made-{side}-{kind}"), made));
        }
    }
    let hello = |protocol| {
        wire::encode(&Ask::Hello {
            protocol,
            member: MemberId::new("alice").expect("a short name"),
            token: [7; 16],
        })
    };
    let raw = |bytes: &[u8]| [&[0], bytes].concat();
    seeds.extend([
        Seed::new("empty", raw(&[])),
        Seed::new("hello", raw(&hello(PROTOCOL))),
        Seed::new("hello-later", raw(&hello(PROTOCOL + 1))),
        Seed::new("hello-cut", raw(&hello(PROTOCOL)[..10])),
        Seed::new("kind-to-come", raw(&[Told::KINDS, 1, 2])),
        // A channel's name that announces more bytes than there are.
        Seed::new("length-that-lies", raw(&[3, 252, 0xff, 0xff, 0xff, 0x0f, 1])),
    ]);
    seeds
}
