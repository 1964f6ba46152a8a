//! The end of a server while clients are connected.

use axum::response::sse::{Event, Sse};

use super::*;

/// C6, and the idle.
#[tokio::test]
async fn a_drain_is_not_held_up_by_connections_without_a_request() {
    let running = Running::start(server().await, app(), lifecycle(Duration::from_secs(15)));
    let mut held = Vec::new();
    for bytes in
        [&b""[..], b"G", b"PR", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\nho"]
    {
        held.push(running.send(0, bytes).await);
    }
    let mut idle = running.send(0, HEAD).await;
    let mut buffer = [0; 1_024];
    assert!(idle.read(&mut buffer).await.unwrap() > 0);
    held.push(idle);
    let mut second = running.send(0, HEAD).await;
    assert!(second.read(&mut buffer).await.unwrap() > 0);
    second.write_all(b"G").await.unwrap();
    held.push(second);
    let (code, took) = running.drain().await;
    assert_eq!(code, ExitCode::SUCCESS);
    // A client of HTTP/2 that does not answer has a second.
    assert!(took < Duration::from_secs(3), "{took:?}");
    all_closed(held).await;
}

#[tokio::test]
async fn a_drain_with_nothing_but_idle_connections_ends_within_the_settle_time() {
    let running = Running::start(server().await, app(), lifecycle(LONG));
    let mut idle = running.send(0, HEAD).await;
    let mut buffer = [0; 1_024];
    assert!(idle.read(&mut buffer).await.unwrap() > 0);
    let (code, took) = running.drain().await;
    assert_eq!(code, ExitCode::SUCCESS);
    // 50 ms, with slack for a loaded machine.
    assert!(took < Duration::from_millis(400), "{took:?}");
    assert_eq!(rest(idle).await, "");
}

#[tokio::test]
async fn a_head_that_arrives_while_the_server_stops_is_answered() {
    let lifecycle = Lifecycle::builder()
        .drain_delay(Duration::ZERO)
        .drain_deadline(PATIENCE)
        .settle(Duration::from_secs(2))
        .build()
        .unwrap();
    let stop = lifecycle.stop_accepting();
    let running = Running::start(server().await, app(), lifecycle);
    let mut fresh = running.send(0, b"GET / HTTP/1.1\r\n").await;
    let mut second = running.send(0, HEAD).await;
    let mut buffer = [0; 1_024];
    assert!(second.read(&mut buffer).await.unwrap() > 0);
    second.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let drain = tokio::spawn(running.drain());
    timeout(PATIENCE, stop).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    for stream in [&mut fresh, &mut second] {
        stream.write_all(b"host: x\r\n\r\n").await.unwrap();
    }
    for stream in [fresh, second] {
        let answer = rest(stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
    assert_eq!(drain.await.unwrap().0, ExitCode::SUCCESS);
}

#[tokio::test]
async fn requests_that_wait_only_for_their_client_have_a_share_and_cut_nothing() {
    let deadline = Duration::from_secs(4);
    let running = Running::start(server().await, app(), lifecycle(deadline));
    let head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nx";
    let body = running.send(0, head).await;
    let mut unread = running.send(0, b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(unread.read(&mut [0; 10]).await.unwrap() > 0);
    let (code, took) = running.drain().await;
    assert_eq!(code, ExitCode::SUCCESS, "clients cannot fail a deployment");
    assert!(took >= deadline / 2, "{took:?}");
    assert!(took < deadline, "{took:?}");
    drop((body, unread));
}

/// O7, O8, on HTTP/1.
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_cut_at_the_deadline_drop_their_handlers() {
    let (dropped, entered) = (Arc::default(), Arc::new(Semaphore::new(0)));
    let app = stuck(&dropped, &entered);
    let running = Running::start(server().await, app, lifecycle(SHORT));
    let mut held = Vec::new();
    for client in 0..20 {
        held.push(running.send(client, HEAD).await);
    }
    entered.acquire_many(20).await.unwrap().forget();
    let (code, took) = running.drain().await;
    assert_eq!(code, ExitCode::from(75));
    assert_eq!(dropped.load(Ordering::SeqCst), 20, "each writes its line before the run ends");
    assert!(took >= SHORT && took < SHORT + Duration::from_secs(2), "{took:?}");
}

/// Clients that leave and handlers that panic while the server drains.
#[tokio::test]
async fn a_request_that_ends_by_itself_is_not_cut() {
    for panics in [false, true] {
        let (entered, leave) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let handler = {
            let (entered, leave) = (Arc::clone(&entered), Arc::clone(&leave));
            move || async move {
                entered.add_permits(1);
                leave.acquire().await.unwrap().forget();
                assert!(leave.is_closed(), "a handler that panics");
            }
        };
        let lifecycle = lifecycle(PATIENCE);
        let stop = lifecycle.stop_accepting();
        let app = Router::new().route("/", routing::get(handler));
        let running = Running::start(server().await, app, lifecycle);
        let stream = running.send(0, HEAD).await;
        entered.acquire().await.unwrap().forget();
        let drain = tokio::spawn(running.drain());
        timeout(PATIENCE, stop).await.unwrap();
        // The connections learn of it a little later.
        sleep(Duration::from_millis(100)).await;
        if panics {
            leave.add_permits(1);
        } else {
            drop(stream);
        }
        assert_eq!(drain.await.unwrap().0, ExitCode::SUCCESS, "panics: {panics}");
    }
}

/// O17: what the drain waits for beyond requests.
#[tokio::test]
async fn guards_hold_the_drain_and_learn_that_it_has_begun() {
    let lifecycle = lifecycle(LONG);
    let done = Arc::new(AtomicUsize::new(0));
    let upgrade = {
        let (lifecycle, done) = (lifecycle.clone(), Arc::clone(&done));
        routing::get(async move |mut request: Request<Body>| {
            let guard = lifecycle.hold();
            let upgraded = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut stream = TokioIo::new(upgraded.await.unwrap());
                lifecycle.draining().await;
                stream.write_all(b"goodbye").await.unwrap();
                stream.shutdown().await.unwrap();
                done.fetch_add(1, Ordering::SeqCst);
                drop(guard);
            });
            Response::builder()
                .status(101)
                .header("connection", "upgrade")
                .header("upgrade", "echo")
                .body(Body::empty())
                .unwrap()
        })
    };
    let server = server().await.connections_per_network(1);
    let running = Running::start(server, Router::new().route("/", upgrade), lifecycle);
    let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    let mut stream = running.send(0, request).await;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
    // The upgraded connection keeps its place.
    assert_eq!(rest(running.connect(0).await).await, "");
    assert_eq!(running.refused.count(Cause::Network), 1);
    assert_eq!(running.lifecycle.in_flight(), 1);
    let (code, _) = running.drain().await;
    assert_eq!((code, done.load(Ordering::SeqCst)), (ExitCode::SUCCESS, 1));
    assert!(rest(stream).await.ends_with("goodbye"));
}

#[tokio::test]
async fn requests_in_their_handlers_finish_and_their_connections_close() {
    let lifecycle = lifecycle(PATIENCE);
    let (entered, leave) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let handler = {
        let (entered, leave) = (Arc::clone(&entered), Arc::clone(&leave));
        move || async move {
            entered.add_permits(1);
            leave.acquire().await.unwrap().forget();
            "done"
        }
    };
    let app = Router::new().route("/", routing::get(handler)).layer(DrainLayer::new(&lifecycle));
    let stop = lifecycle.stop_accepting();
    let running = Running::start(server().await, app, lifecycle);
    let mut streams = Vec::new();
    for client in 0..100 {
        streams.push(running.send(client, HEAD).await);
    }
    entered.acquire_many(100).await.unwrap().forget();
    let drain = tokio::spawn(running.drain());
    timeout(PATIENCE, stop).await.unwrap();
    leave.add_permits(100);
    for stream in streams {
        let answer = rest(stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("done"), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
    assert_eq!(drain.await.unwrap().0, ExitCode::SUCCESS);
}

/// Server-sent events, whose handler says goodbye.
#[tokio::test]
async fn a_stream_of_events_ends_by_itself_when_the_drain_begins() {
    let lifecycle = lifecycle(PATIENCE);
    let events = {
        let lifecycle = lifecycle.clone();
        move || async move {
            let events = futures_util::stream::unfold(Some(0), move |count| {
                let draining = lifecycle.draining();
                async move {
                    let count = count?;
                    if count > 0 {
                        draining.await;
                        return Some((Ok::<_, Infallible>(Event::default().data("goodbye")), None));
                    }
                    Some((Ok(Event::default().data("hello")), Some(count + 1)))
                }
            });
            Sse::new(events)
        }
    };
    let app = Router::new().route("/", routing::get(events));
    let running = Running::start(server().await, app, lifecycle);
    let mut stream = running.send(0, HEAD).await;
    let mut answer = Vec::new();
    while !answer.ends_with(b"data: hello\n\n\r\n") {
        let mut part = [0; 1_024];
        let read = timeout(PATIENCE, stream.read(&mut part)).await.unwrap().unwrap();
        assert!(read > 0, "{answer:?}");
        answer.extend_from_slice(&part[..read]);
    }
    let (code, took) = running.drain().await;
    assert_eq!(code, ExitCode::SUCCESS);
    assert!(took < Duration::from_secs(3), "{took:?}");
    let rest = rest(stream).await;
    assert!(rest.contains("data: goodbye\n\n") && rest.ends_with("0\r\n\r\n"), "{rest}");
}
