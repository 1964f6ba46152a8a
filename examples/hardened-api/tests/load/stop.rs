//! The end of the service while clients hold connections, and connections that arrive together.

use std::time::Duration;

use tokio::{io::AsyncWriteExt, net::TcpStream, time::Instant};

use crate::{MACHINE, PATIENCE, address, client::Clients, server, service::Service, start};

/// Sends SIGTERM. Returns the exit code, and how long the process took.
async fn end(service: &Service) -> (Option<i32>, Duration) {
    let start = Instant::now();
    service.process.signal("TERM");
    let status = service.process.wait(PATIENCE).await;
    (status.code(), start.elapsed())
}

/// C6. HTTP/2 has a second after its GOAWAY, because a client need not answer.
#[tokio::test]
async fn connections_without_a_request_do_not_hold_up_the_end() {
    let _machine = MACHINE.write().await;
    for (kinds, goal) in [(&["half", "idle", "letter", "silent"][..], 1), (&["two"], 2)] {
        let service = start(None, &[("HARDPOINT_DRAIN_DELAY", "0s")]).await;
        let to = address(&service.public);
        let mut clients = Vec::new();
        for what in kinds {
            clients.push(Clients::hold(what, 100, to).await);
        }
        let (code, took) = end(&service).await;
        println!("100 each of {kinds:?}: exit {code:?} after {took:?}, goal 0 in {goal} s");
        assert_eq!(code, Some(0));
        assert!(took < Duration::from_secs(2 * goal), "{took:?}");
    }
}

#[tokio::test]
async fn clients_that_neither_send_nor_read_have_half_of_the_deadline() {
    let _machine = MACHINE.write().await;
    let deadline = Duration::from_secs(4);
    let service = start(None, &[("HARDPOINT_DRAIN_DEADLINE", "4s")]).await;
    let to = address(&service.public);
    let _unread = Clients::hold("unread", 20, to).await;
    let _bodies = Clients::hold("byte", 100, to).await;
    let (code, took) = end(&service).await;
    println!("120 slow requests: exit {code:?} after {took:?}, goal 0 in {deadline:?}");
    assert_eq!(code, Some(0), "clients cannot fail a deployment");
    assert!(took >= deadline / 2 && took < deadline, "{took:?}");
    let counted = "closed requests that waited only for their clients";
    assert!(service.process.stdout().iter().any(|line| line.contains(counted)));
}

/// O7, O8: a request whose thread is blocked cannot write its line, so that a line counts it.
#[tokio::test]
async fn a_request_that_blocks_its_thread_is_counted_in_a_line() {
    let _machine = MACHINE.read().await;
    let (process, addresses) = server::start("blocking 30").await;
    let mut stream = TcpStream::connect(&addresses[0]).await.unwrap();
    stream.write_all(b"GET /block HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    process.line(PATIENCE, |line| line == "blocked").await;
    process.signal("TERM");
    assert_eq!(process.wait(PATIENCE).await.code(), Some(75));
    let counted = "requests left whose threads are blocked connections=1";
    assert!(process.stdout().iter().any(|line| line.contains(counted)), "{:?}", process.stdout());
}

#[tokio::test]
async fn a_burst_of_connections_fits_into_the_queue() {
    let _machine = MACHINE.write().await;
    let service = start(None, &[]).await;
    let burst = Clients::start(&format!("burst 1500 {}", address(&service.public)));
    let [took, longest] = burst.report::<u64>("connected").await[..] else { panic!() };
    println!("1,500 connections in {took} ms, the longest in {longest} ms, goal 500");
    // A retransmission of SYN takes a second.
    assert!(took < 1_000, "{took} ms");
}
