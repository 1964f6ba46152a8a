//! Sessions over HTTP, as the contract of the routes has them.

use hardpoint_testkit::{
    http::{Client, Reply},
    redis::RedisServer,
};
use http::Request;
use serde_json::{Value, json};

use super::{PASSWORD, Service, shared::Fleet};

const EMAIL: &str = "alice@example.org";

impl Service {
    async fn with_account(variables: &[(&str, &str)]) -> Self {
        let service = Self::start(variables).await;
        service.sign_up(EMAIL).await;
        service
    }

    async fn log_in(&self) -> Pair {
        let body = json!({ "email": EMAIL, "password": PASSWORD });
        let reply = Client::new().post_json(format!("{}/api/v1/session", self.public), &body).await;
        assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());
        Pair::read(&reply)
    }

    async fn refresh(&self, token: &str) -> Reply {
        let url = format!("{}/api/v1/session/refresh", self.public);
        Client::new().post_json(url, &json!({ "refresh_token": token })).await
    }

    async fn send(&self, method: &str, path: &str, token: &str) -> Reply {
        let head = Request::builder().method(method).uri(format!("{}{path}", self.public));
        let head = head.header("authorization", format!("Bearer {token}"));
        Client::new().request(head.header("user-agent", "a test"), "").await
    }

    async fn status(&self, token: &str) -> u16 {
        self.send("GET", "/api/v1/ping", token).await.status.as_u16()
    }
}

struct Pair {
    access: String,
    refresh: String,
}

impl Pair {
    fn read(reply: &Reply) -> Self {
        let body = reply.json();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(900)));
        assert_eq!(body["scope"], "notes:read notes:write");
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }
}

fn refused(reply: &Reply) {
    assert_eq!(reply.status.as_u16(), 401, "{}", reply.text());
    assert_eq!(reply.header("content-type"), "application/problem+json");
    assert!(reply.header("www-authenticate").starts_with("Bearer "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_rotates_and_an_old_token_ends_the_whole_session() {
    let service = Service::with_account(&[]).await;
    let (first, other) = (service.log_in().await, service.log_in().await);
    let second = Pair::read(&service.refresh(&first.refresh).await);
    let again = Pair::read(&service.refresh(&first.refresh).await);
    assert_eq!(second.refresh, again.refresh, "a retry within the grace");
    let third = Pair::read(&service.refresh(&second.refresh).await);
    assert_eq!(service.status(&third.access).await, 200);
    refused(&service.refresh(&first.refresh).await);
    for access in [&first.access, &second.access, &again.access, &third.access] {
        assert_eq!(service.status(access).await, 401);
    }
    for refresh in [&second.refresh, &third.refresh, "hrt_x", ""] {
        refused(&service.refresh(refresh).await);
    }
    assert_eq!(service.status(&other.access).await, 200, "another session of the account");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_grace_a_retry_ends_the_session() {
    let service = Service::with_account(&[("HARDPOINT_REFRESH_GRACE", "0")]).await;
    let first = service.log_in().await;
    let second = Pair::read(&service.refresh(&first.refresh).await);
    refused(&service.refresh(&first.refresh).await);
    assert_eq!(service.status(&second.access).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_ends_one_session_and_all_of_its_tokens() {
    let service = Service::with_account(&[]).await;
    let (first, other) = (service.log_in().await, service.log_in().await);
    let gone = service.send("DELETE", "/api/v1/session", &first.access).await;
    assert_eq!((gone.status.as_u16(), gone.text()), (204, ""));
    assert_eq!(service.status(&first.access).await, 401);
    refused(&service.refresh(&first.refresh).await);
    assert_eq!(service.status(&other.access).await, 200);
    let anonymous = service.send("DELETE", "/api/v1/session", "x").await;
    assert_eq!(anonymous.status.as_u16(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_and_ended_by_id_and_altogether() {
    let service = Service::with_account(&[]).await;
    service.sign_up("mallory@example.org").await;
    let (first, second) = (service.log_in().await, service.log_in().await);
    let listed = service.send("GET", "/api/v1/sessions", &second.access).await.json();
    let listed = listed["sessions"].as_array().unwrap();
    assert_eq!(listed.len(), 2);
    let current: Vec<&Value> = listed.iter().filter(|one| one["current"] == true).collect();
    let me = service.send("GET", "/api/v1/me", &second.access).await.json();
    assert_eq!(current.len(), 1);
    assert_eq!(current[0]["id"], me["session"]);
    for one in listed {
        assert!(one["created_at"].as_str().unwrap().ends_with('Z'));
        assert!(
            one["last_used_at"].is_string() && one.as_object().unwrap().contains_key("user_agent")
        );
    }
    let other = listed.iter().find(|one| one["current"] == false).unwrap()["id"].as_str().unwrap();
    let path = format!("/api/v1/sessions/{other}");

    let mallory = json!({ "email": "mallory@example.org", "password": PASSWORD });
    let url = format!("{}/api/v1/session", service.public);
    let mallory = Pair::read(&Client::new().post_json(url, &mallory).await);
    for path in [path.as_str(), "/api/v1/sessions/1", "/api/v1/sessions/AAAAAAAAAAAAAAAAAAAAAA"] {
        assert_eq!(service.send("DELETE", path, &mallory.access).await.status.as_u16(), 404);
    }
    assert_eq!(service.status(&first.access).await, 200);
    assert_eq!(service.send("DELETE", &path, &second.access).await.status.as_u16(), 204);
    assert_eq!(service.status(&first.access).await, 401);
    assert_eq!(service.send("DELETE", &path, &second.access).await.status.as_u16(), 404);

    let all = service.send("DELETE", "/api/v1/sessions", &second.access).await;
    assert_eq!(all.status.as_u16(), 204);
    assert_eq!(service.status(&second.access).await, 401, "the current one included");
    assert_eq!(service.status(&mallory.access).await, 200);
    let again = service.log_in().await;
    assert_eq!(service.status(&again.access).await, 200);
}

/// Session fixation: if an attacker makes the owner's browser send the attacker's tokens along, the
/// log-in still begins a new session, and those tokens still belong to the attacker's own.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_never_goes_on_with_a_session_that_was_there_before() {
    let service = Service::with_account(&[]).await;
    service.sign_up("mallory@example.org").await;
    let url = format!("{}/api/v1/session", service.public);
    let mallory = json!({ "email": "mallory@example.org", "password": PASSWORD });
    let planted = Pair::read(&Client::new().post_json(&url, &mallory).await);
    let session = async |pair: &Pair| {
        let me = service.send("GET", "/api/v1/me", &pair.access).await.json();
        (me["sub"].clone(), me["session"].clone())
    };

    let Pair { access, refresh } = &planted;
    let head = Request::post(&url)
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {access}"))
        .header("cookie", format!("access_token={access}; refresh_token={refresh}"));
    let body = json!({
        "email": EMAIL, "password": PASSWORD,
        "refresh_token": refresh, "session": session(&planted).await.1,
    });
    let owner = Client::new().request(head, body.to_string()).await;
    assert_eq!(owner.status.as_u16(), 200, "{}", owner.text());
    let owner = Pair::read(&owner);

    let (attacker, victim) = (session(&planted).await, session(&owner).await);
    assert_ne!(attacker.0, victim.0);
    assert_ne!(attacker.1, victim.1);
    let mut next = Pair::read(&service.refresh(refresh).await);
    assert_eq!(session(&next).await, attacker, "a refresh keeps the session and its owner");
    next = Pair::read(&service.refresh(&owner.refresh).await);
    assert_eq!(session(&next).await, victim);
}

/// Waits until a token gets this status.
async fn eventually(service: &Service, token: &str, status: u16) {
    let is_so = async || service.status(token).await == status;
    hardpoint_testkit::eventually("the status of the token", is_so).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_sessions_and_what_ends_them() {
    let server = RedisServer::start();
    let fleet = Fleet::new(&server);
    let (a, b) = (fleet.instance(&[]).await, fleet.instance(&[]).await);
    a.sign_up(EMAIL).await;
    let first = a.log_in().await;
    eventually(&b, &first.access, 200).await;

    // A session that is refreshed on one and stolen on the other.
    let second = Pair::read(&b.refresh(&first.refresh).await);
    let third = Pair::read(&a.refresh(&second.refresh).await);
    eventually(&b, &third.access, 200).await;
    refused(&b.refresh(&first.refresh).await);
    assert_eq!(b.status(&third.access).await, 401, "at once where it was noticed");
    eventually(&a, &third.access, 401).await;
    refused(&a.refresh(&third.refresh).await);

    // A log-out on one, and one of all sessions.
    let (one, two) = (a.log_in().await, b.log_in().await);
    eventually(&b, &one.access, 200).await;
    let gone = a.send("DELETE", "/api/v1/session", &one.access).await;
    assert_eq!(gone.status.as_u16(), 204);
    assert_eq!(a.status(&one.access).await, 401);
    eventually(&b, &one.access, 401).await;
    eventually(&a, &two.access, 200).await;
    let listed = a.send("GET", "/api/v1/sessions", &two.access).await.json();
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(a.send("DELETE", "/api/v1/sessions", &two.access).await.status.as_u16(), 204);
    eventually(&b, &two.access, 401).await;
    refused(&b.refresh(&two.refresh).await);

    // A server that does not answer: after 5 s it is not known what else was revoked.
    let live = a.log_in().await;
    eventually(&b, &live.access, 200).await;
    server.pause();
    eventually(&b, &live.access, 503).await;
    let unknown = b.send("GET", "/api/v1/ping", &live.access).await;
    assert_eq!(unknown.json()["code"], "revocation_unavailable");
    assert_eq!(unknown.header("retry-after"), "2");
    assert_eq!(b.status(&two.access).await, 401, "what is known is known");
    server.resume();
    eventually(&b, &live.access, 200).await;
    eventually(&a, &live.access, 200).await;
}
