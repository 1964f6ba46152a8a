//! Verifying tokens: cold beside jsonwebtoken and oxitoken, again beside moka in front of
//! jsonwebtoken, through the layer beside jwt-authorizer. All are told to expect the same. And API keys.

mod again;
mod api_key;
mod layer;
mod session;
mod verify;

use hardpoint::auth::{Algorithm, TokenCache, VerifyingKey};
use hardpoint_bench_harness::{
    load::Pattern,
    measure::Contender,
    tokens::{AUDIENCE, ISSUER, TokenSet},
};
use jsonwebtoken::{DecodingKey, Validation, decode, jwk::Jwk};
use serde::Deserialize;

use self::again::Room;
use crate::Named;

/// How many tokens are gone through: more than a predictor remembers.
const TOKENS: usize = 64;
/// How many seconds clocks may be apart.
const LEEWAY: u64 = 30;

pub(crate) fn contests() -> Vec<Named> {
    let mut all = cold();
    all.extend(warm());
    all.extend(layers());
    all.extend(sessions());
    all.push(("API key, cached, 1 of 1 000 / SHA-256 and moka", api_key::cached_beside_moka));
    all
}

fn cold() -> Vec<Named> {
    use verify::{beside_jsonwebtoken, beside_oxitoken, refuse};

    vec![
        ("verify EdDSA / jsonwebtoken", || beside_jsonwebtoken(Algorithm::EdDsa, 0.97)),
        ("verify ES256 / jsonwebtoken", || beside_jsonwebtoken(Algorithm::Es256, 0.97)),
        ("verify RS256 / jsonwebtoken", || beside_jsonwebtoken(Algorithm::Rs256, 0.82)),
        ("verify HS256 / jsonwebtoken", || beside_jsonwebtoken(Algorithm::Hs256, 0.4)),
        ("verify EdDSA / oxitoken", || beside_oxitoken(Algorithm::EdDsa)),
        ("verify ES256 / oxitoken", || beside_oxitoken(Algorithm::Es256)),
        ("verify RS256 / oxitoken", || beside_oxitoken(Algorithm::Rs256)),
        ("verify HS256 / oxitoken", || beside_oxitoken(Algorithm::Hs256)),
        ("refused: no token at all / jsonwebtoken", || refuse(|_| "garbage".to_owned())),
        ("refused: not base64url / jsonwebtoken", || refuse(|token| token.replacen('.', ".!", 1))),
        ("refused: a megabyte / jsonwebtoken", || refuse(|token| token.repeat(1 << 11))),
        ("refused: forged signature / jsonwebtoken", || refuse(forge_signature)),
    ]
}

fn warm() -> Vec<Named> {
    use Pattern::{Hot, Uniform};
    use Room::{Exact, Fourfold};
    use again::{beside_cold, beside_moka, beside_one_thread, beside_one_thread_sharing_nothing};

    vec![
        ("again / jsonwebtoken, cold", || beside_cold(300.0)),
        ("again, 1 hot / moka", || beside_moka(Hot, Exact, 1)),
        ("again, 1 hot, 2 threads / moka", || beside_moka(Hot, Exact, 2)),
        ("again, 1 of 10 000 / moka", || beside_moka(Uniform, Exact, 1)),
        ("again, 1 of 10 000, 2 threads / moka", || beside_moka(Uniform, Exact, 2)),
        ("again, 1 of 10 000, room for 40 000 / moka", || beside_moka(Uniform, Fourfold, 1)),
        ("again, 1 of 10 000, room for 40 000, 2 threads / moka", || {
            beside_moka(Uniform, Fourfold, 2)
        }),
        ("again, 1 hot, 2 threads / ours on 1", || beside_one_thread(Hot)),
        ("again, 1 of 10 000, 2 threads / ours on 1", || beside_one_thread(Uniform)),
        (
            "again, 1 hot, 2 threads that share nothing / ours on 1",
            beside_one_thread_sharing_nothing,
        ),
    ]
}

fn layers() -> Vec<Named> {
    use layer::beside_jwt_authorizer;

    vec![
        ("layer, RS256 / jwt-authorizer", || beside_jwt_authorizer(None)),
        ("layer, RS256, again / jwt-authorizer, cold", || {
            beside_jwt_authorizer(Some(TokenCache::new()))
        }),
    ]
}

fn sessions() -> Vec<Named> {
    use session::{
        again_beside_cold, refresh_beside_signing, revocation_beside_moka, rotate_beside_signing,
    };

    vec![
        ("rotate a refresh token / jsonwebtoken, signs HS256", rotate_beside_signing),
        ("refresh with an EdDSA token / jsonwebtoken, signs EdDSA", refresh_beside_signing),
        ("revoked by id, session or epoch, 9 936 ended / moka, one lookup", revocation_beside_moka),
        ("again, revocation checked, EdDSA / jsonwebtoken, cold", || {
            again_beside_cold(Algorithm::EdDsa, 250.0)
        }),
        ("again, revocation checked, RS256 / jsonwebtoken, cold", || {
            again_beside_cold(Algorithm::Rs256, 350.0)
        }),
    ]
}

/// What the [guard](crate::guard) measures. Of the algorithms, HS256 leaves the largest part of the
/// time to the code around the primitive.
pub(crate) fn guarded() -> Vec<Named> {
    use Pattern::Hot;
    use again::beside_moka;

    vec![
        ("verify a new token, HS256 / jsonwebtoken", || {
            verify::beside_jsonwebtoken(Algorithm::Hs256, 0.4)
        }),
        ("verify a new token, HS256, 2 threads / jsonwebtoken", verify::two_threads),
        ("verify a known token / moka", || beside_moka(Hot, Room::Exact, 1)),
        ("verify a known token, 2 threads / moka", || beside_moka(Hot, Room::Exact, 2)),
    ]
}

/// What a user of the peers deserializes: the claims of RFC 9068.
#[derive(Clone, Deserialize)]
#[expect(dead_code, reason = "read by serde, as a user's type is")]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    client_id: String,
    jti: String,
    scope: String,
    iat: i64,
    nbf: Option<i64>,
    exp: i64,
}

struct Jsonwebtoken {
    key: DecodingKey,
    validation: Validation,
}

impl Jsonwebtoken {
    /// The peer with all that it can be asked to expect.
    fn of(set: &TokenSet) -> Self {
        if set.key.algorithm().is_symmetric() {
            Self::expecting(set.key.algorithm(), DecodingKey::from_secret(&set.public))
        } else {
            Self::with_key(&set.key)
        }
    }

    /// The same for tokens of this public key.
    fn with_key(key: &VerifyingKey) -> Self {
        let jwk: Jwk = serde_json::from_value(key.to_jwk()).expect("a key is a JWK");
        Self::expecting(key.algorithm(), DecodingKey::from_jwk(&jwk).expect("a key is a JWK"))
    }

    fn expecting(algorithm: Algorithm, key: DecodingKey) -> Self {
        let algorithm = algorithm.as_str().parse().expect("it knows all of ours");
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY;
        Self { key, validation }
    }

    fn claims(&self, token: &str) -> Option<Claims> {
        let data = decode::<Claims>(token, &self.key, &self.validation).ok()?;
        (data.header.typ.as_deref() == Some("at+jwt")).then_some(data.claims)
    }

    fn accepts(&self, token: &str) -> bool {
        self.claims(token).is_some()
    }
}

/// Whoever is measured accepts what it should and nothing else: or it would be timed at less work, or
/// at failing.
fn try_out(set: &TokenSet, mut accepts: impl FnMut(&str) -> bool) {
    for token in set.tokens.iter().take(TOKENS).map(|token| token.expose()) {
        assert!(accepts(token), "a token is accepted");
        assert!(!accepts(&forge_signature(token)), "a forged one is refused");
    }
    for token in &set.unwelcome {
        assert!(!accepts(token.expose()), "so is one of others, for others, and an expired one");
    }
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
