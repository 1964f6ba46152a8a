//! The header, the answers, and what the inner service sees.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use hardpoint_auth::{AuthLayer, RequireScopesLayer, Verified};
use hardpoint_core::{Event, Refused, RequestContext, Subject};
use hardpoint_testkit::TestBody;
use http::{
    Request, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE},
};
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceExt, service_fn};

use super::{pair, token, with};

/// Answers with the subject, from the extension and from the context.
async fn who(request: Request<TestBody>) -> Result<Response<TestBody>, Infallible> {
    let verified = request.extensions().get::<Arc<Verified>>();
    let context = RequestContext::get(request.extensions());
    let in_context = context.and_then(|context| context.subject()).map(Subject::as_str);
    assert_eq!(verified.map(|verified| verified.subject()), in_context);
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
async fn without_a_token_there_is_a_challenge_and_no_error() {
    let (_, layer) = pair();
    for request in
        [Request::new(TestBody::default()), with("Basic YWxpY2U6eA=="), with("Bearer"), with("")]
    {
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
    assert_eq!(ask(&AuthLayer::<hardpoint_core::SystemClock>::off(), good).await.body(), "nobody");
}

#[tokio::test]
async fn a_grpc_caller_gets_unauthenticated() {
    let (_, layer) = pair();
    let mut request = with("Bearer forged");
    request.headers_mut().insert(CONTENT_TYPE, "application/grpc".parse().unwrap());
    let answer = ask(&layer, request).await;
    assert_eq!(
        (answer.status(), &answer.headers()["grpc-status"]),
        (StatusCode::OK, &"16".parse().unwrap())
    );
}

#[tokio::test]
async fn scopes_are_required_of_a_token_and_none_implies_another() {
    let (issuer, layer) = pair();
    let require = RequireScopesLayer::new("notes:read notes:write".parse().unwrap());
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
    let off = RequireScopesLayer::off().layer(service_fn(who));
    assert_eq!(
        off.oneshot(Request::new(TestBody::default())).await.unwrap().status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn every_verification_is_told_to_the_observer() {
    let (issuer, layer) = pair();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let layer = layer.with_observer(move |event: &Event<'_>| {
        if let Event::Verified { result } = event {
            sink.lock().unwrap().push(*result);
        }
    });
    ask(&layer, with(&format!("Bearer {}", token(&issuer, "").expose()))).await;
    ask(&layer, with("Bearer forged")).await;
    ask(&layer, Request::new(TestBody::default())).await;
    assert_eq!(*seen.lock().unwrap(), ["ok", "malformed"]);
}
