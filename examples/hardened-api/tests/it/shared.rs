//! Instances that share a server.

use base64::{Engine, engine::general_purpose::STANDARD};
use hardpoint::auth::SigningKey;
use hardpoint_testkit::{
    http::{Client, Process, Reply},
    redis::RedisServer,
};
use http::Request;
use serde_json::json;
use tokio::time::timeout;

use super::{PASSWORD, PATIENCE, Service, program};

/// The secrets of all instances.
pub(super) struct Fleet {
    key: String,
    root: String,
    url: String,
}

impl Fleet {
    pub(super) fn new(server: &RedisServer) -> Self {
        let mut root = [0; 32];
        getrandom::fill(&mut root).unwrap();
        let key = SigningKey::generate_pem().unwrap().expose().to_owned();
        Self { key, root: STANDARD.encode(root), url: server.url() }
    }

    fn variables<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let own = [
            ("HARDPOINT_REDIS_URL", &*self.url),
            ("JWT_SIGNING_KEY", &*self.key),
            ("HARDPOINT_ROOT_SECRET", &*self.root),
        ];
        own.into_iter().chain(more.iter().copied()).collect()
    }

    pub(super) async fn instance(&self, more: &[(&str, &str)]) -> Service {
        Service::start(&self.variables(more)).await
    }
}

async fn log_in(service: &Service) -> Reply {
    let login = json!({ "email": "alice@example.org", "password": PASSWORD });
    Client::new().post_json(format!("{}/api/v1/session", service.public), &login).await
}

/// A request for the notes of the token's user.
fn notes(service: &Service, token: &str) -> http::request::Builder {
    Request::builder()
        .uri(format!("{}/api/v1/notes", service.public))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
}

/// The decisions that the failure policies took, because the server did not answer in time.
async fn decided_without_the_server(service: &Service) -> bool {
    let metrics = Client::new().get(format!("{}/metrics", service.admin)).await;
    metrics.text().lines().any(|line| line.starts_with("hardpoint_store_failures_total{"))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_share_accounts_notes_and_one_limit() {
    let server = RedisServer::start();
    let fleet = Fleet::new(&server);
    let quota = [("HARDPOINT_RATE_LIMIT", "40/1h")];
    let (a, b) = (fleet.instance(&quota).await, fleet.instance(&quota).await);

    a.sign_up("alice@example.org").await;
    let session = log_in(&b).await;
    assert_eq!(session.status.as_u16(), 200, "{}", session.text());
    let token = session.json()["access_token"].as_str().unwrap().to_owned();
    let added = json!({ "text": "buy milk" }).to_string();
    let added = Client::new().request(notes(&a, &token).method("POST"), added).await;
    assert_eq!(added.status.as_u16(), 201, "{}", added.text());
    let listed = Client::new().request(notes(&b, &token), "").await.json();
    assert_eq!(listed["notes"][0], added.json());

    // Four requests were admitted. Both instances together admit the rest of the forty.
    let mut admitted = 4;
    for number in 0..60 {
        let service = if number % 2 == 0 { &a } else { &b };
        let status = Client::new().get(format!("{}/api/v1/ping", service.public)).await.status;
        match status.as_u16() {
            401 => admitted += 1,
            429 => {}
            other => panic!("status {other}"),
        }
    }
    let alone = decided_without_the_server(&a).await || decided_without_the_server(&b).await;
    println!("40 requests an hour: two instances admitted {admitted}, sometimes alone: {alone}");
    assert!(admitted == 40 || alone && admitted < 80, "{admitted} admitted");
    let keys = server.command(&["KEYS", "*alice*"]);
    assert_eq!(keys, "*0", "no key names a user");
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_count_the_notes_of_a_network_together() {
    let server = RedisServer::start();
    let fleet = Fleet::new(&server);
    let (a, b) = (fleet.instance(&[]).await, fleet.instance(&[]).await);
    let mut tokens = Vec::new();
    for email in ["alice@example.org", "mallory@example.org"] {
        a.sign_up(email).await;
        let login = json!({ "email": email, "password": PASSWORD });
        let session = Client::new().post_json(format!("{}/api/v1/session", a.public), &login).await;
        tokens.push(session.json()["access_token"].as_str().unwrap().to_owned());
    }
    let body = json!({ "text": "buy milk" }).to_string();
    let add = async |client: Client, service: &Service, token: &str| {
        client.request(notes(service, token).method("POST"), body.clone()).await
    };
    let first = add(Client::new(), &a, &tokens[0]).await;
    assert_eq!(first.status.as_u16(), 201, "{}", first.text());

    // As if other accounts of the network had added 999.
    let networks = "local key = redis.call('KEYS', '*:notes:*networks')[1]
        local of_all = redis.call('HGETALL', key)
        redis.call('HSET', key, of_all[1], 1000)
        return #of_all .. ':' .. of_all[2]";
    assert_eq!(server.command(&["EVAL", networks, "0"]), "2:1", "one network with one note");
    let full = add(Client::new(), &b, &tokens[1]).await;
    assert_eq!((full.status.as_u16(), &full.json()["code"]), (409, &json!("notes_full")));
    let elsewhere = Client::from_address([127, 0, 0, 2].into());
    let other = add(elsewhere, &b, &tokens[1]).await;
    assert_eq!(other.status.as_u16(), 201, "another network: {}", other.text());

    let path = format!("{}{}", b.public, first.header("location"));
    let delete = notes(&b, &tokens[0]).method("DELETE").uri(path);
    assert_eq!(Client::new().request(delete, "").await.status.as_u16(), 204);
    let again = add(Client::new(), &b, &tokens[1]).await;
    assert_eq!(again.status.as_u16(), 201, "deletion makes room: {}", again.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_at_the_start_degrades_the_service_until_it_comes() {
    let mut server = RedisServer::start();
    server.kill();
    let fleet = Fleet::new(&server);
    let service = fleet.instance(&[]).await;
    let client = Client::new();
    let ready = || client.get(format!("{}/readyz", service.public));
    assert_eq!(ready().await.status.as_u16(), 200);
    let state = |line: &str, what: &str| line.contains(what) && line.contains("\"link\":\"state\"");
    service.process.line(PATIENCE, |line| state(line, "the link is down")).await;

    let account = json!({ "email": "alice@example.org", "password": PASSWORD });
    let sign_up = || client.post_json(format!("{}/api/v1/accounts", service.public), &account);
    let refused = sign_up().await;
    assert_eq!(refused.status.as_u16(), 503, "{}", refused.text());
    assert!(!refused.header("retry-after").is_empty());
    let degraded = timeout(PATIENCE, async { while !ready().await.text().contains("degraded") {} });
    degraded.await.unwrap();
    assert_eq!(ready().await.status.as_u16(), 200, "traffic still comes");
    let report = client.get(format!("{}/health", service.admin)).await;
    assert!(report.text().contains("redis"), "{}", report.text());

    server.restart();
    service.process.line(PATIENCE, |line| state(line, "the link is up")).await;
    let made = sign_up().await;
    assert_eq!(made.status.as_u16(), 201, "{}", made.text());
    assert_eq!(log_in(&service).await.status.as_u16(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_outlive_the_root_secret() {
    let server = RedisServer::start();
    let before = Fleet::new(&server);
    let first = before.instance(&[]).await;
    first.sign_up("alice@example.org").await;
    let after = Fleet { key: before.key.clone(), ..Fleet::new(&server) };
    let second = after.instance(&[("HARDPOINT_ROOT_SECRET_PREVIOUS", &before.root)]).await;
    let account = json!({ "email": "alice@example.org", "password": PASSWORD });
    let again =
        Client::new().post_json(format!("{}/api/v1/accounts", second.public), &account).await;
    assert_eq!(again.status.as_u16(), 409, "the address is taken");
    assert_eq!(log_in(&second).await.status.as_u16(), 200);
    // It has moved: the previous secret is not needed any more.
    assert_eq!(log_in(&after.instance(&[]).await).await.status.as_u16(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_secrets_and_bad_urls_are_refused_without_the_password() {
    for (url, what) in [
        ("redis://:hunter2@127.0.0.1", "HARDPOINT_ROOT_SECRET"),
        ("redis://:hunter2@127.0.0.1", "JWT_SIGNING_KEY"),
        ("redis://:hunter2@127.0.0.1/first", "database"),
        ("http://:hunter2@127.0.0.1", "scheme"),
    ] {
        let process = Process::spawn(&mut program(&[("HARDPOINT_REDIS_URL", url)]));
        assert_eq!(process.wait(PATIENCE).await.code(), Some(78));
        let report = process.stderr().join("\n");
        assert!(report.contains("HARDPOINT_REDIS_URL") && report.contains(what), "{report}");
        assert!(!report.contains("hunter2"), "{report}");
    }
}
