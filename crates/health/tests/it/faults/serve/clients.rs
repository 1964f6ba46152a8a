//! Clients that are slow, silent, or send too much.

use super::*;

/// S8, O18: the slow are closed, and the others do not notice.
#[tokio::test(flavor = "multi_thread")]
async fn half_heads_trickled_bodies_and_clients_that_do_not_read_are_closed() {
    let server = server()
        .await
        .head_timeout(SHORT)
        .body_rate(1_024, SHORT)
        .write_timeout(SHORT)
        .handshake_timeout(SHORT);
    let running = Running::start(server, app(), lifecycle(LONG));
    let mut slow = Vec::new();
    for client in 0..100 {
        slow.push(running.send(client, b"GET / HTTP/1.1\r\nhost: x\r\nx-half: ").await);
        slow.push(running.send(client, b"").await);
        slow.push(running.send(client, b"PR").await);
    }
    let mut bodies = Vec::new();
    for client in 0..50 {
        let head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nx";
        bodies.push(running.send(client, head).await);
    }
    // A connection that has sent a request before gets no longer for its second head.
    let mut second = running.send(0, HEAD).await;
    let mut buffer = [0; 1_024];
    assert!(timeout(PATIENCE, second.read(&mut buffer)).await.unwrap().unwrap() > 0);
    second.write_all(b"GET /").await.unwrap();
    slow.push(second);
    let mut unread = Vec::new();
    for client in 0..20 {
        unread.push(running.send(client, b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await);
    }
    for client in 0..50 {
        let answer = running.send(client, b"GET / HTTP/1.0\r\n\r\n").await;
        assert!(rest(answer).await.starts_with("HTTP/1.0 200 "));
    }
    for body in bodies {
        let answer = rest(body).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
    }
    let took = all_closed(slow).await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    until(|| running.refused.count(Cause::Write) == 20).await;
    drop(unread);
    assert_eq!(running.refused.count(Cause::Head), 101);
    assert_eq!(running.refused.count(Cause::Handshake), 200);
    assert_eq!(running.refused.count(Cause::Body), 50);
    let (code, _) = running.drain().await;
    assert_eq!(code, ExitCode::SUCCESS);
}

#[tokio::test]
async fn clients_that_are_slow_but_steady_are_served() {
    let server = server()
        .await
        .head_timeout(Duration::from_secs(5))
        .body_rate(1_024, Duration::from_secs(5))
        .body_stall(Duration::from_secs(5))
        .write_timeout(SHORT * 3);
    let running = Running::start(server, app(), lifecycle(LONG));
    let head = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 8192\r\n\r\n";
    let mut stream = running.connect(0).await;
    for part in head.chunks(16).chain([[7_u8; 1_024].as_slice(); 8]) {
        stream.write_all(part).await.unwrap();
        sleep(Duration::from_millis(5)).await;
    }
    assert!(rest(stream).await.ends_with("8192"));

    // A reader that takes a little now and then, for longer than the time-out of a stalled write.
    let mut reader = running.send(0, b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut buffer = vec![0; 1 << 20];
    for _ in 0..8 {
        sleep(SHORT).await;
        let mut taken = 0;
        while taken < buffer.len() {
            let read = timeout(PATIENCE, reader.read(&mut buffer)).await.unwrap().unwrap();
            assert!(read > 0, "closed although the client reads");
            taken += read;
        }
    }
    assert_eq!(running.refused.count(Cause::Write), 0);
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused_early() {
    let running = Running::start(server().await, app(), lifecycle(LONG));
    let mut stream = running.send(0, b"GET / HTTP/1.1\r\nhost: x\r\nx-long: ").await;
    let mut sent = 0;
    // The server stops reading, and then a write fails.
    let part = [b'a'; 4_096];
    while let Ok(Ok(())) = timeout(PATIENCE, stream.write_all(&part)).await {
        sent += part.len();
        if sent > 64 << 20 {
            panic!("the server reads an endless head");
        }
    }
    let mut stream = running.send(1, b"GET / HTTP/1.1\r\nhost: x\r\nx-long: ").await;
    stream.write_all(&[b'a'; 17 * 1_024]).await.unwrap();
    let answer = rest(stream).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let mut stream = running.send(1, b"GET / HTTP/1.1\r\nhost: x\r\nx-long: ").await;
    stream.write_all(&[b'a'; 12 * 1_024]).await.unwrap();
    stream.write_all(b"\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(rest(stream).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn idle_connections_are_closed_without_blame() {
    let server = server().await.idle_timeout(SHORT);
    let running = Running::start(server, app(), lifecycle(LONG));
    // A body that arrives after its head is not the beginning of another head.
    let post = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n";
    for (head, body) in [(HEAD, &b""[..]), (post, b"abc")] {
        let start = Instant::now();
        let mut stream = running.send(0, head).await;
        sleep(SHORT / 10).await;
        stream.write_all(body).await.unwrap();
        let answer = rest(stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(start.elapsed() >= SHORT, "{:?}", start.elapsed());
    }
    for cause in Cause::ALL {
        assert_eq!(running.refused.count(cause), 0, "{cause:?}");
    }
}

#[tokio::test]
async fn a_body_is_not_taken_for_the_next_head() {
    let running = Running::start(server().await.head_timeout(SHORT), app(), lifecycle(LONG));
    let head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n";
    let mut stream = running.send(0, head).await;
    sleep(SHORT / 10).await;
    stream.write_all(b"abc").await.unwrap();
    let mut buffer = [0; 1_024];
    assert!(timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap().unwrap() > 0);
    // Longer than a head may take.
    sleep(SHORT * 3).await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(rest(stream).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(running.refused.count(Cause::Head), 0);
}

#[tokio::test]
async fn a_long_dialogue_outlives_the_limits_of_a_body() {
    let server = server().await.body_stall(SHORT).body_rate(1_024, SHORT);
    let echo = routing::post(async |body: Body| {
        let frames = http_body_util::BodyStream::new(body);
        Response::new(Body::new(StreamBody::new(frames)))
    });
    let app = Router::new().route("/", echo);
    let running = Running::start(server, app, lifecycle(LONG));
    let head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut stream = running.send(0, head).await;
    let mut buffer = [0; 1_024];
    for _ in 0..4 {
        stream.write_all(b"2\r\nhi\r\n").await.unwrap();
        assert!(timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap().unwrap() > 0);
        sleep(SHORT / 2).await;
    }
    assert_eq!(running.refused.count(Cause::Body), 0);
}

#[tokio::test]
async fn a_body_that_pauses_is_refused_and_one_that_goes_on_is_not() {
    let server = server().await.body_stall(SHORT * 2);
    let running = Running::start(server, app(), lifecycle(LONG));
    let head = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 6\r\n\r\n";
    let mut paused = running.send(0, head).await;
    paused.write_all(b"a").await.unwrap();
    let mut steady = running.send(1, head).await;
    for _ in 0..6 {
        sleep(SHORT).await;
        steady.write_all(b"a").await.unwrap();
    }
    assert!(rest(steady).await.starts_with("HTTP/1.1 200 "));
    assert!(rest(paused).await.starts_with("HTTP/1.1 408 "));
    assert_eq!(running.refused.count(Cause::Body), 1);
}
