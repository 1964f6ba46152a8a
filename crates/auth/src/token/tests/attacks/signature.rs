//! What may stand for a signature.

use super::*;

#[test]
fn numbers_out_of_their_range_are_no_ecdsa_signatures() {
    for (algorithm, order) in [(Algorithm::Es256, P256), (Algorithm::Es384, P384)] {
        let fixture = with_key(SigningKey::from_pem(&test_keys::pem_for(algorithm)).unwrap());
        let token = good(&fixture);
        assert!(fixture.verify(&token).is_ok());
        let signature = signature_of(&token);
        let (r, s) = signature.split_at(signature.len() / 2);
        let (zero, ones, n) = (vec![0_u8; r.len()], vec![0xff_u8; r.len()], hex(order));
        let one = [&zero[1..], &[1_u8][..]].concat();
        let last = minus(&n, &one);
        let all = [&zero, &one, &last, &n, &ones].map(Vec::as_slice);
        for first in all.into_iter().chain([r, s]) {
            for second in all.into_iter().chain([r, s]).filter(|second| (first, *second) != (r, s))
            {
                let answer = fixture.verify(&with_signature(&token, &[first, second].concat()));
                answers(answer, Some(VerifyErrorKind::Signature), (first, second));
            }
        }
        for bad in [r, &signature[1..], &[r, s, &[0]].concat(), &[]] {
            let answer = fixture.verify(&with_signature(&token, bad));
            answers(answer, Some(VerifyErrorKind::Signature), bad);
        }
    }
}

#[test]
fn numbers_that_anybody_can_write_are_no_signatures() {
    let fixture = Fixture::new();
    let token = good(&fixture);
    assert!(fixture.verify(&token).is_ok());
    let signature = signature_of(&token);
    let (point, scalar) = signature.split_at(32);
    let zero = [0_u8; 32];
    let identity = [&[1_u8][..], &zero[1..]].concat();
    // The order is nothing modulo itself, so that a lax reader takes both for the same number.
    let mut higher: Vec<u8> = scalar.iter().rev().copied().collect();
    higher = minus(&higher, &minus(&zero, &hex(ED25519)));
    higher.reverse();
    for bad in [
        [point, higher.as_slice()],
        [point, zero.as_slice()],
        [identity.as_slice(), scalar],
        [identity.as_slice(), zero.as_slice()],
        [zero.as_slice(), zero.as_slice()],
        [scalar, point],
    ] {
        let answer = fixture.verify(&with_signature(&token, &bad.concat()));
        answers(answer, Some(VerifyErrorKind::Signature), bad);
    }
    let pem = test_keys::rsa_pem();
    for algorithm in [Algorithm::Rs256, Algorithm::Ps256] {
        let key = SigningKey::from_pem(&pem).unwrap().for_algorithm(algorithm).unwrap();
        let fixture = with_key(key);
        let token = good(&fixture);
        assert!(fixture.verify(&token).is_ok());
        let jwk = fixture.key.verifying_key().to_jwk();
        let n = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
        let zero = vec![0_u8; n.len()];
        let one = [&zero[1..], &[1_u8][..]].concat();
        for bad in [minus(&n, &one), n, vec![0xff; zero.len()], zero, one] {
            let answer = fixture.verify(&with_signature(&token, &bad));
            answers(answer, Some(VerifyErrorKind::Signature), (algorithm, bad));
        }
    }
}

/// From one ECDSA signature anybody makes a second one, so a token must not be denied by its text.
#[test]
fn the_twin_of_an_ecdsa_signature_is_denied_with_it() {
    let fixture = with_key(SigningKey::from_pem(&test_keys::pem_for(Algorithm::Es256)).unwrap());
    let denied = Arc::new(Denied::default());
    let verifier = fixture.verifier.clone().cache(TokenCache::new());
    let verifier = verifier.revocation(Arc::clone(&denied) as Arc<dyn Revocation>);
    let token = good(&fixture);
    let signature = signature_of(&token);
    let (r, s) = signature.split_at(32);
    let twin = with_signature(&token, &[r, minus(&hex(P256), s).as_slice()].concat());
    assert_ne!(twin, token);
    for text in [&token, &twin, &token, &twin] {
        assert_eq!(verifier.verify(text).unwrap().token_id(), Some("1"));
    }
    denied.0.store(true, Ordering::SeqCst);
    for text in [&token, &twin] {
        assert_eq!(verifier.verify(text).unwrap_err().kind(), VerifyErrorKind::Revoked);
    }
}
