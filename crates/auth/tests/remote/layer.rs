//! The layer whose verifier looks for unknown keys.

use std::{convert::Infallible, time::Duration};

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use hardpoint_auth::{
    Auth, AuthLayer, JwksService, SigningKey, TokenIssuer, TokenVerifier, VerifiedToken,
    VerifyErrorKind, remote::RemoteKeys,
};
use hardpoint_core::{ClientResolver, RequestContext, Time};
use hardpoint_testkit::{Layer, TestBody, clock::TokioClock, contract};
use http::{
    Request, Response, StatusCode,
    header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE},
};
use http_body_util::Full;
use tower::{ServiceExt, service_fn};

use super::{ISSUER, issuer::Issuer, jwks, key};

const URL: &str = "https://id.example/keys";
const THEIRS: &str = "https://theirs.example";

fn start(issuer: &Issuer) -> RemoteKeys {
    RemoteKeys::jwks(URL, issuer.clone()).time(Time::custom(TokioClock::new())).start().unwrap()
}

/// A request with a token of `issuer` that names `key` and has no valid signature.
fn unsigned(key: &SigningKey, issuer: &str) -> Request<TestBody> {
    let header = serde_json::json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": key.key_id() });
    let payload = serde_json::json!({ "iss": issuer });
    with_token(&format!("{}.{}.c2ln", part(&header.to_string()), part(&payload.to_string())))
}

fn part(text: &str) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    URL_SAFE_NO_PAD.encode(text)
}

fn with_token(token: &str) -> Request<TestBody> {
    let header = format!("Bearer {token}");
    Request::builder().header(AUTHORIZATION, header).body(TestBody::default()).unwrap()
}

fn minted(key: SigningKey, issuer: &str) -> String {
    let issuer = TokenIssuer::builder(key).issuer(issuer).audience("api").build().unwrap();
    issuer.token("alice").sign().unwrap().expose().to_owned()
}

fn issued(key: SigningKey, issuer: &str) -> Request<TestBody> {
    with_token(&minted(key, issuer))
}

fn layer(keys: &RemoteKeys) -> AuthLayer {
    let builder = TokenVerifier::builder().issuer(ISSUER, keys.clone()).audience("api");
    AuthLayer::new(builder.build().unwrap())
}

fn for_two(ours: &RemoteKeys, theirs: &RemoteKeys) -> AuthLayer {
    let builder = TokenVerifier::builder().issuer(ISSUER, ours.clone());
    let builder = builder.issuer(THEIRS, theirs.clone()).audience("api");
    AuthLayer::new(builder.build().unwrap())
}

async fn ok(_: Request<TestBody>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::new())))
}

async fn call(layer: &AuthLayer, request: Request<TestBody>) -> Response<()> {
    layer.layer(service_fn(ok)).oneshot(request).await.unwrap().map(drop)
}

#[tokio::test(start_paused = true)]
async fn a_token_with_a_key_that_is_newer_than_the_set_is_accepted() {
    let (old, text) = key();
    let issuer = Issuer::publishing(&text);
    let keys = start(&issuer);
    keys.warm().await.unwrap();
    let layer = layer(&keys);
    let new = SigningKey::generate().unwrap();
    issuer.publish(&jwks([&old, &new]));
    assert_eq!(call(&layer, issued(old, ISSUER)).await.status(), StatusCode::OK);
    assert_eq!(issuer.fetches(), 1);
    assert_eq!(call(&layer, issued(new, ISSUER)).await.status(), StatusCode::OK);
    assert_eq!(issuer.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn outside_of_a_layer_the_issuer_is_asked_by_who_waits() {
    let (_, text) = key();
    let issuer = Issuer::publishing(&text);
    let keys = start(&issuer);
    keys.warm().await.unwrap();
    let builder = TokenVerifier::builder().issuer(ISSUER, keys).audience("api");
    let verifier = builder.build().unwrap();
    let (new, text) = key();
    issuer.publish(&text);
    let token = minted(new, ISSUER);
    assert_eq!(verifier.verify(&token).unwrap_err().kind(), VerifyErrorKind::UnknownKeys);
    assert_eq!(issuer.fetches(), 1);
    assert!(verifier.verify_or_wait(&token).await.is_ok());
    assert!(verifier.verify(&token).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_token_whose_key_the_issuer_does_not_have_is_401_and_one_not_looked_for_is_not() {
    let issuer = Issuer::publishing(&key().1);
    let keys = start(&issuer);
    keys.warm().await.unwrap();
    let layer = layer(&keys);
    let from = |address: Option<[u8; 4]>| {
        let mut request = issued(SigningKey::generate().unwrap(), ISSUER);
        if let Some(address) = address {
            let resolver = ClientResolver::default();
            let client = resolver.resolve(Some(address.into()), request.headers());
            let context = RequestContext::ensure(request.extensions_mut(), &Time::system());
            context.set_client(client);
        }
        request
    };
    for address in [None, Some([203, 0, 113, 7])] {
        let response = call(&layer, from(address)).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(response.headers().contains_key(WWW_AUTHENTICATE));
        // The next id is not looked for, so whether its token is valid is not known.
        let response = call(&layer, from(address)).await;
        let expected = match address {
            None => StatusCode::SERVICE_UNAVAILABLE,
            Some(_) => StatusCode::TOO_MANY_REQUESTS,
        };
        assert_eq!(response.status(), expected);
        assert!(response.headers().contains_key(RETRY_AFTER));
        assert!(!response.headers().contains_key(WWW_AUTHENTICATE));
    }
    assert_eq!(issuer.fetches(), 3);
    let neighbour = call(&layer, from(Some([203, 0, 113, 8]))).await;
    assert_eq!(neighbour.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_decided_is_503() {
    let (key, text) = key();
    let issuer = Issuer::default();
    let keys = start(&issuer);
    assert!(keys.warm().await.is_err());
    let layer = layer(&keys);
    // There are no keys at all, named or not.
    let payload = part(&format!(r#"{{"iss":"{ISSUER}"}}"#));
    let nameless = format!("{}.{payload}.c2ln", part(r#"{"alg":"EdDSA"}"#));
    for request in [unsigned(&key, ISSUER), with_token(&nameless)] {
        let response = call(&layer, request).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[RETRY_AFTER], "5");
        assert!(!response.headers().contains_key(WWW_AUTHENTICATE));
    }
    // There are, but the issuer cannot be asked for another.
    issuer.publish(&text);
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(call(&layer, issued(key, ISSUER)).await.status(), StatusCode::OK);
    issuer.go_away();
    for _ in 0..3 {
        let unknown = issued(SigningKey::generate().unwrap(), ISSUER);
        assert_eq!(call(&layer, unknown).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}

#[tokio::test(start_paused = true)]
async fn keys_are_looked_for_at_the_tokens_issuer_alone() {
    let (ours, theirs) = (Issuer::publishing(&key().1), Issuer::publishing(&key().1));
    let (our_keys, their_keys) = (start(&ours), start(&theirs));
    our_keys.warm().await.unwrap();
    their_keys.warm().await.unwrap();
    let (one, both) = (layer(&our_keys), for_two(&our_keys, &their_keys));
    let unknown = SigningKey::generate().unwrap();
    for (layer, named, fetches) in [
        (&one, "https://evil.example", (1, 1)),
        (&both, "https://evil.example", (1, 1)),
        (&both, THEIRS, (1, 2)),
        (&both, ISSUER, (2, 2)),
    ] {
        let response = call(layer, unsigned(&unknown, named)).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!((ours.fetches(), theirs.fetches()), fetches, "{named}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_with_remote_keys_keeps_the_contract_and_costs_what_one_with_fixed_keys_does() {
    let (key, text) = key();
    let keys = start(&Issuer::publishing(&text));
    keys.warm().await.unwrap();
    let layer = layer(&keys);
    let unknown = SigningKey::generate().unwrap();
    let token = minted(key, ISSUER);
    contract::run(&layer, || with_token(&token));
    contract::refusals_are_responses(&layer, || unsigned(&unknown, ISSUER));
    contract::allocations("a key that is held", &layer, || with_token(&token)).assert_layer(2);
    contract::assert_auto_traits::<Auth<()>>();
    contract::assert_auto_traits::<RemoteKeys>();

    let away = start(&Issuer::default());
    assert!(away.warm().await.is_err());
    contract::refusals_are_responses(&self::layer(&away), || unsigned(&unknown, ISSUER));
}

#[tokio::test(start_paused = true)]
async fn several_issuers_share_a_service_and_no_keys() {
    let [(our_key, our_text), (their_key, their_text)] = [key(), key()];
    let rotating = Issuer::publishing(&key().1);
    let (our_keys, their_keys) = (start(&Issuer::publishing(&our_text)), start(&rotating));
    our_keys.warm().await.unwrap();
    their_keys.warm().await.unwrap();
    rotating.publish(&their_text);
    let layer = for_two(&our_keys, &their_keys).cookie("token");
    // One issuer's alice is not the other's.
    let service = layer.layer(service_fn(async |request: Request<TestBody>| {
        let context = RequestContext::find(request.extensions()).unwrap();
        let identity = context.identity().unwrap();
        let token = VerifiedToken::from_identity(identity).unwrap();
        assert_eq!((identity.issuer(), identity.subject()), (Some(token.issuer()), "alice"));
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
    }));
    let mut in_cookie = issued(their_key, THEIRS);
    let header = in_cookie.headers_mut().remove(AUTHORIZATION).unwrap();
    let cookie = header.to_str().unwrap().replace("Bearer ", "token=");
    in_cookie.headers_mut().insert(http::header::COOKIE, cookie.parse().unwrap());
    for (request, expected) in [
        (issued(our_key, ISSUER), StatusCode::OK),
        (in_cookie, StatusCode::OK),
        (issued(SigningKey::generate().unwrap(), THEIRS), StatusCode::UNAUTHORIZED),
        (with_token("x.y.z"), StatusCode::UNAUTHORIZED),
        (Request::new(TestBody::default()), StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(service.clone().oneshot(request).await.unwrap().status(), expected);
    }
}

/// The key of a token in the cookie is looked for too.
#[tokio::test(start_paused = true)]
async fn a_cookie_counts_beside_a_header_of_another_scheme() {
    let (their_key, their_text) = key();
    let (steady, rotating) = (Issuer::publishing(&key().1), Issuer::publishing(&key().1));
    let (our_keys, their_keys) = (start(&steady), start(&rotating));
    our_keys.warm().await.unwrap();
    their_keys.warm().await.unwrap();
    rotating.publish(&their_text);
    let service = for_two(&our_keys, &their_keys).cookie("token").layer(service_fn(ok));
    let token = minted(their_key, THEIRS);
    let bearer = format!("Bearer {token}");
    for (header, expected, fetches) in [
        ("Basic eDp5", StatusCode::OK, 2),
        ("Bearers x", StatusCode::OK, 2),
        // Two tokens leave open which one counts.
        (bearer.as_str(), StatusCode::BAD_REQUEST, 2),
        ("Bearer", StatusCode::BAD_REQUEST, 2),
    ] {
        let request = Request::builder()
            .header(AUTHORIZATION, header)
            .header(http::header::COOKIE, format!("token={token}"))
            .body(TestBody::default());
        let response = service.clone().oneshot(request.unwrap()).await.unwrap();
        assert_eq!((response.status(), rotating.fetches()), (expected, fetches), "{header}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_of_one_issuer_does_not_vouch_for_another() {
    let [(_, our_text), (their_key, their_text)] = [key(), key()];
    let (our_keys, their_keys) =
        (start(&Issuer::publishing(&our_text)), start(&Issuer::publishing(&their_text)));
    our_keys.warm().await.unwrap();
    their_keys.warm().await.unwrap();
    let layer = for_two(&our_keys, &their_keys);
    let response = call(&layer, issued(their_key, ISSUER)).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

/// As Microsoft Entra's do.
#[tokio::test(start_paused = true)]
async fn tenants_that_share_keys_are_told_apart_by_their_issuer() {
    let (key, text) = key();
    let keys = start(&Issuer::publishing(&text));
    keys.warm().await.unwrap();
    let layer = for_two(&keys, &keys);
    let again = || SigningKey::from_pem(key.to_pem().unwrap().expose()).unwrap();
    for (issuer, expected) in [
        (ISSUER, StatusCode::OK),
        (THEIRS, StatusCode::OK),
        ("https://evil.example", StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(call(&layer, issued(again(), issuer)).await.status(), expected, "{issuer}");
    }
}

#[tokio::test]
async fn all_of_it_goes_on_a_router_of_axum() {
    let (key, text) = key();
    let keys = start(&Issuer::publishing(&text));
    keys.warm().await.unwrap();
    let router = Router::new()
        .route("/", get(async || "hello"))
        .layer(layer(&keys))
        .route_service("/.well-known/jwks.json", JwksService::new(keys.watch()));
    let call =
        async |request: Request<Body>| router.clone().oneshot(request).await.unwrap().status();
    assert_eq!(call(issued(key, ISSUER).map(|_| Body::empty())).await, StatusCode::OK);
    let unknown = issued(SigningKey::generate().unwrap(), ISSUER);
    assert_eq!(call(unknown.map(|_| Body::empty())).await, StatusCode::UNAUTHORIZED);
    let request = Request::get("/.well-known/jwks.json").body(Body::empty()).unwrap();
    assert_eq!(call(request).await, StatusCode::OK);
}
