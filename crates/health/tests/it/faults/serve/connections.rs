//! The number of connections, and how they are accepted.

use super::*;

#[tokio::test]
async fn a_network_has_its_share_and_a_trusted_proxy_has_no_limit() {
    let server = server().await.connections_per_network(3).connections(12);
    let proxies = TrustedProxies::new(["127.1.0.9"]).unwrap();
    let running = Running::start(server.trusted_proxies(proxies), app(), lifecycle(LONG));
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(running.send(0, HEAD).await);
    }
    let mut buffer = [0; 1_024];
    for stream in &mut held {
        assert!(stream.read(&mut buffer).await.unwrap() > 0);
    }
    assert_eq!(rest(running.connect(0).await).await, "");
    assert_eq!(running.refused.count(Cause::Network), 1);
    // The proxy of client 8, and another client.
    for client in [8, 8, 8, 8, 8, 8, 1] {
        let mut stream = running.send(client, HEAD).await;
        assert!(stream.read(&mut buffer).await.unwrap() > 0);
        held.push(stream);
    }
    assert_eq!(running.refused.count(Cause::Network), 1);
    // Two places are left in the server.
    for client in [2, 3] {
        let mut stream = running.send(client, HEAD).await;
        assert!(stream.read(&mut buffer).await.unwrap() > 0);
        held.push(stream);
    }
    assert_eq!(rest(running.connect(4).await).await, "");
    assert_eq!(running.refused.count(Cause::Server), 1);
    // A closed connection gives its place back.
    held.remove(0);
    let served = async {
        loop {
            let mut stream = running.connect(0).await;
            let written = stream.write_all(HEAD).await;
            if written.is_ok() && matches!(stream.read(&mut buffer).await, Ok(read) if read > 0) {
                break;
            }
        }
    };
    timeout(PATIENCE, served).await.unwrap();
}

#[tokio::test]
async fn a_burst_of_connections_fits_into_the_queue() {
    let lifecycle = lifecycle(LONG);
    let server = server().await;
    let address = server.local_addr().unwrap();
    // Nothing accepts yet.
    let start = Instant::now();
    let mut streams = Vec::new();
    for _ in 0..400 {
        streams.push(timeout(PATIENCE, TcpStream::connect(address)).await.unwrap().unwrap());
    }
    let took = start.elapsed();
    assert!(took < Duration::from_millis(900), "a retransmission of SYN takes 1 s: {took:?}");
    let running = Running::start(server, app(), lifecycle);
    drop(streams);
    assert_eq!(running.drain().await.0, ExitCode::SUCCESS);
}

/// Connections that the kernel has accepted and the server has not.
#[tokio::test]
async fn connections_that_wait_in_the_kernel_are_answered_before_the_socket_closes() {
    let lifecycle = Lifecycle::builder()
        .drain_delay(Duration::ZERO)
        .settle(Duration::from_secs(1))
        .build()
        .unwrap();
    let server = server().await;
    let address = server.local_addr().unwrap();
    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(HEAD).await.unwrap();
        clients.push(client);
    }
    lifecycle.begin_drain();
    let running = Running::start(server, app(), lifecycle);
    for client in clients {
        assert!(rest(client).await.starts_with("HTTP/1.1 200 "));
    }
    assert_eq!(running.drain().await.0, ExitCode::SUCCESS);
    assert!(TcpStream::connect(address).await.is_err(), "still listening");
}

/// A client that vanishes without a word is found by the kernel.
#[tokio::test]
#[cfg(target_os = "linux")]
async fn connections_have_the_keep_alive_of_tcp() {
    let running = Running::start(server().await, app(), lifecycle(LONG));
    let mut stream = running.send(0, HEAD).await;
    assert!(stream.read(&mut [0; 1_024]).await.unwrap() > 0);
    let port = format!(":{:04X}", running.address.port());
    let armed = || {
        let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let accepted = sockets.lines().find(|line| {
            let mut words = line.split_whitespace().skip(1);
            // Established.
            words.next().is_some_and(|local| local.ends_with(&port)) && words.nth(1) == Some("01")
        });
        // The kind of the timer: keep-alive.
        accepted.is_some_and(|line| line.split_whitespace().nth(5).unwrap().starts_with("02:"))
    };
    until(armed).await;
}
