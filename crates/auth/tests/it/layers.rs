//! Several authenticators, several issuers, and layers inside of others.

use std::convert::Infallible;

use bytes::Bytes;
use hardpoint_auth::{
    Attempt, AuthLayer, AuthRejection, Authenticator, ConfigError, Credential, KeySet,
    RequireLayer, Scopes, SigningKey, TokenIssuer, TokenVerifier, TrustedIssuer, VerifyErrorKind,
};
use hardpoint_core::{Identity, RequestContext, ResponseBody};
use hardpoint_testkit::TestBody;
use http::{HeaderName, Request, Response, StatusCode, header::WWW_AUTHENTICATE};
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceExt, service_fn};

use super::{AUDIENCE, ISSUER, pair, token, verifier};

/// `key_alice` is alice's.
struct ApiKeys;

impl Authenticator for ApiKeys {
    fn authenticate(&self, credential: Credential<'_>) -> Attempt {
        match credential.text().strip_prefix("key_") {
            None => Attempt::NotMine,
            Some("stolen") => Attempt::Now(Err(Box::new(AuthRejection::InvalidToken(
                VerifyErrorKind::Revoked.into(),
            )))),
            Some(owner) => Attempt::Now(Ok(Identity::from_subject(owner))),
        }
    }

    fn scheme(&self) -> &'static str {
        "ApiKey"
    }

    fn header(&self) -> Option<HeaderName> {
        Some(HeaderName::from_static("x-api-key"))
    }
}

fn request(fields: &[(&str, &str)]) -> Request<TestBody> {
    let mut request = Request::builder();
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(TestBody::default()).unwrap()
}

async fn who(request: Request<TestBody>) -> Result<Response<TestBody>, Infallible> {
    let context = RequestContext::find(request.extensions());
    let subject = context.and_then(|context| context.subject()).unwrap_or("nobody").to_owned();
    Ok(Response::new(TestBody::default().data(subject)))
}

async fn ask<S, B>(service: S, request: Request<TestBody>) -> (Response<()>, String)
where
    S: Service<Request<TestBody>, Response = Response<ResponseBody<B>>, Error = Infallible>,
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let (parts, body) = service.oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (Response::from_parts(parts, ()), String::from_utf8(body.to_vec()).unwrap())
}

fn challenges(response: &Response<()>) -> Vec<&str> {
    let all = response.headers().get_all(WWW_AUTHENTICATE).iter();
    all.map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test]
async fn each_credential_goes_to_the_authenticator_of_its_scheme_or_field() {
    let (issuer, layer) = pair();
    let token = token(&issuer, "");
    let bearer = format!("Bearer {}", token.expose());
    let service = layer.add_authenticator(ApiKeys).cookie("at").layer(service_fn(who));
    let cookie = format!("at={}", token.expose());
    for (fields, status, body) in [
        (&[("authorization", bearer.as_str())][..], 200, "alice"),
        (&[("cookie", cookie.as_str())], 200, "alice"),
        (&[("authorization", "ApiKey key_bob")], 200, "bob"),
        (&[("authorization", "aPIkEY  key_bob")], 200, "bob"),
        (&[("x-api-key", "key_bob")], 200, "bob"),
        (&[("x-api-key", "key_stolen")], 401, ""),
        (&[("x-api-key", "unknown")], 401, ""),
        (&[("x-api-key", token.expose())], 401, ""),
        (&[("authorization", "Bearer key_bob")], 401, ""),
        (&[("authorization", "ApiKey")], 401, ""),
        (&[("authorization", "Basic eDp5")], 401, ""),
        (&[("authorization", "Basic eDp5"), ("x-api-key", "key_bob")], 200, "bob"),
    ] {
        let (response, answer) = ask(service.clone(), request(fields)).await;
        assert_eq!(response.status().as_u16(), status, "{fields:?}");
        assert!(status != 200 || answer == body, "{fields:?}: {answer}");
    }
}

#[tokio::test]
async fn two_credentials_over_all_carriers_are_refused_whichever_is_valid() {
    let (issuer, layer) = pair();
    let token = token(&issuer, "");
    let bearer = format!("Bearer {}", token.expose());
    let cookie = format!("at={}", token.expose());
    let service = layer.add_authenticator(ApiKeys).cookie("at").optional().layer(service_fn(who));
    for fields in [
        &[("authorization", bearer.as_str()), ("authorization", "Basic eDp5")][..],
        &[("authorization", &bearer), ("authorization", &bearer)],
        &[("authorization", &bearer), ("cookie", &cookie)],
        &[("authorization", &bearer), ("x-api-key", "key_alice")],
        &[("cookie", &cookie), ("x-api-key", "key_alice")],
        &[("x-api-key", "key_alice"), ("x-api-key", "key_alice")],
        &[("cookie", &cookie), ("cookie", &cookie)],
        &[("authorization", "Bearer"), ("x-api-key", "key_alice")],
    ] {
        let (response, _) = ask(service.clone(), request(fields)).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{fields:?}");
        let expected = [
            r#"Bearer realm="api", error="invalid_request""#,
            r#"ApiKey realm="api", error="invalid_request""#,
        ];
        assert_eq!(challenges(&response), expected, "{fields:?}");
    }
}

#[tokio::test]
async fn no_credential_gets_the_challenges_of_every_scheme_and_the_realm_of_the_layer() {
    let (_, layer) = pair();
    let layer = layer.add_authenticator(ApiKeys).realm("no\"tes\\");
    let (response, _) = ask(layer.layer(service_fn(who)), request(&[])).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(challenges(&response), [r#"Bearer realm="notes""#, r#"ApiKey realm="notes""#]);
}

#[tokio::test]
async fn refusals_from_inside_get_their_challenge_on_the_way_out() {
    const WRITE: Scopes = Scopes::from_static("notes:write");

    let (_, layer) = pair();
    let layer = layer.add_authenticator(ApiKeys).optional().realm("notes");
    let require = RequireLayer::authenticated().scopes(WRITE);
    let service = layer.layer(require.layer(service_fn(who)));
    let (response, _) = ask(service.clone(), request(&[("x-api-key", "key_bob")])).await;
    let text = r#"realm="notes", error="insufficient_scope", scope="notes:write""#;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(challenges(&response), [format!("Bearer {text}"), format!("ApiKey {text}")]);
    let (response, _) = ask(service, request(&[])).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(challenges(&response), [r#"Bearer realm="notes""#, r#"ApiKey realm="notes""#]);

    // A handler's 401 gets one, its 403 and a challenge of its own stay as they are.
    for (status, own, expected) in [
        (401, None, vec![r#"Bearer realm="notes""#, r#"ApiKey realm="notes""#]),
        (401, Some("Basic"), vec!["Basic"]),
        (403, None, vec![]),
        (200, None, vec![]),
    ] {
        let (_, layer) = pair();
        let layer = layer.add_authenticator(ApiKeys).optional().realm("notes");
        let service = layer.layer(service_fn(move |_: Request<TestBody>| {
            let response = Response::builder().status(status);
            let response = own.into_iter().fold(response, |r, own| r.header(WWW_AUTHENTICATE, own));
            let response = response.body(TestBody::default()).unwrap();
            async move { Ok::<_, Infallible>(response) }
        }));
        let (response, _) = ask(service, request(&[])).await;
        assert_eq!(challenges(&response), expected, "{status} {own:?}");
    }
}

#[tokio::test]
async fn an_inner_layer_that_finds_another_caller_refuses() {
    let (issuer, tokens) = pair();
    let token = token(&issuer, "");
    let bearer = format!("Bearer {}", token.expose());
    let keys = AuthLayer::new(ApiKeys);
    for (outer, inner) in [(&keys, &tokens), (&tokens, &keys)] {
        // Each layer reads its own credential. alice of the issuer is not alice of the API keys.
        for owner in ["key_alice", "key_bob"] {
            let service = outer.layer(inner.layer(service_fn(who)));
            let fields = [("authorization", bearer.as_str()), ("x-api-key", owner)];
            let (response, _) = ask(service, request(&fields)).await;
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{owner}");
        }
    }
    let same = tokens.layer(tokens.layer(service_fn(who)));
    let (response, body) = ask(same, request(&[("authorization", &bearer)])).await;
    assert_eq!((response.status(), body.as_str()), (StatusCode::OK, "alice"));
    let (response, _) = ask(tokens.layer(tokens.layer(service_fn(who))), request(&[])).await;
    assert_eq!(challenges(&response).len(), 1, "the challenge is written once");
}

fn minting(key: SigningKey, issuer: &str) -> TokenIssuer {
    TokenIssuer::builder(key).issuer(issuer).audience(AUDIENCE).build().unwrap()
}

#[test]
fn issuers_with_the_same_key_id_are_told_apart_by_their_name() {
    const OTHER: &str = "https://other.example";

    let [ours, theirs, both] = [(); 3].map(|()| SigningKey::generate().unwrap());
    let ours = ours.named("1").unwrap();
    let theirs = theirs.named("1").unwrap();
    let set = |key: &SigningKey| KeySet::new([key.verifying_key(), both.verifying_key()]).unwrap();
    let verifier = verifier(set(&ours)).issuer(OTHER, set(&theirs)).build().unwrap();
    let kind = |key: SigningKey, issuer: &str| {
        let token = minting(key, issuer).token("alice").sign().unwrap();
        verifier.verify(token.expose()).map(|token| token.issuer().to_owned()).map_err(|e| e.kind())
    };
    let again = |key: &SigningKey| {
        SigningKey::from_pem(key.to_pem().unwrap().expose()).unwrap().named(key.key_id()).unwrap()
    };
    assert_eq!(kind(again(&ours), ISSUER), Ok(ISSUER.to_owned()));
    assert_eq!(kind(again(&theirs), OTHER), Ok(OTHER.to_owned()));
    assert_eq!(kind(again(&both), ISSUER), Ok(ISSUER.to_owned()));
    assert_eq!(kind(again(&both), OTHER), Ok(OTHER.to_owned()));
    assert_eq!(kind(again(&ours), OTHER), Err(VerifyErrorKind::Signature));
    assert_eq!(kind(theirs, ISSUER), Err(VerifyErrorKind::Signature));
    assert_eq!(kind(ours, "https://evil.example"), Err(VerifyErrorKind::Issuer));
    let stranger = SigningKey::generate().unwrap();
    assert_eq!(kind(stranger, ISSUER), Err(VerifyErrorKind::KeyId));
}

#[test]
fn each_issuer_has_its_own_audiences_and_any_of_them_is_enough() {
    const OTHER: &str = "https://other.example";

    let [ours, theirs] = [(); 2].map(|()| SigningKey::generate().unwrap());
    let set = |key: &SigningKey| KeySet::new([key.verifying_key()]).unwrap();
    let other = TrustedIssuer::new(OTHER, set(&theirs)).audience("billing");
    let builder = verifier(set(&ours)).audience("web").add_issuer(other);
    let verifier = builder.build().unwrap();
    let accepts = |key: &SigningKey, issuer: &str, audience: &str| {
        let key = SigningKey::from_pem(key.to_pem().unwrap().expose()).unwrap();
        let issuer = TokenIssuer::builder(key).issuer(issuer).audience(audience).build().unwrap();
        verifier.verify(issuer.token("alice").sign().unwrap().expose()).is_ok()
    };
    assert!(accepts(&ours, ISSUER, AUDIENCE) && accepts(&ours, ISSUER, "web"));
    assert!(accepts(&theirs, OTHER, "billing"));
    assert!(!accepts(&theirs, OTHER, AUDIENCE) && !accepts(&ours, ISSUER, "billing"));
}

#[test]
fn a_verifier_without_issuer_or_audience_is_not_built() {
    let keys = || KeySet::new([SigningKey::generate().unwrap().verifying_key()]).unwrap();
    let error = TokenVerifier::builder().audience("api").build().unwrap_err();
    assert!(matches!(error, ConfigError::NoIssuer), "{error}");
    for builder in [
        TokenVerifier::builder().issuer(ISSUER, keys()),
        TokenVerifier::builder().issuer(ISSUER, keys()).audience(""),
    ] {
        let error = builder.build().unwrap_err();
        assert!(matches!(error, ConfigError::NoAudience(_)), "{error}");
    }
}
