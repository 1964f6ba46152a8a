//! Errors, refusals and bodies.

use std::fmt::Debug;

use bytes::Bytes;
use hardpoint_core::{Refusals, Refused, StackLayer};
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, TE},
    response::Parts,
};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::drive::{drive, exchange, read, ready};
use crate::{
    TestBody,
    spy::{Readiness, Spy, SpyError},
};

/// The layer returns errors of the inner service unchanged, from both `poll_ready` and the future.
pub fn errors_are_preserved<L, B, R>(layer: &L, request: impl Fn() -> Request<B>)
where
    L: Layer<Spy>,
    L::Service: Service<Request<B>, Response = Response<R>, Error = SpyError>,
{
    let (unready, answering) = (SpyError::new(7), SpyError::new(8));

    let (spy, handle) = Spy::new();
    handle.set_readiness(Readiness::Failed(unready));
    let mut service = layer.layer(spy);
    let failed = exchange(&mut service, request()).map(|response| response.status());
    assert_eq!(failed, Err(unready), "the inner service failed in poll_ready");

    let (spy, handle) = Spy::new();
    handle.respond(move |_| Err(answering));
    let mut service = layer.layer(spy);
    let failed = exchange(&mut service, request()).map(|response| response.status());
    assert_eq!(failed, Err(answering), "the inner service failed in its future");
    assert_eq!(handle.counts().permits_in_use, 0, "a failed request keeps its permit");
}

/// A refused request gets a problem, does not reach the inner service, and holds no permit.
///
/// The layer must refuse every request that `refused` creates. It must render the refusal for gRPC
/// if and only if the service's [`Refusals`] are set to gRPC, regardless of the client's headers.
pub fn refusals_are_responses<L, B, R>(layer: &L, refused: impl Fn() -> Request<B>)
where
    L: Layer<Spy> + StackLayer + Clone,
    L::Service: Service<Request<B>, Response = Response<R>, Error = SpyError>,
    R: Body<Data = Bytes>,
    R::Error: Debug,
{
    let grpc_headers = || {
        let mut request = refused();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
        *request.method_mut() = Method::POST;
        request
    };
    let (head, body) = refusal_of(layer, refused());
    assert_is_problem(&head, &body);
    let (head, body) = refusal_of(layer, grpc_headers());
    assert_is_problem(&head, &body);

    let grpc = layer.clone().refusals(&Refusals::new().grpc());
    let (head, body) = refusal_of(&grpc, refused());
    assert_eq!(head.status, StatusCode::OK, "status of a gRPC refusal");
    let status = text(&head.headers, "grpc-status").parse::<u16>();
    assert!(status.as_ref().is_ok_and(|code| *code > 0), "grpc-status of a refusal: {status:?}");
    assert_eq!(body, Bytes::new(), "a gRPC refusal has no body");
}

/// The head and the body of the response to a refused request.
fn refusal_of<L, B, R>(layer: &L, request: Request<B>) -> (Parts, Bytes)
where
    L: Layer<Spy>,
    L::Service: Service<Request<B>, Response = Response<R>, Error = SpyError>,
    R: Body<Data = Bytes>,
    R::Error: Debug,
{
    let (spy, handle) = Spy::with_permits(1);
    let mut service = layer.layer(spy);
    assert_eq!(ready(&mut service), Ok(()), "a layer refuses in call, not in poll_ready");
    let (head, body) = match drive(service.call(request)) {
        Ok(response) => response.into_parts(),
        Err(error) => panic!("a refusal is a response, not an error: {error}"),
    };
    assert!(
        head.extensions.get::<Refused>().is_some(),
        "a response with status {} has no `Refused` in its extensions: render refusals with \
         `hardpoint_core::Refusals`",
        head.status
    );
    assert_eq!(text(&head.headers, CACHE_CONTROL.as_str()), "no-store");
    let body = read(body).data;
    assert_eq!(handle.calls(), 0, "refused requests that reached the inner service");
    drop(service);
    assert_eq!(handle.counts().permits_in_use, 0, "a refused request keeps a permit");
    (head, body)
}

fn assert_is_problem(head: &Parts, body: &Bytes) {
    assert!(
        head.status.is_client_error() || head.status.is_server_error(),
        "a refusal with status {}",
        head.status
    );
    assert_eq!(text(&head.headers, CONTENT_TYPE.as_str()), "application/problem+json");
    let problem: Result<serde_json::Value, _> = serde_json::from_slice(body);
    assert!(problem.is_ok(), "a problem is JSON, not {body:?}");
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The layer preserves the status, headers, frames, trailers, size and end of the inner response.
pub fn trailers_and_size_hint_survive<L, B, R>(layer: &L, request: impl Fn() -> Request<B>)
where
    L: Layer<Spy>,
    L::Service: Service<Request<B>, Response = Response<R>, Error = SpyError>,
    R: Body<Data = Bytes>,
    R::Error: Debug,
{
    let (spy, handle) = Spy::new();
    let mut service = layer.layer(spy);
    body_is_forwarded(|body| {
        handle.respond(move |_| {
            let mut response = Response::new(body.clone());
            *response.status_mut() = StatusCode::ACCEPTED;
            let headers = response.headers_mut();
            headers.insert("x-of-the-handler", HeaderValue::from_static("1"));
            Ok(response)
        });
        match exchange(&mut service, request()) {
            Ok(response) => {
                assert_eq!(response.status(), StatusCode::ACCEPTED, "the handler's status");
                assert_eq!(text(response.headers(), "x-of-the-handler"), "1");
                response.into_body()
            }
            Err(error) => panic!("a request that the inner service answers failed: {error}"),
        }
    });
}

/// A wrapped body forwards the frames, trailers, size and end of the inner body.
///
/// Use it for wrappers of request bodies, which are not visible in a response.
pub fn body_is_forwarded<R>(mut wrap: impl FnMut(TestBody) -> R)
where
    R: Body<Data = Bytes>,
    R::Error: Debug,
{
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let full = TestBody::default().data("hel").pending().data("lo").trailers(trailers.clone());

    let empty = wrap(TestBody::default());
    assert!(empty.is_end_stream(), "is_end_stream of an empty body is false");
    assert_eq!(empty.size_hint().exact(), Some(0), "size of an empty body");

    let body = wrap(full.clone());
    assert!(!body.is_end_stream(), "is_end_stream of an unread body is true");
    assert_eq!(body.size_hint().exact(), Some(5), "size of a body of 5 bytes");
    let yielded = read(body);
    assert!(yielded.error.is_none(), "a whole body failed: {:?}", yielded.error);
    assert_eq!(yielded.data, "hello", "data of a body");
    assert_eq!(yielded.trailers, Some(trailers), "trailers of a body");
    assert!(yielded.ended, "is_end_stream is false after the last frame");

    let yielded = read(wrap(full.without_size()));
    assert_eq!(yielded.data, "hello", "data of a body of unknown size");

    let failing = TestBody::default().data("hel").error(SpyError::new(9));
    let yielded = read(wrap(failing));
    assert_eq!(yielded.data, "hel", "data before a failure");
    assert!(yielded.error.is_some(), "the error of a failing body is lost");
}
