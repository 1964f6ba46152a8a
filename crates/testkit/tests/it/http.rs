//! Sockets and processes.

use std::{process::Command, time::Duration};

use hardpoint_core::Peer;
use hardpoint_testkit::{
    TestBody,
    http::{Client, Process, raw, serve},
    spy::Spy,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use serde_json::json;

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn requests_and_answers_cross_the_socket_whole() {
    let (spy, handle) = Spy::new();
    handle.respond(|_| {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        let body = TestBody::default().data("{\"a\":").data("1}").trailers(trailers);
        let mut response = Response::new(body.without_size());
        *response.status_mut() = StatusCode::CREATED;
        response.headers_mut().insert("x-a", HeaderValue::from_static("b"));
        Ok(response)
    });
    let server = serve(spy).await;
    for client in [Client::new(), Client::http2()] {
        let reply = client.post_json(server.url("/things?q=1"), &json!({ "n": 1 })).await;
        assert_eq!(reply.status, StatusCode::CREATED);
        assert_eq!((reply.header("x-a"), reply.header("x-none")), ("b", ""));
        assert_eq!(reply.json(), json!({ "a": 1 }));
        let seen = handle.seen();
        let head = seen.last().map(|head| (head.method.clone(), head.uri.path().to_owned()));
        assert_eq!(head, Some((Method::POST, "/things".to_owned())));
        let peers = seen.iter().map(|head| head.extensions.get::<Peer>());
        assert!(peers.flatten().all(|peer| peer.ip().is_loopback()));
    }
    let reply = Client::http2().get(server.url("/")).await;
    let trailers = reply.trailers.unwrap_or_default();
    assert_eq!(trailers.get("grpc-status"), Some(&HeaderValue::from_static("0")));
}

#[tokio::test]
async fn a_server_that_is_dropped_ends_its_connections() {
    let (spy, handle) = Spy::new();
    let server = serve(spy).await;
    let (client, url) = (Client::new(), server.url("/"));
    assert_eq!(client.get(&url).await.text(), "ok");

    handle.hold();
    let waiting = tokio::spawn({
        let (client, url) = (client.clone(), url.clone());
        async move { client.try_request(Request::get(url), "").await.map(|reply| reply.status) }
    });
    while handle.counts().in_flight == 0 {
        tokio::task::yield_now().await;
    }
    drop(server);
    assert!(waiting.await.is_ok_and(|answer| answer.is_err()));
    assert_eq!(handle.counts().cancelled, 1);
    assert!(client.try_request(Request::get(url), "").await.is_err());
}

#[tokio::test]
async fn bytes_that_are_no_request_get_an_answer() {
    let (spy, handle) = Spy::new();
    let server = serve(spy).await;
    let answer = raw(server.addr(), b"NO SUCH\r\nTHING\r\n\r\n").await;
    assert!(answer.starts_with(b"HTTP/1.1 400 "), "{:?}", String::from_utf8_lossy(&answer));
    let answer =
        raw(server.addr(), b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(b"ok"));
    assert_eq!(handle.calls(), 1);
}

#[tokio::test]
async fn a_process_is_read_signalled_and_waited_for() {
    let script = "trap 'echo bye; echo sorry >&2; exit 7' TERM; echo first; echo $GREETING; \
                  while :; do sleep 0.05; done";
    let process = Process::spawn(Command::new("sh").args(["-c", script]).env("GREETING", "hi"));
    assert_eq!(process.line(SOON, |line| line == "hi").await, "hi");
    assert_eq!(process.line(SOON, |line| line.starts_with('f')).await, "first");
    if cfg!(target_os = "linux") {
        let (now, peak) = (process.resident(), process.peak_resident());
        assert!(now > Some(100 << 10) && now <= peak, "{now:?} {peak:?}");
    }
    process.signal("TERM");
    assert_eq!(process.wait(SOON).await.code(), Some(7));
    assert_eq!(process.stdout(), ["first", "hi", "bye"]);
    assert_eq!(process.stderr(), ["sorry"]);
    process.signal("KILL");
}

#[tokio::test]
#[should_panic(expected = "the awaited line did not arrive; status")]
async fn a_line_that_never_comes_shows_what_came() {
    let process = Process::spawn(Command::new("sh").args(["-c", "echo something else"]));
    process.line(SOON, |line| line == "listening").await;
}
