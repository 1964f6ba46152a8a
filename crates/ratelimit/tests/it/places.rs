//! Limits by address and by subject: each in its place.

use std::sync::Arc;

use hardpoint_core::{
    AuthMethod, ClientResolver, Identity, ManualClock, Place, Principal, RequestContext,
    StackLayer, Time,
};
use hardpoint_ratelimit::{
    ConfigError, OnMissingKey, Policy, Quota, RateLimitLayer, RateLimiter, SubjectRateLimitLayer,
    key,
};
use hardpoint_testkit::TestBody;
use http::{Request, StatusCode};
use tower::{Layer, service_fn};

use super::{from, per_tenant, read};

const ONCE: Quota = Quota::per_hour(1);

#[test]
fn each_layer_has_its_place() {
    assert_eq!(RateLimitLayer::PLACE, Place::RATE_LIMIT_BY_ADDRESS);
    assert_eq!(SubjectRateLimitLayer::PLACE, Place::RATE_LIMIT_BY_SUBJECT);
}

#[test]
fn a_limit_by_subject_does_not_fit_a_layer_by_address() {
    let subject = || Policy::new("subject", ONCE, key::subject());
    let error = RateLimitLayer::new(subject()).unwrap_err();
    assert_eq!(error, ConfigError::SubjectPolicy { policy: "subject".into() });
    assert!(error.to_string().contains("`by_subject()`"), "{error}");
    let pair = key::both(key::client_network(ClientResolver::direct()), key::subject());
    assert!(RateLimitLayer::new(Policy::new("pair", ONCE, pair)).is_err());
    assert!(SubjectRateLimitLayer::new(subject()).is_ok());
}

#[test]
fn a_layer_by_subject_needs_a_policy_that_can_count_by_the_caller() {
    let client = || Policy::new("client", ONCE, key::client_network(ClientResolver::direct()));
    let error = SubjectRateLimitLayer::new(client()).unwrap_err();
    assert_eq!(error, ConfigError::NoSubjectPolicy);
    assert!(error.to_string().contains("`key::subject()`"), "{error}");
    // With one that can, the others may be of any kind.
    let subject = Policy::new("subject", ONCE, key::subject());
    let both = RateLimiter::builder().policy(client()).policy(subject).build().unwrap();
    assert!(both.by_subject().is_ok());
}

#[test]
fn a_function_as_a_key_fits_both_places() {
    let own = || {
        Policy::new(
            "own",
            ONCE,
            key::from_fn(|head| Ok(hardpoint_core::Key::borrowed(head.uri.path().as_bytes()))),
        )
    };
    assert!(RateLimitLayer::new(own()).is_ok());
    assert!(SubjectRateLimitLayer::new(own()).is_ok());
    assert!(RateLimitLayer::new(per_tenant("header", ONCE)).is_ok());
}

#[test]
fn a_replacement_does_not_bring_a_subject_into_a_layer_by_address() {
    let limiter = super::limiter(&ManualClock::default(), [per_tenant("t", ONCE)]);
    let error = limiter.replace_policy(&Policy::new("t", ONCE, key::subject())).unwrap_err();
    assert_eq!(error, ConfigError::SubjectPolicy { policy: "t".into() });
}

struct Caller(&'static str, &'static str);

impl Principal for Caller {
    fn subject(&self) -> &str {
        self.1
    }

    fn issuer(&self) -> Option<&str> {
        Some(self.0)
    }

    fn method(&self) -> AuthMethod {
        AuthMethod::Token
    }
}

#[tokio::test]
async fn callers_are_counted_by_issuer_and_subject_together() {
    let policy = Policy::new("subject", ONCE, key::subject()).on_missing_key(OnMissingKey::Skip);
    let limiter =
        RateLimiter::builder().policy(policy).time(ManualClock::default()).build().unwrap();
    let service = limiter.by_subject().unwrap().layer(service_fn(async |_request| {
        Ok::<_, std::convert::Infallible>(http::Response::new(TestBody::from("ok")))
    }));
    let request = |issuer, subject| {
        let mut request = Request::new(TestBody::default());
        let context = RequestContext::ensure(request.extensions_mut(), &Time::system());
        context.set_identity(Identity::new(Arc::new(Caller(issuer, subject))));
        request
    };
    let refused = StatusCode::TOO_MANY_REQUESTS;
    for (issuer, subject, status) in [
        ("https://a.example", "alice", StatusCode::OK),
        ("https://a.example", "alice", refused),
        ("https://b.example", "alice", StatusCode::OK),
        ("https://a.example", "bob", StatusCode::OK),
        ("https://a.examplea", "lice", StatusCode::OK),
    ] {
        let answer = read(service.clone(), request(issuer, subject)).await;
        assert_eq!(answer.status(), status, "{issuer} {subject}");
    }
    // Without a caller the policy does not apply.
    for _ in 0..2 {
        assert_eq!(read(service.clone(), from("acme")).await.status(), StatusCode::OK);
    }
}
