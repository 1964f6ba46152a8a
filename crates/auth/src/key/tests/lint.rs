//! Keys that are known to be weak.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::*;
use crate::key::lint;

/// 65537 to the power of 128: odd, 2049 bits long, and a power of 65537 modulo every prime.
fn roca() -> Vec<u8> {
    let mut number = vec![1_u8];
    for _ in 0..128 {
        // Times 65537: the number, and the number two bytes further.
        let mut next = vec![0; number.len() + 3];
        let mut carry = 0;
        for (place, byte) in next.iter_mut().rev().enumerate() {
            let digit = |place: Option<usize>| {
                let index = place.and_then(|place| number.len().checked_sub(place + 1));
                index.map_or(0, |index| u16::from(number[index]))
            };
            let sum = digit(Some(place)) + digit(place.checked_sub(2)) + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        number = next.into_iter().skip_while(|byte| *byte == 0).collect();
    }
    number
}

const E: &[u8] = &[1, 0, 1];

#[test]
fn rsa_keys_that_are_small_even_or_of_roca_are_refused() {
    let mut good = roca();
    *good.last_mut().unwrap() = 0x2b;
    assert_eq!(lint::rsa(&good, E), Ok(()));
    assert_eq!(lint::rsa(&roca(), E), Err(RSA_ROCA));
    assert_eq!(lint::rsa(&[0xff; 255], E), Err(RSA_TOO_SMALL));
    // 2047 bits are 256 bytes too.
    let mut short = [0xff; 256];
    short[0] = 0x7f;
    assert_eq!(lint::rsa(&short, E), Err(RSA_TOO_SMALL));
    assert_eq!(lint::rsa(&[0xff; 1025], E), Err(RSA_TOO_LARGE));
    let mut even = good.clone();
    *even.last_mut().unwrap() = 0x2a;
    assert_eq!(lint::rsa(&even, E), Err(RSA_EVEN));
    for exponent in [&[][..], &[1], &[3], &[1, 0, 0], &[1, 0, 2], &[2, 0, 0, 0, 1], &[1; 6]] {
        assert_eq!(lint::rsa(&good, exponent), Err(RSA_EXPONENT), "{exponent:?}");
    }
    assert_eq!(lint::rsa(&[], E), Err(RSA_TOO_SMALL));
}

#[test]
fn keys_that_the_primitive_makes_pass() {
    for pem in [rsa(), rsa(), ed25519(), ed25519()] {
        assert!(VerifyingKey::from_pem(&pem).is_ok());
    }
}

#[test]
fn points_with_which_anybody_can_sign_are_refused() {
    let mut identity = [0; 32];
    identity[0] = 1;
    assert_eq!(VerifyingKey::from_raw(Algorithm::EdDsa, &identity).unwrap_err(), LOW_ORDER);
    identity[31] = 0x80;
    assert_eq!(VerifyingKey::from_raw(Algorithm::EdDsa, &identity).unwrap_err(), LOW_ORDER);
    assert_eq!(VerifyingKey::from_raw(Algorithm::EdDsa, &[0; 32]).unwrap_err(), LOW_ORDER);
    assert_eq!(VerifyingKey::from_raw(Algorithm::EdDsa, &[1; 31]).unwrap_err(), NOT_PUBLIC);
}

#[test]
fn secrets_that_are_short_known_or_uniform_are_refused() {
    let refused =
        |algorithm, secret: &[u8]| VerifyingKey::symmetric(algorithm, &secret.into()).unwrap_err();
    let random = test_keys::secret(256);
    assert_eq!(refused(Algorithm::Hs256, b""), SECRET_PUBLISHED);
    assert_eq!(
        refused(Algorithm::Hs256, b"a-string-secret-at-least-256-bits-long"),
        SECRET_PATTERN
    );
    for (algorithm, least) in
        [(Algorithm::Hs256, 32), (Algorithm::Hs384, 48), (Algorithm::Hs512, 64)]
    {
        assert_eq!(refused(algorithm, &random[..least - 1]), SECRET_TOO_SHORT);
        assert!(VerifyingKey::symmetric(algorithm, &random[..least].into()).is_ok());
    }
    assert_eq!(refused(Algorithm::Hs256, &[7; 32]), SECRET_UNIFORM);
    for pem in [rsa(), ed25519()] {
        let public = VerifyingKey::from_pem(&pem).unwrap();
        let jwk = public.to_jwk();
        for text in [
            public.to_pem().unwrap().into_bytes(),
            format!(" \n{}", public.to_pem().unwrap()).into_bytes(),
            public.to_der().unwrap(),
            jwk.to_string().into_bytes(),
            serde_json::json!({ "keys": [jwk] }).to_string().into_bytes(),
            pem.clone().into_bytes(),
            URL_SAFE_NO_PAD.encode(public.to_der().unwrap()).into_bytes(),
            format!("\n{}", URL_SAFE_NO_PAD.encode(public.to_der().unwrap())).into_bytes(),
            // A certificate begins like this.
            [&b"\x30\x82\x01\x00\x30\x82\x00\xa5"[..], &public.to_der().unwrap()].concat(),
            b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5m4Yw0a6s1".to_vec(),
        ] {
            assert_eq!(refused(Algorithm::Hs256, &text), SECRET_PUBLIC_KEY);
        }
    }
    assert_eq!(refused(Algorithm::Rs256, &random), OTHER_FAMILY);
}

#[test]
fn a_public_key_is_no_secret_in_any_of_its_forms() {
    // CVE-2016-10555 and its many sisters: there is no way from a public key's bytes to an HMAC but
    // to say HS256 and hand them over.
    let key = VerifyingKey::from_pem(&rsa()).unwrap();
    for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
        assert_eq!(key.for_algorithm(algorithm).unwrap_err(), OTHER_FAMILY);
    }
}

#[test]
fn what_stands_behind_a_key_is_not_passed_over() {
    for pem in [rsa(), ed25519()] {
        let key = SigningKey::from_pem(&pem).unwrap();
        let (public, private) = (key.verifying_key().to_der().unwrap(), der_of(&pem));
        assert!(
            VerifyingKey::from_der(&public).is_ok() && SigningKey::from_pkcs8(&private).is_ok()
        );
        for behind in [&b"\0"[..], b"more"] {
            assert!(VerifyingKey::from_der(&[&public, behind].concat()).is_err());
            assert!(SigningKey::from_pkcs8(&[&private, behind].concat()).is_err());
        }
        let (_, short) = public.split_last().unwrap();
        assert!(VerifyingKey::from_der(&public[..short.len()]).is_err());
    }
}

fn der_of(pem: &str) -> Vec<u8> {
    ::pem::parse(pem).unwrap().into_contents()
}
