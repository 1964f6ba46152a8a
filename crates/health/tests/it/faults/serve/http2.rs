//! Clients of HTTP/2.

use super::*;

/// A client of HTTP/2 with one connection.
async fn http2(stream: TcpStream) -> hyper::client::conn::http2::SendRequest<Empty<Bytes>> {
    let handshake =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (client, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    client
}

/// A client of HTTP/2 that grants 64 KiB at a time.
async fn narrow_http2(stream: TcpStream) -> hyper::client::conn::http2::SendRequest<Empty<Bytes>> {
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(65_535).initial_connection_window_size(65_535);
    let (client, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    client
}

fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("http://x{path}")).body(Empty::new()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_requests_that_are_cut_drop_their_handlers_too() {
    let (dropped, entered) = (Arc::default(), Arc::new(Semaphore::new(0)));
    let app = stuck(&dropped, &entered);
    let running = Running::start(server().await, app, lifecycle(SHORT));
    let mut client = http2(running.connect(0).await).await;
    let requests: Vec<_> = (0..20)
        .map(|_| client.send_request(Request::get("http://x/").body(Empty::new()).unwrap()))
        .map(tokio::spawn)
        .collect();
    entered.acquire_many(20).await.unwrap().forget();
    let (code, _) = running.drain().await;
    assert_eq!(code, ExitCode::from(75));
    assert_eq!(dropped.load(Ordering::SeqCst), 20);
    for request in requests {
        assert!(request.await.unwrap().is_err());
    }
}

#[tokio::test]
async fn http_2_is_served_and_told_to_leave() {
    let lifecycle = lifecycle(Duration::from_secs(15));
    let running = Running::start(server().await, app(), lifecycle);
    let mut client = http2(running.connect(0).await).await;
    let request = || Request::get("http://x/").body(Empty::new()).unwrap();
    let response = client.send_request(request()).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
    // More than the header list may hold.
    let long = Request::get("http://x/").header("x-long", "a".repeat(17 * 1_024));
    let response = client.send_request(long.body(Empty::new()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 431);
    let (code, took) = running.drain().await;
    assert_eq!(code, ExitCode::SUCCESS);
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(client.send_request(request()).await.is_err());
}

#[tokio::test]
async fn http_2_clients_that_keep_their_window_shut_are_closed_and_slow_ones_are_served() {
    let running = Running::start(server().await.write_timeout(SHORT * 3), app(), lifecycle(LONG));
    let mut slow = narrow_http2(running.connect(0).await).await;
    let mut response = slow.send_request(get("/endless")).await.unwrap();
    for _ in 0..8 {
        sleep(SHORT).await;
        let mut taken = 0;
        while taken < 131_072 {
            let frame = timeout(PATIENCE, response.body_mut().frame()).await.unwrap();
            taken += frame.unwrap().unwrap().into_data().unwrap().len();
        }
    }
    assert_eq!(running.refused.count(Cause::Write), 0);
    drop((response, slow));

    let mut shut = narrow_http2(running.connect(1).await).await;
    let _unread = shut.send_request(get("/endless")).await.unwrap();
    until(|| running.refused.count(Cause::Write) == 1).await;
}

/// A body that is one frame, which h2 takes whole as soon as the client grants a byte.
#[tokio::test]
async fn the_rest_of_an_http_2_response_is_sent_during_a_drain_and_after_the_idle_time() {
    const LENGTH: usize = 1 << 20;
    let large = routing::get(async || Bytes::from_static(&[7; LENGTH]));
    let app = Router::new().route("/", large);
    for drains in [true, false] {
        let server = server().await.idle_timeout(if drains { LONG } else { SHORT * 2 });
        let running = Running::start(server, app.clone(), lifecycle(PATIENCE));
        let mut client = narrow_http2(running.connect(0).await).await;
        let mut response = client.send_request(get("/")).await.unwrap();
        if drains {
            running.lifecycle.begin_drain();
        }
        let (mut taken, mut paused_at) = (0, 0);
        while let Some(frame) = timeout(PATIENCE, response.body_mut().frame()).await.unwrap() {
            taken += frame.unwrap().into_data().unwrap().len();
            if taken >= paused_at + 65_536 {
                paused_at = taken;
                sleep(SHORT / 3).await;
            }
        }
        assert_eq!(taken, LENGTH);
        drop(client);
        assert_eq!(running.drain().await.0, ExitCode::SUCCESS);
    }
}

/// The same body, of which the client takes nothing after the first window.
#[tokio::test]
async fn the_last_frame_of_an_http_2_response_has_the_time_of_a_stalled_write() {
    let large = routing::get(async || Bytes::from_static(&[7; 1 << 20]));
    let app = Router::new().route("/", large);
    let limited = server().await.write_timeout(SHORT * 3);
    let running = Running::start(limited, app.clone(), lifecycle(LONG));
    let mut shut = narrow_http2(running.connect(0).await).await;
    let start = Instant::now();
    let _unread = shut.send_request(get("/")).await.unwrap();
    until(|| running.refused.count(Cause::Write) == 1).await;
    assert!(start.elapsed() >= SHORT * 3, "{:?}", start.elapsed());

    // While the server drains, it is a request that waits only for its client.
    let deadline = Duration::from_secs(2);
    let running = Running::start(server().await, app, lifecycle(deadline));
    let mut shut = narrow_http2(running.connect(0).await).await;
    let _unread = shut.send_request(get("/")).await.unwrap();
    let (code, took) = running.drain().await;
    assert_eq!(code, ExitCode::SUCCESS);
    assert!(took >= deadline / 2 && took < deadline, "{took:?}");
}

/// The preface, and settings that keep the defaults.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// CVE-2023-44487: requests that the client resets at once.
#[tokio::test]
async fn a_client_that_resets_its_requests_at_once_is_disconnected() {
    let (dropped, entered) = (Arc::default(), Arc::new(Semaphore::new(0)));
    let running = Running::start(server().await, stuck(&dropped, &entered), lifecycle(LONG));
    let mut frames = PREFACE.to_vec();
    for stream in (1..2_000_u32).step_by(2) {
        let id = stream.to_be_bytes();
        // HEADERS with END_STREAM and END_HEADERS: GET, http, /, and an authority.
        frames.extend_from_slice(b"\0\0\x06\x01\x05");
        frames.extend_from_slice(&id);
        frames.extend_from_slice(b"\x82\x86\x84\x01\x01x");
        // RST_STREAM with CANCEL.
        frames.extend_from_slice(b"\0\0\x04\x03\0");
        frames.extend_from_slice(&id);
        frames.extend_from_slice(b"\0\0\0\x08");
    }
    let mut stream = running.connect(0).await;
    // The server may have closed the connection meanwhile.
    drop(stream.write_all(&frames).await);
    let mut answer = Vec::new();
    drop(timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it is closed"));
    let entered = entered.available_permits();
    assert!(entered < 200, "{entered} handlers ran");
    let calm = [0, 0, 0, 0x0b];
    assert!(
        answer.is_empty() || answer.windows(4).any(|bytes| bytes == calm),
        "a reset, or a GOAWAY with ENHANCE_YOUR_CALM: {answer:?}"
    );
}

/// A client that has vanished while the kernel still acknowledges, as behind a broken proxy.
#[tokio::test]
async fn a_client_that_answers_no_ping_is_disconnected() {
    let running = Running::start(server().await.http2_ping(SHORT), app(), lifecycle(LONG));
    let start = Instant::now();
    let stream = running.send(0, PREFACE).await;
    rest(stream).await;
    let took = start.elapsed();
    assert!(took >= SHORT && took < SHORT * 10, "{took:?}");
    // One that answers stays.
    let mut client = http2(running.connect(1).await).await;
    sleep(SHORT * 4).await;
    assert_eq!(client.send_request(get("/")).await.unwrap().status(), 200);
}
