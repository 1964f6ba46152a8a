//! Streams that the body limit cuts, as the record sees them.

use std::{convert::Infallible, error::Error};

use bytes::Bytes;
use hardpoint::{
    Stack,
    core::Refusals,
    edge::{BodyLimitLayer, CatchPanicLayer, ClientLayer, ProblemLayer},
    observability::RecordLayer,
};
use hardpoint_testkit::TestBody;
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Body, Frame};
use serde_json::Value;
use tower::{ServiceExt, service_fn};

use super::captured_logs;

type BoxError = Box<dyn Error + Send + Sync>;

/// Echoes the request while it comes, and ends cleanly if the request breaks off.
async fn echo<B>(
    request: Request<B>,
) -> Result<Response<UnsyncBoxBody<Bytes, BoxError>>, Infallible>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    let mut body = request.into_body();
    let stream = futures_util::stream::poll_fn(move |cx| {
        let frame = std::task::ready!(std::pin::Pin::new(&mut body).poll_frame(cx));
        std::task::Poll::Ready(frame.and_then(Result::ok).map(Ok::<Frame<Bytes>, BoxError>))
    });
    let response = Response::builder().header("content-type", "application/grpc");
    Ok(response.body(UnsyncBoxBody::new(StreamBody::new(stream))).unwrap())
}

#[tokio::test]
async fn a_stream_that_is_cut_is_a_rejection_in_the_record_and_no_success_on_the_wire() {
    for grpc in [false, true] {
        let (logs, _guard) = captured_logs("info");
        let refusals = if grpc { Refusals::new().grpc() } else { Refusals::new() };
        let service = Stack::new()
            .refusals(&refusals)
            .layer(ClientLayer::default())
            .layer(RecordLayer::new())
            .layer(ProblemLayer::new())
            .layer(CatchPanicLayer::new())
            .layer(BodyLimitLayer::new(8))
            .service(service_fn(echo));
        let body = TestBody::default().data("abc").pending().data("def").data("ghi").without_size();
        let response = service.oneshot(Request::post("/").body(body).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        let read = response.into_body().collect().await;
        match (grpc, read) {
            (true, Ok(body)) => assert_eq!(body.trailers().unwrap()["grpc-status"], "8"),
            (false, Err(_)) => {}
            (_, other) => panic!("{other:?}"),
        }
        let lines = logs.lines();
        let access: Vec<Value> =
            lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let access: Vec<_> = access.iter().filter(|line| line["message"] == "request").collect();
        let [line] = access.as_slice() else { panic!("{lines:?}") };
        assert_eq!(line["outcome"], "rejected", "{line}");
    }
}
