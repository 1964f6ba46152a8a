//! Over sockets, with bytes that no well-behaved client sends.

use std::{
    convert::Infallible,
    error::Error,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{Json, Router, routing::post};
use bytes::Bytes;
use hardpoint_core::{ClientResolver, Family, RequestContext, TrustedProxies};
use hardpoint_edge::{BodyLimitLayer, CatchPanicLayer, ClientLayer, ProblemLayer};
use hardpoint_testkit::http::{Client, raw, serve};
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tower::{Layer, ServiceBuilder, service_fn};

const LIMIT: u64 = 64 * 1024;
const GIB: u64 = 1 << 30;

/// What buffers of the two sockets and the server may hold that nobody has read.
const BUFFERS: u64 = 32 << 20;

/// Counts what it is given, drops it, and says that all is well whatever happened.
async fn counting<B>(read: Arc<AtomicU64>, request: Request<B>) -> Response<Full<Bytes>>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error,
{
    let mut body = request.into_body();
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        read.fetch_add(u64::try_from(length).unwrap(), Ordering::SeqCst);
    }
    Response::new(Full::from("all is well"))
}

/// Sends a chunked body of up to `total` bytes until the server answers, and says how much went out
/// and what came back.
async fn send_chunked(addr: SocketAddr, total: u64) -> (u64, String) {
    let (mut reader, mut writer) = TcpStream::connect(addr).await.unwrap().into_split();
    let answer = tokio::spawn(async move {
        let mut answer = Vec::new();
        // A reset after the answer is how the server says that it reads no more.
        while let Ok(1..) = reader.read_buf(&mut answer).await {}
        String::from_utf8(answer).unwrap()
    });
    let head = "POST /notes HTTP/1.1\r\nhost: a.example\r\ncontent-type: application/json\r\n\
                transfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    writer.write_all(head.as_bytes()).await.unwrap();
    let mut chunk = b"10000\r\n".to_vec();
    chunk.resize(chunk.len() + 0x10000, b' ');
    chunk.extend_from_slice(b"\r\n");
    let mut sent = 0;
    while sent < total && writer.write_all(&chunk).await.is_ok() {
        sent += 0x10000;
    }
    let _closed = writer.write_all(b"0\r\n\r\n").await;
    (sent, answer.await.unwrap())
}

#[tokio::test]
async fn a_gibibyte_in_chunks_is_cut_at_the_limit() {
    let read = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&read);
    let inner = service_fn(move |request| {
        let read = Arc::clone(&counted);
        async move { Ok::<_, Infallible>(counting(read, request).await) }
    });
    let server = serve(BodyLimitLayer::new(LIMIT).layer(inner)).await;
    let (sent, answer) = send_chunked(server.addr(), GIB).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("\"limit\":65536"), "{answer}");
    assert!(read.load(Ordering::SeqCst) <= LIMIT);
    assert!(sent <= BUFFERS, "{sent} bytes went out");
}

#[tokio::test]
async fn a_gibibyte_for_axums_json_is_cut_at_the_limit() {
    let app = Router::new()
        .route("/notes", post(|Json(note): Json<Vec<String>>| async { Json(note) }))
        .layer(BodyLimitLayer::new(LIMIT))
        .layer(CatchPanicLayer::new())
        .layer(ProblemLayer::new());
    let server = serve(app).await;
    let (sent, answer) = send_chunked(server.addr(), GIB).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("\"limit\":65536"), "{answer}");
    assert!(sent <= BUFFERS, "{sent} bytes went out");
}

#[tokio::test]
async fn a_chunked_body_within_the_limit_passes() {
    let read = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&read);
    let inner = service_fn(move |request| {
        let read = Arc::clone(&counted);
        async move { Ok::<_, Infallible>(counting(read, request).await) }
    });
    let server = serve(BodyLimitLayer::new(LIMIT).layer(inner)).await;
    let (_, answer) = send_chunked(server.addr(), LIMIT).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(read.load(Ordering::SeqCst), LIMIT);
}

#[tokio::test]
async fn a_client_that_asks_first_is_refused_before_it_sends() {
    let inner = service_fn(|request| async {
        Ok::<_, Infallible>(counting(Arc::default(), request).await)
    });
    let server = serve(BodyLimitLayer::new(10).layer(inner)).await;
    let head = |length: u64| {
        format!(
            "POST / HTTP/1.1\r\nhost: a.example\r\ncontent-length: {length}\r\n\
             expect: 100-continue\r\nconnection: close\r\n\r\n"
        )
    };
    let refused = raw(server.addr(), head(11).as_bytes()).await;
    assert!(refused.starts_with(b"HTTP/1.1 413 "));
    let accepted = format!("{}0123456789", head(10));
    let accepted = raw(server.addr(), accepted.as_bytes()).await;
    assert!(accepted.starts_with(b"HTTP/1.1 100 "));
}

/// Answers with the host that the client asked for; `/none` does not exist.
async fn host<B>(request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() == "/none" {
        let response = Response::builder().status(404);
        return Ok(response.body(Full::default()).unwrap());
    }
    let context = RequestContext::find(request.extensions()).unwrap();
    let client = context.client().unwrap();
    let host = client.host().map_or("", |host| host.as_str());
    let text = format!("{} at {host}", client.ip().unwrap());
    Ok(Response::new(Full::from(text)))
}

#[tokio::test]
async fn http2_and_http1_name_the_same_host_and_answer_head_without_a_body() {
    let trusted = TrustedProxies::new(["192.0.2.1"]).unwrap();
    let service = ServiceBuilder::new()
        .layer(ClientLayer::new(ClientResolver::new(trusted, Family::XForwarded)))
        .layer(ProblemLayer::new())
        .service(service_fn(host));
    let server = serve(service).await;
    for client in [Client::new(), Client::http2()] {
        let reply = client.get(server.url("/")).await;
        assert_eq!(reply.text(), format!("127.0.0.1 at {}", server.addr()));

        let head = Request::head(server.url("/none"));
        let head = client.request(head, Bytes::new()).await;
        let get = client.get(server.url("/none")).await;
        assert_eq!((head.status.as_u16(), head.body.len()), (404, 0));
        assert_eq!(get.json()["code"], "not_found");
        assert_eq!(head.header("content-length"), get.body.len().to_string());
    }
}

/// The client that the handler sees.
#[cfg(unix)]
async fn seen(request: axum::extract::Request) -> String {
    let context = RequestContext::find(request.extensions()).unwrap();
    let ip = context.client().and_then(|client| client.ip());
    ip.map_or("unknown".to_owned(), |ip| ip.to_string())
}

#[cfg(unix)]
#[tokio::test]
async fn the_proxy_behind_a_real_unix_socket_names_clients_if_it_is_trusted() {
    let trusting = ClientResolver::direct().trust_unix_socket();
    for (number, resolver, expected) in
        [(0, trusting, "203.0.113.9"), (1, ClientResolver::direct(), "unknown")]
    {
        let name = format!("hardpoint-edge-{}-{number}.sock", std::process::id());
        let path = std::env::temp_dir().join(name);
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let app = Router::new().route("/", axum::routing::get(seen));
        let app = app.layer(ClientLayer::new(resolver));
        let server = tokio::spawn(axum::serve(listener, app).into_future());
        let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        let head = "GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 6.6.6.6, 203.0.113.9\r\n\
                    connection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with(&format!("\r\n\r\n{expected}")), "{answer}");
        server.abort();
    }
}
