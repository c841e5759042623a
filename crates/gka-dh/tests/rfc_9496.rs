//! ristretto255 against the test vectors of RFC 9496, through the types that a key agreement uses.
//!
//! | vectors | here |
//! |---|---|
//! | appendix A.1, multiples of the generator | all 16 |
//! | appendix A.2, invalid encodings | all 29 |
//! | appendix A.3, the one-way map; A.4, square roots | none: nothing here hashes to the group |
//!
//! How the hexadecimal text was checked against slips of the hand: the multiples are recomputed below by
//! adding up. Both lists were checked once more with whole numbers in another language, by the formulas of
//! section 4.3 and without code of this workspace or its libraries. Each bad encoding failed there at the
//! step that its list is named after.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use concilium_core::wire;
use concilium_gka_dh::{Contribution, Element, NotAPoint, Point};
use curve25519_dalek::RistrettoPoint;
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT;
use curve25519_dalek::traits::Identity as _;

/// The generator times 0, 1, and so on.
const MULTIPLES: [&str; 16] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76",
    "6a493210f7499cd17fecb510ae0cea23a110e8d5b901f8acadd3095c73a3b919",
    "94741f5d5d52755ece4f23f044ee27d5d1ea1e2bd196b462166b16152a9d0259",
    "da80862773358b466ffadfe0b3293ab3d9fd53c5ea6c955358f568322daf6a57",
    "e882b131016b52c1d3337080187cf768423efccbb517bb495ab812c4160ff44e",
    "f64746d3c92b13050ed8d80236a7f0007c3b3f962f5ba793d19a601ebb1df403",
    "44f53520926ec81fbd5a387845beb7df85a96a24ece18738bdcfa6a7822a176d",
    "903293d8f2287ebe10e2374dc1a53e0bc887e592699f02d077d5263cdd55601c",
    "02622ace8f7303a31cafc63f8fc48fdc16e1c8c8d234b2f0d6685282a9076031",
    "20706fd788b2720a1ed2a5dad4952b01f413bcf0e7564de8cdc816689e2db95f",
    "bce83f8ba5dd2fa572864c24ba1810f9522bc6004afe95877ac73241cafdab42",
    "e4549ee16b9aa03099ca208c67adafcafa4c3f3e4e5303de6026e3ca8ff84460",
    "aa52e000df2e16f55fb1032fc33bc42742dad6bd5a8fc0be0167436c5948501f",
    "46376b80f409b29dc2b5f6f0c52591990896e5716f41477cd30085ab7f10301e",
    "e0c418f7c8d9c4cdd7395b93ea124f3ad99021bb681dfc3302a9d99a2e53e64e",
];

/// Not below the field's prime: [`Element::from_bytes`] sees it.
const NOT_CANONICAL: [&str; 4] = [
    "00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

/// Odd: [`Element::from_bytes`] sees it.
const NEGATIVE: [&str; 8] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ed57ffd8c914fb201471d1c3d245ce3c746fcbe63a3679d51b6a516ebebe0e20",
    "c34c4e1826e5d403b78e246e88aa051c36ccf0aafebffe137d148a2bf9104562",
    "c940e5a4404157cfb1628b108db051a8d439e1a421394ec4ebccb9ec92a8ac78",
    "47cfc5497c53dc8e61c91d17fd626ffb1c49e2bca94eed052281b510b1117a24",
    "f1c6165d33367351b0da8f6e4511010c68174a03b6581212c71c0e1d026c3c72",
    "87260f7a2f12495118360f02c26a470f450dadf34a413d21042b43b9d93e1309",
];

/// The square of x is no square. This and what follows is found by decoding alone.
const NO_SQUARE: [&str; 8] = [
    "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371",
    "4eac077a713c57b4f4397629a4145982c661f48044dd3f96427d40b147d9742f",
    "de6a7b00deadc788eb6b6c8d20c0ae96c2f2019078fa604fee5b87d6e989ad7b",
    "bcab477be20861e01e4a0e295284146a510150d9817763caf1a6f4b422d67042",
    "2a292df7e32cababbd9de088d1d1abec9fc0440f637ed2fba145094dc14bea08",
    "f4a9e534fc0d216c44b218fa0c42d99635a0127ee2e53c712f70609649fdff22",
    "8268436f8c4126196cf64b3c7ddbda90746a378625f9813dd9b8457077256731",
    "2810e5cbc2cc4d4eece54f61c6f69758e289aa7ab440b3cbeaa21995c2f4232b",
];

/// The product of x and y is negative.
const NEGATIVE_PRODUCT: [&str; 8] = [
    "3eb858e78f5a7254d8c9731174a94f76755fd3941c0ac93735c07ba14579630e",
    "a45fdc55c76448c049a1ab33f17023edfb2be3581e9c7aade8a6125215e04220",
    "d483fe813c6ba647ebbfd3ec41adca1c6130c2beeee9d9bf065c8d151c5f396e",
    "8a2e1d30050198c65a54483123960ccc38aef6848e1ec8f5f780e8523769ba32",
    "32888462f8b486c68ad7dd9610be5192bbeaf3b443951ac1a8118419d9fa097b",
    "227142501b9d4355ccba290404bde41575b037693cef1f438c47f8fbf35d1165",
    "5c37cc491da847cfeb9281d407efc41e15144c876e0170b499a96a22ed31e01e",
    "445425117cb8c90edcbc7c1cc0e74f747f2c1efa5630a967c64f287792a48a4b",
];

/// Minus one, with which y is zero.
const Y_ZERO: [&str; 1] = ["ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"];

fn unhex(hex: &str) -> [u8; 32] {
    std::array::from_fn(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
}

/// A small number as a contribution, read as a snapshot's would be.
fn contribution(number: usize) -> Contribution {
    let mut bytes = [0; 32];
    bytes[0] = u8::try_from(number).unwrap();
    wire::decode(&bytes, 32).unwrap()
}

fn multiple(number: usize) -> Element {
    Element::from_bytes(unhex(MULTIPLES[number])).unwrap()
}

#[test]
fn the_list_of_multiples_adds_up() {
    let mut sum = RistrettoPoint::identity();
    for hex in MULTIPLES {
        assert_eq!(sum.compress().0, unhex(hex), "{hex}");
        sum += RISTRETTO_BASEPOINT_POINT;
    }
}

#[test]
fn contributions_give_the_multiples_that_rfc_9496_lists() {
    assert_eq!(Element::BASE, multiple(1));
    for (number, hex) in MULTIPLES.iter().enumerate().skip(1) {
        let (contribution, expected) = (contribution(number), unhex(hex));
        assert_eq!(contribution.public().as_bytes(), &expected, "{number}, public");
        assert_eq!(*contribution.raise(&Element::BASE).unwrap(), expected, "{number}");
        let all = contribution.raise_all(&[Element::BASE]);
        assert_eq!(all, Ok(vec![multiple(number)]), "{number}, in a batch");
    }
}

#[test]
fn products_are_the_multiples_that_rfc_9496_lists() {
    for (a, b) in (1..16).flat_map(|a| (1..=15 / a).map(move |b| (a, b))) {
        let (ours, product) = (contribution(a), unhex(MULTIPLES[a * b]));
        assert_eq!(*ours.raise(&multiple(b)).unwrap(), product, "{a} * {b}");
        let all = ours.raise_all(&[multiple(b)]);
        assert_eq!(all, Ok(vec![multiple(a * b)]), "{a} * {b}, in a batch");
        let theirs = Point::from_bytes(unhex(MULTIPLES[b])).unwrap();
        assert_eq!(*ours.agree(&theirs).encode(), product, "{a} * {b}, agreed on");
        let both = ours.times(&contribution(b)).public();
        assert_eq!(both.as_bytes(), &product, "{a} * {b}, in one contribution");
    }
}

#[test]
fn sums_and_differences_are_the_multiples_that_rfc_9496_lists() {
    let point = |number: usize| Point::from_bytes(unhex(MULTIPLES[number])).unwrap();
    let link = |number| contribution(1).agree(&point(number));
    for (a, b) in (1..16).flat_map(|a| (1..16 - a).map(move |b| (a, b))) {
        let sum = a + b;
        let added = link(a).plus(&point(b)).unwrap();
        assert_eq!(*added.encode(), unhex(MULTIPLES[sum]), "{a} + {b}");
        assert_eq!(link(sum).minus(&link(a)), Some(point(b)), "{sum} - {a}");
    }
}

#[test]
fn a03_k11_encodings_that_rfc_9496_calls_bad_are_refused() {
    let identity = MULTIPLES[0];
    for hex in [&NOT_CANONICAL[..], &NEGATIVE, &[identity]].concat() {
        let bytes = unhex(hex);
        assert_eq!(Element::from_bytes(bytes), None, "{hex}");
        assert!(wire::decode::<Element>(&bytes, 32).is_err(), "{hex}");
        assert_eq!(Point::from_bytes(bytes), None, "{hex}");
        assert!(wire::decode::<Point>(&bytes, 32).is_err(), "{hex}");
    }
    for hex in [&NO_SQUARE[..], &NEGATIVE_PRODUCT, &Y_ZERO].concat() {
        let bytes = unhex(hex);
        let element = Element::from_bytes(bytes).unwrap();
        let three = contribution(3);
        let raised = three.raise_all(&[Element::BASE, element]);
        assert_eq!(raised, Err(NotAPoint(1)), "{hex}");
        assert_eq!(three.raise(&element).err(), Some(NotAPoint(0)), "{hex}");
        assert_eq!(Point::from_bytes(bytes), None, "{hex}");
        assert!(wire::decode::<Point>(&bytes, 32).is_err(), "{hex}");
    }
}
