//! API keys over HTTP.

use hardpoint_testkit::{
    http::{Client, Reply},
    redis::RedisServer,
};
use http::Request;
use serde_json::{Value, json};

use super::{PASSWORD, Service, shared::Fleet};

const EMAIL: &str = "alice@example.org";
const KEYS: &str = "/api/v1/api-keys";

/// A user's token.
async fn log_in(service: &Service, scope: &str) -> String {
    let body = json!({ "email": EMAIL, "password": PASSWORD, "scope": scope });
    let reply = Client::new().post_json(format!("{}/api/v1/session", service.public), &body).await;
    reply.json()["access_token"].as_str().unwrap().to_owned()
}

async fn send(
    service: &Service,
    as_: (&str, &str),
    method: &str,
    path: &str,
    body: Value,
) -> Reply {
    let head = Request::builder().method(method).uri(format!("{}{path}", service.public));
    let head = head.header(as_.0, as_.1).header("content-type", "application/json");
    Client::new().request(head, if body.is_null() { String::new() } else { body.to_string() }).await
}

/// Makes a key with a token, and returns its id and its text.
async fn issue(service: &Service, bearer: &str, body: Value) -> (String, String) {
    let reply = send(service, ("authorization", bearer), "POST", KEYS, body).await;
    assert_eq!(reply.status.as_u16(), 201, "{}", reply.text());
    let text = |name: &str| reply.json()[name].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

async fn status(service: &Service, key: &str) -> u16 {
    let reply = send(service, ("x-api-key", key), "GET", "/api/v1/ping", Value::Null).await;
    reply.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_reads_notes_and_can_do_nothing_to_the_account() {
    let service = Service::start(&[]).await;
    service.sign_up(EMAIL).await;
    let bearer = format!("Bearer {}", log_in(&service, "notes:read notes:write").await);
    let (id, key) =
        issue(&service, &bearer, json!({ "name": "backup", "scope": "notes:read", "days": 1 }))
            .await;
    assert!(key.starts_with(&format!("hardened_{id}")) && key.len() == 74, "{key}");

    let with_key = ("x-api-key", key.as_str());
    let me = async |as_| send(&service, as_, "GET", "/api/v1/me", Value::Null).await.json();
    let (own, users) = (me(with_key).await, me(("authorization", bearer.as_str())).await);
    assert_eq!(own["sub"], users["sub"]);
    assert_eq!((&own["scopes"], &own["session"]), (&json!(["notes:read"]), &Value::Null));
    let path = format!("{KEYS}/{id}");
    let rotate = format!("{path}/rotate");
    for (method, path, body, expected) in [
        ("GET", "/api/v1/notes", Value::Null, 200),
        ("POST", "/api/v1/notes", json!({ "text": "milk" }), 403),
        ("GET", KEYS, Value::Null, 403),
        ("POST", KEYS, json!({ "name": "more" }), 403),
        ("POST", &rotate, Value::Null, 403),
        ("DELETE", &path, Value::Null, 403),
        ("GET", "/api/v1/sessions", Value::Null, 403),
        ("DELETE", "/api/v1/sessions", Value::Null, 403),
        ("DELETE", "/api/v1/sessions/AAAAAAAAAAAAAAAAAAAAAA", Value::Null, 403),
        ("DELETE", "/api/v1/session", Value::Null, 403),
    ] {
        let reply = send(&service, with_key, method, path, body).await;
        assert_eq!(reply.status.as_u16(), expected, "{method} {path}: {}", reply.text());
    }

    let listed = send(&service, ("authorization", &bearer), "GET", KEYS, Value::Null).await.json();
    let listed = listed["api_keys"].as_array().unwrap();
    assert_eq!(
        (listed.len(), &listed[0]["name"], &listed[0]["id"]),
        (1, &json!("backup"), &json!(id))
    );
    assert!(!json!(listed).to_string().contains(&key[26..]));
    let gone = send(&service, ("authorization", &bearer), "DELETE", &path, Value::Null).await;
    assert_eq!(gone.status.as_u16(), 204);
    assert_eq!(status(&service, &key).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_has_no_more_than_its_session_and_lives_a_year_at_most() {
    let service = Service::start(&[]).await;
    service.sign_up(EMAIL).await;
    let reader = format!("Bearer {}", log_in(&service, "notes:read").await);
    let as_ = ("authorization", reader.as_str());
    for (body, expected) in [
        (json!({ "name": "a", "scope": "notes:write" }), 403),
        (json!({ "name": "a" }), 403),
        (json!({ "name": "a", "scope": "admin" }), 400),
        (json!({ "name": "", "scope": "notes:read" }), 422),
        (json!({ "name": "a", "scope": "notes:read", "days": 0 }), 422),
        (json!({ "name": "a", "scope": "notes:read", "days": 366 }), 422),
    ] {
        let reply = send(&service, as_, "POST", KEYS, body.clone()).await;
        assert_eq!(reply.status.as_u16(), expected, "{body}: {}", reply.text());
    }
    for number in 0..20 {
        issue(&service, &reader, json!({ "name": number.to_string(), "scope": "notes:read" }))
            .await;
    }
    let reply =
        send(&service, as_, "POST", KEYS, json!({ "name": "a", "scope": "notes:read" })).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["code"]), (409, &json!("too_many_api_keys")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_renews_no_scope_that_it_does_not_have() {
    let service = Service::start(&[]).await;
    service.sign_up(EMAIL).await;
    let writer = format!("Bearer {}", log_in(&service, "notes:read notes:write").await);
    let reader = format!("Bearer {}", log_in(&service, "notes:read").await);
    let (wide, _) = issue(&service, &writer, json!({ "name": "wide" })).await;
    let (narrow, _) =
        issue(&service, &writer, json!({ "name": "narrow", "scope": "notes:read" })).await;
    for (bearer, id, expected) in
        [(&reader, &wide, 403), (&reader, &narrow, 201), (&writer, &wide, 201)]
    {
        let path = format!("{KEYS}/{id}/rotate");
        let reply = send(&service, ("authorization", bearer), "POST", &path, Value::Null).await;
        assert_eq!(reply.status.as_u16(), expected, "{}", reply.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_shared_by_instances_and_outlive_them() {
    let server = RedisServer::start();
    let fleet = Fleet::new(&server);
    let (a, b) = (fleet.instance(&[]).await, fleet.instance(&[]).await);
    a.sign_up(EMAIL).await;
    let bearer = format!("Bearer {}", log_in(&a, "notes:read notes:write").await);
    let (id, key) = issue(&a, &bearer, json!({ "name": "ci" })).await;
    assert_eq!((status(&a, &key).await, status(&b, &key).await), (200, 200));

    let rotate = format!("{KEYS}/{id}/rotate");
    let rotated = send(&b, ("authorization", &bearer), "POST", &rotate, Value::Null).await;
    assert_eq!(rotated.status.as_u16(), 201, "{}", rotated.text());
    let next = rotated.json()["key"].as_str().unwrap().to_owned();
    assert_eq!((status(&a, &key).await, status(&a, &next).await), (200, 200), "for a day");

    let end = format!("{KEYS}/{id}");
    let ended = send(&a, ("authorization", &bearer), "DELETE", &end, Value::Null).await;
    assert_eq!(ended.status.as_u16(), 204);
    assert_eq!(status(&a, &key).await, 401, "at once");
    hardpoint_testkit::eventually("the other instance refuses it", async || {
        status(&b, &key).await == 401
    })
    .await;
    drop((a, b));
    let later = fleet.instance(&[]).await;
    assert_eq!(status(&later, &next).await, 200);
}
