//! What a request that is let in costs.

use hardpoint_auth::{
    AuthLayer, KeySet, RequireLayer, SigningKey, TokenCache, TokenVerifier, TrustedIssuer,
};
use hardpoint_testkit::{
    TestBody,
    contract::{allocations, allocations_in},
};
use http::Request;

use super::{issuer, issuer_and_builder, pair, token, verifier, with};

/// The verifier's own: what a token costs that is new, and one that was seen before.
#[test]
fn a_token_costs_its_payload_and_one_seen_before_costs_nothing() {
    let key = SigningKey::generate().unwrap();
    let keys = KeySet::new([key.verifying_key()]).unwrap();
    let token = token(&issuer(key), "notes:read");
    let count = |verifier: &TokenVerifier, token: &str| {
        allocations_in(|| std::hint::black_box(verifier.verify(token)).is_ok())
    };
    let cold = verifier(keys.clone()).build().unwrap();
    count(&cold, token.expose());
    assert_eq!(count(&cold, token.expose()), 2, "the payload, and what is shared of it");
    let warm = verifier(keys).cache(TokenCache::new()).build().unwrap();
    count(&warm, token.expose());
    assert_eq!(count(&warm, token.expose()), 0);
}

/// Garbage is refused before anything is allocated for it, however long it is.
#[test]
fn garbage_costs_nothing() {
    let key = SigningKey::generate().unwrap();
    let verifying = key.verifying_key();
    let token = token(&issuer(key), "notes:read");
    let token = token.expose();
    let other = SigningKey::generate().unwrap().verifying_key();
    let keys = KeySet::new([verifying, other]).unwrap();
    let (header, rest) = token.split_once('.').unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let others = KeySet::new([SigningKey::generate().unwrap().verifying_key()]).unwrap();
    // Nothing is remembered yet, then the header is, and then there is a second issuer.
    for round in 0..3 {
        let builder = verifier(keys.clone());
        let verifier = match round {
            2 => builder.add_issuer(TrustedIssuer::new("https://other.example", others.clone())),
            _ => builder,
        };
        let verifier = verifier.build().unwrap();
        if round == 1 {
            verifier.verify(token).unwrap();
        }
        for bad in [
            "a".repeat(1_000_000),
            ".".repeat(1_000_000),
            "garbage".to_owned(),
            "..".to_owned(),
            format!("{}.{rest}", "a".repeat(2_000)),
            format!("!{token}"),
            format!("{token}."),
            format!("{token}="),
            format!("{header}.!{rest}"),
            format!("{signed}."),
            format!("{signed}.{signature}AAAA"),
            format!("eyJhbGciOiJub25lIn0.{rest}"),
            format!("eyJhbGciOiJFZERTQSIsImtpZCI6Im5vYm9keSJ9.{rest}"),
            format!("{signed}.{}", "A".repeat(86)),
        ] {
            let allocated =
                allocations_in(|| assert!(std::hint::black_box(verifier.verify(&bad)).is_err()));
            assert_eq!(allocated, 0, "{bad:.60}");
        }
    }
}

#[test]
fn a_verified_token_costs_its_claims() {
    let (issuer, layer) = pair();
    let token = token(&issuer, "notes:read");
    let bearer = format!("Bearer {}", token.expose());
    // The payload, and what is shared of it.
    let cold = allocations("auth", &layer, || with(&bearer));
    assert_eq!((cold.header_map, cold.layer), (0, 2));
}

#[test]
fn a_cached_token_costs_nothing_but_the_context() {
    let (issuer, builder) = issuer_and_builder();
    let layer = AuthLayer::new(builder.cache(TokenCache::new()).build().unwrap());
    let bearer = format!("Bearer {}", token(&issuer, "notes:read").expose());
    let warm = allocations("auth, cached", &layer, || with(&bearer));
    assert_eq!((warm.header_map, warm.layer), (0, 0));
}

#[test]
fn what_verifies_nothing_allocates_nothing() {
    let (_, layer) = pair();
    let nobody = || Request::new(TestBody::default());
    let optional = allocations("auth, optional", &layer.optional(), nobody);
    assert_eq!((optional.context, optional.header_map, optional.layer), (0, 0, 0));
    allocations("auth, off", &AuthLayer::off(), nobody).assert_layer(0);
    allocations("scopes, off", &RequireLayer::off(), nobody).assert_layer(0);
}
