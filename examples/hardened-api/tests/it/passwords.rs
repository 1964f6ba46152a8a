//! Passwords over HTTP: the policy, peppers and replaced hashes, and log-ins beside a flood of others'.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hardpoint::core::Time;
use hardpoint_testkit::{http::Client, redis::RedisServer};
use http::Request;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{PASSWORD, PATIENCE, Service, load::ALONE, program, shape, shared::Fleet};

const EMAIL: &str = "alice@example.org";

async fn sign_up(service: &Service, client: &Client, email: &str, password: &str) -> (u16, Value) {
    let account = json!({ "email": email, "password": password });
    let reply = client.post_json(format!("{}/api/v1/accounts", service.public), &account).await;
    (reply.status.as_u16(), reply.json())
}

async fn log_in(service: &Service, client: &Client, email: &str) -> u16 {
    let body = json!({ "email": email, "password": PASSWORD });
    let reply = client.post_json(format!("{}/api/v1/session", service.public), &body).await;
    reply.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_up_refuses_weak_passwords_and_names_the_rule() {
    let service = Service::start(&[]).await;
    let client = Client::new();
    let table = [
        ("password", "too_short"),
        ("Password2026!!!!", "common"),
        ("alice@example.org", "context"),
        ("Hardpoint-Alice-2026", "context"),
        ("abcdefghijklmnop", "predictable"),
        (&"long ".repeat(300), "too_long"),
    ];
    for (password, rule) in table {
        let (status, body) = sign_up(&service, &client, EMAIL, password).await;
        assert_eq!((status, &body["rule"]), (422, &json!(rule)), "{password}: {body}");
        assert_eq!(body["code"], "weak_password");
        assert_eq!(body["errors"][0]["pointer"], "#/password");
        let shown = body.to_string();
        assert!(!shown.contains(password) || password == "password", "{shown}");
    }
    let (status, _) = sign_up(&service, &client, EMAIL, PASSWORD).await;
    assert_eq!(status, 201);
}

const PEPPER_A: &str = "a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const PEPPER_B: &str = "b:HxweGxoZGBcWFRQTEhEQDw4NDAsKCQgHBgUEAwIBAA==";

#[tokio::test(flavor = "multi_thread")]
async fn peppers_rotate_at_log_in_and_an_account_without_its_pepper_looks_like_none() {
    let server = RedisServer::start();
    let fleet = Fleet::new(&server);
    let client = Client::new();
    let with = async |peppers: &str| fleet.instance(&[("HARDPOINT_PEPPERS", peppers)]).await;
    let both = format!("{PEPPER_B},{PEPPER_A}");
    let plain = fleet.instance(&[]).await;
    plain.sign_up(EMAIL).await;
    plain.sign_up("bob@example.org").await;

    let old = with(PEPPER_A).await;
    assert_eq!(log_in(&old, &client, EMAIL).await, 200, "without a pepper, and now with a");
    assert_eq!(log_in(&plain, &client, EMAIL).await, 401, "its pepper is missing");
    let ask = async |email: &str| {
        let body = json!({ "email": email, "password": PASSWORD });
        client.post_json(format!("{}/api/v1/session", plain.public), &body).await
    };
    for number in 2..=5 {
        let (known, unknown) = (ask(EMAIL).await, ask("nobody@example.org").await);
        assert_eq!(shape(&known), shape(&unknown), "attempt {number}");
        assert_eq!(known.status.as_u16(), 401, "attempt {number}");
    }
    assert_eq!(ask(EMAIL).await.status.as_u16(), 429, "counted as an unknown one is");
    // The operator learns of it.
    let line = plain.process.line(PATIENCE, |line| line.contains("cannot be verified")).await;
    assert!(line.contains("the pepper a") && line.contains("WARN"), "{line}");
    let forget =
        "for _, key in ipairs(redis.call('KEYS', '*:attempt:*')) do redis.call('DEL', key) end
        return 'done'";
    assert_eq!(server.command(&["EVAL", forget, "0"]), "done");
    let rotated = with(&both).await;
    assert_eq!(log_in(&rotated, &client, EMAIL).await, 200, "with a, and now with b");
    let new = with(PEPPER_B).await;
    assert_eq!(log_in(&new, &client, EMAIL).await, 200);
    assert_eq!(log_in(&old, &client, EMAIL).await, 401);
    assert_eq!(log_in(&plain, &client, "bob@example.org").await, 200, "untouched");
}

/// What libraries of other systems made of the password, in the records of accounts.
#[tokio::test(flavor = "multi_thread")]
async fn imported_hashes_log_in_and_are_replaced_in_their_records() {
    let file = include_str!("../../../../crates/auth/tests/interop/passwords.json");
    let rows: Vec<Value> = serde_json::from_str(file).unwrap();
    let server = RedisServer::start();
    let fleet = Fleet::new(&server);
    let (service, client) = (fleet.instance(&[]).await, Client::new());
    service.sign_up(EMAIL).await;
    let key = server.command(&["EVAL", "return redis.call('KEYS', '*account*')[1]", "0"]);
    let signed_up: Value = serde_json::from_str(&server.command(&["GET", &key])).unwrap();
    for system in ["Keycloak, argon2id", "passlib 1.7.4, pbkdf2_sha256", "bcrypt 4.0.1, 2b"] {
        let row = rows.iter().find(|row| row["system"] == system).unwrap();
        let mut imported = signed_up.clone();
        imported["password"] = row["hash"].clone();
        assert_eq!(server.command(&["SET", &key, &imported.to_string()]), "+OK");
        assert_eq!(log_in(&service, &client, EMAIL).await, 200, "{system}");
        let replaced: Value = serde_json::from_str(&server.command(&["GET", &key])).unwrap();
        let hash = replaced["password"].as_str().unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{system}: {hash}");
        assert_eq!(replaced["id"], signed_up["id"], "{system}");
        assert_eq!(log_in(&service, &client, EMAIL).await, 200, "{system}, replaced");
    }
}

/// Django writes `!` and random characters for an account without a password.
#[tokio::test(flavor = "multi_thread")]
async fn an_imported_account_without_a_password_looks_like_none_until_a_reset() {
    let server = RedisServer::start();
    let fleet = Fleet::new(&server);
    let token = "a token for operators";
    let service = fleet.instance(&[("HARDPOINT_ADMIN_TOKEN", token)]).await;
    service.sign_up(EMAIL).await;
    let key = server.command(&["EVAL", "return redis.call('KEYS', '*account*')[1]", "0"]);
    let mut record: Value = serde_json::from_str(&server.command(&["GET", &key])).unwrap();
    record["password"] = "!MWtxHcTgWdZmbx".into();
    assert_eq!(server.command(&["SET", &key, &record.to_string()]), "+OK");
    let client = Client::new();
    let ask = async |email: &str| {
        let body = json!({ "email": email, "password": PASSWORD });
        client.post_json(format!("{}/api/v1/session", service.public), &body).await
    };
    let (known, unknown) = (ask(EMAIL).await, ask("nobody@example.org").await);
    assert_eq!(known.status.as_u16(), 401, "{}", known.text());
    assert_eq!(shape(&known), shape(&unknown));

    let made = Request::post(format!("{}/accounts/reset-password", service.admin))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json");
    let made = client.request(made, json!({ "email": EMAIL }).to_string()).await.json();
    let confirm = json!({ "token": made["token"], "password": PASSWORD });
    let url = format!("{}/api/v1/password/reset/confirm", service.public);
    let reset = client.post_json(url, &confirm).await;
    assert_eq!(reset.status.as_u16(), 204, "{}", reset.text());
    assert_eq!(ask(EMAIL).await.status.as_u16(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn peppers_that_cannot_be_used_stop_the_start_without_being_shown() {
    let root = "AAcOFRwjKjE4P0ZNVFtiaXB3foWMk5qhqK+2vcTL0tk=";
    let shared = format!("a:{root}");
    for (peppers, wanted) in [
        ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "place 1"),
        ("a:AAECAwQF", "has 6 bytes"),
        ("a:AAECAwQFBgcICQoLDA0ODw,a:AAECAwQFBgcICQoLDA0ODw", "two peppers"),
        (&shared, "HARDPOINT_ROOT_SECRET"),
    ] {
        let variables = [("HARDPOINT_PEPPERS", peppers), ("HARDPOINT_ROOT_SECRET", root)];
        let output = program(&variables).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{text}");
        assert!(text.contains("HARDPOINT_PEPPERS") && text.contains(wanted), "{text}");
        assert!(!text.contains("AAECAwQF") && !text.contains("AAcOFRwj"), "{text}");
    }
}

/// Longer than the hasher reads, and longer than a body may be.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_of_a_megabyte_is_refused_for_known_and_unknown_accounts() {
    let service = Service::start(&[]).await;
    service.sign_up(EMAIL).await;
    let url = format!("{}/api/v1/session", service.public);
    for (bytes, status) in [(1_025, 401), (60_000, 401), (1 << 20, 413)] {
        let ask = async |email: &str| {
            let body = json!({ "email": email, "password": "x".repeat(bytes) });
            Client::new().post_json(&url, &body).await
        };
        let (known, unknown) = (ask(EMAIL).await, ask("nobody@example.org").await);
        assert_eq!(known.status.as_u16(), status, "{bytes} bytes: {}", known.text());
        assert_eq!(shape(&known), shape(&unknown), "{bytes} bytes");
    }
}

/// Three addresses keep 100 connections each busy with log-ins to their own accounts.
#[tokio::test(flavor = "multi_thread")]
async fn three_floods_of_log_ins_do_not_delay_a_fourth_address() {
    let _alone = ALONE.lock().await;
    let service = Arc::new(Service::start(&[("HARDPOINT_RATE_LIMIT", "off")]).await);
    let address = |last: u8| Client::from_address(IpAddr::from([127, 0, 0, last]));
    for last in 2..=5 {
        let email = format!("user{last}@example.org");
        let (status, body) = sign_up(&service, &address(last), &email, PASSWORD).await;
        assert_eq!(status, 201, "{body}");
    }
    let over = Arc::new(AtomicBool::new(false));
    let mut flood = JoinSet::new();
    for last in 2..=4 {
        for _ in 0..100 {
            let (service, over) = (Arc::clone(&service), Arc::clone(&over));
            let (client, email) = (address(last), format!("user{last}@example.org"));
            flood.spawn(async move {
                let mut statuses = Vec::new();
                while !over.load(Ordering::SeqCst) {
                    statuses.push(log_in(&service, &client, &email).await);
                }
                statuses
            });
        }
    }
    let full = async { while service.in_flight().await < 250 {} };
    tokio::time::timeout(PATIENCE, full).await.expect("the flood has begun");
    let (time, client) = (Time::system(), address(5));
    let mut waits = Vec::new();
    for _ in 0..8 {
        let begin = time.now();
        assert_eq!(log_in(&service, &client, "user5@example.org").await, 200);
        waits.push(time.now().saturating_since(begin));
    }
    over.store(true, Ordering::SeqCst);
    waits.sort_unstable();
    let (median, p95) = (waits[waits.len() / 2], waits[waits.len() * 95 / 100]);
    let flooded = tokio::time::timeout(PATIENCE, flood.join_all()).await.unwrap().concat();
    let refused = flooded.iter().filter(|status| **status == 503).count();
    println!(
        "the fourth address: 8 log-ins, median {median:.0?}, p95 {p95:.0?}, none refused; the others: \
         {} log-ins, {refused} refused",
        flooded.len()
    );
    assert!(p95 <= Duration::from_secs(1), "{p95:?}");
    service.process.signal("TERM");
}
