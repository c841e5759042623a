//! Group elements, shared points, keys and confirmations.

use concilium_core::keys::SigningKey;
use concilium_core::testing::rng;
use concilium_core::testing::{name, names};
use concilium_core::{ChainHash, Context, MemberId, PacketId, Secret, SessionName, Time, wire};
use concilium_gka::AssociatedData;
use concilium_gka_dh::{
    Confirmation, ConfirmationKey, Contribution, Element, Keys, NotAPoint, Point, all_distinct, check_base,
    export, flatten, only_suspect, restore,
};

use super::Seed;
use super::core::one_encoding;
use super::input::Input;

/// Takes the bytes as encodings of elements, as stored keys, or as choices of secrets and of what is
/// exchanged. No encoding gets in but the canonical one of a point that is not the identity (K-11, A-09);
/// what two members compute of each other's halves agrees, in whatever order and however many at once (C-4);
/// a confirmation counts for the transcript, the secret, the author and the key that it was made for, and for
/// no other (C-7).
///
/// # Panics
/// Where a promise is broken.
pub fn gka_dh(data: &[u8]) {
    run(data);
}

/// What a run came by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Reached {
    points: usize,
    others: usize,
}

fn run(data: &[u8]) -> Reached {
    let mut input = Input::new(data);
    match input.byte() % 5 {
        0 => return elements(&mut input),
        1 => exchange(&mut input),
        2 => confirmations(&mut input),
        3 => stored(&mut input),
        _ => operations(&mut input),
    }
    Reached::default()
}

/// Encodings of any bytes, of points, and of what is nearly one.
fn elements(input: &mut Input<'_>) -> Reached {
    let mut reached = Reached::default();
    let mut known = vec![*Element::BASE.as_bytes()];
    let secret = contribution(input);
    for _ in 0..1 + input.below(5) {
        let bytes = encoding(&known, input);
        one_encoding::<Element>(&bytes);
        one_encoding::<Point>(&bytes);
        let element = Element::from_bytes(bytes);
        assert_eq!(element.is_some(), is_canonical(&bytes), "K-11: {bytes:02x?}");
        let point = Point::from_bytes(bytes);
        let raised = element.and_then(|element| secret.raise(&element).ok());
        assert_eq!(
            point.is_some(),
            raised.is_some(),
            "one verdict on what is a point"
        );
        assert!(point.is_none_or(|point| *point.as_bytes() == bytes));
        match raised {
            Some(raised) => {
                reached.points += 1;
                known.extend([bytes, *raised]);
            }
            None => reached.others += 1,
        }
    }
    lists(&known, &secret, input);
    reached
}

/// Lists of elements, all at once and one by one.
fn lists(known: &[[u8; 32]], secret: &Contribution, input: &mut Input<'_>) {
    let list: Vec<Element> = (0..input.below(6))
        .filter_map(|_| Element::from_bytes(encoding(known, input)))
        .collect();
    let one_by_one: Vec<_> = list.iter().map(|element| secret.raise(element).ok()).collect();
    let at_once = secret.raise_all(&list);
    match one_by_one.iter().position(Option::is_none) {
        Some(bad) => assert_eq!(at_once, Err(NotAPoint(bad)), "the first that is no point"),
        None => {
            let at_once = at_once.expect("all are points");
            let at_once = at_once.iter().map(|element| Some(*element.as_bytes()));
            assert!(at_once.eq(one_by_one.into_iter().map(|raised| raised.map(|raised| *raised))));
        }
    }
    let twice = list
        .iter()
        .enumerate()
        .any(|(n, element)| list[..n].contains(element));
    assert_eq!(all_distinct(&list), !twice, "K-11");
    let bytes: Vec<u8> = list.iter().flat_map(|element| *element.as_bytes()).collect();
    assert_eq!(flatten(&list), bytes);
}

/// K-11, as numbers: not zero, even, and below 2^255 - 19.
fn is_canonical(bytes: &[u8; 32]) -> bool {
    let mut prime = [0xff; 32];
    (prime[0], prime[31]) = (0xed, 0x7f);
    let is_below = bytes.iter().rev().lt(prime.iter().rev());
    is_below && bytes[0].is_multiple_of(2) && *bytes != [0; 32]
}

/// Any bytes, those of a known element, or nearly those.
fn encoding(known: &[[u8; 32]], input: &mut Input<'_>) -> [u8; 32] {
    let mut bytes = known[input.below(known.len())];
    match input.byte() % 8 {
        0 => {
            let any = input.bytes();
            bytes = std::array::from_fn(|at| any.get(at).copied().unwrap_or(0));
        }
        // Around the prime.
        1 => {
            bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (input.byte(), input.byte());
        }
        2 => bytes = [input.byte(); 32],
        3 => {
            let bit = input.below(256);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        _ => {}
    }
    bytes
}

/// What several members compute of each other's halves.
fn exchange(input: &mut Input<'_>) {
    let (a, b, c) = (contribution(input), contribution(input), contribution(input));
    let [of_a, of_b, of_c] = [&a, &b, &c].map(Contribution::public);
    let element = |point: &Point| Element::from_bytes(*point.as_bytes()).expect("a point is an element");
    let raise = |secret: &Contribution, element: &Element| {
        let raised = secret.raise(element).expect("a point");
        Element::from_bytes(*raised).expect("K-11: what honest members send is never the identity")
    };
    assert_eq!(
        raise(&a, &Element::BASE),
        element(&of_a),
        "one half, however computed"
    );
    let link = a.agree(&of_b);
    assert_eq!(
        *link.encode(),
        *b.agree(&of_a).encode(),
        "both ends compute the same"
    );
    assert_eq!(*link.encode(), *a.raise(&element(&of_b)).expect("a point"));
    let in_turn = raise(&a, &raise(&b, &element(&of_c)));
    assert_eq!(in_turn, raise(&b, &raise(&a, &element(&of_c))), "in any order");
    assert_eq!(
        in_turn,
        raise(&a.times(&b), &element(&of_c)),
        "C-4: factors condense"
    );

    let other = a.agree(&of_c);
    match link.minus(&other) {
        Some(difference) => {
            let sum = other.plus(&difference).expect("not the identity");
            assert_eq!(
                *sum.encode(),
                *link.encode(),
                "what is taken away and added is the same"
            );
        }
        None => assert_eq!(of_b, of_c, "K-11: only equal links have no difference"),
    }
    assert!(link.minus(&link).is_none(), "K-11: the identity is not sent");

    let bytes = wire::encode_secret(&a);
    let restored: Contribution = wire::decode(&bytes, bytes.len()).expect("K-13");
    assert_eq!(restored.public(), of_a, "K-13");
}

/// A confirmation counts for what it was made for, and for nothing else.
fn confirmations(input: &mut Input<'_>) {
    let (transcript, computed) = ([input.byte(); 32], [input.byte(); 32]);
    let keys = Keys::derive(transcript, &computed);
    let signing = SigningKey::from_seed(&Secret::new([input.byte(); 32]));
    let (me, other) = (name(0), name(1));
    let made = keys.confirm(&me, &signing);
    let key = ConfirmationKey::derive(&transcript, &computed);
    assert_eq!(
        made,
        key.confirm(transcript, &me, *signing.verifying_key()),
        "C-6: one derivation"
    );
    let theirs = Keys::derive(transcript, &computed);
    assert!(
        theirs.confirmed_by(&me, &made) && key.confirmed_by(&me, &made),
        "K-7"
    );
    assert_eq!(
        (theirs.secret(), theirs.subsession()),
        (keys.secret(), keys.subsession())
    );

    let counts = |keys: &Keys, who: &MemberId, confirmation: &Confirmation| {
        assert!(
            !keys.confirmed_by(who, confirmation),
            "C-7: {confirmation:?} is not for this"
        );
    };
    counts(&keys, &other, &made);
    let flipped = |bytes: &[u8; 32], bit: usize| {
        let mut bytes = *bytes;
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    };
    let bit = input.below(256);
    for others in [
        Keys::derive(flipped(&transcript, bit), &computed),
        Keys::derive(transcript, &flipped(&computed, bit)),
    ] {
        counts(&others, &me, &made);
        assert!(
            others.secret() != keys.secret() && others.subsession() != keys.subsession(),
            "C-6"
        );
    }
    let mut altered = made.clone();
    match input.byte() % 3 {
        0 => altered.transcript = flipped(&made.transcript, bit),
        1 => altered.mac = flipped(&made.mac, bit),
        _ => altered.key = *SigningKey::from_seed(&Secret::new(flipped(&[0; 32], bit))).verifying_key(),
    }
    if altered != made {
        counts(&keys, &me, &altered);
        let not_of_key = altered.transcript == made.transcript && key.confirmed_by(&me, &altered);
        assert!(!not_of_key, "C-7");
    }
}

/// Keys that are kept restore as they were, and damaged ones as they say or not at all (K-13).
fn stored(input: &mut Input<'_>) {
    let keys = Keys::derive([input.byte(); 32], &[input.byte(); 32]);
    let kept = export(&keys);
    let signing = SigningKey::from_seed(&Secret::new([1; 32]));
    let restored: Keys = restore(&kept).expect("K-13: an export restores");
    assert_eq!(*export(&restored), *kept);
    assert_eq!(
        restored.confirm(&name(0), &signing),
        keys.confirm(&name(0), &signing)
    );
    let mut damaged = kept.to_vec();
    let at = input.number() % damaged.len();
    match input.byte() % 3 {
        0 => damaged[at] ^= input.byte(),
        1 => damaged.truncate(at),
        _ => damaged.insert(at, input.byte()),
    }
    let any = input.rest();
    for bytes in [damaged.as_slice(), any] {
        if let Ok(keys) = restore::<Keys>(bytes) {
            assert_eq!(*export(&keys), bytes, "K-13: one encoding");
        }
        if let Ok(secret) = restore::<Contribution>(bytes) {
            assert_eq!(*export(&secret), bytes, "K-13: one encoding");
        }
        one_encoding::<Confirmation>(bytes);
    }
}

/// Where an operation starts from, and who is left to blame.
fn operations(input: &mut Input<'_>) {
    let set = |bits: u8| names((0..4).filter(|n| *n == 3 || bits >> n & 1 == 1));
    let me = name(input.below(4));
    let (held, before) = (set(input.byte()), set(input.byte()));
    let (ours, theirs) = ([input.byte() % 2; 32], [input.byte() % 2; 32]);
    let has = input.byte();
    let state = (has & 1 == 1).then_some((&held, &ours));
    let base = (has & 2 == 2).then_some(&theirs);
    let data = AssociatedData {
        session: SessionName::new("tea").expect("a short name"),
        suite: "x".to_owned(),
        parent: PacketId::from_bytes([0; 32]),
        chain: ChainHash::from_bytes([0; 32]),
        latest: Vec::new(),
        before: before.clone(),
        after: before.clone(),
    };
    let from_here = match (state, base) {
        (Some((members, transcript)), Some(base)) => *members == before && transcript == base,
        (None, None) => true,
        _ => false,
    };
    let is_right = from_here || !before.contains(&me);
    assert_eq!(check_base(&me, state, base, &data).is_ok(), is_right, "K-9, A-10");

    let suspects: Vec<MemberId> = (0..input.below(4)).map(|_| name(input.below(4))).collect();
    let mut others: Vec<&MemberId> = suspects.iter().filter(|who| **who != me).collect();
    others.sort();
    others.dedup();
    let only = if let [only] = others.as_slice() {
        Some(*only)
    } else {
        None
    };
    assert_eq!(only_suspect(&me, &suspects), only, "C-10");
}

fn contribution(input: &mut Input<'_>) -> Contribution {
    let mut rng = rng::seeded(u64::from(input.byte()));
    Contribution::random(&mut Context::new(Time::ZERO, &mut rng)).expect("a seeded source works")
}

pub(super) fn seeds() -> Vec<Seed> {
    // The base point; then one that is zero, one that is odd, the prime, one below it, a flipped bit, any
    // bytes.
    let elements = [
        0, 1, 4, 0, 4, 0, 2, 0, 0, 2, 1, 0, 1, 0xed, 0x7f, 0, 1, 0xec, 0x7f,
    ];
    let lists = [5, 0, 4, 1, 4, 2, 4, 1, 4, 0, 3, 9];
    let near = [0, 1, 4, 0, 3, 1, 0, 3, 2, 0, 3, 70, 0, 3, 255, 0, 0, 32];
    vec![
        Seed::new("confirmation", [2, 1, 2, 3, 77, 0]),
        Seed::new("confirmation-key", [2, 1, 2, 3, 9, 2]),
        Seed::new("confirmation-mac", [2, 1, 2, 3, 200, 1]),
        Seed::new("elements", [elements.as_slice(), &lists].concat()),
        Seed::new("elements-near", [near.as_slice(), &[7; 40]].concat()),
        Seed::new("exchange", [1, 1, 2, 3]),
        Seed::new("exchange-equal", [1, 1, 2, 2]),
        Seed::new("operations", [4, 0, 1, 1, 1, 1, 3, 3, 1, 1, 0]),
        Seed::new("operations-stale", [4, 0, 1, 1, 1, 0, 3, 3, 1, 2, 0]),
        Seed::new("stored", [3, 1, 2, 0, 40, 0, 8]),
        Seed::new("stored-cut", [3, 1, 2, 0, 99, 1, 2, 1, 1]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k11_seeds_reach_points_and_what_is_none() {
        let reached: Vec<Reached> = seeds().iter().map(|seed| run(&seed.bytes)).collect();
        let sum = |count: fn(&Reached) -> usize| reached.iter().map(count).sum::<usize>();
        assert!(sum(|reached| reached.points) >= 2, "{reached:?}");
        assert!(sum(|reached| reached.others) >= 4, "{reached:?}");
    }
}
