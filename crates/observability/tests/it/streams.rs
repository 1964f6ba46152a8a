//! Server-sent events and WebSockets, in axum's own server: what the record has of long responses.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    response::sse::{Event, Sse},
    routing::get,
};
use futures_util::stream;
use hardpoint_core::ManualClock;
use hardpoint_observability::{Logs, RecordLayer};
use hardpoint_testkit::leak::CapturedLogs;
use http::{Response, StatusCode};
use serde_json::{Value as Json, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Mutex, mpsc},
};
use tracing::subscriber::DefaultGuard;

use crate::harness::capture;

const PATIENCE: Duration = Duration::from_secs(30);

type Events = mpsc::UnboundedReceiver<Event>;

/// Sends what the test gives it.
async fn events(
    events: Arc<Mutex<Option<Events>>>,
) -> Sse<impl futures_util::Stream<Item = Result<Event, axum::Error>>> {
    let mut events = events.lock().await.take().unwrap();
    Sse::new(stream::poll_fn(move |cx| events.poll_recv(cx).map(|event| event.map(Ok))))
}

/// Switches to another protocol, which echoes bytes until the client has closed its half.
async fn echo(mut request: axum::extract::Request) -> Response<axum::body::Body> {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut stream = hyper_util::rt::TokioIo::new(upgrade.await.unwrap());
        let (mut reader, mut writer) = tokio::io::split(&mut stream);
        tokio::io::copy(&mut reader, &mut writer).await.unwrap();
        stream.shutdown().await.unwrap();
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .body(axum::body::Body::empty())
        .unwrap()
}

/// A service with both, its log and its clock.
struct Running {
    address: SocketAddr,
    clock: ManualClock,
    logs: CapturedLogs,
    events: Option<mpsc::UnboundedSender<Event>>,
    _guard: DefaultGuard,
}

impl Running {
    async fn start() -> Self {
        let (logs, guard) = capture(Logs::json("orders"));
        let clock = ManualClock::default();
        let (events, waiting) = mpsc::unbounded_channel();
        let waiting = Arc::new(Mutex::new(Some(waiting)));
        let app = Router::new()
            .route("/events", get(move || self::events(Arc::clone(&waiting))))
            .route("/socket", get(echo))
            .layer(RecordLayer::new().time(&clock));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, app).into_future());
        Self { address, clock, logs, events: Some(events), _guard: guard }
    }

    fn event(&self, data: &str) {
        self.events.as_ref().unwrap().send(Event::default().data(data)).unwrap();
    }

    async fn send(&self, path: &str, headers: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }

    async fn line(&self) -> Json {
        let waiting = async {
            while self.logs.lines().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap();
        let lines = self.logs.lines();
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        serde_json::from_str(line).unwrap()
    }
}

/// Reads until the text has arrived.
async fn read(stream: &mut TcpStream, wanted: &str) {
    let mut text = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&text).contains(wanted) {
            assert_ne!(stream.read_buf(&mut text).await.unwrap(), 0, "{text:?}");
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap();
}

fn seen(line: &Json) -> [&Json; 6] {
    ["route", "status", "outcome", "ttfb_ms", "duration_ms", "bytes_out"].map(|name| &line[name])
}

#[tokio::test]
async fn a_stream_of_events_is_one_line_at_its_end_with_its_whole_duration() {
    let mut running = Running::start().await;
    let mut client = running.send("/events", "").await;
    read(&mut client, "text/event-stream").await;
    running.event("one");
    read(&mut client, "data: one").await;
    assert!(running.logs.lines().is_empty(), "the stream goes on");
    running.clock.advance(Duration::from_secs(3600));
    running.event("two");
    read(&mut client, "data: two").await;
    running.events = None;
    let line = running.line().await;
    let bytes = "data: one\n\ndata: two\n\n".len();
    let expected =
        [json!("/events"), json!(200), json!("ok"), json!(0.0), json!(3_600_000.0), json!(bytes)];
    assert_eq!(seen(&line), expected.each_ref());
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_of_events_aborts_it() {
    let running = Running::start().await;
    let mut client = running.send("/events", "").await;
    running.event("one");
    read(&mut client, "data: one").await;
    running.clock.advance(Duration::from_secs(60));
    drop(client);
    let line = running.line().await;
    let expected =
        [json!("/events"), json!(200), json!("aborted"), json!(0.0), json!(60_000.0), json!(11)];
    assert_eq!(seen(&line), expected.each_ref());
}

#[tokio::test]
async fn a_websocket_is_one_line_at_its_handshake_and_passes_the_layer() {
    let running = Running::start().await;
    let headers = "connection: upgrade\r\nupgrade: websocket\r\n";
    let mut client = running.send("/socket", headers).await;
    read(&mut client, "101 Switching Protocols").await;
    // The connection has left HTTP: bytes sent on it do not belong to the response.
    let line = running.line().await;
    let expected = [json!("/socket"), json!(101), json!("ok"), json!(0.0), json!(0.0), json!(0)];
    assert_eq!(seen(&line), expected.each_ref());
    running.clock.advance(Duration::from_secs(60));
    client.write_all(b"both ways").await.unwrap();
    read(&mut client, "both ways").await;
    client.shutdown().await.unwrap();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, client.read_to_end(&mut rest));
    assert_eq!(ended.await.unwrap().unwrap(), 0);
    assert_eq!(running.logs.lines().len(), 1, "its end adds no line");
}
