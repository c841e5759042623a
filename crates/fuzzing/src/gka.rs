//! Signed packets of operations, against the network and against insiders.

use std::collections::BTreeMap;

use concilium_core::keys::VerifyingKey;
use concilium_core::testing::{name, names};
use concilium_core::{ChainHash, FramedHash, MemberId, MemberSet, MessageId, PacketId, SessionName, wire};
use concilium_gka::conformance::identity;
use concilium_gka::{AssociatedData, MAX_MEMBERS, OpenError, Reason, Role, signed};
use serde::{Deserialize, Serialize};

use super::Seed;
use super::core::one_encoding;
use super::input::Input;

const PEOPLE: usize = 3;

/// What the signature's hash begins with (docs/spec/key-agreement.md).
const LABEL: &str = "concilium 2026-11 v1 gka operation packet signature";

/// The contract's own packets and values, whatever key agreement uses them.
///
/// Takes the bytes as a packet from the network, as a packet that a member signs and somebody alters on the
/// way, or as what an insider signs in the place of one. A packet opens as it was sealed, for its session,
/// its sender and its author's key alone (K-15, A-12, A-14). Nothing opens that nobody signed, and of
/// what an insider signs only what has the one layout and fits its author.
///
/// # Panics
/// Where a promise is broken.
pub fn gka(data: &[u8]) {
    run(data);
}

/// What a packet came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    Opened,
    Refused,
}

fn run(data: &[u8]) -> Reached {
    let mut input = Input::new(data);
    match input.byte() % 4 {
        0 => noise(input.rest()),
        1 => sealed(&mut input),
        _ => insider(&mut input),
    }
}

fn open(bytes: &[u8], session: &SessionName, from: &MemberId) -> Result<Content, OpenError> {
    signed::open(bytes, session, from, &directory()).map(concilium_gka::Opened::into_parts)
}

/// Author, role, payload.
type Content = (MemberId, Role, Vec<u8>);

/// Nobody without an identity key makes a packet.
fn noise(bytes: &[u8]) -> Reached {
    one_encoding::<AssociatedData>(bytes);
    one_encoding::<VerifyingKey>(bytes);
    for n in 0..PEOPLE {
        let opened = open(bytes, &session("tea"), &name(n));
        assert!(opened.is_err(), "K-15: {opened:?} is signed by nobody");
    }
    Reached::Refused
}

/// What opens is what was sealed, and nothing else opens.
fn sealed(input: &mut Input<'_>) -> Reached {
    let author = input.below(PEOPLE);
    let (here, role) = (session("tea"), role(input));
    let payload = input.bytes().to_vec();
    let packet = signed::seal(&identity(author), &here, role.clone(), payload.clone()).expect("it is short");
    let opened = open(&packet, &here, &name(author));
    if let Err(reason) = fits(&here, &name(author), &role) {
        assert_eq!(
            opened,
            Err(OpenError::Invalid(reason)),
            "A-46: a proposal must fit its author"
        );
        return Reached::Refused;
    }
    assert_eq!(opened, Ok((name(author), role, payload)));
    let refused = |bytes: &[u8], session: &SessionName, from: &MemberId| {
        let opened = open(bytes, session, from);
        assert!(opened.is_err(), "A-18: {opened:?} is not what was sealed");
    };
    let bit = input.number() % (8 * packet.len());
    let mut altered = packet.clone();
    altered[bit / 8] ^= 1 << (bit % 8);
    refused(&altered, &here, &name(author));
    refused(&packet[..input.number() % packet.len()], &here, &name(author));
    refused(
        &[packet.as_slice(), &[input.byte()]].concat(),
        &here,
        &name(author),
    );
    refused(&packet, &session("rum"), &name(author));
    let other = (author + 1) % PEOPLE;
    let wrong = OpenError::WrongSender {
        claimed: name(author),
        sender: name(other),
    };
    assert_eq!(open(&packet, &here, &name(other)), Err(wrong), "A-14");
    // who is not known, and who is known by another key.
    let mut directory = directory();
    let key = directory.insert(name(author), *identity(other).verifying_key());
    assert!(key.is_some() && signed::open(&packet, &here, &name(author), &directory).is_err());
    directory.remove(&name(author));
    let unknown = signed::open(&packet, &here, &name(author), &directory).map(|_| ());
    assert_eq!(unknown, Err(OpenError::UnknownIdentity(name(author))));
    Reached::Opened
}

/// What is signed, as docs/spec/key-agreement.md lays it out.
#[derive(Serialize, Deserialize)]
struct Packet {
    author: MemberId,
    role: PacketRole,
    #[serde(with = "wire::bytes")]
    payload: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
enum PacketRole {
    Initial(AssociatedData),
    Later(PacketId),
    Abort(PacketId),
}

/// An insider signs what it likes: it counts if it has the layout and fits the one who signed it.
fn insider(input: &mut Input<'_>) -> Reached {
    let insider = identity(input.below(PEOPLE));
    let author = name(input.below(PEOPLE));
    let here = session("tea");
    let role = match role(input) {
        Role::Initial(data) => PacketRole::Initial(data),
        Role::Later { initial } => PacketRole::Later(initial),
        Role::Abort { initial } => PacketRole::Abort(initial),
    };
    let payload = input.bytes().to_vec();
    let mut body = wire::encode(&Packet {
        author,
        role,
        payload,
    });
    for _ in 0..input.below(3) {
        let at = input.number() % body.len();
        match input.byte() % 4 {
            0 => body[at] ^= input.byte(),
            1 => body.insert(at, input.byte()),
            2 => drop(body.remove(at)),
            _ => body.truncate(at.max(1)),
        }
    }
    let mut digest = [0; 64];
    FramedHash::new(LABEL)
        .field(here.as_bytes())
        .field(&body)
        .finish_into(&mut digest);
    let packet = [body.as_slice(), insider.sign(&digest).as_bytes()].concat();
    let opened = open(&packet, &here, insider.member());
    let expected = wire::decode::<Packet>(&body, body.len()).ok().and_then(|packet| {
        let role = match packet.role {
            PacketRole::Initial(data) => Role::Initial(data),
            PacketRole::Later(initial) => Role::Later { initial },
            PacketRole::Abort(initial) => Role::Abort { initial },
        };
        let counts = packet.author == *insider.member() && fits(&here, &packet.author, &role).is_ok();
        counts.then_some((packet.author, role, packet.payload))
    });
    let reached = if expected.is_some() {
        Reached::Opened
    } else {
        Reached::Refused
    };
    assert_eq!(
        opened.ok(),
        expected,
        "K-15: signed, in the one layout, and its author's"
    );
    reached
}

/// Whether an author may say this in a session, by the rules for associated data.
fn fits(session: &SessionName, author: &MemberId, role: &Role) -> Result<(), Reason> {
    let Role::Initial(data) = role else {
        return Ok(());
    };
    let sets = [&data.before, &data.after];
    let fits = data.session == *session
        && sets
            .iter()
            .all(|set| set.contains(author) && set.len() <= MAX_MEMBERS)
        && data.latest.len() <= MAX_MEMBERS
        && data.suite.len() <= 128;
    fits.then_some(()).ok_or(Reason::WrongMembers)
}

fn role(input: &mut Input<'_>) -> Role {
    let initial = PacketId::from_bytes([input.byte(); 32]);
    match input.byte() % 8 {
        0 => Role::Later { initial },
        1 => Role::Abort { initial },
        kind => {
            let before = named(input.byte());
            let after = named(input.byte());
            Role::Initial(AssociatedData {
                session: session(if kind == 2 { "rum" } else { "tea" }),
                suite: "x".repeat(if kind == 3 {
                    100 + input.below(60)
                } else {
                    input.below(20)
                }),
                parent: initial,
                chain: ChainHash::from_bytes([input.byte(); 32]),
                latest: vec![
                    MessageId::from_bytes([1; 32]);
                    if kind == 4 {
                        MAX_MEMBERS + input.below(2)
                    } else {
                        1
                    }
                ],
                before,
                after: if kind == 5 {
                    names(0..MAX_MEMBERS + input.below(2))
                } else {
                    after
                },
            })
        }
    }
}

fn session(name: &str) -> SessionName {
    SessionName::new(name).expect("a short name")
}

/// The people whose bits are set; the first where none is, since the sets of a packet are never empty.
fn named(bits: u8) -> MemberSet {
    let set = names((0..PEOPLE).filter(|n| bits >> n & 1 == 1));
    if set.is_empty() { names([0]) } else { set }
}

fn directory() -> BTreeMap<MemberId, VerifyingKey> {
    (0..PEOPLE)
        .map(|n| (name(n), *identity(n).verifying_key()))
        .collect()
}

pub(super) fn seeds() -> Vec<Seed> {
    let mut seeds = vec![Seed::new("noise", [&[0], [1; 200].as_slice()].concat())];
    let alteration = [4, 1, 2, 3, 4, 0, 99, 0, 20, 7];
    for kind in 0..8 {
        // Alice; the packet named; the role; all three before, the first two after; suite, chain, lengths.
        let role = [9, kind, 0b111, 0b011, 5, 8];
        let sealed = [&[1, 0], role.as_slice(), &[1], &alteration].concat();
        seeds.push(Seed::new(format!("sealed-{kind}"), sealed));
    }
    for (change, what) in [(0, "altered"), (1, "longer"), (2, "shorter"), (3, "cut")] {
        for kind in [0, 6] {
            let role = [9, kind, 0b111, 0b011, 5, 8];
            let body = if kind == 0 { &role[..2] } else { &role };
            let insider = [&[2, 0, 0], body, &[3, 1, 2, 3, 1, 0, 40, change, 1]].concat();
            seeds.push(Seed::new(format!("insider-{what}-{kind}"), insider));
        }
    }
    // Signed by alice as herself and as bob.
    seeds.push(Seed::new(
        "insider-honest",
        [2, 0, 0, 9, 6, 0b111, 0b011, 5, 8, 2, 1, 2, 0],
    ));
    seeds.push(Seed::new(
        "insider-as-another",
        [2, 0, 1, 9, 6, 0b111, 0b011, 5, 8, 2, 1, 2, 0],
    ));
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k15_seeds_reach_what_opens_and_what_does_not() {
        let reached = |name: &str| {
            let seeds = seeds();
            let seed = seeds.iter().find(|seed| seed.name == name);
            run(&seed.expect("it is there").bytes)
        };
        for opens in ["sealed-0", "sealed-1", "sealed-6", "insider-honest"] {
            assert_eq!(reached(opens), Reached::Opened, "{opens}");
        }
        for refused in ["noise", "sealed-2", "insider-cut-0", "insider-as-another"] {
            assert_eq!(reached(refused), Reached::Refused, "{refused}");
        }
    }
}
