//! Many at once: a drain under load, and log-ins that cannot take all memory.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use hardpoint_testkit::http::Client;
use http::Request;
use serde_json::json;
use tokio::{sync::Mutex, task::JoinSet};

use super::{PASSWORD, PATIENCE, Service};

/// What a password's hash takes, and what everything else may.
const HASH: u64 = 19 * 1024 * 1024;
const REST: u64 = 128 * 1024 * 1024;

/// One load at a time: both together would take all the patience that a log-in has.
pub(super) static ALONE: Mutex<()> = Mutex::const_new(());

/// Log-ins on a connection each.
struct LogIns {
    tasks: JoinSet<Result<u16, String>>,
    answered: Arc<AtomicU64>,
}

impl LogIns {
    fn start(service: &Service, count: usize) -> Self {
        let url = format!("{}/api/v1/session", service.public);
        let body = json!({ "email": "alice@example.org", "password": PASSWORD }).to_string();
        let answered = Arc::new(AtomicU64::new(0));
        let log_in = || {
            let (url, body, answered) = (url.clone(), body.clone(), Arc::clone(&answered));
            async move {
                let request = Request::post(url).header("content-type", "application/json");
                let reply = Client::new().try_request(request, body).await;
                answered.fetch_add(1, Ordering::SeqCst);
                reply.map(|reply| reply.status.as_u16()).map_err(|error| format!("{error:?}"))
            }
        };
        let tasks = (0..count).map(|_| log_in()).collect();
        Self { tasks, answered }
    }

    fn answered(&self) -> u64 {
        self.answered.load(Ordering::SeqCst)
    }

    async fn statuses(mut self) -> Vec<Result<u16, String>> {
        let mut statuses = Vec::new();
        while let Some(status) = self.tasks.join_next().await {
            statuses.push(status.unwrap());
        }
        statuses
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_finishes_200_requests_whose_handlers_were_entered() {
    let _alone = ALONE.lock().await;
    let service = Service::start(&[
        ("HARDPOINT_RATE_LIMIT", "off"),
        ("HARDPOINT_LOGIN_RATE_LIMIT", "1000/1s"),
    ])
    .await;
    service.sign_up("alice@example.org").await;
    let log_ins = LogIns::start(&service, 200);
    // A password takes milliseconds to verify, so that nearly all wait inside their handlers.
    while log_ins.answered() + service.in_flight().await < 200 {}
    let answered = log_ins.answered();
    service.process.signal("TERM");
    assert!(answered < 150, "the drain begins under load: {answered} had been answered");
    let statuses = log_ins.statuses().await;
    let served = statuses.iter().filter(|status| **status == Ok(200)).count();
    // On a machine that is busy otherwise the last ones lose their patience: answered, not lost.
    let shed = statuses.iter().filter(|status| **status == Ok(503)).count();
    assert_eq!(served + shed, 200, "{statuses:?}");
    assert!(served >= 50, "{served} served, {shed} shed");
    assert_eq!(service.process.wait(PATIENCE).await.code(), Some(0));
    let left = 200 - answered;
    println!("SIGTERM with {left} of 200 in flight: {served} served, {shed} shed, exit code 0");
}

/// O7: a request that is cut at the deadline has its access line.
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_cut_at_the_deadline_have_their_access_lines() {
    let _alone = ALONE.lock().await;
    let service = Service::start(&[
        ("HARDPOINT_DRAIN_DEADLINE", "200ms"),
        ("HARDPOINT_RATE_LIMIT", "off"),
        ("HARDPOINT_LOGIN_RATE_LIMIT", "1000/1s"),
    ])
    .await;
    service.sign_up("alice@example.org").await;
    let log_ins = LogIns::start(&service, 200);
    while log_ins.answered() + service.in_flight().await < 200 {}
    service.process.signal("TERM");
    assert_eq!(service.process.wait(PATIENCE).await.code(), Some(75));
    let statuses = log_ins.statuses().await;
    let cut = statuses.iter().filter(|status| status.is_err()).count();
    let route = ("route", json!("/api/v1/session"));
    let lines = service.logged(std::slice::from_ref(&route));
    println!("200 requests, {cut} cut at the deadline: {lines} lines");
    assert!(cut > 50, "{cut}");
    let cancelled = service.logged(&[route, ("outcome", json!("cancelled"))]);
    assert_eq!((lines, cancelled), (200, cut));
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_log_ins_at_once_are_all_answered_within_bounded_memory() {
    let _alone = ALONE.lock().await;
    let service = Service::start(&[
        ("HARDPOINT_RATE_LIMIT", "off"),
        // One network may hold 256 connections, but a proxy may hold more.
        ("HARDPOINT_TRUSTED_PROXIES", "127.0.0.1"),
        ("HARDPOINT_LOGIN_RATE_LIMIT", "1000/1s"),
    ])
    .await;
    service.sign_up("alice@example.org").await;
    let statuses = LogIns::start(&service, 500).statuses().await;
    let served = statuses.iter().filter(|status| **status == Ok(200)).count();
    let shed = statuses.iter().filter(|status| **status == Ok(503)).count();
    assert_eq!(served + shed, 500, "{statuses:?}");
    assert!(served >= 100, "those who fit into the queue are served: {served}");
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let (peak, bound) = (service.process.peak_resident().unwrap(), cores * HASH + REST);
    println!("500 log-ins: {served} served, {shed} shed; peak {peak} of {bound} bytes");
    assert!(peak < bound, "{peak} bytes at the peak, {bound} allowed");
    service.process.signal("TERM");
    assert_eq!(service.process.wait(PATIENCE).await.code(), Some(0));
}
