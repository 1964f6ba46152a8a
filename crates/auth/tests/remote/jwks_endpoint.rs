//! Publishing keys.

use std::sync::Arc;

use hardpoint_auth::{JwksService, KeySet, SigningKey};
use http::{
    Method, Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH},
};
use http_body_util::BodyExt;
use tokio::sync::watch;
use tower::ServiceExt;

async fn ask(service: &JwksService, method: Method, tag: Option<&str>) -> (Response<()>, String) {
    let mut request = Request::builder().method(method);
    if let Some(tag) = tag {
        request = request.header(IF_NONE_MATCH, tag);
    }
    let response = service.clone().oneshot(request.body(()).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (Response::from_parts(head, ()), String::from_utf8(body.to_vec()).unwrap())
}

fn set() -> KeySet {
    KeySet::new([SigningKey::generate().unwrap().verifying_key()]).unwrap()
}

#[tokio::test]
async fn get_and_head_are_answered_and_may_be_kept_for_five_minutes() {
    let keys = set();
    let service = JwksService::new(keys.clone());
    let (got, body) = ask(&service, Method::GET, None).await;
    assert_eq!(got.status(), StatusCode::OK);
    assert_eq!(got.headers()[CONTENT_TYPE], "application/jwk-set+json");
    let cache = "public, max-age=300, stale-if-error=86400";
    assert_eq!(got.headers()[CACHE_CONTROL], cache);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&body).unwrap(), keys.to_jwks());
    assert!(KeySet::from_jwks(body.as_bytes()).unwrap().1.is_empty());

    let (head, nothing) = ask(&service, Method::HEAD, None).await;
    assert_eq!(nothing, "");
    assert_eq!(head.headers(), got.headers());
    assert_eq!(head.headers()[CONTENT_LENGTH], body.len().to_string().as_str());
}

#[tokio::test]
async fn whoever_has_the_bytes_is_told_so() {
    let service = JwksService::new(set());
    let (got, _) = ask(&service, Method::GET, None).await;
    let tag = got.headers()[ETAG].to_str().unwrap();
    for method in [Method::GET, Method::HEAD] {
        let (kept, body) = ask(&service, method, Some(tag)).await;
        assert_eq!(kept.status(), StatusCode::NOT_MODIFIED);
        assert_eq!((body.as_str(), &kept.headers()[ETAG]), ("", &got.headers()[ETAG]));
        assert_eq!(kept.headers()[CACHE_CONTROL], got.headers()[CACHE_CONTROL]);
        assert!(!kept.headers().contains_key(CONTENT_TYPE));
    }
    let (other, body) = ask(&service, Method::GET, Some("\"other\"")).await;
    assert_eq!(other.status(), StatusCode::OK);
    assert!(!body.is_empty());
}

#[tokio::test]
async fn other_methods_are_refused_with_a_problem() {
    let service = JwksService::new(set());
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let (refused, body) = ask(&service, method, None).await;
        assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(refused.headers()[ALLOW], "GET, HEAD");
        assert_eq!(refused.headers()[CONTENT_TYPE], "application/problem+json");
        assert!(body.contains("\"method_not_allowed\""));
    }
}

#[tokio::test]
async fn keys_that_change_are_published_by_all_clones() {
    let (first, second) = (set(), set());
    let (sender, receiver) = watch::channel(Arc::new(first.clone()));
    let service = JwksService::new(receiver);
    let clone = service.clone();
    let (before, body) = ask(&service, Method::GET, None).await;
    assert_eq!(body, first.to_jwks().to_string());
    sender.send_replace(Arc::new(second.clone()));
    for service in [&clone, &service] {
        let (after, body) = ask(service, Method::GET, before.headers()[ETAG].to_str().ok()).await;
        assert_eq!(after.status(), StatusCode::OK);
        assert_eq!(body, second.to_jwks().to_string());
        assert_ne!(after.headers()[ETAG], before.headers()[ETAG]);
    }
    drop(sender);
    assert_eq!(ask(&service, Method::GET, None).await.1, second.to_jwks().to_string());
}

#[tokio::test]
async fn the_body_is_rendered_once_for_all_clones() {
    let (sender, receiver) = watch::channel(Arc::new(set()));
    let service = JwksService::new(receiver);
    sender.send_replace(Arc::new(set()));
    let mut places = Vec::new();
    for service in [service.clone(), service.clone(), service] {
        let body = service.oneshot(Request::new(())).await.unwrap().into_body();
        places.push(body.collect().await.unwrap().to_bytes().as_ptr());
    }
    assert!(places.iter().all(|place| *place == places[0]), "the bytes are shared");
}
