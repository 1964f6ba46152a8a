//! The header, the answers, and what the inner service sees.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use hardpoint_auth::{
    AuthLayer, RequireLayer, Revocation, RevocationPolicy, RevocationState, Scopes, VerifiedToken,
};
use hardpoint_core::{Clock, Event, ManualClock, Refusals, Refused, RequestContext, Telemetry};
use hardpoint_testkit::TestBody;
use http::{
    Request, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::{Layer, Service, ServiceExt, service_fn};

use super::{issuer_and_builder, pair, token, with};

/// Answers with the subject of the request's context, which is the token's.
async fn who(request: Request<TestBody>) -> Result<Response<TestBody>, Infallible> {
    let context = RequestContext::find(request.extensions());
    let in_context = context.and_then(|context| context.subject());
    let identity = context.and_then(|context| context.identity());
    let verified = identity.and_then(VerifiedToken::from_identity);
    assert_eq!(verified.as_ref().map(VerifiedToken::subject), in_context);
    assert!(request.extensions().get::<VerifiedToken>().is_none());
    if let Some(header) = request.headers().get(AUTHORIZATION).filter(|_| verified.is_some()) {
        assert!(header.is_sensitive());
    }
    let body = in_context.unwrap_or("nobody").to_owned();
    Ok(Response::new(TestBody::default().data(body)))
}

async fn ask<L>(layer: &L, request: Request<TestBody>) -> Response<Bytes>
where
    L: Layer<tower::util::ServiceFn<fn(Request<TestBody>) -> Who>>,
    L::Service: Service<
            Request<TestBody>,
            Response = Response<hardpoint_core::ResponseBody<TestBody>>,
            Error = Infallible,
        >,
{
    let inner: fn(Request<TestBody>) -> Who = |request| Box::pin(who(request));
    let response = layer.layer(service_fn(inner)).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

type Who = std::pin::Pin<Box<dyn Future<Output = Result<Response<TestBody>, Infallible>> + Send>>;

fn challenge(response: &Response<Bytes>) -> &str {
    response.headers()[WWW_AUTHENTICATE].to_str().unwrap()
}

#[tokio::test]
async fn a_valid_token_tells_who_is_calling() {
    let (issuer, layer) = pair();
    let token = token(&issuer, "notes:read");
    for scheme in ["Bearer ", "bearer ", "BEARER ", "Bearer   "] {
        let answer = ask(&layer, with(&format!("{scheme}{}", token.expose()))).await;
        assert_eq!(
            (answer.status(), answer.body().as_ref()),
            (StatusCode::OK, &b"alice"[..]),
            "{scheme}"
        );
    }
}

#[tokio::test]
async fn lines_that_a_proxy_joined_are_refused_as_two() {
    let (issuer, layer) = pair();
    let token = token(&issuer, "notes:read");
    let token = token.expose();
    for joined in [
        format!("Bearer {token},Bearer {token}"),
        format!("Bearer {token}, Bearer {token}"),
        format!("Bearer {token}, Basic dTpw"),
        format!("Basic dTpw, Bearer {token}"),
    ] {
        let answer = ask(&layer, with(&joined)).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{joined}");
    }
}

#[tokio::test]
async fn without_a_token_there_is_a_challenge_and_no_error() {
    let (_, layer) = pair();
    for request in [
        Request::new(TestBody::default()),
        with("Basic YWxpY2U6eA=="),
        with("Bearers x"),
        with("Bear"),
        with(""),
    ] {
        let answer = ask(&layer, request).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(challenge(&answer), r#"Bearer realm="api""#);
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(
            answer.extensions().get::<Refused>().map(|refused| refused.code()),
            Some("unauthenticated")
        );
    }
}

#[tokio::test]
async fn a_bearer_header_without_a_token_is_refused_even_by_an_optional_layer() {
    let (issuer, layer) = pair();
    let token = token(&issuer, "");
    let token = token.expose();
    for bad in [
        "Bearer".to_owned(),
        "bearer ".to_owned(),
        "BEARER   ".to_owned(),
        format!("Bearer\t{token}"),
        format!("Bearer {token} "),
        format!("Bearer \t{token}"),
    ] {
        for layer in [layer.clone(), layer.clone().optional()] {
            let answer = ask(&layer, with(&bad)).await;
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{bad:?}");
            assert_eq!(challenge(&answer), r#"Bearer realm="api", error="invalid_token""#);
        }
    }
}

#[tokio::test]
async fn a_cookie_carries_the_token_if_that_was_asked_for() {
    let (issuer, layer) = pair();
    let token = token(&issuer, "");
    let cookies = layer.clone().cookie("__Host-at");
    let request = |cookie: &str, header: Option<&str>| {
        let mut request = Request::builder().header(COOKIE, cookie);
        if let Some(header) = header {
            request = request.header(AUTHORIZATION, header);
        }
        request.body(TestBody::default()).unwrap()
    };
    let (good, bearer) = (token.expose(), format!("Bearer {}", token.expose()));
    for cookie in [format!("__Host-at={good}"), format!("a=b; __Host-at={good}; c=d")] {
        assert_eq!(ask(&cookies, request(&cookie, None)).await.body(), "alice");
        assert_eq!(ask(&layer, request(&cookie, None)).await.status(), StatusCode::UNAUTHORIZED);
        let both = ask(&cookies, request(&cookie, Some(&bearer))).await;
        assert_eq!(both.status(), StatusCode::BAD_REQUEST);
    }
    let twice = format!("__Host-at={good}; __Host-at={good}");
    assert_eq!(ask(&cookies, request(&twice, None)).await.status(), StatusCode::BAD_REQUEST);
    let mut headers = request(&format!("__Host-at={good}"), None);
    headers.headers_mut().append(COOKIE, "__Host-at=x".parse().unwrap());
    assert_eq!(ask(&cookies, headers).await.status(), StatusCode::BAD_REQUEST);
    for other in ["__host-at", "at", "x__Host-at"] {
        let answer = ask(&cookies, request(&format!("{other}={good}"), None)).await;
        assert_eq!(challenge(&answer), r#"Bearer realm="api""#, "{other}");
    }
    let forged = ask(&cookies, request("__Host-at=forged", None)).await;
    assert_eq!(challenge(&forged), r#"Bearer realm="api", error="invalid_token""#);
    assert_eq!(ask(&cookies, with(&bearer)).await.body(), "alice");
}

#[tokio::test]
async fn credentials_are_hidden_whatever_they_are() {
    let (_, layer) = pair();
    let inner = service_fn(async |request: Request<TestBody>| {
        let headers = request.headers();
        assert!(headers.get_all(AUTHORIZATION).iter().all(http::HeaderValue::is_sensitive));
        assert!(headers.get_all(COOKIE).iter().all(http::HeaderValue::is_sensitive));
        Ok::<_, Infallible>(Response::new(TestBody::default()))
    });
    let service = layer.optional().cookie("at").layer(inner);
    let mut request = with("Basic YWxpY2U6eA==");
    request.headers_mut().append(COOKIE, "a=b".parse().unwrap());
    assert_eq!(service.oneshot(request).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn what_cannot_be_decided_is_503_and_no_word_about_the_token() {
    struct Down;
    impl Revocation for Down {
        fn state(&self, _: &VerifiedToken) -> RevocationState {
            RevocationState::Unknown
        }
    }

    let (issuer, builder) = issuer_and_builder();
    let request = || with(&format!("Bearer {}", token(&issuer, "").expose()));
    let layer = AuthLayer::new(builder.revocation(Down).build().unwrap());
    let answer = ask(&layer, request()).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key(RETRY_AFTER));
    assert!(!answer.headers().contains_key(WWW_AUTHENTICATE));

    let (issuer, builder) = issuer_and_builder();
    let builder = builder.revocation(Down).unknown_revocation(RevocationPolicy::Allow);
    let request = with(&format!("Bearer {}", token(&issuer, "").expose()));
    let answer = ask(&AuthLayer::new(builder.build().unwrap()), request).await;
    assert_eq!(answer.status(), StatusCode::OK, "where the operator chose so");
}

#[tokio::test]
async fn every_refused_token_gets_the_same_answer() {
    let (issuer, layer) = pair();
    let (stranger, _) = pair();
    let mut answers = Vec::new();
    for bad in [
        "garbage",
        "a.b.c",
        token(&stranger, "").expose(),
        &token(&issuer, "").expose().to_lowercase(),
    ] {
        let answer = ask(&layer, with(&format!("Bearer {bad}"))).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(challenge(&answer), r#"Bearer realm="api", error="invalid_token""#);
        answers.push(answer.into_body());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "what was wrong is not told");
}

#[tokio::test]
async fn two_headers_are_refused_whichever_is_valid() {
    let (issuer, layer) = pair();
    let mut request = with(&format!("Bearer {}", token(&issuer, "").expose()));
    request.headers_mut().append(AUTHORIZATION, "Bearer forged".parse().unwrap());
    let answer = ask(&layer, request).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(challenge(&answer), r#"Bearer realm="api", error="invalid_request""#);
}

#[tokio::test]
async fn an_optional_layer_lets_nobody_pass_and_refuses_bad_tokens_still() {
    let (issuer, layer) = pair();
    let layer = layer.optional();
    assert_eq!(ask(&layer, Request::new(TestBody::default())).await.body(), "nobody");
    assert_eq!(ask(&layer, with("Bearer forged")).await.status(), StatusCode::UNAUTHORIZED);
    let good = with(&format!("Bearer {}", token(&issuer, "").expose()));
    assert_eq!(ask(&layer, good).await.body(), "alice");
}

#[tokio::test]
async fn a_layer_that_is_off_authenticates_nobody() {
    let (issuer, _) = pair();
    let good = with(&format!("Bearer {}", token(&issuer, "").expose()));
    assert_eq!(ask(&AuthLayer::off(), good).await.body(), "nobody");
}

#[tokio::test]
async fn a_grpc_service_answers_unauthenticated_and_the_clients_headers_do_not_decide_it() {
    let (_, layer) = pair();
    let request = || {
        let mut request = with("Bearer forged");
        *request.method_mut() = http::Method::POST;
        request.headers_mut().insert(CONTENT_TYPE, "application/grpc".parse().unwrap());
        request
    };
    let answer = ask(&layer, request()).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let answer = ask(&layer.refusals(&Refusals::new().grpc()), request()).await;
    assert_eq!(
        (answer.status(), &answer.headers()["grpc-status"]),
        (StatusCode::OK, &"16".parse().unwrap())
    );
    assert!(!answer.headers().contains_key(WWW_AUTHENTICATE));
}

#[tokio::test]
async fn scopes_are_required_of_a_token_and_none_implies_another() {
    let (issuer, layer) = pair();
    const BOTH: Scopes = Scopes::from_static("notes:read notes:write");
    let require = RequireLayer::authenticated().scopes(BOTH);
    let statuses = async |scopes: &str| {
        let inner = service_fn(who);
        let request = with(&format!("Bearer {}", token(&issuer, scopes).expose()));
        let service = layer.layer(require.layer(inner));
        let response = service.oneshot(request).await.unwrap();
        (response.status(), response.headers().get(WWW_AUTHENTICATE).cloned())
    };
    assert_eq!(statuses("notes:write notes:read").await.0, StatusCode::OK);
    for scopes in ["", "notes:read", "notes", "notes:*", "NOTES:READ NOTES:WRITE"] {
        let (status, challenge) = statuses(scopes).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{scopes}");
        let expected =
            r#"Bearer realm="api", error="insufficient_scope", scope="notes:read notes:write""#;
        assert_eq!(challenge.unwrap(), expected);
    }
    let alone =
        require.layer(service_fn(who)).oneshot(Request::new(TestBody::default())).await.unwrap();
    assert_eq!(alone.status(), StatusCode::UNAUTHORIZED);
    let off = RequireLayer::off().layer(service_fn(who));
    assert_eq!(
        off.oneshot(Request::new(TestBody::default())).await.unwrap().status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn roles_and_fresh_log_ins_are_required_of_claims() {
    let clock = ManualClock::default();
    let key = Arc::new(hardpoint_auth::SigningKey::generate().unwrap());
    let keys = hardpoint_auth::KeySet::new([key.verifying_key()]).unwrap();
    let auth = AuthLayer::new(super::verifier(keys).time(clock.clone()).build().unwrap());
    let issuer = hardpoint_auth::TokenIssuer::builder(key).issuer(super::ISSUER);
    let issuer = issuer.audience(super::AUDIENCE).time(clock.clone()).build().unwrap();
    let statuses = async |require: RequireLayer, claims: &[(&str, Value)]| {
        let claims = claims.iter().map(|(name, value)| (*name, value.clone()));
        let new = claims.fold(issuer.token("alice"), |new, (name, value)| new.claim(name, value));
        let token = new.sign().unwrap();
        let require = require.time(clock.clone());
        let service = auth.layer(require.layer(service_fn(who)));
        let request = with(&format!("Bearer {}", token.expose()));
        service.oneshot(request).await.unwrap()
    };
    let admin = || RequireLayer::authenticated().add_role("roles", "admin");
    for (roles, expected) in [
        (json!("admin"), 200),
        (json!(["user", "admin"]), 200),
        (json!(["administrator"]), 403),
        (json!("user admin"), 403),
        (json!({ "admin": true }), 403),
        (json!([["admin"]]), 403),
    ] {
        let answer = statuses(admin(), &[("roles", roles.clone())]).await;
        assert_eq!(answer.status().as_u16(), expected, "{roles}");
    }
    assert_eq!(statuses(admin(), &[]).await.status(), StatusCode::FORBIDDEN);
    let nested = RequireLayer::authenticated().add_role("/realm_access/roles", "admin");
    let realm = [("realm_access", json!({ "roles": ["admin"] }))];
    assert_eq!(statuses(nested.clone(), &realm).await.status(), StatusCode::OK);
    assert_eq!(statuses(nested.add_role("roles", "x"), &realm).await.status(), 403);

    let fresh = || RequireLayer::authenticated().fresh(Duration::from_secs(300));
    let now = clock.unix().as_secs();
    for (login, expected) in [(now, 200), (now - 300, 200), (now - 301, 401)] {
        let answer = statuses(fresh(), &[("auth_time", json!(login))]).await;
        assert_eq!(answer.status().as_u16(), expected, "{login}");
    }
    let stale = statuses(fresh(), &[]).await;
    assert_eq!(stale.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        stale.headers()[WWW_AUTHENTICATE],
        r#"Bearer realm="api", error="insufficient_user_authentication", max_age="300""#
    );
}

#[tokio::test]
async fn every_verification_is_told_to_the_observer() {
    let (issuer, layer) = pair();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let layer = layer.telemetry(&Telemetry::new(move |event: &Event<'_>| {
        if let Event::TokenVerified(event) = event {
            sink.lock().unwrap().push(event.result.map_or_else(|kind| kind.as_str(), |()| "ok"));
        }
    }));
    ask(&layer, with(&format!("Bearer {}", token(&issuer, "").expose()))).await;
    ask(&layer, with("Bearer forged")).await;
    ask(&layer, Request::new(TestBody::default())).await;
    assert_eq!(*seen.lock().unwrap(), ["ok", "malformed"]);
}
