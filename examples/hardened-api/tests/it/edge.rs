//! The edge of the service: limits, origins, reasons, unknown paths.

use std::time::Duration;

use hardpoint::core::Time;
use hardpoint_testkit::http::{Client, Reply};
use http::Request;
use serde_json::json;

use super::{PASSWORD, PATIENCE, Service};

const EMAIL: &str = "alice@example.org";
const APP: &str = "http://localhost:5173";

impl Service {
    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let head = Request::builder().method(method).uri(format!("{}{path}", self.public));
        let head = headers.iter().fold(head, |head, (name, value)| head.header(*name, *value));
        Client::new().request(head, body.to_owned()).await
    }

    async fn bearer(&self) -> String {
        self.sign_up(EMAIL).await;
        let body = json!({ "email": EMAIL, "password": PASSWORD });
        let reply = Client::new().post_json(format!("{}/api/v1/session", self.public), &body).await;
        format!("Bearer {}", reply.json()["access_token"].as_str().unwrap())
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test(flavor = "multi_thread")]
async fn what_is_created_has_a_location_that_answers() {
    let service = Service::start(&[]).await;
    let account = json!({ "email": "bob@example.org", "password": PASSWORD }).to_string();
    let created = service.ask("POST", "/api/v1/accounts", &[JSON], &account).await;
    assert_eq!((created.status.as_u16(), created.header("location")), (201, "/api/v1/me"));

    let bearer = service.bearer().await;
    let auth = ("authorization", bearer.as_str());
    let created = service.ask("POST", "/api/v1/notes", &[JSON, auth], r#"{"text":"milk"}"#).await;
    assert_eq!(created.status.as_u16(), 201);
    let location = created.header("location").to_owned();
    let found = service.ask("GET", &location, &[auth], "").await;
    assert_eq!((found.status.as_u16(), found.json()), (200, created.json()));
    for (path, headers, status) in [
        ("/api/v1/notes/none", &[auth][..], 404),
        (&*location, &[], 401),
        ("/api/v1/me", &[auth], 200),
    ] {
        assert_eq!(service.ask("GET", path, headers, "").await.status.as_u16(), status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_over_plain_http_is_sent_to_https_if_a_trusted_proxy_reports_it() {
    let hosts = ("HARDPOINT_HTTPS_HOSTS", "api.example, www.example");
    let trusted = ("HARDPOINT_TRUSTED_PROXIES", "127.0.0.0/8");
    let service = Service::start(&[hosts, trusted]).await;
    let forwarded = [("x-forwarded-proto", "http"), ("x-forwarded-host", "api.example")];
    let redirected = service.ask("GET", "/api/v1/ping?a=b", &forwarded, "").await;
    assert_eq!(redirected.status.as_u16(), 308);
    assert_eq!(redirected.header("location"), "https://api.example/api/v1/ping?a=b");
    assert_eq!(redirected.header("cache-control"), "no-store");
    let refused = service.ask("POST", "/api/v1/session", &forwarded, "{}").await;
    assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (403, &json!("https_required")));
    let probe = service.ask("GET", "/livez", &forwarded, "").await;
    assert_eq!(probe.status.as_u16(), 200, "probes are outside");
    let direct = service.ask("GET", "/api/v1/ping", &[], "").await;
    assert_eq!(direct.status.as_u16(), 401, "nobody reported a scheme");

    let others = ("HARDPOINT_TRUSTED_PROXIES", "10.0.0.0/8");
    let service = Service::start(&[hosts, others]).await;
    let stranger = service.ask("GET", "/api/v1/ping", &forwarded, "").await;
    assert_eq!(stranger.status.as_u16(), 401, "strangers report nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_path_is_404_whatever_token_comes_with_it() {
    let service = Service::start(&[]).await;
    for headers in [&[][..], &[("authorization", "Bearer forged")], &[("authorization", "Basic x")]]
    {
        for path in ["/", "/nowhere", "/api/v1/nowhere", "/api/v1/notes/a/b", "/.well-known/none"] {
            let reply = service.ask("GET", path, headers, "").await;
            assert_eq!(reply.status.as_u16(), 404, "{path} {headers:?}");
            assert_eq!(reply.json()["code"], "not_found");
        }
        let known = service.ask("GET", "/api/v1/me", headers, "").await;
        assert_eq!(known.status.as_u16(), 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reason_of_a_rejection_is_in_the_answer_in_development_alone() {
    let service = Service::start(&[]).await;
    let reply = service.ask("POST", "/api/v1/accounts", &[JSON], r#"{"mail":"a@b"}"#).await;
    assert_eq!(reply.status.as_u16(), 422);
    assert!(reply.json()["detail"].as_str().unwrap().contains("missing field `email`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_origins_read_what_they_may() {
    let service = Service::start(&[
        ("HARDPOINT_CORS_ORIGINS", "http://localhost:5173, https://app.example"),
        ("HARDPOINT_SUBJECT_RATE_LIMIT", "1/1h"),
        ("HARDPOINT_RATE_LIMIT", "5/1h"),
    ])
    .await;
    let bearer = service.bearer().await;
    // Preflights have no token, and use up no limit.
    for _ in 0..20 {
        let asks = [("origin", APP), ("access-control-request-method", "GET")];
        let preflight = service.ask("OPTIONS", "/api/v1/me", &asks, "").await;
        assert_eq!(preflight.status.as_u16(), 200);
        assert_eq!(preflight.header("access-control-allow-origin"), APP);
        assert!(preflight.header("access-control-allow-headers").contains("authorization"));
    }
    let headers = [("origin", APP), ("authorization", bearer.as_str())];
    for (status, path) in [(200, "/api/v1/me"), (429, "/api/v1/me"), (404, "/nowhere")] {
        let reply = service.ask("GET", path, &headers, "").await;
        assert_eq!(reply.status.as_u16(), status);
        assert_eq!(reply.header("access-control-allow-origin"), APP, "{path}");
        assert!(reply.header("vary").contains("origin"));
        let exposed = reply.header("access-control-expose-headers");
        for name in ["retry-after", "ratelimit", "ratelimit-policy", "location"] {
            assert!(exposed.split(", ").any(|exposed| exposed == name), "{name} in {exposed}");
        }
    }
    let other = [("origin", "https://evil.example")];
    let reply = service.ask("GET", "/nowhere", &other, "").await;
    assert_eq!(reply.status.as_u16(), 429, "the limit by address is used up");
    assert_eq!(reply.header("access-control-allow-origin"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_jwks_is_inside_the_limit_and_sign_up_and_log_in_keep_theirs() {
    let service = Service::start(&[("HARDPOINT_RATE_LIMIT", "3/1h")]).await;
    for status in [200, 200, 200, 429] {
        let reply = service.ask("GET", "/.well-known/jwks.json", &[], "").await;
        assert_eq!(reply.status.as_u16(), status);
    }
    let service = Service::start(&[
        ("HARDPOINT_RATE_LIMIT", "off"),
        ("HARDPOINT_SUBJECT_RATE_LIMIT", "off"),
        ("HARDPOINT_SIGNUP_RATE_LIMIT", "2/1h"),
        ("HARDPOINT_LOGIN_RATE_LIMIT", "3/1h"),
    ])
    .await;
    for status in [422, 422, 429] {
        let reply = service.ask("POST", "/api/v1/accounts", &[JSON], "{}").await;
        assert_eq!(reply.status.as_u16(), status);
    }
    let wrong = json!({ "email": EMAIL, "password": "not the password of anybody" }).to_string();
    for status in [401, 401, 401, 429] {
        let reply = service.ask("POST", "/api/v1/session", &[JSON], &wrong).await;
        assert_eq!(reply.status.as_u16(), status);
    }
    let reply = service.ask("GET", "/.well-known/jwks.json", &[], "").await;
    assert_eq!(reply.status.as_u16(), 200, "the general limit is off");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_unknown_paths_is_bounded_in_the_log() {
    let service = Service::start(&[("HARDPOINT_RATE_LIMIT", "off")]).await;
    let client = Client::new();
    let (time, begin) = (Time::system(), Time::system().now());
    for round in 0..5_000 {
        let reply = client.get(format!("{}/nowhere/{round}", service.public)).await;
        assert_eq!(reply.status.as_u16(), 404);
    }
    let seconds = usize::try_from(time.now().saturating_since(begin).as_secs()).unwrap() + 1;
    let lines = service.process.stdout();
    let lines = lines.iter().filter(|line| line.contains("\"status\":404")).count();
    assert!(lines >= 100, "{lines}");
    assert!(lines <= 1_000 + 100 * seconds, "{lines} lines in {seconds} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_in_development_ends_it_at_once_when_nothing_is_in_flight() {
    let service = Service::start(&[]).await;
    // A kept connection without a request is not in flight.
    let client = Client::new();
    assert_eq!(client.get(format!("{}/livez", service.public)).await.status.as_u16(), 200);
    assert_eq!(client.get(format!("{}/nowhere", service.public)).await.status.as_u16(), 404);
    let (time, begin) = (Time::system(), Time::system().now());
    service.process.signal("INT");
    assert_eq!(service.process.wait(PATIENCE).await.code(), Some(0));
    let took = time.now().saturating_since(begin);
    assert!(took < Duration::from_secs(2), "{took:?}");
}
