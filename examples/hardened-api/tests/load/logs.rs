//! O1: a log that nobody reads.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Stdio},
    time::Duration,
};

use hardpoint_testkit::http::Client;
use serde_json::Value;
use tokio::{net::TcpStream, time::Instant};

use crate::{MACHINE, address, client::Clients, example, free, service::addresses};

const PATH: &str = "/.well-known/jwks.json";
const ROUNDS: usize = 9;
const REQUESTS: usize = 300;
/// Their lines, of more than 500 bytes, are more than the pipe and the queue of 8 MiB hold.
const FILL: u64 = 16_000;

/// The example, of whose output only the first line is read. Dropping it kills it.
struct Unread {
    child: Child,
    /// Has read ahead of the first line at most what its buffer holds.
    stdout: BufReader<Box<dyn Read>>,
    public: String,
    admin: String,
}

impl Unread {
    fn start(variables: &[(&str, &str)]) -> Self {
        let mut command = example(None, variables);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout: Box<dyn Read> = Box::new(child.stdout.take().unwrap());
        let mut stdout = BufReader::with_capacity(256, stdout);
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let [public, admin] = addresses(&line);
        Self { child, stdout, public, admin }
    }

    /// Its output is a device that is always full, so that its addresses are given.
    async fn on_a_full_disk() -> Self {
        let [public, admin] = [free(), free()];
        let mut command =
            example(None, &[("HARDPOINT_LISTEN", &public), ("HARDPOINT_ADMIN_LISTEN", &admin)]);
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let child = command.stdout(full).spawn().unwrap();
        let ready = async {
            while TcpStream::connect(&public).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(crate::PATIENCE, ready).await.unwrap();
        let [public, admin] = [public, admin].map(|address| format!("http://{address}"));
        Self { child, stdout: BufReader::new(Box::new(std::io::empty())), public, admin }
    }

    async fn dropped(&self) -> u64 {
        let metrics = Client::new().get(format!("{}/metrics", self.admin)).await;
        let find = |line: &str| line.strip_prefix("hardpoint_log_dropped_total ")?.parse().ok();
        metrics.text().lines().find_map(find).unwrap()
    }

    fn terminate(&self) {
        let kill = format!("kill -s TERM {}", self.child.id());
        assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    async fn ended(&mut self) -> Option<i32> {
        let end = Instant::now() + crate::PATIENCE;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the process did not end");
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

#[tokio::test]
async fn requests_do_not_wait_for_a_reader() {
    let _machine = MACHINE.write().await;
    let off = [("HARDPOINT_RATE_LIMIT", "off")];
    let read = crate::start(None, &off).await;
    let mut unread = Unread::start(&off);
    // As many lines as the pipe and the queue hold, so that from now on lines are dropped.
    let to = address(&unread.public).to_owned();
    let fill = Clients::start(&format!("request {FILL} {PATH} {to}"));
    assert_eq!(fill.report::<u64>("requested").await, [FILL]);
    let before = unread.dropped().await;
    assert!(before > 0);

    let (one, rounds) = (address(&read.public), format!("{ROUNDS} {REQUESTS}"));
    let compare = Clients::start(&format!("compare {rounds} {PATH} {one} {to}"));
    let times = compare.report::<f64>("compared").await;
    let [p50, unread_p50, p99, unread_p99, least, unread_least] = times[..] else {
        panic!("{times:?}")
    };
    let (median, tail, best) = (unread_p50 / p50, unread_p99 / p99, unread_least / least);
    println!(
        "nobody reads the log: median {median:.3} x, goal 1.05; p99 {tail:.2} x, goal 1.5, of the best round {best:.2} x"
    );
    assert!(median < 1.5 && tail.min(best) < 3.0, "{times:?}");

    // Every request has its line, or is one of those that are counted.
    let requests = FILL + (ROUNDS as u64 + 1) * REQUESTS as u64;
    let (mut lines, mut dropped) = (0, 0);
    for line in unread.stdout.by_ref().lines().map(Result::unwrap) {
        let line: Value = serde_json::from_str(&line).unwrap();
        lines += u64::from(line["target"] == "hardpoint::access");
        dropped += reported(&line);
        if lines + dropped >= requests {
            break;
        }
    }
    let counted = unread.dropped().await;
    println!(
        "{requests} requests: {lines} lines, {dropped} reported as dropped, {counted} counted"
    );
    assert!(counted > before);
    assert_eq!((lines + dropped, dropped), (requests, counted));
    unread.terminate();
    let mut rest = String::new();
    unread.stdout.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("drained"), "{rest}");
    assert_eq!(unread.ended().await, Some(0));
}

/// A reader that has closed the pipe, and a disk that is full.
#[tokio::test]
async fn a_log_that_cannot_be_written_costs_neither_a_request_nor_the_end() {
    const REQUESTS: u64 = 2_000;
    let _machine = MACHINE.read().await;
    for full in [false, true] {
        let mut unread = if full { Unread::on_a_full_disk().await } else { Unread::start(&[]) };
        unread.stdout = BufReader::new(Box::new(std::io::empty()));
        let address = address(&unread.public);
        // On addresses of their own, so that no limit refuses them.
        let requests = Clients::start(&format!("request {REQUESTS} {PATH} {address}"));
        assert_eq!(requests.report::<u64>("requested").await, [REQUESTS]);
        let lost = async {
            while unread.dropped().await < REQUESTS {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(crate::PATIENCE, lost).await.expect("each lost line is counted");
        let start = Instant::now();
        unread.terminate();
        let (code, took) = (unread.ended().await, start.elapsed());
        println!("SIGTERM, full disk {full}: exit {code:?} after {took:?}");
        assert_eq!(code, Some(0));
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
}

/// The number in a line about dropped lines.
fn reported(line: &Value) -> u64 {
    let is_report = line["message"] == "log lines dropped";
    if is_report { line["dropped"].as_u64().unwrap() } else { 0 }
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_reader() {
    let _machine = MACHINE.write().await;
    let mut unread = Unread::start(&[
        ("HARDPOINT_RATE_LIMIT", "off"),
        ("HARDPOINT_DRAIN_DELAY", "500ms"),
        ("HARDPOINT_DRAIN_DEADLINE", "2s"),
    ]);
    let to = address(&unread.public).to_owned();
    // The pipe holds 64 KiB, so that the writer waits for its reader.
    let fill = Clients::start(&format!("request 1000 {PATH} {to}"));
    fill.report::<u64>("requested").await;
    let start = Instant::now();
    unread.terminate();
    let draining = async {
        let url = format!("{}/readyz", unread.admin);
        while Client::new().get(&url).await.status != 503 {}
    };
    tokio::time::timeout(Duration::from_millis(450), draining).await.expect("it drains at once");
    let code = unread.ended().await;
    let took = start.elapsed();
    println!("SIGTERM while nobody reads: exit {code:?} after {took:?}, goal 2.5 s");
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_millis(2_500), "{took:?}");
}
