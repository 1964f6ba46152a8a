//! Tokens that were not seen before: neither side remembers any.

use std::time::Duration;

use aws_lc_rs::{
    hmac,
    signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256},
};
use hardpoint::auth::Algorithm;
use hardpoint_bench_harness::{
    measure::{Contender, Plan},
    report::{Contest, Goal},
    tokens::{AUDIENCE, ISSUER, TokenSet},
};
use oxitoken::{
    claims::{Aud, Exp, Iat, Iss, Nbf, Sub},
    error::JwtError,
    header::{Alg, Kid, Typ},
    validation::{TokenValidator, ValidationPipeline, VerificationKey, keystore::LocalKeystore},
};
use serde::Deserialize;

use super::{Claims, Jsonwebtoken, TOKENS, cycle, texts, try_out};

pub(super) fn beside_jsonwebtoken(algorithm: Algorithm, goal: f64) -> Contest<'static> {
    let set = TokenSet::generate(algorithm, TOKENS);
    let peer = Jsonwebtoken::of(&set);
    verify(&set, goal, Some(Goal::Value(600.0)), move |token| peer.accepts(token))
}

pub(super) fn beside_oxitoken(algorithm: Algorithm) -> Contest<'static> {
    let set = TokenSet::generate(algorithm, TOKENS);
    let peer = oxitoken(&set);
    verify(&set, 1.05, None, move |token| peer.verify(token.as_bytes()).is_ok())
}

fn verify(
    set: &TokenSet,
    goal: f64,
    rest: Option<Goal>,
    peer: impl Fn(&str) -> bool + 'static,
) -> Contest<'static> {
    let verifier = set.verifier();
    try_out(set, |token| verifier.verify(token).is_ok());
    try_out(set, &peer);
    let plan = Plan { rounds: 61, sample: Duration::from_millis(8), ..Plan::default() };
    Contest::new(
        cycle(texts(set), move |token| verifier.verify(token).is_ok()),
        cycle(texts(set), move |token| peer(token)),
    )
    .plan(plan)
    .goal(Goal::Ratio(goal))
    .floor("outside the primitive", primitive(set), rest)
}

/// Two threads, neither of which has to wait for the other.
pub(super) fn two_threads() -> Contest<'static> {
    let set = TokenSet::generate(Algorithm::Hs256, TOKENS);
    let (verifier, peer, tokens) = (set.verifier(), Jsonwebtoken::of(&set), texts(&set));
    let others = tokens.clone();
    let on_two = |accepts: Box<dyn Fn(&str) -> bool + Sync>, tokens: Vec<String>| {
        Contender::on_threads(2, move |_, place| {
            assert!(accepts(&tokens[place % tokens.len()]), "every token is valid");
        })
    };
    let plan = Plan { rounds: 61, sample: Duration::from_millis(8), ..Plan::default() };
    Contest::new(
        on_two(Box::new(move |token| verifier.verify(token).is_ok()), tokens),
        on_two(Box::new(move |token| peer.accepts(token)), others),
    )
    .plan(plan)
}

/// What is no token of ours is refused: the sooner, the less a flood of it costs.
pub(super) fn refuse(spoil: fn(&str) -> String) -> Contest<'static> {
    let set = TokenSet::generate(Algorithm::EdDsa, TOKENS);
    let verifier = set.verifier();
    let peer = Jsonwebtoken::of(&set);
    let spoilt: Vec<String> = texts(&set).iter().map(|token| spoil(token)).collect();
    let other = spoilt.clone();
    Contest::new(
        cycle(spoilt, move |token| verifier.verify(token).is_err()),
        cycle(other, move |token| !peer.accepts(token)),
    )
}

/// The signature alone.
fn primitive(set: &TokenSet) -> Contender<'static> {
    let key = Primitive::of(set);
    cycle(signed(set), move |(message, signature)| key.accepts(message.as_bytes(), signature))
}

/// What all sides use in the end, with the key parsed ahead.
enum Primitive {
    Public(ParsedPublicKey),
    Secret(Box<hmac::Key>),
}

impl Primitive {
    fn of(set: &TokenSet) -> Self {
        let public = match set.key.algorithm() {
            algorithm if algorithm.is_symmetric() => {
                return Self::Secret(hmac::Key::new(hmac::HMAC_SHA256, &set.public).into());
            }
            Algorithm::EdDsa => ParsedPublicKey::new(&ED25519, &set.public),
            Algorithm::Es256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &set.public),
            _ => ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &set.public),
        };
        Self::Public(public.expect("the key was just made"))
    }

    fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Public(key) => key.verify_sig(message, signature).is_ok(),
            Self::Secret(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }
}

/// What was signed, and its signature.
fn signed(set: &TokenSet) -> Vec<(String, Vec<u8>)> {
    let halves = |token: String| {
        let (message, signature) = token.rsplit_once('.').expect("a token has two dots");
        (message.to_owned(), decode_base64url(signature))
    };
    texts(set).into_iter().map(halves).collect()
}

fn decode_base64url(text: &str) -> Vec<u8> {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    URL_SAFE_NO_PAD.decode(text).expect("a signature is base64url")
}

/// oxitoken with every validator that it has and we have, the key parsed ahead and found by its id, as
/// its documentation says. Its list of accepted subjects is left out, since we have none: like us it
/// asks that there is a subject.
fn oxitoken(set: &TokenSet) -> ValidationPipeline<Header, Claims, LocalKeystore<Key>> {
    let name = set.key.algorithm().as_str();
    let algorithm = serde_json::from_value(name.into()).expect("it knows all of ours");
    let mut keys = LocalKeystore::empty();
    keys.add_key(set.key.key_id(), Key { algorithm, primitive: Primitive::of(set) });
    ValidationPipeline::builder(keys)
        .with_max_size(8 * 1024)
        .with_type_validator(["at+jwt"])
        .with_issuer_validator(ISSUER)
        .with_audience_validator(AUDIENCE)
        .with_not_before_validator()
        .with_expiration_validator()
        .with_issued_at_validator()
        .with(SomeSubject)
        .build()
}

/// What its own backend for aws-lc is: that one takes addresses of what aws-lc-rs 1.19 made constants,
/// and so does not build.
struct Key {
    algorithm: oxitoken::Algorithm,
    primitive: Primitive,
}

impl VerificationKey for Key {
    fn alg(&self) -> Option<oxitoken::Algorithm> {
        Some(self.algorithm)
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), JwtError> {
        if self.primitive.accepts(message, signature) {
            Ok(())
        } else {
            Err(JwtError::InvalidSignature)
        }
    }
}

struct SomeSubject;

impl<H, C: Sub> TokenValidator<H, C> for SomeSubject {
    fn validate(&self, _header: &H, claims: &C) -> Result<(), JwtError> {
        if claims.sub().is_empty() { Err(JwtError::WrongSubscriber) } else { Ok(()) }
    }
}

#[derive(Deserialize)]
struct Header {
    alg: oxitoken::Algorithm,
    kid: String,
    typ: String,
}

impl Alg for Header {
    fn alg(&self) -> oxitoken::Algorithm {
        self.alg
    }
}

impl Kid for Header {
    fn kid(&self) -> &str {
        &self.kid
    }
}

impl Typ for Header {
    type Type = str;

    fn typ(&self) -> &str {
        &self.typ
    }
}

impl Iss for Claims {
    fn iss(&self) -> &str {
        &self.iss
    }
}

impl Sub for Claims {
    fn sub(&self) -> &str {
        &self.sub
    }
}

impl Aud for Claims {
    fn aud(&self) -> impl Iterator<Item = impl AsRef<str>> {
        std::iter::once(&self.aud)
    }
}

impl Exp for Claims {
    fn exp(&self) -> i64 {
        self.exp
    }
}

impl Nbf for Claims {
    fn nbf(&self) -> i64 {
        self.nbf.unwrap_or(i64::MIN)
    }
}

impl Iat for Claims {
    fn iat(&self) -> i64 {
        self.iat
    }
}
