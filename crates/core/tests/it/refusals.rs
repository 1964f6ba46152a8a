//! What a refusal looks like on the wire.

use std::time::Duration;

use hardpoint_core::{
    GrpcCode, Head, HeadFacts, Mono, Problem, Refused, RequestContext, RequestId, ResponseBody,
    refuse,
};
use hardpoint_testkit::TestBody;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::gate::Closed;

/// The facts of a request with this content type and perhaps an id.
fn facts(content_type: &'static str, id: Option<&'static str>) -> HeadFacts {
    let mut request = Request::new(());
    *request.method_mut() = http::Method::POST;
    request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
    let value = HeaderValue::from_static(content_type);
    request.headers_mut().insert("content-type", value);
    if let Some(id) = id {
        let context = RequestContext::received_at(Mono::ZERO);
        let id = RequestId::from_header(&HeaderValue::from_static(id));
        assert!(context.set_request_id(id.unwrap()));
        request.extensions_mut().insert(std::sync::Arc::new(context));
    }
    HeadFacts::of(Head::of(&request))
}

fn refused(facts: &HeadFacts, rejection: &Closed) -> Response<ResponseBody<TestBody>> {
    refuse(facts, rejection)
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
async fn http_callers_get_a_problem() {
    for content_type in ["application/json", "application/grpc-web", ""] {
        let response = refused(&facts(content_type, Some("r-1")), &Closed::default());
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
async fn grpc_callers_get_trailers_alone() {
    for content_type in ["application/grpc", "application/grpc+proto", "application/grpc;a=b"] {
        let response = refused(&facts(content_type, Some("r-1")), &Closed::default());
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(
            fields(response.headers()),
            [
                ("cache-control", "no-store"),
                ("content-type", "application/grpc"),
                ("grpc-message", "The gate is closed"),
                ("grpc-status", "14"),
                // google.rpc.Status with a RetryInfo of a second and a half.
                (
                    "grpc-status-details-bin",
                    "CA4SElRoZSBnYXRlIGlzIGNsb3NlZBo2Cih0eXBlLmdvb2dsZWFwaXMuY29tL2dvb2dsZS5ycGMuUmV0cnlJbmZvEgoKCAgBEIDKte4B",
                ),
                ("retry-after", "2"),
            ]
        );
        let ends = http_body::Body::is_end_stream(response.body());
        assert!(ends, "headers that end the stream are what trailers-only means");
        assert!(body(response).await.is_empty());
    }
}

#[tokio::test]
async fn what_the_rejection_adds_is_sent_to_both_kinds_of_callers() {
    let rejection = Closed {
        problem: Problem::new(StatusCode::UNAUTHORIZED, "token_missing", "No token")
            .iana_type("https://iana.org/assignments/http-problem-types#x")
            .detail("send one")
            .add_member("accepts", "Bearer"),
        code: GrpcCode::Unauthenticated,
        challenge: Some("Bearer realm=\"api\""),
    };
    let response = refused(&facts("application/grpc", None), &rejection);
    let get = |response: &Response<_>, name| response.headers().get(name).cloned();
    assert_eq!(get(&response, "www-authenticate").unwrap(), "Bearer realm=\"api\"");
    assert_eq!(get(&response, "grpc-status").unwrap(), "16");
    assert_eq!(get(&response, "retry-after"), None);

    let response = refused(&facts("text/plain", None), &rejection);
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

#[test]
fn grpc_codes_are_the_numbers_of_the_protocol() {
    for (code, number) in [
        (GrpcCode::InvalidArgument, "3"),
        (GrpcCode::DeadlineExceeded, "4"),
        (GrpcCode::NotFound, "5"),
        (GrpcCode::PermissionDenied, "7"),
        (GrpcCode::ResourceExhausted, "8"),
        (GrpcCode::Unimplemented, "12"),
        (GrpcCode::Internal, "13"),
        (GrpcCode::Unavailable, "14"),
        (GrpcCode::Unauthenticated, "16"),
    ] {
        let rejection = Closed { code, ..Closed::default() };
        let response = refused(&facts("application/grpc", None), &rejection);
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
        let response = refused(&HeadFacts::default(), &rejection);
        assert_eq!(response.headers().get("retry-after").unwrap(), expected, "{after:?}");
    }
}

#[tokio::test]
async fn outer_layers_find_the_code_and_clients_do_not_find_the_reason() {
    for content_type in ["text/plain", "application/grpc"] {
        let response = refused(&facts(content_type, None), &Closed::default());
        let code = response.extensions().get::<Refused>().map(|refused| refused.code());
        assert_eq!(code, Some("gate_closed"));
        let head = format!("{:?}", response.headers());
        let sent = head + &String::from_utf8(body(response).await).unwrap();
        assert!(!sent.contains("under the mat"), "{sent}");
    }
}
