//! Over real sockets: what a server does with a body, and when it lets go of it.

use hardpoint_testkit::{
    TestBody,
    http::{Client, serve},
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use serde_json::{Value as Json, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::harness::Harness;

/// The access lines, once there are so many.
async fn lines(harness: &Harness, count: usize) -> Vec<Json> {
    wait(|| harness.logs.lines().len() >= count).await;
    harness.lines()
}

async fn wait(done: impl Fn() -> bool) {
    let waiting = async {
        while !done() {
            tokio::task::yield_now().await;
        }
    };
    let patience = std::time::Duration::from_secs(30);
    tokio::time::timeout(patience, waiting).await.unwrap();
}

#[tokio::test]
async fn each_way_to_send_a_body_ends_in_one_whole_line() {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let hello = || TestBody::default().data("hel").pending().data("lo");
    for (client, version) in [(Client::new(), 1), (Client::http2(), 2)] {
        let harness = Harness::new();
        let server = serve(harness.service()).await;
        for (method, status, body, sent) in [
            ("GET", 200, TestBody::from("hello"), 5),
            ("GET", 200, hello(), 5),
            ("GET", 200, hello().without_size(), 5),
            ("GET", 200, hello().trailers(trailers.clone()).without_size(), 5),
            ("GET", 200, TestBody::default(), 0),
            ("GET", 200, TestBody::default().without_size(), 0),
            ("HEAD", 200, hello(), 0),
            ("HEAD", 200, hello().without_size(), 0),
            ("GET", 204, TestBody::default(), 0),
            ("GET", 304, TestBody::default().without_size(), 0),
        ] {
            // hyper leaves it to the handler to send nothing after a HEAD over HTTP/2.
            let body = match (method, version) {
                ("HEAD", 2) => TestBody::default(),
                _ => body,
            };
            harness.spy.respond(move |_| {
                let mut response = Response::new(body.clone());
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                Ok(response)
            });
            harness.logs.clear();
            let head = Request::builder().method(method).uri(server.url("/"));
            let reply = client.request(head, "").await;
            assert_eq!(reply.status.as_u16(), status);
            let line = lines(&harness, 1).await.remove(0);
            assert_eq!(line["request_id"], reply.header("x-request-id"));
            assert_eq!(
                (&line["outcome"], &line["bytes_out"]),
                (&json!("ok"), &json!(sent)),
                "{method} {status} over HTTP/{version}: {line}"
            );
        }
        // Nothing came later.
        assert_eq!(harness.logs.lines().len(), 1);
    }
}

#[tokio::test]
async fn the_size_of_a_request_is_known_where_it_was_announced() {
    for client in [Client::new(), Client::http2()] {
        let harness = Harness::new();
        let server = serve(harness.service()).await;
        client.get(server.url("/")).await;
        client.request(Request::post(server.url("/")), "abc").await;
        let lines = lines(&harness, 2).await;
        assert_eq!((&lines[0]["bytes_in"], &lines[1]["bytes_in"]), (&json!(0), &json!(3)));
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_is_a_cancellation() {
    let harness = Harness::new();
    harness.spy.hold();
    let server = serve(harness.service()).await;
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request).await.unwrap();
    wait(|| harness.spy.calls() == 1).await;
    assert!(harness.logs.lines().is_empty());
    drop(stream);
    assert_eq!(lines(&harness, 1).await[0]["outcome"], "cancelled");
}
