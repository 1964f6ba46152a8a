//! The end of a process by `run_to_exit`: this test program, started again.

use std::{
    convert::Infallible,
    process::Command,
    time::{Duration, Instant},
};

use axum::{Router, routing::get};
use hardpoint_health::{
    Lifecycle,
    serve::{Cause, Refused, Server},
};
use hardpoint_testkit::http::{Client, Process};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::PATIENCE;

/// Names the variant of the service in the processes that the tests below start.
const CHILD: &str = "HARDPOINT_HEALTH_TEST_EXIT";
const DEADLINE: Duration = Duration::from_millis(800);

struct Line(&'static str);

impl Drop for Line {
    fn drop(&mut self) {
        println!("\n{}", self.0);
    }
}

/// Blocks the thread for longer than any test waits.
#[expect(clippy::disallowed_methods, reason = "a handler that blocks is the fault under test")]
fn block() {
    println!("\nentered");
    std::thread::sleep(Duration::from_secs(3_600));
}

#[test]
#[ignore = "a service in a process of its own, started by the tests of its end"]
fn service() {
    let Some(variant) = std::env::var_os(CHILD) else { return };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let second = Duration::from_secs(1);
        let mut lifecycle = Lifecycle::builder()
            .drain_delay(Duration::ZERO)
            .drain_deadline(DEADLINE)
            .add_hook("first", second, async || {
                println!("\nfirst hook");
                Ok::<_, Infallible>(())
            })
            .flush_logs({
                let panics = variant == "flush panics";
                move |_| {
                    println!("\nflushed");
                    assert!(!panics, "the appender's thread is gone");
                    true
                }
            });
        if variant == "endless" {
            lifecycle = lifecycle.drain_deadline(Duration::MAX);
        }
        if variant == "hooks" {
            lifecycle = lifecycle
                .add_hook("fails", second, async || Err("no route to the collector"))
                .add_hook("panics", second, async || -> Result<(), Infallible> { panic!("broken") })
                .add_hook("hangs", second / 5, async || {
                    std::future::pending::<Result<(), Infallible>>().await
                })
                .add_hook("last", second, async || {
                    println!("\nlast hook");
                    Ok::<_, Infallible>(())
                });
        }
        let lifecycle: Lifecycle = lifecycle.build().unwrap();
        let app = Router::new()
            .route("/", get(async || "hello"))
            .route("/block", get(async || block()))
            .route(
                "/blocking",
                get(async || {
                    let _line = Line("access line");
                    tokio::task::spawn_blocking(block).await.unwrap();
                }),
            )
            .route(
                "/async",
                get(async || {
                    let _line = Line("access line");
                    println!("\nentered");
                    std::future::pending::<()>().await;
                }),
            );
        let server = Server::bind("127.0.0.1:0").await.unwrap();
        println!("\nlistening {}", server.local_addr().unwrap());
        // No file is left for the admin thread.
        let mut files = Vec::new();
        if variant == "starved" {
            while let Ok(file) = std::fs::File::open("/dev/null") {
                files.push(file);
            }
        }
        let refused = server.refused();
        if variant == "exhausted" {
            tokio::spawn(exhaust(refused));
        }
        lifecycle.started();
        server.service(app).run(&lifecycle).await;
    });
}

/// Takes all files once the service runs, and gives them back later.
async fn exhaust(refused: Refused) {
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut files = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        files.push(file);
    }
    println!("\nexhausted");
    tokio::time::sleep(Duration::from_millis(700)).await;
    println!("\nfreed {}", refused.count(Cause::Accept));
    drop(files);
}

async fn start(variant: &str) -> (Process, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "faults::exit::service", "--ignored", "--nocapture"])
        .env(CHILD, variant);
    let process = Process::spawn(&mut command);
    let line = process.line(PATIENCE, |line| line.starts_with("listening ")).await;
    let address = line.trim_start_matches("listening ").to_owned();
    let url = format!("http://{address}/");
    assert_eq!(Client::new().get(url).await.text(), "hello");
    (process, address)
}

/// Sends requests that stay, each on a connection of its own.
async fn stay(process: &Process, address: &str, path: &str, requests: usize) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..requests {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        streams.push(stream);
    }
    let entered = async {
        while count(process, "entered") < requests {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, entered).await.unwrap();
    streams
}

fn count(process: &Process, wanted: &str) -> usize {
    process.stdout().iter().filter(|line| *line == wanted).count()
}

/// The exit code after this signal, and how long the process took.
#[expect(clippy::disallowed_methods, reason = "measures a process of its own")]
async fn end(process: &Process, signal: &str) -> (Option<i32>, Duration) {
    let start = Instant::now();
    process.signal(signal);
    let status = process.wait(PATIENCE).await;
    (status.code(), start.elapsed())
}

#[tokio::test]
async fn a_quiet_service_ends_at_once_and_runs_its_hooks_in_order() {
    let (process, address) = start("plain").await;
    let _half = stay(&process, &address, "/", 0).await;
    let mut half = TcpStream::connect(&address).await.unwrap();
    half.write_all(b"G").await.unwrap();
    let (code, took) = end(&process, "TERM").await;
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(2), "{took:?}");
    let lines = process.stdout();
    let at = |wanted: &str| lines.iter().position(|line| line == wanted).unwrap();
    assert!(at("first hook") < at("flushed"));
}

#[tokio::test]
async fn a_failed_hook_stops_no_other_and_shows_in_the_exit_code() {
    let (process, _) = start("hooks").await;
    assert_eq!(end(&process, "TERM").await.0, Some(70));
    for line in ["first hook", "last hook", "flushed"] {
        assert_eq!(count(&process, line), 1, "{line}");
    }
}

#[tokio::test]
async fn a_flush_that_panics_does_not_hold_up_the_end() {
    let (process, _) = start("flush panics").await;
    assert_eq!(end(&process, "TERM").await.0, Some(0));
    assert_eq!(count(&process, "flushed"), 1);
}

#[tokio::test]
async fn a_drain_without_a_deadline_is_still_supervised() {
    let (process, address) = start("endless").await;
    let _blocked = stay(&process, &address, "/block", 2).await;
    process.signal("TERM");
    tokio::time::sleep(DEADLINE / 4).await;
    assert_eq!(end(&process, "INT").await.0, Some(130));
}

#[tokio::test]
async fn a_process_whose_admin_thread_cannot_start_ends() {
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 64; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "faults::exit::service", "--ignored", "--nocapture"])
        .env(CHILD, "starved");
    let process = Process::spawn(&mut command);
    assert_eq!(process.wait(PATIENCE).await.code(), Some(70));
    assert_eq!(count(&process, "flushed"), 1);
}

/// S8: without a file, the server accepts again as soon as there is one.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "measures a process of its own")]
async fn connections_that_find_no_file_are_accepted_once_there_is_one() {
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 64; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "faults::exit::service", "--ignored", "--nocapture"])
        .env(CHILD, "exhausted");
    let process = Process::spawn(&mut command);
    let line = process.line(PATIENCE, |line| line.starts_with("listening ")).await;
    process.line(PATIENCE, |line| line == "exhausted").await;
    let mut stream = TcpStream::connect(line.trim_start_matches("listening ")).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let freed = process.line(PATIENCE, |line| line.starts_with("freed ")).await;
    let start = Instant::now();
    assert!(stream.read(&mut [0; 1_024]).await.unwrap() > 0);
    let took = start.elapsed();
    let errors: u64 = freed.trim_start_matches("freed ").parse().unwrap();
    println!("accepted {took:?} after the first free file, goal 50 ms, and {errors} errors before");
    // tokio's and axum's own loops wait for a second.
    assert!(took < Duration::from_millis(500), "{took:?}");
    assert!((5..60).contains(&errors), "neither silent nor busy: {errors}");
}

/// S8: a head costs no more memory than its limit, however much of it a client sends.
#[tokio::test]
#[cfg(target_os = "linux")]
async fn unfinished_heads_do_not_take_memory() {
    const CLIENTS: u16 = 200;
    let (process, address) = start("plain").await;
    let address: std::net::SocketAddr = address.parse().unwrap();
    let before = process.resident().unwrap();
    let mut streams = Vec::new();
    let long = vec![b'a'; 390_000];
    for client in 0..CLIENTS {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        let [high, low] = client.to_be_bytes();
        socket.bind(([127, 2, high, low + 1], 0).into()).unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx-long: ").await.unwrap();
        // The server refuses the head long before its end.
        let sent = tokio::time::timeout(PATIENCE, stream.write_all(&long)).await;
        drop(sent.unwrap());
        streams.push(stream);
    }
    // The server has read what it will read once it has refused the last head.
    for stream in streams.iter_mut().rev() {
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        drop(tokio::time::timeout(Duration::from_millis(100), read).await);
    }
    let grown = process.resident().unwrap().saturating_sub(before);
    println!("{grown} bytes for {CLIENTS} heads of 390 KB");
    // 16 KiB each, with slack for the allocator; without the limit it is 78 MB.
    assert!(grown < 16 << 20, "{grown}");
    drop(streams);
}

/// O7: each request that is cut leaves its line.
#[tokio::test]
async fn cut_requests_leave_their_lines_and_blocking_threads_hold_up_nothing() {
    for path in ["/async", "/blocking"] {
        let (process, address) = start("plain").await;
        let streams = stay(&process, &address, path, 20).await;
        let (code, took) = end(&process, "TERM").await;
        assert_eq!(code, Some(75), "{path}");
        assert_eq!(count(&process, "access line"), 20, "{path}");
        assert_eq!(count(&process, "flushed"), 1, "{path}");
        assert!(took >= DEADLINE && took < DEADLINE + Duration::from_secs(3), "{path}: {took:?}");
        for mut stream in streams {
            let mut rest = Vec::new();
            let _closed = stream.read_to_end(&mut rest).await;
            assert_eq!(rest, b"");
        }
    }
}

/// O8: one blocked worker of two neither keeps the deadline from passing nor lines from being
/// written; two leave everything to the admin thread.
#[tokio::test]
async fn blocked_workers_do_not_hold_up_the_end() {
    let (process, address) = start("plain").await;
    let _lines = stay(&process, &address, "/async", 5).await;
    let blocked = TcpStream::connect(&address).await.unwrap();
    let mut blocked = blocked;
    blocked.write_all(b"GET /block HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let entered = async {
        while count(&process, "entered") < 6 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, entered).await.unwrap();
    let (code, took) = end(&process, "TERM").await;
    assert_eq!(code, Some(75));
    assert_eq!(count(&process, "access line"), 5, "the other worker drops its requests");
    assert!(took < DEADLINE + Duration::from_secs(4), "{took:?}");

    let (process, address) = start("plain").await;
    let _blocked = stay(&process, &address, "/block", 2).await;
    let (code, took) = end(&process, "TERM").await;
    assert_eq!(code, Some(75));
    assert_eq!(count(&process, "flushed"), 1);
    assert!(took >= DEADLINE && took < DEADLINE + Duration::from_secs(5), "{took:?}");
}

/// O6.
#[tokio::test]
async fn a_second_interrupt_ends_a_blocked_service_at_once() {
    let (process, address) = start("plain").await;
    let _blocked = stay(&process, &address, "/block", 2).await;
    process.signal("TERM");
    process.signal("TERM");
    tokio::time::sleep(DEADLINE / 4).await;
    let (code, took) = end(&process, "INT").await;
    assert_eq!(code, Some(130));
    assert!(took < DEADLINE, "{took:?}");
    assert_eq!(count(&process, "flushed"), 1);
}
