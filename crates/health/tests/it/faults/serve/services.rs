//! What is served.

use super::*;

/// H0.
#[tokio::test]
async fn http_1_1_needs_exactly_one_host() {
    let running = Running::start(server().await, app(), lifecycle(LONG));
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", "HTTP/1.1 400 "),
        ("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "HTTP/1.1 200 "),
        ("GET / HTTP/1.0\r\n\r\n", "HTTP/1.0 200 "),
    ] {
        let answer = rest(running.send(0, request.as_bytes()).await).await;
        assert!(answer.starts_with(status), "{request:?}: {answer}");
    }
    assert_eq!(running.refused.count(Cause::Host), 2);
}

#[tokio::test]
async fn pipelined_requests_and_the_peer_are_served() {
    let running = Running::start(server().await, app(), lifecycle(LONG));
    let one = "GET /peer HTTP/1.1\r\nhost: x\r\n\r\n";
    let last = "GET /peer HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let stream = running.send(6, format!("{one}{one}{last}").as_bytes()).await;
    let peer = stream.local_addr().unwrap().to_string();
    assert_eq!(rest(stream).await.matches(&peer).count(), 3);
}

#[tokio::test]
async fn a_hyper_service_and_any_tower_service_are_served() {
    async fn hello(_: Request<RequestBody>) -> Result<Response<Full<Bytes>>, Infallible> {
        Ok(Response::new(Full::new("hello".into())))
    }
    for tower in [true, false] {
        let lifecycle = lifecycle(LONG);
        let server = server().await;
        let address = server.local_addr().unwrap();
        let run = {
            let lifecycle = lifecycle.clone();
            tokio::spawn(async move {
                if tower {
                    let service = tower::service_fn(hello);
                    lifecycle.run(server.service(service).serve(&lifecycle)).await
                } else {
                    let service = HyperService::new(hyper::service::service_fn(hello));
                    lifecycle.run(server.service(service).serve(&lifecycle)).await
                }
            })
        };
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        assert!(rest(stream).await.ends_with("hello"));
        lifecycle.begin_drain();
        assert_eq!(timeout(PATIENCE, run).await.unwrap().unwrap(), ExitCode::SUCCESS);
    }
}
