//! Refusals on the wire.

use std::time::Duration;

use bytes::Bytes;
use hardpoint_core::{
    Challenge, GrpcCode, Head, HeadFacts, Mono, Outcome, Problem, Refusal, Refusals, Refused,
    RequestContext, RequestId, ResponseBody,
};
use hardpoint_testkit::TestBody;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::gate::Closed;

/// A request with every sign of a gRPC call, and with `id` if there is one.
fn request(id: Option<&'static str>) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = "/pkg.Service/Method".parse().unwrap();
    request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    if let Some(id) = id {
        let context = RequestContext::received_at(Mono::ZERO);
        let id = RequestId::from_header(&HeaderValue::from_static(id));
        assert!(context.set_request_id(id.unwrap()));
        request.extensions_mut().insert(std::sync::Arc::new(context));
    }
    request
}

fn refused(
    refusals: &Refusals,
    request: &Request<()>,
    rejection: &Closed,
) -> Response<ResponseBody<TestBody>> {
    refusals.refuse(&refusals.facts(Head::new(request)), rejection)
}

fn fields(headers: &HeaderMap) -> Vec<(&str, &str)> {
    let mut fields: Vec<_> =
        headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    fields.sort_unstable();
    fields
}

async fn body(response: Response<ResponseBody<TestBody>>) -> Vec<u8> {
    let body = response.into_body().collect().await.unwrap();
    assert!(body.trailers().is_none());
    body.to_bytes().to_vec()
}

#[tokio::test]
async fn a_refusal_is_a_problem_whatever_the_client_sends() {
    for refusals in [Refusals::new(), Refusals::new().grpc_under("/other.Service/")] {
        let response = refused(&refusals, &request(Some("r-1")), &Closed::default());
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            fields(response.headers()),
            [
                ("cache-control", "no-store"),
                ("content-type", "application/problem+json"),
                ("retry-after", "2"),
            ]
        );
        let body: Value = serde_json::from_slice(&body(response).await).unwrap();
        assert_eq!(
            body,
            json!({
                "type": "urn:hardpoint:problem:gate_closed",
                "title": "The gate is closed",
                "status": 503,
                "code": "gate_closed",
                "request_id": "r-1",
            })
        );
    }
}

#[tokio::test]
async fn a_grpc_service_refuses_with_trailers_only() {
    for refusals in [Refusals::new().grpc(), Refusals::new().grpc_under("/pkg.Service/")] {
        let response = refused(&refusals, &request(Some("r-1")), &Closed::default());
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(
            fields(response.headers()),
            [
                ("cache-control", "no-store"),
                ("content-type", "application/grpc"),
                ("grpc-message", "The gate is closed"),
                ("grpc-status", "14"),
                // google.rpc.Status with a RetryInfo of 1.5 seconds.
                (
                    "grpc-status-details-bin",
                    "CA4SElRoZSBnYXRlIGlzIGNsb3NlZBo2Cih0eXBlLmdvb2dsZWFwaXMuY29tL2dvb2dsZS5ycGMuUmV0cnlJbmZvEgoKCAgBEIDKte4B",
                ),
                ("retry-after", "2"),
            ]
        );
        let ends = http_body::Body::is_end_stream(response.body());
        assert!(ends, "trailers-only means that the head ends the stream");
        assert!(body(response).await.is_empty());
    }
}

#[tokio::test]
async fn the_rejections_own_headers_and_members_are_sent() {
    let rejection = Closed {
        problem: Problem::new(StatusCode::UNAUTHORIZED, "token_missing", "No token")
            .iana_type("https://iana.org/assignments/http-problem-types#x")
            .detail("send one")
            .add_member("accepts", "Bearer"),
        challenge: Some("Bearer realm=\"api\""),
    };
    let response = refused(&Refusals::new().grpc(), &request(None), &rejection);
    let get = |response: &Response<_>, name| response.headers().get(name).cloned();
    assert_eq!(get(&response, "www-authenticate").unwrap(), "Bearer realm=\"api\"");
    assert_eq!(get(&response, "grpc-status").unwrap(), "16");
    assert_eq!(get(&response, "retry-after"), None);

    let response = refused(&Refusals::new(), &request(None), &rejection);
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(get(&response, "www-authenticate").unwrap(), "Bearer realm=\"api\"");
    assert_eq!(get(&response, "retry-after"), None);
    let body: Value = serde_json::from_slice(&body(response).await).unwrap();
    assert_eq!(
        body,
        json!({
            "type": "https://iana.org/assignments/http-problem-types#x",
            "title": "No token",
            "status": 401,
            "code": "token_missing",
            "detail": "send one",
            "accepts": "Bearer",
        })
    );
}

/// A service's error envelope: the code and the id. The status depends on the code.
fn envelope(refusal: &Refusal<'_>) -> Response<Bytes> {
    let id = refusal.request_id().map(RequestId::as_str);
    let body = json!({ "error": refusal.problem().code(), "id": id }).to_string();
    let mut response = Response::new(body.into());
    *response.status_mut() = match refusal.problem().code() {
        "gate_closed" => StatusCode::SERVICE_UNAVAILABLE,
        "teapot" => StatusCode::IM_A_TEAPOT,
        _ => StatusCode::OK,
    };
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    response.headers_mut().insert("retry-after", HeaderValue::from_static("never"));
    response
}

#[tokio::test]
async fn a_services_renderer_makes_the_body_and_cannot_lose_the_headers() {
    let refusals = Refusals::new().renderer(envelope);
    let response = refused(&refusals, &request(Some("r-1")), &Closed::default());
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        fields(response.headers()),
        [("cache-control", "no-store"), ("content-type", "application/json"), ("retry-after", "2")]
    );
    assert_eq!(response.extensions().get::<Refused>().unwrap().code(), "gate_closed");
    assert_eq!(body(response).await, br#"{"error":"gate_closed","id":"r-1"}"#);

    let grpc = refused(&refusals.clone().grpc(), &request(None), &Closed::default());
    assert_eq!(grpc.headers().get("grpc-status").unwrap(), "14");
}

#[test]
fn a_renderer_chooses_among_errors_and_cannot_answer_with_a_success() {
    let refusals = Refusals::new().renderer(envelope);
    for (code, expected) in [("teapot", StatusCode::IM_A_TEAPOT), ("x", StatusCode::FORBIDDEN)] {
        let problem = Problem::new(StatusCode::FORBIDDEN, code, "X");
        let response = refused(&refusals, &request(None), &Closed { problem, ..Closed::default() });
        assert_eq!(response.status(), expected, "{code}");
        assert_eq!(response.extensions().get::<Refused>().unwrap().status(), StatusCode::FORBIDDEN);
    }
}

#[test]
fn a_response_to_head_has_the_length_and_no_body() {
    let mut request = request(None);
    *request.method_mut() = Method::HEAD;
    for refusals in [Refusals::new(), Refusals::new().renderer(envelope)] {
        let response = refused(&refusals, &request, &Closed::default());
        assert!(http_body::Body::is_end_stream(response.body()));
        assert_ne!(response.headers().get("content-length").unwrap(), "0");
    }
}

#[test]
fn a_grpc_code_follows_from_the_status_unless_the_problem_has_one() {
    for (code, number) in [
        (None, "14"),
        (Some(GrpcCode::InvalidArgument), "3"),
        (Some(GrpcCode::DeadlineExceeded), "4"),
        (Some(GrpcCode::NotFound), "5"),
        (Some(GrpcCode::PermissionDenied), "7"),
        (Some(GrpcCode::ResourceExhausted), "8"),
        (Some(GrpcCode::Unimplemented), "12"),
        (Some(GrpcCode::Internal), "13"),
        (Some(GrpcCode::Unavailable), "14"),
        (Some(GrpcCode::Unauthenticated), "16"),
    ] {
        let mut rejection = Closed::default();
        if let Some(code) = code {
            rejection.problem = rejection.problem.grpc_code(code);
        }
        let response = refused(&Refusals::new().grpc(), &request(None), &rejection);
        assert_eq!(response.headers().get("grpc-status").unwrap(), number, "{code:?}");
    }
}

#[test]
fn retry_after_is_whole_seconds_rounded_up() {
    for (after, expected) in [
        (Duration::ZERO, "1"),
        (Duration::from_nanos(1), "1"),
        (Duration::from_secs(30), "30"),
        (Duration::from_millis(30_001), "31"),
        (Duration::MAX, "18446744073709551615"),
    ] {
        let mut rejection = Closed::default();
        rejection.problem = rejection.problem.retry_after(after);
        let refusals = Refusals::new();
        let response: Response<ResponseBody<TestBody>> =
            refusals.refuse(&HeadFacts::default(), &rejection);
        assert_eq!(response.headers().get("retry-after").unwrap(), expected, "{after:?}");
    }
}

#[tokio::test]
async fn outer_layers_find_code_outcome_and_challenge_and_clients_do_not_find_the_reason() {
    for refusals in [Refusals::new(), Refusals::new().grpc(), Refusals::new().renderer(envelope)] {
        let challenge = Challenge::new("insufficient_scope").scope("notes:write");
        let mut rejection = Closed::default();
        rejection.problem = rejection.problem.outcome(Outcome::Shed).challenge(challenge.clone());
        let response = refused(&refusals, &request(None), &rejection);
        let left = response.extensions().get::<Refused>().copied().unwrap();
        assert_eq!(
            (left.status(), left.code(), left.outcome()),
            (StatusCode::SERVICE_UNAVAILABLE, "gate_closed", Outcome::Shed)
        );
        assert_eq!(response.extensions().get(), Some(&challenge));
        let head = format!("{:?}", response.headers());
        let sent = head + &String::from_utf8(body(response).await).unwrap();
        assert!(!sent.contains("under the mat"), "{sent}");
    }
}
