//! The attack table: how somebody without a key tries to be believed, and somebody with a token to
//! be more than it says. Each group begins with a token that nobody has touched, which is accepted.

mod claims;
mod header;
mod signature;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use aws_lc_rs::hmac;

use super::*;
use crate::{Algorithm, key::test_keys};

/// The orders of the groups, big-endian.
const P256: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
const P384: &str = "ffffffffffffffffffffffffffffffffffffffffffffffff\
                    c7634d81f4372ddf581a0db248b0a77aecec196accc52973";
const ED25519: &str = "1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed";

/// A revocation that denies the token `1`, when it is told to.
#[derive(Default)]
struct Denied(AtomicBool);

impl Revocation for Denied {
    fn state(&self, token: &VerifiedToken) -> RevocationState {
        if self.0.load(Ordering::SeqCst) && token.token_id() == Some("1") {
            RevocationState::Revoked
        } else {
            RevocationState::Live
        }
    }
}

/// The fixture with a key of another kind.
pub(super) fn with_key(key: SigningKey) -> Fixture {
    let clock = ManualClock::default();
    let keys = KeySet::new([key.verifying_key()]).unwrap();
    let verifier = TokenVerifier::new(keys, ISSUER, AUDIENCE).with_clock(clock.clone());
    Fixture { key, clock, verifier }
}

/// A token with nothing wrong about it, whatever kind the fixture's key is of.
pub(super) fn good(fixture: &Fixture) -> String {
    let header = changed(fixture.header(), "alg", json!(fixture.key.algorithm().as_str()));
    fixture.sign(&header.to_string(), &fixture.claims().to_string())
}

/// What somebody makes who takes these bytes for the secret of the header's algorithm.
pub(super) fn with_hmac(fixture: &Fixture, header: &Value, secret: &[u8]) -> String {
    let algorithm = match header["alg"].as_str() {
        Some("HS384") => hmac::HMAC_SHA384,
        Some("HS512") => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    };
    let (header, claims) = (header.to_string(), fixture.claims().to_string());
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let tag = hmac::sign(&hmac::Key::new(algorithm, secret), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// As `refused`, or accepted, for one row of a table.
#[track_caller]
fn answers(
    answer: Result<VerifiedToken, VerifyErrorKind>,
    expected: Option<VerifyErrorKind>,
    row: impl std::fmt::Debug,
) {
    assert_eq!(answer.err(), expected, "{row:?}");
}

fn signature_of(token: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(token.rsplit_once('.').unwrap().1).unwrap()
}

fn with_signature(token: &str, signature: &[u8]) -> String {
    let (signed, _) = token.rsplit_once('.').unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn hex(text: &str) -> Vec<u8> {
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    text.as_bytes().chunks(2).map(byte).collect()
}

/// The difference of two numbers of one length, big-endian, modulo what that length can hold.
fn minus(number: &[u8], less: &[u8]) -> Vec<u8> {
    let mut borrow = false;
    let mut digits: Vec<u8> = Vec::new();
    for (number, less) in number.iter().zip(less).rev() {
        let (digit, below) = number.overflowing_sub(*less);
        let (digit, again) = digit.overflowing_sub(u8::from(borrow));
        borrow = below || again;
        digits.push(digit);
    }
    digits.reverse();
    digits
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever becomes of the clock, which may be set back, of the keys and of the revocation: a
    /// token that was seen before is answered as one that was not.
    #[test]
    fn a_cache_changes_no_answer(
        steps in prop::collection::vec((0..4_u8, 0..1_200_u16), 1..40),
    ) {
        let (a, b) = (Fixture::new(), Fixture::new());
        let impostor = SigningKey::generate().unwrap().named(a.key.key_id()).unwrap();
        let set = |keys: &[&SigningKey]| {
            Arc::new(KeySet::new(keys.iter().map(|key| key.verifying_key())).unwrap())
        };
        let sets = [
            set(&[&a.key, &b.key]),
            set(&[&a.key]),
            set(&[&b.key]),
            set(&[&impostor, &b.key]),
        ];
        let (send, receive) = tokio::sync::watch::channel(Arc::clone(&sets[0]));
        let (clock, denied) = (ManualClock::default(), Arc::new(Denied::default()));
        let verifier = TokenVerifier::watching(receive, ISSUER, AUDIENCE)
            .with_clock(clock.clone())
            .profile(Profile::plain())
            .revocation(Arc::clone(&denied) as Arc<dyn Revocation>);
        let cached = [TokenCache::new()]
            .map(|cache| verifier.clone().cache(cache));
        let now = clock.unix().as_secs();
        let mut tokens = Vec::new();
        for (id, of) in [("1", &a), ("2", &b)] {
            let header = json!({ "alg": "EdDSA", "kid": of.key.key_id() }).to_string();
            for (issued, begins, lives) in
                [(Some(now), None, 600), (None, None, 300), (None, Some(now + 200), 900)]
            {
                let claims = json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "jti": id,
                    "exp": now + lives });
                let claims = changed(claims, "iat", json!(issued));
                let claims = changed(claims, "nbf", json!(begins));
                tokens.push(of.sign(&header, &claims.to_string()));
            }
        }
        let ask = |verifier: &TokenVerifier, token: &str| {
            let answer = verifier.verify(token).map_err(|error| error.kind());
            answer.map(|verified| verified.token_id().map(str::to_owned))
        };
        prop_assert_eq!(ask(&verifier, &tokens[0]), Ok(Some("1".to_owned())));
        for (what, amount) in steps {
            match what {
                0 => clock.advance(Duration::from_secs(amount.into())),
                1 => clock.step_unix(Duration::from_secs(now - 300 + u64::from(amount))),
                2 => drop(send.send_replace(Arc::clone(&sets[usize::from(amount) % sets.len()]))),
                _ => denied.0.store(amount % 2 == 0, Ordering::SeqCst),
            }
            for token in &tokens {
                let expected = ask(&verifier, token);
                for cached in &cached {
                    prop_assert_eq!(ask(cached, token), expected.clone());
                }
            }
        }
    }
}
