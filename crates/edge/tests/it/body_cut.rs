//! A stream that is answered while it is read, and cut by the limit.

use std::{convert::Infallible, error::Error, future::ready, pin::Pin, task::Poll, time::Duration};

use bytes::Bytes;
use hardpoint_core::{Outcome, Refusals};
use hardpoint_edge::{
    BodyLimitLayer,
    body_limit::{BodyTooLarge, LimitedBody},
};
use hardpoint_testkit::{TestBody, http::serve};
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};
use tower::{Layer, ServiceExt, service_fn};

use crate::with_context;

type BoxError = Box<dyn Error + Send + Sync>;
type Answer = UnsyncBoxBody<Bytes, BoxError>;

/// What an inner service does with the error of the body that it echoes.
#[derive(Clone, Copy, Debug)]
enum Careless {
    /// It passes it on.
    Fails,
    /// It ends as if nothing were wrong.
    Ends,
    /// It sends trailers of success.
    Succeeds,
    /// It reads in a task of its own, and never ends.
    Hangs,
    /// It reads in a task of its own and goes on sending.
    GoesOn,
}

const ALL: [Careless; 5] =
    [Careless::Fails, Careless::Ends, Careless::Succeeds, Careless::Hangs, Careless::GoesOn];

/// Echoes the request's frames while they come.
async fn echo<B>(careless: Careless, request: Request<B>) -> Result<Response<Answer>, Infallible>
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<BoxError> + Send,
{
    let mut body = request.into_body();
    let (sender, mut frames) = mpsc::unbounded_channel::<Result<Frame<Bytes>, BoxError>>();
    tokio::spawn(async move {
        while let Some(frame) = body.frame().await {
            match (frame, careless) {
                (Ok(frame), _) => drop(sender.send(Ok(frame))),
                (Err(error), Careless::Fails) => drop(sender.send(Err(error.into()))),
                (Err(_), Careless::Ends) => break,
                (Err(_), Careless::Succeeds) => {
                    let trailers = HeaderMap::from_iter([(
                        http::HeaderName::from_static("grpc-status"),
                        http::HeaderValue::from_static("0"),
                    )]);
                    drop(sender.send(Ok(Frame::trailers(trailers))));
                    break;
                }
                (Err(_), Careless::Hangs) => std::future::pending().await,
                (Err(_), Careless::GoesOn) => loop {
                    if sender.send(Ok(Frame::data(Bytes::from_static(b"more")))).is_err() {
                        return;
                    }
                    tokio::task::yield_now().await;
                },
            }
        }
    });
    let stream = futures_util::stream::poll_fn(move |cx| frames.poll_recv(cx));
    Ok(Response::new(UnsyncBoxBody::new(StreamBody::new(stream))))
}

/// Four frames of three bytes, of unknown size.
fn chunked() -> TestBody {
    TestBody::default().data("abc").data("def").pending().data("ghi").data("jkl").without_size()
}

/// What a client receives until the body ends: the data, and the trailers or the error.
async fn received<B>(mut body: B) -> (Vec<u8>, Option<HeaderMap>, Option<B::Error>)
where
    B: Body<Data = Bytes> + Unpin,
{
    let (mut data, mut trailers) = (Vec::new(), None);
    while let Some(frame) = body.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(bytes)) => data.extend_from_slice(&bytes),
            Ok(Err(frame)) => trailers = frame.into_trailers().ok(),
            Err(error) => return (data, trailers, Some(error)),
        }
    }
    (data, trailers, None)
}

#[tokio::test]
async fn the_answer_to_a_stream_that_is_cut_breaks_off() {
    for careless in ALL {
        let service =
            BodyLimitLayer::new(8).layer(service_fn(move |request| echo(careless, request)));
        let (request, context) = with_context(Request::new(chunked()));
        let response = service.oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200, "the head was sent");
        let mut body = response.into_body();
        let read = tokio::time::timeout(Duration::from_secs(20), received(&mut body));
        let (data, trailers, error) = read.await.unwrap();
        assert!(b"abcdef".starts_with(&data) || data.starts_with(b"abcdef"), "{careless:?}");
        assert_eq!(trailers, None, "{careless:?}");
        let error = error.unwrap_or_else(|| panic!("{careless:?} ended"));
        if !matches!(careless, Careless::Fails) {
            assert_eq!(error.downcast_ref::<BodyTooLarge>().unwrap().limit(), 8, "{careless:?}");
        }
        assert_eq!(context.body_outcome(), Some(Outcome::Rejected));
        assert!(body.frame().await.is_none() && body.is_end_stream(), "{careless:?}");
    }
}

#[tokio::test]
async fn the_answer_to_a_grpc_stream_that_is_cut_ends_with_the_status() {
    let grpc = Refusals::new().grpc();
    for careless in ALL {
        let layer = BodyLimitLayer::new(8).refusals(&grpc);
        let service = layer.layer(service_fn(move |request| echo(careless, request)));
        let (request, context) = with_context(Request::new(chunked()));
        let response = service.oneshot(request).await.unwrap();
        let read = tokio::time::timeout(Duration::from_secs(20), received(response.into_body()));
        let (_, trailers, error) = read.await.unwrap();
        assert!(error.is_none(), "{careless:?} {error:?}");
        let trailers = trailers.unwrap();
        assert_eq!(trailers["grpc-status"], "8", "{careless:?}");
        assert!(trailers.contains_key("grpc-message"));
        assert_eq!(context.body_outcome(), Some(Outcome::Rejected));
    }
}

/// A message of gRPC.
fn message(length: usize) -> Vec<u8> {
    [&[0][..], &u32::try_from(length).unwrap().to_be_bytes(), &vec![b'x'; length]].concat()
}

#[tokio::test]
async fn messages_of_grpc_are_limited_one_by_one() {
    let grpc = Refusals::new().grpc_under("/pkg.Service/");
    let layer = BodyLimitLayer::new(8).grpc_messages(100).refusals(&grpc);
    let stream = |lengths: &[usize]| {
        let bytes: Vec<u8> = lengths.iter().flat_map(|length| message(*length)).collect();
        // Divided without regard to messages.
        bytes.chunks(7).fold(TestBody::default(), |body, part| body.data(part.to_vec()))
    };
    let ask = async |path: &str, body: TestBody| {
        let service = layer.layer(service_fn(|request| echo(Careless::Fails, request)));
        let request = Request::post(path).body(body.without_size()).unwrap();
        service.oneshot(request).await.unwrap()
    };
    let long: Vec<usize> = vec![100; 1_000];
    let response = ask("/pkg.Service/Method", stream(&long)).await;
    let (data, _, error) = received(response.into_body()).await;
    assert!(error.is_none());
    assert_eq!(data.len(), 105 * 1_000, "the stream is not limited");

    let response = ask("/pkg.Service/Method", stream(&[100, 3, 101])).await;
    let (data, trailers, error) = received(response.into_body()).await;
    assert!(error.is_none() && data.len() < 105 + 8 + 7, "{}", data.len());
    assert_eq!(trailers.unwrap()["grpc-status"], "8");

    // Announced lengths are those of streams.
    let request = Request::post("/pkg.Service/Method").header("content-length", "315");
    let service = layer.layer(service_fn(|request| echo(Careless::Fails, request)));
    let response = service.oneshot(request.body(stream(&[100, 100, 100])).unwrap()).await.unwrap();
    assert_eq!(received(response.into_body()).await.0.len(), 315);

    let response = ask("/other", stream(&[3, 3])).await;
    assert!(received(response.into_body()).await.2.is_some(), "another request is limited as ever");
}

#[tokio::test]
async fn an_answer_without_a_body_to_break_off_is_the_rejection() {
    // The head comes after the body was cut: nothing of it was sent.
    let late = service_fn(|request: Request<LimitedBody<TestBody>>| async {
        let _cut = request.into_body().collect().await;
        Ok::<_, Infallible>(Response::new(TestBody::from("late")))
    });
    let response = BodyLimitLayer::new(8).layer(late).oneshot(Request::new(chunked())).await;
    assert_eq!(response.unwrap().status(), 413);
    // The answer was complete before.
    let early = service_fn(|_request: Request<LimitedBody<TestBody>>| {
        ready(Ok::<_, Infallible>(Response::new(TestBody::from("early"))))
    });
    let response = BodyLimitLayer::new(8).layer(early).oneshot(Request::new(chunked())).await;
    let (data, _, error) = received(response.unwrap().into_body()).await;
    assert!(error.is_none() && data == b"early");
}

fn over_sockets(
    careless: Careless,
    refusals: &Refusals,
) -> impl Future<Output = hardpoint_testkit::http::Server> {
    let layer = BodyLimitLayer::new(100).refusals(refusals);
    serve(layer.layer(service_fn(move |request| echo(careless, request))))
}

#[tokio::test]
async fn over_http1_the_connection_closes_before_the_last_chunk() {
    for careless in ALL {
        let server = over_sockets(careless, &Refusals::new()).await;
        let mut stream = TcpStream::connect(server.addr()).await.unwrap();
        let head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"hello\r\n") {
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
        }
        let chunk = format!("80\r\n{}\r\n0\r\n\r\n", "x".repeat(0x80));
        stream.write_all(chunk.as_bytes()).await.unwrap();
        let read = async { while let Ok(1..) = stream.read_buf(&mut answer).await {} };
        tokio::time::timeout(Duration::from_secs(20), read).await.unwrap();
        let text = String::from_utf8_lossy(&answer);
        assert!(
            text.starts_with("HTTP/1.1 200") && !text.contains("\r\n0\r\n"),
            "{careless:?} {text}"
        );
    }
}

/// A body that the test feeds.
struct Fed(mpsc::UnboundedReceiver<Bytes>);

impl Body for Fed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

#[tokio::test]
async fn over_http2_the_stream_is_reset_or_ends_with_the_status_of_grpc() {
    for (careless, grpc) in
        ALL.into_iter().flat_map(|careless| [(careless, false), (careless, true)])
    {
        let refusals = if grpc { Refusals::new().grpc() } else { Refusals::new() };
        let server = over_sockets(careless, &refusals).await;
        let stream = TokioIo::new(TcpStream::connect(server.addr()).await.unwrap());
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
        let (mut client, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        let (feed, body) = mpsc::unbounded_channel();
        let request = Request::post(server.url("/")).body(Fed(body)).unwrap();
        feed.send(Bytes::from_static(b"hello")).unwrap();
        let response = client.send_request(request).await.unwrap();
        feed.send(Bytes::from(vec![b'x'; 0x80])).unwrap();
        let read = tokio::time::timeout(Duration::from_secs(20), received(response.into_body()));
        let (_, trailers, error) = read.await.unwrap();
        assert_eq!(error.is_some(), !grpc, "{careless:?} {error:?}");
        let status = trailers.as_ref().and_then(|trailers| trailers.get("grpc-status"));
        assert_eq!(status.map(|status| status.as_bytes()), grpc.then_some(&b"8"[..]));
    }
}
