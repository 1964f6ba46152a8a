//! Streams that the body limit cuts, between tonic's client and tonic's server.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use hardpoint::{
    Stack,
    core::{ClientResolver, Refusals},
    edge::{BodyLimitLayer, ClientLayer},
    observability::RecordLayer,
};
use hardpoint_testkit::leak::CapturedLogs;
use http::uri::PathAndQuery;
use tokio::{
    net::TcpListener,
    sync::mpsc::{self, UnboundedSender},
};
use tonic::{
    Code, Request, Response, Status, Streaming,
    body::Body,
    server::{ClientStreamingService, NamedService, StreamingService},
    transport::server::TcpIncoming,
};
use tower::Service;

use super::{Raw, captured_logs, client, records};

const PATIENCE: Duration = Duration::from_secs(20);

/// Reads streams of messages, and takes their end for a success even if they broke off.
#[derive(Clone)]
struct Chat;

impl NamedService for Chat {
    const NAME: &'static str = "pkg.Chat";
}

impl Service<http::Request<Body>> for Chat {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let mut grpc = tonic::server::Grpc::new(Raw);
        let echoes = request.uri().path() == "/pkg.Chat/Echo";
        Box::pin(async move {
            Ok(match echoes {
                true => grpc.streaming(Echo, request).await,
                false => grpc.client_streaming(Count, request).await,
            })
        })
    }
}

/// Answers each message while the next ones come.
struct Echo;

impl StreamingService<Bytes> for Echo {
    type Response = Bytes;
    type ResponseStream = Pin<Box<dyn futures_util::Stream<Item = Result<Bytes, Status>> + Send>>;
    type Future = std::future::Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let messages = request.into_inner().take_while(|item| std::future::ready(item.is_ok()));
        std::future::ready(Ok(Response::new(messages.boxed())))
    }
}

/// Answers once, with the number of messages.
struct Count;

impl ClientStreamingService<Bytes> for Count {
    type Response = Bytes;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Bytes>, Status>> + Send>>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        Box::pin(async move {
            let messages = request.into_inner().take_while(|item| std::future::ready(item.is_ok()));
            Ok(Response::new(Bytes::from(messages.count().await.to_string())))
        })
    }
}

async fn server(limit: BodyLimitLayer, refusals: &Refusals) -> SocketAddr {
    let stack = Stack::new()
        .refusals(refusals)
        .layer(ClientLayer::new(ClientResolver::direct()))
        .layer(RecordLayer::new())
        .layer(limit);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder().layer(stack).add_service(Chat);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    address
}

/// A call whose messages are sent one after the other, and its answers.
struct Call {
    messages: Option<UnboundedSender<Bytes>>,
    answers: Streaming<Bytes>,
}

impl Call {
    async fn echo(address: SocketAddr) -> Self {
        let (messages, mut waiting) = mpsc::unbounded_channel();
        let stream = stream::poll_fn(move |cx| waiting.poll_recv(cx));
        let mut client = client(address).await;
        client.ready().await.unwrap();
        let path = PathAndQuery::from_static("/pkg.Chat/Echo");
        let answers = client.streaming(Request::new(stream), path, Raw).await.unwrap();
        Self { messages: Some(messages), answers: answers.into_inner() }
    }

    async fn send(&mut self, length: usize) -> Result<Option<Bytes>, Status> {
        let message = Bytes::from(vec![b'x'; length]);
        self.messages.as_ref().unwrap().send(message).unwrap();
        self.next().await
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        tokio::time::timeout(PATIENCE, self.answers.message()).await.unwrap()
    }
}

/// The fields of the only access line. It is written when the server has dropped the response.
async fn record(logs: &CapturedLogs) -> (String, u64, Option<u64>, String) {
    let lines = async {
        loop {
            let lines = records(logs);
            if !lines.is_empty() {
                return lines;
            }
            tokio::task::yield_now().await;
        }
    };
    let lines = tokio::time::timeout(PATIENCE, lines).await.unwrap();
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    let text = |name: &str| line[name].as_str().unwrap().to_owned();
    (text("route"), line["status"].as_u64().unwrap(), line["grpc_status"].as_u64(), text("outcome"))
}

#[tokio::test]
async fn a_stream_of_any_length_passes_if_each_message_is_within_the_limit() {
    let (logs, _guard) = captured_logs("info");
    let limit = BodyLimitLayer::new(64).grpc_messages(32);
    let mut call = Call::echo(server(limit, &Refusals::new().grpc()).await).await;
    for _ in 0..100 {
        assert_eq!(call.send(32).await.unwrap().unwrap().len(), 32);
    }
    assert_eq!(call.send(0).await.unwrap().unwrap(), "");
    call.messages = None;
    assert_eq!(call.next().await.unwrap(), None);
    assert_eq!(record(&logs).await, ("/pkg.Chat/Echo".into(), 200, Some(0), "ok".into()));
}

#[tokio::test]
async fn a_stream_that_is_cut_ends_with_resource_exhausted_on_the_wire_and_rejected_in_the_record()
{
    for (limit, sent) in [
        // Two messages of 27 bytes with their prefixes, and a third.
        (BodyLimitLayer::new(64), [27, 27, 27]),
        // Longer streams, but a message over the limit.
        (BodyLimitLayer::new(64).grpc_messages(32), [32, 32, 33]),
    ] {
        let (logs, _guard) = captured_logs("info");
        let mut call = Call::echo(server(limit, &Refusals::new().grpc()).await).await;
        let [first, second, last] = sent;
        for length in [first, second] {
            assert_eq!(call.send(length).await.unwrap().unwrap().len(), length);
        }
        let cut = call.send(last).await.unwrap_err();
        assert_eq!(cut.code(), Code::ResourceExhausted, "{cut:?}");
        // The head is sent: the status is the one that the code in the trailers means.
        let expected = ("/pkg.Chat/Echo".into(), 429, Some(8), "rejected".into());
        assert_eq!(record(&logs).await, expected);
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_before_its_answer_is_answered_with_resource_exhausted() {
    let (logs, _guard) = captured_logs("info");
    let limit = BodyLimitLayer::new(64).grpc_messages(32);
    let mut client = client(server(limit, &Refusals::new().grpc()).await).await;
    for (lengths, expected) in [
        (vec![32; 50], Ok(Bytes::from_static(b"50"))),
        (vec![32, 33, 1], Err(Code::ResourceExhausted)),
    ] {
        client.ready().await.unwrap();
        let messages = stream::iter(lengths).map(|length| Bytes::from(vec![b'x'; length]));
        let path = PathAndQuery::from_static("/pkg.Chat/Count");
        let answer = client.client_streaming(Request::new(messages), path, Raw);
        let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap();
        assert_eq!(answer.map(Response::into_inner).map_err(|status| status.code()), expected);
    }
    let lines = records(&logs);
    let seen: Vec<_> = lines.iter().map(|line| line["outcome"].as_str().unwrap()).collect();
    assert_eq!(seen, ["ok", "rejected"], "{lines:?}");
    assert_eq!(lines[1]["status"], 413);
}

#[tokio::test]
async fn a_stream_that_is_cut_without_the_setting_for_grpc_is_reset() {
    let (logs, _guard) = captured_logs("info");
    let mut call = Call::echo(server(BodyLimitLayer::new(64), &Refusals::new()).await).await;
    assert_eq!(call.send(27).await.unwrap().unwrap().len(), 27);
    let cut = call.send(64).await.unwrap_err();
    assert_ne!(cut.code(), Code::Ok);
    let (_, _, _, outcome) = record(&logs).await;
    assert_eq!(outcome, "rejected");
}
