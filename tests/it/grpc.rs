//! A whole stack around tonic's own server, driven by tonic's own client.

mod streams;

use std::net::SocketAddr;

use bytes::{Buf, BufMut, Bytes};
use hardpoint::{
    Stack,
    core::{ClientResolver, Refusals},
    edge::ClientLayer,
    observability::RecordLayer,
    ratelimit::{Policy, Quota, filter, key},
};
use hardpoint_testkit::leak::CapturedLogs;
use http::uri::PathAndQuery;
use serde_json::Value as Json;
use tokio::net::TcpListener;
use tonic::{
    Code, Request, Response, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::{Channel, server::TcpIncoming},
};

use self::greeter::Greeter;
use super::{authentication, captured_logs, limiter};

/// Messages of plain bytes: nothing here depends on protobuf.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let all = buffer.remaining();
        Ok(Some(buffer.copy_to_bytes(all)))
    }
}

/// A service as tonic's code generator writes it.
mod greeter {
    use std::{
        convert::Infallible,
        future::{Ready, ready},
        pin::Pin,
        task::{Context, Poll},
    };

    use tonic::{
        body::Body,
        server::{Grpc, NamedService, ServerStreamingService, UnaryService},
    };
    use tower::Service;

    use super::{Bytes, Raw, Request, Response, Status};

    #[derive(Clone)]
    pub(super) struct Greeter;

    impl NamedService for Greeter {
        const NAME: &'static str = "pkg.Greeter";
    }

    impl Service<http::Request<Body>> for Greeter {
        type Response = http::Response<Body>;
        type Error = Infallible;
        type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

        fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: http::Request<Body>) -> Self::Future {
            let mut grpc = Grpc::new(Raw);
            let fail = match request.uri().path() {
                "/pkg.Greeter/Greet" => None,
                "/pkg.Greeter/Break" => Some(Status::internal("the database is down")),
                "/pkg.Greeter/Find" => Some(Status::not_found("no such name")),
                "/pkg.Greeter/Watch" => {
                    return Box::pin(
                        async move { Ok(grpc.server_streaming(Watch, request).await) },
                    );
                }
                _ => {
                    return Box::pin(async {
                        Ok(Status::unimplemented("no such method").into_http())
                    });
                }
            };
            Box::pin(async move { Ok(grpc.unary(Greet(fail), request).await) })
        }
    }

    struct Greet(Option<Status>);

    impl UnaryService<Bytes> for Greet {
        type Response = Bytes;
        type Future = Ready<Result<Response<Bytes>, Status>>;

        fn call(&mut self, request: Request<Bytes>) -> Self::Future {
            ready(self.0.take().map_or_else(|| Ok(Response::new(request.into_inner())), Err))
        }
    }

    /// Sends one message, and then the status of a failure in the trailers.
    struct Watch;

    impl ServerStreamingService<Bytes> for Watch {
        type Response = Bytes;
        type ResponseStream =
            futures_util::stream::Iter<std::array::IntoIter<Result<Bytes, Status>, 2>>;
        type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

        fn call(&mut self, request: Request<Bytes>) -> Self::Future {
            let items = [Ok(request.into_inner()), Err(Status::data_loss("the stream broke"))];
            ready(Ok(Response::new(futures_util::stream::iter(items))))
        }
    }
}

async fn client(address: SocketAddr) -> Grpc<Channel> {
    let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
    Grpc::new(endpoint.connect().await.unwrap())
}

async fn call(
    client: &mut Grpc<Channel>,
    path: &str,
    token: Option<&str>,
) -> Result<Bytes, Status> {
    client.ready().await.unwrap();
    let mut request = Request::new(Bytes::from_static(b"hello"));
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    let path = PathAndQuery::try_from(path).unwrap();
    client.unary(request, path, Raw).await.map(Response::into_inner)
}

fn records(logs: &CapturedLogs) -> Vec<Json> {
    let lines = logs.lines();
    let parsed = lines.iter().map(|line| serde_json::from_str::<Json>(line).unwrap());
    parsed.filter(|line| line["message"] == "request").collect()
}

fn summary(line: &Json) -> (&str, u64, u64, &str, &str) {
    let text = |name: &str| line[name].as_str().unwrap();
    let number = |name: &str| line[name].as_u64().unwrap();
    (text("route"), number("status"), number("grpc_status"), text("outcome"), text("level"))
}

#[tokio::test]
async fn the_record_reads_the_code_the_method_and_the_peer() {
    let (logs, _guard) = captured_logs("info");
    let stack = Stack::new()
        .refusals(&Refusals::new().grpc())
        .layer(ClientLayer::new(ClientResolver::direct()))
        .layer(RecordLayer::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder().layer(stack).add_service(Greeter);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));

    let mut client = client(address).await;
    assert_eq!(call(&mut client, "/pkg.Greeter/Greet", None).await.unwrap(), "hello");
    for (path, code) in [
        ("/pkg.Greeter/Break", Code::Internal),
        ("/pkg.Greeter/Find", Code::NotFound),
        ("/pkg.Greeter/Invented", Code::Unimplemented),
        ("/pkg.Other/Invented", Code::Unimplemented),
    ] {
        assert_eq!(call(&mut client, path, None).await.unwrap_err().code(), code, "{path}");
    }
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static("/pkg.Greeter/Watch");
    let stream = client.server_streaming(Request::new(Bytes::from_static(b"x")), path, Raw).await;
    let mut stream = stream.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().unwrap(), "x");
    assert_eq!(stream.message().await.unwrap_err().code(), Code::DataLoss);

    let lines = records(&logs);
    assert_eq!(
        lines.iter().map(summary).collect::<Vec<_>>(),
        [
            ("/pkg.Greeter/Greet", 200, 0, "ok", "INFO"),
            ("/pkg.Greeter/Break", 500, 13, "failed", "ERROR"),
            ("/pkg.Greeter/Find", 404, 5, "ok", "INFO"),
            ("unmatched", 404, 12, "ok", "INFO"),
            ("unmatched", 404, 12, "ok", "INFO"),
            ("/pkg.Greeter/Watch", 500, 15, "failed", "ERROR"),
        ]
    );
    assert!(lines.iter().all(|line| line["client"] == "127.0.0.1"), "{lines:?}");
}

#[tokio::test]
async fn a_limit_by_method_and_a_caller_without_a_token_are_refused_as_grpc() {
    let (logs, _guard) = captured_logs("info");
    let (auth, token) = authentication();
    let policy =
        Policy::new("greet", Quota::per_hour(2), key::client_network(ClientResolver::direct()))
            .when(filter::route("/pkg.Greeter/Greet"));
    let stack = Stack::new()
        .refusals(&Refusals::new().grpc())
        .layer(ClientLayer::new(ClientResolver::direct()))
        .layer(RecordLayer::new().grpc_methods(["/pkg.Greeter/Greet", "/pkg.Greeter/Find"]))
        .layer(limiter(policy).layer().unwrap())
        .layer(auth);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder().layer(stack).add_service(Greeter);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));

    let mut client = client(address).await;
    let token = Some(token.expose());
    let refused = call(&mut client, "/pkg.Greeter/Greet", None).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(call(&mut client, "/pkg.Greeter/Greet", token).await.is_ok());
    let limited = call(&mut client, "/pkg.Greeter/Greet", token).await.unwrap_err();
    assert_eq!(limited.code(), Code::ResourceExhausted);
    assert!(limited.metadata().contains_key("retry-after"));
    // Another method of the same client.
    for _ in 0..3 {
        let missing = call(&mut client, "/pkg.Greeter/Find", token).await.unwrap_err();
        assert_eq!(missing.code(), Code::NotFound);
    }
    let lines = records(&logs);
    let seen: Vec<_> = lines
        .iter()
        .map(|line| (line["route"].as_str().unwrap(), line["status"].as_u64().unwrap()))
        .collect();
    assert_eq!(
        seen,
        [
            ("/pkg.Greeter/Greet", 401),
            ("/pkg.Greeter/Greet", 200),
            ("/pkg.Greeter/Greet", 429),
            ("/pkg.Greeter/Find", 404),
            ("/pkg.Greeter/Find", 404),
            ("/pkg.Greeter/Find", 404),
        ]
    );
}
