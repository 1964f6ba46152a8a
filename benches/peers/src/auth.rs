//! Verifying tokens, beside jsonwebtoken with equal expectations.

use aws_lc_rs::{
    hmac,
    signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256},
};
use hardpoint::auth::{Algorithm, TokenCache};
use hardpoint_bench_harness::{
    measure::{Contender, Plan},
    report::{Contest, Goal},
    threads,
    tokens::{AUDIENCE, ISSUER, TokenSet},
};
use jsonwebtoken::{DecodingKey, Validation, decode, jwk::Jwk};
use serde::Deserialize;

use crate::Named;

/// What a user of the peer deserializes: the claims of RFC 9068.
#[derive(Deserialize)]
#[expect(dead_code, reason = "read by serde, as a user's type is")]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    client_id: String,
    jti: String,
    scope: String,
    iat: u64,
    exp: u64,
}

/// How many tokens are gone through: more than a predictor remembers.
const TOKENS: usize = 64;

pub(crate) fn contests() -> Vec<Named> {
    vec![
        ("verify EdDSA", || verify(Algorithm::EdDsa, 0.97)),
        ("verify ES256", || verify(Algorithm::Es256, 0.97)),
        ("verify RS256", || verify(Algorithm::Rs256, 0.82)),
        ("verify HS256", || verify(Algorithm::Hs256, 0.4)),
        ("verify again, full token", || verify_again(TokenCache::full_token(), 1, 250.0)),
        ("verify again, digest", || verify_again(TokenCache::digest(), 1, 800.0)),
        ("verify again, full token, 2 threads", || {
            verify_again(TokenCache::full_token(), 2, 250.0 * 2.0 / 1.8)
        }),
        ("refused: no token at all", || refuse(|_| "garbage".to_owned())),
        ("refused: not base64url", || refuse(|token| token.replacen('.', ".!", 1))),
        ("refused: a megabyte", || refuse(|token| token.repeat(1 << 11))),
        ("refused: forged signature", || refuse(forge_signature)),
    ]
}

/// A valid token that was not seen before: neither side remembers any.
fn verify(algorithm: Algorithm, goal: f64) -> Contest<'static> {
    let set = TokenSet::generate(algorithm, TOKENS);
    let verifier = set.verifier();
    let peer = Peer::of(&set);
    let primitive = primitive(&set);
    let (mine, theirs) = (texts(&set), texts(&set));
    let plan = Plan { rounds: 61, sample: std::time::Duration::from_millis(8), ..Plan::default() };
    Contest::new(
        cycle(mine, move |token| verifier.verify(token).is_ok()),
        cycle(theirs, move |token| peer.accepts(token)),
    )
    .plan(plan)
    .goal(Goal::Ratio(goal))
    .floor("outside the primitive", primitive, Some(Goal::Value(600.0)))
}

/// Valid tokens that were seen before, beside the peer, which remembers none. With two threads a
/// figure is what one token of one thread takes: each takes no more than 2 / 1.8 of what it takes
/// alone if both together do 1.8 times as much.
fn verify_again(cache: TokenCache, threads: usize, goal: f64) -> Contest<'static> {
    let set = TokenSet::generate(Algorithm::Rs256, TOKENS);
    let verifier = set.verifier().cache(cache);
    let peer = Peer::of(&set);
    let (mine, theirs) = (texts(&set), texts(&set));
    Contest::new(
        sweep(threads, mine, move |token| verifier.verify(token).is_ok()),
        sweep(threads, theirs, move |token| peer.accepts(token)),
    )
    .goal(Goal::Value(goal))
}

/// As [`cycle`], on several threads at once; the second begins in the middle.
fn sweep(
    threads: usize,
    inputs: Vec<String>,
    operation: impl Fn(&str) -> bool + Sync + 'static,
) -> Contender<'static> {
    if threads == 1 {
        return cycle(inputs, move |input| operation(input));
    }
    Contender::whole(move |count| {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        threads::together(threads, |thread| {
            let begin = thread * inputs.len() / threads;
            let mut tokens = inputs.iter().cycle().skip(begin).take(count);
            assert!(tokens.all(|token| operation(token)), "every token is valid");
        });
    })
}

/// What is no token of ours is refused: the sooner, the less a flood of it costs.
fn refuse(spoil: fn(&str) -> String) -> Contest<'static> {
    let set = TokenSet::generate(Algorithm::EdDsa, TOKENS);
    let verifier = set.verifier();
    let peer = Peer::of(&set);
    let spoilt: Vec<String> = texts(&set).iter().map(|token| spoil(token)).collect();
    let other = spoilt.clone();
    Contest::new(
        cycle(spoilt, move |token| verifier.verify(token).is_err()),
        cycle(other, move |token| !peer.accepts(token)),
    )
}

/// The token with the first character of its signature changed.
fn forge_signature(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').expect("a token has two dots");
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{signed}.{first}{}", &signature[1..])
}

fn texts(set: &TokenSet) -> Vec<String> {
    set.tokens.iter().map(|token| token.expose().to_owned()).collect()
}

fn cycle<I: 'static>(
    inputs: Vec<I>,
    mut operation: impl FnMut(&I) -> bool + 'static,
) -> Contender<'static> {
    let mut next = 0;
    Contender::new(move || {
        let input = &inputs[next];
        next = (next + 1) % inputs.len();
        assert!(operation(input), "both sides say what the benchmark is about");
    })
}

/// The signature alone, by the key that both sides use.
fn primitive(set: &TokenSet) -> Contender<'static> {
    let algorithm = set.key.algorithm();
    if algorithm.is_symmetric() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &set.public);
        return cycle(signed(set), move |(message, signature)| {
            hmac::verify(&key, message.as_bytes(), signature).is_ok()
        });
    }
    let key = match algorithm {
        Algorithm::EdDsa => ParsedPublicKey::new(&ED25519, &set.public),
        Algorithm::Es256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &set.public),
        _ => ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &set.public),
    }
    .expect("the key was just made");
    cycle(signed(set), move |(message, signature)| {
        key.verify_sig(message.as_bytes(), signature).is_ok()
    })
}

/// What was signed, and its signature.
fn signed(set: &TokenSet) -> Vec<(String, Vec<u8>)> {
    let halves = |token: String| {
        let (message, signature) = token.rsplit_once('.').expect("a token has two dots");
        (message.to_owned(), decode_base64url(signature))
    };
    texts(set).into_iter().map(halves).collect()
}

struct Peer {
    key: DecodingKey,
    validation: Validation,
}

impl Peer {
    /// The peer with all that it can be asked to expect.
    fn of(set: &TokenSet) -> Self {
        let algorithm = set.key.algorithm();
        let key = if algorithm.is_symmetric() {
            DecodingKey::from_secret(&set.public)
        } else {
            let jwk: Jwk = serde_json::from_value(set.key.to_jwk()).expect("a key is a JWK");
            DecodingKey::from_jwk(&jwk).expect("a key is a JWK")
        };
        let algorithm = algorithm.as_str().parse().expect("it knows all of ours");
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = 30;
        Self { key, validation }
    }

    fn accepts(&self, token: &str) -> bool {
        decode::<Claims>(token, &self.key, &self.validation)
            .is_ok_and(|data| data.header.typ.as_deref() == Some("at+jwt"))
    }
}

fn decode_base64url(text: &str) -> Vec<u8> {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    URL_SAFE_NO_PAD.decode(text).expect("a signature is base64url")
}
