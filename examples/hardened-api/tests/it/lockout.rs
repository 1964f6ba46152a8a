//! Attempts to log in over HTTP: what an attacker and the owner get.

use hardpoint_testkit::{
    eventually,
    http::{Client, Reply},
    redis::RedisServer,
};
use http::Request;
use serde_json::json;

use super::{PASSWORD, Service, shape, shared::Fleet};

const EMAIL: &str = "alice@example.org";

/// One network: the limit of log-ins by network is out of the way.
const ROOMY: [(&str, &str); 2] =
    [("HARDPOINT_RATE_LIMIT", "off"), ("HARDPOINT_LOGIN_RATE_LIMIT", "100000/1s")];

async fn log_in(service: &Service, email: &str, password: &str, cookie: &str) -> Reply {
    let request = Request::post(format!("{}/api/v1/session", service.public))
        .header("content-type", "application/json")
        .header("cookie", cookie);
    let body = json!({ "email": email, "password": password }).to_string();
    Client::new().request(request, body).await
}

/// The device cookie of a reply, as a browser sends it back.
fn cookie(reply: &Reply) -> String {
    let set = reply.header("set-cookie");
    assert!(set.starts_with("__Host-device-") && set.contains("Secure; HttpOnly"), "{set}");
    set.split(';').next().unwrap().to_owned()
}

/// Guesses until strangers have to wait for longer than the next step of a test takes.
pub(super) async fn lock(service: &Service, emails: &[&str]) {
    eventually("a long delay", async || {
        let mut locked = true;
        for email in emails {
            let refused = log_in(service, email, "a guess", "").await;
            let wait = refused.header("retry-after").parse::<u64>().unwrap_or_default();
            locked &= refused.status.as_u16() == 429 && wait > 2;
        }
        locked
    })
    .await;
}

/// An attacker's guesses on these instances, while the owner logs in on all of them.
async fn attack(instances: &[&Service]) {
    instances[0].sign_up(EMAIL).await;
    let first = log_in(instances[0], EMAIL, PASSWORD, "").await;
    assert_eq!(first.status.as_u16(), 200, "{}", first.text());
    let device = cookie(&first);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..60 {
        let url = format!("{}/api/v1/session", instances[number % instances.len()].public);
        tasks.spawn(async move {
            let body = json!({ "email": EMAIL, "password": format!("guess {number}") });
            Client::new().post_json(url, &body).await.status.as_u16()
        });
    }
    let mut owner = Vec::new();
    for number in 0..4 {
        let service = instances[number % instances.len()];
        owner.push(log_in(service, EMAIL, PASSWORD, &device).await.status.as_u16());
    }
    let statuses = tasks.join_all().await;
    let count = |status: u16| statuses.iter().filter(|found| **found == status).count();
    let (verified, refused) = (count(401), count(429));
    println!(
        "{} instances, 60 parallel guesses: {verified} verified, {refused} refused; the owner: {owner:?}",
        instances.len()
    );
    assert_eq!(verified + refused, 60, "{statuses:?}");
    // Five at once, and one for each delay that passed meanwhile.
    assert!((5..=8).contains(&verified), "{verified}");
    assert_eq!(owner, [200; 4]);
    lock(instances[0], &[EMAIL]).await;
    let stranger = log_in(instances[0], EMAIL, PASSWORD, "").await;
    assert_eq!(stranger.status.as_u16(), 429, "even with the right password");
    assert_eq!(stranger.json()["code"], "too_many_attempts");
    assert!(stranger.header("retry-after").parse::<u64>().unwrap() > 0);
    let others = log_in(instances[0], "bob@example.org", "x", &device).await;
    assert_eq!(others.status.as_u16(), 401, "another account is not concerned");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_logs_in_on_a_known_device_while_an_attacker_guesses() {
    attack(&[&Service::start(&ROOMY).await]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_count_guesses_together() {
    let server = RedisServer::start();
    let fleet = Fleet::new(&server);
    let (a, b) = (fleet.instance(&ROOMY).await, fleet.instance(&ROOMY).await);
    attack(&[&a, &b]).await;
}

/// Others behind the same router, or at the same carrier.
async fn a_shared_network(instances: [&Service; 2]) {
    let [a, b] = instances;
    a.sign_up(EMAIL).await;
    let device = cookie(&log_in(a, EMAIL, PASSWORD, "").await);
    for number in 0..3 {
        let service = instances[number % 2];
        let guess = log_in(service, &format!("victim{number}@example.org"), "a guess", "").await;
        assert_eq!(guess.status.as_u16(), 401);
    }
    for service in instances {
        let refused = log_in(service, "victim@example.org", "a guess", "").await;
        assert_eq!(refused.status.as_u16(), 429, "the network has failed three times");
        let wait = refused.header("retry-after").parse::<u64>().unwrap();
        assert!((1..=1200).contains(&wait), "{wait}");
        assert_eq!(log_in(service, EMAIL, PASSWORD, "").await.status.as_u16(), 429);
        assert_eq!(log_in(service, EMAIL, PASSWORD, &device).await.status.as_u16(), 200);
    }
    let metrics = Client::new().get(format!("{}/metrics", b.admin)).await;
    let counted = "hardpoint_auth_login_attempts_total{result=\"denied\",lane=\"network\"";
    assert!(metrics.text().contains(counted), "{}", metrics.text());
}

const STRICT: [(&str, &str); 1] = [("HARDPOINT_LOGIN_RATE_LIMIT", "3/1h")];

#[tokio::test(flavor = "multi_thread")]
async fn an_attacker_in_the_network_of_the_owner_does_not_keep_a_known_device_out() {
    let service = Service::start(&STRICT).await;
    a_shared_network([&service, &service]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_count_the_failures_of_a_network_together() {
    let server = RedisServer::start();
    let fleet = Fleet::new(&server);
    a_shared_network([&fleet.instance(&STRICT).await, &fleet.instance(&STRICT).await]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_accounts_are_refused_exactly_as_known_ones() {
    let service = Service::start(&ROOMY).await;
    service.sign_up(EMAIL).await;
    for number in 1..=5 {
        let known = log_in(&service, EMAIL, "wrong", "").await;
        let unknown = log_in(&service, "nobody@example.org", "wrong", "").await;
        assert_eq!(shape(&known), shape(&unknown), "attempt {number}");
        assert_eq!(known.status.as_u16(), 401, "attempt {number}");
    }
    lock(&service, &[EMAIL, "nobody@example.org"]).await;
    let known = log_in(&service, EMAIL, "wrong", "").await;
    let unknown = log_in(&service, " NOBODY@example.org ", "wrong", "").await;
    assert_eq!(known.status.as_u16(), 429);
    let (mut known, mut unknown) = (shape(&known), shape(&unknown));
    for shape in [&mut known, &mut unknown] {
        // It has a random part, and both were refused at different times.
        let wait = shape.1.remove("retry-after").unwrap().parse::<u64>().unwrap();
        assert!((1..=600).contains(&wait), "{wait}");
    }
    assert_eq!(known, unknown, "another spelling is the same account");
    let metrics = Client::new().get(format!("{}/metrics", service.admin)).await;
    let counted = |line: &str| metrics.text().lines().any(|found| found.starts_with(line));
    let name = "hardpoint_auth_login_attempts_total";
    assert!(counted(&format!("{name}{{result=\"denied\",lane=\"account\"")), "{}", metrics.text());
}
