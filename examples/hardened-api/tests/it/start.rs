//! How it starts, and how it refuses to.

use std::net::TcpListener;

use hardpoint_testkit::http::{Client, Process};

use super::{PATIENCE, Service, program};

pub(super) async fn refused(variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let process = Process::spawn(&mut program(variables));
    let status = process.wait(PATIENCE).await;
    (status.code(), process.stderr().join("\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_wrong_is_listed_at_once_and_the_code_is_78() {
    let (code, report) = refused(&[
        ("HARDPOINT_ENV", "prod"),
        ("HARDPOINT_RATE_LIMIT", "0/1s"),
        ("HARDPOINT_SUBJECT_RATE_LIMIT", "1/s"),
        ("HARDPOINT_DRAIN_DELAY", "soon"),
        ("HARDPOINT_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("HARDPOINT_FORWARDED", "both"),
        ("HARDPOINT_REDIS_URL", "http://user:hunter2hunter2@127.0.0.1"),
        ("HARDPOINT_ROOT_SECRET", "aHVudGVyMg=="),
        ("HARDPOINT_LOGS", "info"),
    ])
    .await;
    assert_eq!(code, Some(78), "{report}");
    for name in [
        "JWT_SIGNING_KEY",
        "HARDPOINT_ROOT_SECRET",
        "HARDPOINT_RATE_LIMIT",
        "HARDPOINT_SUBJECT_RATE_LIMIT",
        "HARDPOINT_DRAIN_DELAY",
        "HARDPOINT_TRUSTED_PROXIES",
        "HARDPOINT_FORWARDED",
        "HARDPOINT_REDIS_URL",
        "HARDPOINT_LOGS",
    ] {
        assert_eq!(
            report.lines().filter(|line| line.starts_with(name)).count(),
            1,
            "{name} in\n{report}"
        );
    }
    assert!(!report.contains("hunter2") && !report.contains("aHVudGVyMg"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named_and_the_code_is_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, message) = refused(&[("HARDPOINT_LISTEN", &address)]).await;
    assert_eq!(code, Some(1));
    assert!(message.contains(&address) && message.contains("in use"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_listener_that_others_can_reach_requires_a_token() {
    let (code, report) = refused(&[("HARDPOINT_ADMIN_LISTEN", "0.0.0.0:0")]).await;
    assert_eq!(code, Some(78), "{report}");
    assert!(report.contains("HARDPOINT_ADMIN_TOKEN is required"), "{report}");
    let short = [("HARDPOINT_ADMIN_LISTEN", "0.0.0.0:0"), ("HARDPOINT_ADMIN_TOKEN", "hunter2")];
    let (code, report) = refused(&short).await;
    assert_eq!(code, Some(78), "{report}");
    assert!(report.contains("HARDPOINT_ADMIN_TOKEN") && !report.contains("hunter2"), "{report}");

    let token = "0123456789abcdef";
    let service = Service::start(&[("HARDPOINT_ADMIN_TOKEN", token)]).await;
    let ask = async |path: &str, authorization: &str| {
        let request = http::Request::get(format!("{}{path}", service.admin));
        Client::new().request(request.header("authorization", authorization), "").await
    };
    let bearer = format!("Bearer {token}");
    for path in ["/livez", "/readyz", "/startupz"] {
        assert_eq!(ask(path, "").await.status.as_u16(), 200, "{path}");
    }
    for path in ["/health", "/metrics", "/upstream", "/nowhere"] {
        assert_eq!(ask(path, "").await.status.as_u16(), 401, "{path}");
        assert_eq!(ask(path, "Bearer 0123456789abcdeF").await.status.as_u16(), 401, "{path}");
    }
    let report = ask("/health", &bearer).await.json();
    let names = report["checks"].as_array().unwrap().iter().map(|check| &check["name"]);
    assert_eq!(names.collect::<Vec<_>>(), ["accounts", "quotes", "files", "memory"]);
    assert!(ask("/metrics", &bearer).await.text().contains("http_server_active_requests"));
    assert_eq!(ask("/nowhere", &bearer).await.status.as_u16(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_filter_that_is_none_is_named() {
    let (code, message) = refused(&[("HARDPOINT_LOG", "inof")]).await;
    assert_eq!(code, Some(78), "{message}");
    assert!(message.contains("HARDPOINT_LOG") && message.contains("inof"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_admin_route_answers() {
    let service = Service::start(&[]).await;
    let client = Client::new();
    for path in ["/livez", "/readyz", "/startupz", "/health"] {
        let reply = client.get(format!("{}{path}", service.admin)).await;
        assert_eq!(reply.status.as_u16(), 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let service = Service::start(&[("HARDPOINT_DRAIN_DELAY", "10m")]).await;
    let ready = format!("{}/readyz", service.public);
    assert_eq!(Client::new().get(&ready).await.status.as_u16(), 200);
    service.process.signal("TERM");
    service.process.line(PATIENCE, |line| line.contains("drain")).await;
    assert_eq!(Client::new().get(&ready).await.status.as_u16(), 503);
    service.process.signal("INT");
    assert_eq!(service.process.wait(PATIENCE).await.code(), Some(130));
}
