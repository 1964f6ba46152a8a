//! The layer that looks for keys, around the one that verifies.

use std::{convert::Infallible, time::Duration};

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use hardpoint_auth::{
    AuthLayer, JwksService, KeySet, SigningKey, TokenIssuer, TokenVerifier, Verified,
    remote::{AuthByIssuer, AuthByIssuerLayer, KeyRefresh, KeyRefreshLayer, RemoteKeys},
};
use hardpoint_core::RequestContext;
use hardpoint_testkit::{Layer, TestBody, clock::TokioClock, contract};
use http::{
    Request, Response, StatusCode,
    header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE},
};
use tower::{ServiceExt, service_fn};

use super::{ISSUER, issuer::Issuer, jwks, key};

const URL: &str = "https://id.example/keys";

fn start(issuer: &Issuer) -> RemoteKeys {
    RemoteKeys::jwks(URL, issuer.clone()).with_clock(TokioClock::new()).start().unwrap()
}

/// A request with a token of `issuer` that `key` has signed.
fn request(key: &SigningKey, issuer: &str) -> Request<TestBody> {
    let payload = serde_json::json!({ "iss": issuer });
    with_token(&format!("{}.{}.c2ln", part(&header(key)), part(&payload.to_string())))
}

fn header(key: &SigningKey) -> String {
    serde_json::json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": key.key_id() }).to_string()
}

fn part(text: &str) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    URL_SAFE_NO_PAD.encode(text)
}

fn with_token(token: &str) -> Request<TestBody> {
    let header = format!("Bearer {token}");
    Request::builder().header(AUTHORIZATION, header).body(TestBody::default()).unwrap()
}

fn issued(key: SigningKey, issuer: &str) -> Request<TestBody> {
    let token = TokenIssuer::new(key, issuer, "api").issue("alice", &"".parse().unwrap()).unwrap();
    with_token(token.expose())
}

/// What the two layers answer.
async fn call(keys: &RemoteKeys, request: Request<TestBody>) -> Response<()> {
    let auth = AuthLayer::new(TokenVerifier::watching(keys.watch(), ISSUER, "api"));
    let handler = service_fn(async |_: Request<TestBody>| {
        Ok::<_, Infallible>(Response::new(http_body_util::Full::new(Bytes::new())))
    });
    let service = KeyRefreshLayer::new(ISSUER, keys.clone()).layer(auth.layer(handler));
    service.oneshot(request).await.unwrap().map(drop)
}

#[tokio::test(start_paused = true)]
async fn a_token_with_a_key_that_is_newer_than_the_set_is_accepted() {
    let (old, text) = key();
    let issuer = Issuer::publishing(&text);
    let keys = start(&issuer);
    keys.warm().await.unwrap();
    let new = SigningKey::generate().unwrap();
    issuer.publish(&jwks([&old, &new]));
    assert_eq!(call(&keys, issued(old, ISSUER)).await.status(), StatusCode::OK);
    assert_eq!(issuer.fetches(), 1);
    assert_eq!(call(&keys, issued(new, ISSUER)).await.status(), StatusCode::OK);
    assert_eq!(issuer.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_whose_key_nobody_knows_is_401_and_fetched_for_once() {
    let issuer = Issuer::publishing(&key().1);
    let keys = start(&issuer);
    keys.warm().await.unwrap();
    for _ in 0..3 {
        let response = call(&keys, issued(SigningKey::generate().unwrap(), ISSUER)).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(response.headers().contains_key(WWW_AUTHENTICATE));
    }
    assert_eq!(issuer.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_decided_is_503() {
    let (key, text) = key();
    let issuer = Issuer::default();
    let keys = start(&issuer);
    assert!(keys.warm().await.is_err());
    // There are no keys at all, named or not.
    let nameless = format!("{}.{}.c2ln", part("{}"), part(&format!(r#"{{"iss":"{ISSUER}"}}"#)));
    for request in [request(&key, ISSUER), with_token(&nameless)] {
        let response = call(&keys, request).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[RETRY_AFTER], "5");
        assert!(!response.headers().contains_key(WWW_AUTHENTICATE));
    }
    // There are, but the issuer cannot be asked for another.
    issuer.publish(&text);
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(call(&keys, issued(key, ISSUER)).await.status(), StatusCode::OK);
    issuer.go_away();
    for _ in 0..3 {
        let unknown = issued(SigningKey::generate().unwrap(), ISSUER);
        assert_eq!(call(&keys, unknown).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}

#[tokio::test(start_paused = true)]
async fn keys_are_looked_for_at_the_tokens_issuer_alone() {
    let (ours, theirs) = (Issuer::publishing(&key().1), Issuer::publishing(&key().1));
    let (our_keys, their_keys) = (start(&ours), start(&theirs));
    our_keys.warm().await.unwrap();
    their_keys.warm().await.unwrap();
    let handler = service_fn(async |_: Request<TestBody>| {
        Ok::<_, Infallible>(Response::new(http_body_util::Full::new(Bytes::new())))
    });
    let one = KeyRefreshLayer::new(ISSUER, our_keys);
    let both = one.clone().add_issuer("https://theirs.example", their_keys);
    let unknown = SigningKey::generate().unwrap();
    for (layer, named, fetches) in [
        (&one, "https://evil.example", (1, 1)),
        (&both, "https://evil.example", (1, 1)),
        (&both, "https://theirs.example", (1, 2)),
        (&both, ISSUER, (2, 2)),
    ] {
        let request = request(&unknown, named);
        let response = layer.layer(handler).oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "it is the verifier that refuses");
        assert_eq!((ours.fetches(), theirs.fetches()), fetches, "{named}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_layer_keeps_the_contract() {
    let (key, text) = key();
    let keys = start(&Issuer::publishing(&text));
    keys.warm().await.unwrap();
    let layer = KeyRefreshLayer::new(ISSUER, keys);
    contract::run(&layer, || request(&key, ISSUER));
    contract::run(&layer, || Request::new(TestBody::default()));
    contract::run(&KeyRefreshLayer::off(), || with_token("x.y.z"));
    contract::allocations("a key that is held", &layer, || request(&key, ISSUER)).assert_layer(0);
    contract::allocations("no token", &layer, || Request::new(TestBody::default())).assert_layer(0);
    contract::assert_auto_traits::<KeyRefresh<()>>();
    contract::assert_auto_traits::<RemoteKeys>();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_waits_keeps_the_contract_too() {
    let keys = start(&Issuer::publishing(&key().1));
    keys.warm().await.unwrap();
    let layer = KeyRefreshLayer::new(ISSUER, keys);
    let unknown = SigningKey::generate().unwrap();
    contract::run(&layer, || request(&unknown, ISSUER));

    let away = start(&Issuer::default());
    assert!(away.warm().await.is_err());
    let layer = KeyRefreshLayer::new(ISSUER, away);
    contract::refusals_are_responses(&layer, || request(&unknown, ISSUER));
}

/// The two layers for two issuers, with the same cookie.
fn for_two(
    (first, first_keys): (&str, &RemoteKeys),
    (second, second_keys): (&str, &RemoteKeys),
) -> (KeyRefreshLayer, AuthByIssuerLayer) {
    let auth = |keys: &RemoteKeys, issuer| {
        AuthLayer::new(TokenVerifier::watching(keys.watch(), issuer, "api")).cookie("token")
    };
    (
        KeyRefreshLayer::new(first, first_keys.clone())
            .add_issuer(second, second_keys.clone())
            .cookie("token"),
        AuthByIssuerLayer::new(first, auth(first_keys, first))
            .add_issuer(second, auth(second_keys, second))
            .cookie("token"),
    )
}

#[tokio::test(start_paused = true)]
async fn several_issuers_share_a_service_and_no_keys() {
    let (ours, theirs) = (ISSUER, "https://theirs.example");
    let [(our_key, our_text), (their_key, their_text)] = [key(), key()];
    let rotating = Issuer::publishing(&key().1);
    let (our_keys, their_keys) = (start(&Issuer::publishing(&our_text)), start(&rotating));
    our_keys.warm().await.unwrap();
    their_keys.warm().await.unwrap();
    rotating.publish(&their_text);
    let layers = for_two((ours, &our_keys), (theirs, &their_keys));
    // One issuer's alice is not the other's.
    let service = layers.layer(service_fn(async |request: Request<TestBody>| {
        let context = RequestContext::get(request.extensions()).unwrap();
        let issuer = request.extensions().get::<Verified>().unwrap().issuer();
        assert_eq!(context.subject().unwrap().as_str(), format!("{issuer}#alice"));
        Ok::<_, Infallible>(Response::new(http_body_util::Full::new(Bytes::new())))
    }));
    let mut in_cookie = issued(their_key, theirs);
    let header = in_cookie.headers_mut().remove(AUTHORIZATION).unwrap();
    let cookie = header.to_str().unwrap().replace("Bearer ", "token=");
    in_cookie.headers_mut().insert(http::header::COOKIE, cookie.parse().unwrap());
    for (request, expected) in [
        (issued(our_key, ours), StatusCode::OK),
        (in_cookie, StatusCode::OK),
        (issued(SigningKey::generate().unwrap(), theirs), StatusCode::UNAUTHORIZED),
        (with_token("x.y.z"), StatusCode::UNAUTHORIZED),
        (Request::new(TestBody::default()), StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(service.clone().oneshot(request).await.unwrap().status(), expected);
    }
}

/// The layer that verifies took the cookie, since another scheme is none of its business; the layers
/// here saw a header without a token, and neither looked for the key nor found the second issuer.
#[tokio::test(start_paused = true)]
async fn a_cookie_counts_beside_a_header_of_another_scheme() {
    let (ours, theirs) = (ISSUER, "https://theirs.example");
    let (their_key, their_text) = key();
    let (steady, rotating) = (Issuer::publishing(&key().1), Issuer::publishing(&key().1));
    let (our_keys, their_keys) = (start(&steady), start(&rotating));
    our_keys.warm().await.unwrap();
    their_keys.warm().await.unwrap();
    rotating.publish(&their_text);
    let layers = for_two((ours, &our_keys), (theirs, &their_keys));
    let service = layers.layer(service_fn(async |_: Request<TestBody>| {
        Ok::<_, Infallible>(Response::new(http_body_util::Full::new(Bytes::new())))
    }));
    let token = TokenIssuer::new(their_key, theirs, "api").issue("alice", &"".parse().unwrap());
    let token = token.unwrap();
    let bearer = format!("Bearer {}", token.expose());
    for (header, expected, fetches) in [
        ("Basic eDp5", StatusCode::OK, 2),
        ("Bearers x", StatusCode::OK, 2),
        // Two tokens leave open which one counts.
        (bearer.as_str(), StatusCode::BAD_REQUEST, 2),
        ("Bearer", StatusCode::BAD_REQUEST, 2),
    ] {
        let request = Request::builder()
            .header(AUTHORIZATION, header)
            .header(http::header::COOKIE, format!("token={}", token.expose()))
            .body(TestBody::default());
        let response = service.clone().oneshot(request.unwrap()).await.unwrap();
        assert_eq!((response.status(), rotating.fetches()), (expected, fetches), "{header}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_of_one_issuer_does_not_vouch_for_another() {
    let theirs = "https://theirs.example";
    let [(_, our_text), (their_key, their_text)] = [key(), key()];
    let (our_keys, their_keys) =
        (start(&Issuer::publishing(&our_text)), start(&Issuer::publishing(&their_text)));
    our_keys.warm().await.unwrap();
    their_keys.warm().await.unwrap();
    let auth = |keys: &RemoteKeys, issuer| {
        AuthLayer::new(TokenVerifier::watching(keys.watch(), issuer, "api"))
    };
    let layer = AuthByIssuerLayer::new(ISSUER, auth(&our_keys, ISSUER))
        .add_issuer(theirs, auth(&their_keys, theirs));
    contract::refusals_are_responses(&layer, || request(&their_key, ISSUER));
    let service = layer.layer(service_fn(async |_: Request<TestBody>| {
        Ok::<_, Infallible>(Response::new(http_body_util::Full::new(Bytes::new())))
    }));
    let response = service.oneshot(issued(their_key, ISSUER)).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

#[test]
fn choosing_a_layer_keeps_the_contract_and_allocates_nothing() {
    let (first, second) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let verifier = |key: &SigningKey, issuer| {
        TokenVerifier::new(KeySet::new([key.verifying_key()]).unwrap(), issuer, "api")
    };
    let one = AuthLayer::new(verifier(&second, "https://theirs.example"));
    let layer = AuthByIssuerLayer::new(ISSUER, AuthLayer::new(verifier(&first, ISSUER)))
        .add_issuer("https://theirs.example", one.clone());
    let issuer = TokenIssuer::new(second, "https://theirs.example", "api");
    let token = issuer.issue("alice", &"".parse().unwrap()).unwrap();
    let request = || with_token(token.expose());
    contract::run(&layer, request);
    contract::run(&AuthByIssuerLayer::off(), request);
    let alone = contract::allocations("one issuer", &one, request);
    let chosen = contract::allocations("chosen by issuer", &layer, request);
    assert_eq!(format!("{alone:?}"), format!("{chosen:?}"));
    contract::assert_auto_traits::<AuthByIssuer<()>>();
}

#[tokio::test]
async fn all_of_it_goes_on_a_router_of_axum() {
    let (key, text) = key();
    let keys = start(&Issuer::publishing(&text));
    keys.warm().await.unwrap();
    let auth = AuthLayer::new(TokenVerifier::watching(keys.watch(), ISSUER, "api"));
    let router = Router::new()
        .route("/", get(async || "hello"))
        .layer(AuthByIssuerLayer::new(ISSUER, auth))
        .layer(KeyRefreshLayer::new(ISSUER, keys.clone()))
        .route_service("/.well-known/jwks.json", JwksService::watching(keys.watch()));
    let call =
        async |request: Request<Body>| router.clone().oneshot(request).await.unwrap().status();
    assert_eq!(call(issued(key, ISSUER).map(|_| Body::empty())).await, StatusCode::OK);
    let unknown = issued(SigningKey::generate().unwrap(), ISSUER);
    assert_eq!(call(unknown.map(|_| Body::empty())).await, StatusCode::UNAUTHORIZED);
    let request = Request::get("/.well-known/jwks.json").body(Body::empty()).unwrap();
    assert_eq!(call(request).await, StatusCode::OK);
}
