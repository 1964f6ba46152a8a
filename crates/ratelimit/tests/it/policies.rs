//! What policies can be told, beyond a quota and a key.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use hardpoint_core::{
    ClientResolver, Event, Key, KeyMissing, ManualClock, Peer, Problem, Telemetry, TrustedProxies,
    event::{Limited, NearLimit},
};
use hardpoint_ratelimit::{Policy, Quota, RateLimiter, filter, key};
use hardpoint_testkit::TestBody;
use http::{Method, Request, Response, StatusCode, header::RETRY_AFTER};
use tower::{Layer, service_fn};

use super::{ACME, TENANT, ask, check, from, handle, left, limiter, per_tenant, read};

#[tokio::test]
async fn a_request_costs_what_the_policy_says() {
    let weighed = per_tenant("weighed", Quota::per_hour(10))
        .cost(|head| if head.method == Method::POST { 5 } else { 0 });
    let limiter = limiter(&ManualClock::default(), [weighed]);
    let post = || {
        let mut request = from("acme");
        *request.method_mut() = Method::POST;
        request
    };
    assert_eq!(ask(&limiter, post()).await.status(), StatusCode::OK);
    assert_eq!(ask(&limiter, post()).await.status(), StatusCode::OK);
    assert_eq!(ask(&limiter, post()).await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(ask(&limiter, from("acme")).await.status(), StatusCode::OK, "reading is free");
}

#[tokio::test]
async fn what_costs_more_than_the_burst_is_refused_without_a_time_to_come_back() {
    let limiter =
        limiter(&ManualClock::default(), [per_tenant("t", Quota::per_hour(3)).cost(|_| 4)]);
    let refused = ask(&limiter, from("acme")).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers().get(RETRY_AFTER), None);
}

#[derive(Clone)]
struct Plan(Quota);

#[tokio::test]
async fn a_customer_has_the_quota_of_its_plan() {
    let plan = per_tenant("plan", Quota::per_hour(1))
        .quota_with(|head| head.extensions.get::<Plan>().map(|plan| plan.0));
    let limiter = limiter(&ManualClock::default(), [plan]);
    let paying = || {
        let mut request = from("acme");
        request.extensions_mut().insert(Plan(Quota::per_hour(3)));
        request
    };
    for _ in 0..3 {
        assert_eq!(ask(&limiter, paying()).await.status(), StatusCode::OK);
    }
    assert_eq!(ask(&limiter, paying()).await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(ask(&limiter, from("globex")).await.status(), StatusCode::OK);
    assert_eq!(ask(&limiter, from("globex")).await.status(), StatusCode::TOO_MANY_REQUESTS);
}

/// The status that a request asks for.
async fn obedient(request: Request<TestBody>) -> Result<Response<TestBody>, Infallible> {
    let status = request.headers().get("x-status").and_then(|value| value.to_str().ok());
    let status: StatusCode = status.unwrap_or("200").parse().unwrap();
    Ok(Response::builder().status(status).body(TestBody::default()).unwrap())
}

#[tokio::test]
async fn only_what_the_response_says_is_charged_and_never_more_than_the_quota_is_let_in() {
    let failures = per_tenant("log-in", Quota::per_hour(3))
        .charge_on(|response| response.status == StatusCode::UNAUTHORIZED);
    let limiter = limiter(&ManualClock::default(), [failures]);
    let service = limiter.layer().unwrap().layer(service_fn(obedient));
    let with = |status: &str| {
        let mut request = from("acme");
        request.headers_mut().insert("x-status", status.parse().unwrap());
        request
    };
    for _ in 0..20 {
        assert_eq!(read(service.clone(), with("200")).await.status(), StatusCode::OK);
    }
    for _ in 0..3 {
        assert_eq!(read(service.clone(), with("401")).await.status(), StatusCode::UNAUTHORIZED);
    }
    let refused = read(service.clone(), with("401")).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(left(&limiter, "log-in").await, 0);
}

#[tokio::test]
async fn guesses_at_the_same_time_do_not_slip_past_a_charge_on_the_response() {
    let failures = per_tenant("log-in", Quota::per_hour(3))
        .charge_on(|response| response.status == StatusCode::UNAUTHORIZED);
    let limiter = limiter(&ManualClock::default(), [failures]);
    let gate = Arc::new(tokio::sync::Notify::new());
    let inner = {
        let gate = Arc::clone(&gate);
        service_fn(move |_request: Request<TestBody>| {
            let gate = Arc::clone(&gate);
            async move {
                gate.notified().await;
                Ok::<_, Infallible>(
                    Response::builder().status(401).body(TestBody::default()).unwrap(),
                )
            }
        })
    };
    let service = limiter.layer().unwrap().layer(inner);
    let guesses: Vec<_> =
        (0..50).map(|_| tokio::spawn(read(service.clone(), from("acme")))).collect();
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    for _ in 0..3 {
        gate.notify_one();
    }
    let mut reached = 0;
    for guess in guesses {
        reached += usize::from(guess.await.unwrap().status() == StatusCode::UNAUTHORIZED);
    }
    assert_eq!(reached, 3);
}

#[tokio::test]
async fn a_shadow_policy_looks_on_and_tells() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let observer = move |event: &Event<'_>| {
        if let Event::Limited(Limited { policy, allowed, enforced, .. }) = event {
            sink.lock().unwrap().push(((*policy).to_owned(), *allowed, *enforced));
        }
    };
    let limiter = RateLimiter::builder()
        .policy(per_tenant("tried", Quota::per_hour(1)).shadow())
        .policy(per_tenant("real", Quota::per_hour(2)))
        .telemetry(&Telemetry::new(observer))
        .time(ManualClock::default())
        .build()
        .unwrap();
    let service = limiter.layer().unwrap().layer(service_fn(obedient));
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(read(service.clone(), from("acme")).await.status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 429]);
    let told = |name: &str, allowed, enforced| (name.to_owned(), allowed, enforced);
    assert_eq!(
        *seen.lock().unwrap(),
        [
            told("tried", true, false),
            told("real", true, true),
            told("tried", false, false),
            told("real", true, true),
            told("tried", false, false),
            told("real", false, true),
        ]
    );
}

#[tokio::test]
async fn a_key_that_comes_near_its_limit_is_told_of() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let observer = move |event: &Event<'_>| {
        if let Event::NearLimit(NearLimit { remaining, .. }) = event {
            sink.lock().unwrap().push(*remaining);
        }
    };
    let limiter = RateLimiter::builder()
        .policy(per_tenant("t", Quota::per_hour(10)))
        .near_limit(30)
        .telemetry(&Telemetry::new(observer))
        .time(ManualClock::default())
        .build()
        .unwrap();
    let service = limiter.layer().unwrap().layer(service_fn(obedient));
    for _ in 0..12 {
        read(service.clone(), from("acme")).await;
    }
    assert_eq!(*seen.lock().unwrap(), [2, 1, 0]);
}

#[tokio::test]
async fn who_is_exempt_is_not_counted() {
    let office = TrustedProxies::new(["192.0.2.0/24"]).unwrap();
    let policy =
        Policy::new("client", Quota::per_hour(1), key::client_network(ClientResolver::direct()))
            .unless(filter::client_in(office, ClientResolver::direct()))
            .when(filter::method(Method::GET));
    let limiter = limiter(&ManualClock::default(), [policy]);
    let of = |address: [u8; 4]| {
        let mut request = Request::new(TestBody::default());
        request.extensions_mut().insert(Peer::new((address, 1).into()));
        request
    };
    for _ in 0..5 {
        assert_eq!(ask(&limiter, of([192, 0, 2, 1])).await.status(), StatusCode::OK);
    }
    assert_eq!(ask(&limiter, of([198, 51, 100, 1])).await.status(), StatusCode::OK);
    assert_eq!(ask(&limiter, of([198, 51, 100, 1])).await.status(), StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn routes_extensions_pairs_and_functions_are_keys() {
    #[derive(Clone)]
    struct Account(u64);

    let by = |policy: Policy| limiter(&ManualClock::default(), [policy]);
    let once = Quota::per_hour(1);
    let request = |tenant: &str, route: &'static str| {
        let mut request = from(tenant);
        request.extensions_mut().insert(hardpoint_core::Route::from_static(route));
        request
    };
    let refused = StatusCode::TOO_MANY_REQUESTS;

    let routes = by(Policy::new("route", once, key::route()));
    assert_eq!(ask(&routes, request("acme", "/a")).await.status(), StatusCode::OK);
    assert_eq!(ask(&routes, request("globex", "/a")).await.status(), refused);
    assert_eq!(ask(&routes, request("globex", "/b")).await.status(), StatusCode::OK);

    let pairs = by(Policy::new("pair", once, key::both(key::header(TENANT), key::route())));
    assert_eq!(ask(&pairs, request("acme", "/a")).await.status(), StatusCode::OK);
    assert_eq!(ask(&pairs, request("acme", "/a")).await.status(), refused);
    assert_eq!(ask(&pairs, request("acme", "/b")).await.status(), StatusCode::OK);
    assert_eq!(ask(&pairs, request("globex", "/a")).await.status(), StatusCode::OK);

    let accounts = by(Policy::new(
        "account",
        once,
        key::extension(|account: &Account| {
            Key::inline(&account.0.to_le_bytes()).unwrap_or(Key::borrowed(b""))
        }),
    ));
    let of = |id| {
        let mut request = from("acme");
        request.extensions_mut().insert(Account(id));
        request
    };
    assert_eq!(ask(&accounts, of(1)).await.status(), StatusCode::OK);
    assert_eq!(ask(&accounts, of(1)).await.status(), refused);
    assert_eq!(ask(&accounts, of(2)).await.status(), StatusCode::OK);

    let paths = by(Policy::new(
        "path",
        once,
        key::from_fn(|head| {
            let path = head.uri.path();
            (path.len() > 1).then(|| Key::borrowed(path.as_bytes())).ok_or(KeyMissing::new("path"))
        }),
    ));
    assert_eq!(ask(&paths, from("acme")).await.status(), StatusCode::OK);
    assert_eq!(ask(&paths, from("globex")).await.status(), refused, "both lack the key");

    let on_route = per_tenant("on-route", once).when(filter::route("/log-in"));
    let on_route = by(on_route);
    assert_eq!(ask(&on_route, request("acme", "/log-in")).await.status(), StatusCode::OK);
    assert_eq!(ask(&on_route, request("acme", "/log-in")).await.status(), refused);
    assert_eq!(ask(&on_route, request("acme", "/other")).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_header_that_comes_twice_is_no_key() {
    let limiter = limiter(&ManualClock::default(), [per_tenant("t", Quota::per_hour(1))]);
    let twice = |first: &str| {
        let mut request = from(first);
        request.headers_mut().append(TENANT, "real".parse().unwrap());
        request
    };
    assert_eq!(ask(&limiter, twice("a")).await.status(), StatusCode::OK);
    assert_eq!(ask(&limiter, twice("b")).await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(ask(&limiter, from("")).await.status(), StatusCode::TOO_MANY_REQUESTS, "nor empty");
}

#[tokio::test]
async fn a_wider_network_catches_who_has_many_64() {
    let client = || key::client_network(ClientResolver::direct());
    let limiter = limiter(
        &ManualClock::default(),
        [
            Policy::new("client", Quota::per_hour(2), client()),
            Policy::new("network", Quota::per_hour(3), client().ipv6_prefix(48).ipv4_prefix(24)),
        ],
    );
    let from = |address: &str| {
        let mut request = Request::new(TestBody::default());
        request.extensions_mut().insert(Peer::new(format!("[{address}]:1").parse().unwrap()));
        request
    };
    for subnet in 0..3 {
        let address = format!("2001:db8:1:{subnet}::1");
        assert_eq!(ask(&limiter, from(&address)).await.status(), StatusCode::OK);
    }
    assert_eq!(
        ask(&limiter, from("2001:db8:1:9::1")).await.status(),
        StatusCode::TOO_MANY_REQUESTS
    );
    assert_eq!(ask(&limiter, from("2001:db8:2::1")).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn cells_are_given_back_taken_and_forgotten_on_demand() {
    let limiter = limiter(&ManualClock::default(), [per_tenant("t", Quota::per_hour(10))]);
    let handle = handle(&limiter, "t");
    let _ = handle.check_cost(&ACME, 8).await.unwrap();
    for (refund, expected) in [(3, 5), (100, 10)] {
        handle.refund(&ACME, refund).await.unwrap();
        assert_eq!(left(&limiter, "t").await, expected, "at most full");
    }
    for (penalty, expected) in [(4, 6), (100, 0)] {
        handle.penalize(&ACME, penalty).await.unwrap();
        assert_eq!(left(&limiter, "t").await, expected, "at most empty");
    }
    handle.reset(&ACME).await.unwrap();
    assert_eq!(left(&limiter, "t").await, 10);
}

#[tokio::test]
async fn a_reservation_is_settled_at_what_the_work_cost() {
    let policy = per_tenant("t", Quota::per_hour(10)).reservable();
    let limiter = limiter(&ManualClock::default(), [policy]);
    let handle = handle(&limiter, "t");
    for (reserved, actual, expected) in [(6, 2, 8), (2, 5, 3), (3, 0, 3), (1, 200, 0)] {
        handle.reserve(&ACME, reserved).await.unwrap().settle(actual);
        assert_eq!(left(&limiter, "t").await, expected, "{reserved} reserved, {actual} used");
    }
    assert!(handle.reserve(&ACME, 1).await.is_err());
}

#[tokio::test]
async fn a_reservation_that_is_dropped_stays_consumed() {
    let policy = per_tenant("t", Quota::per_hour(10)).reservable();
    let limiter = limiter(&ManualClock::default(), [policy]);
    drop(handle(&limiter, "t").reserve(&ACME, 4).await.unwrap());
    assert_eq!(left(&limiter, "t").await, 6);
}

#[tokio::test]
async fn a_refused_client_is_told_what_the_hook_says() {
    let limiter = RateLimiter::builder()
        .policy(per_tenant("t", Quota::per_hour(1)))
        .problem(|limited| {
            assert!(limited.violated_policies().eq(["t"]));
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "come_back", "Come back")
                .retry_after(limited.retry_after().unwrap())
        })
        .time(ManualClock::default())
        .build()
        .unwrap();
    ask(&limiter, from("acme")).await;
    let refused = ask(&limiter, from("acme")).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()[RETRY_AFTER], "3600");
}

#[tokio::test]
async fn a_policy_that_is_not_reservable_denies_reservations_and_says_why() {
    let limiter = limiter(&ManualClock::default(), [per_tenant("t", Quota::per_hour(10))]);
    let denied = handle(&limiter, "t").reserve(&ACME, 1).await.unwrap_err();
    assert!(denied.to_string().contains("`Policy::reservable()`"), "{denied}");
    assert!(denied.is_undecided());
    assert_eq!(left(&limiter, "t").await, 10);
}

#[tokio::test]
async fn a_shadow_admits_checks_without_a_request_too() {
    let policy = per_tenant("t", Quota::per_hour(1)).shadow().reservable();
    let limiter = limiter(&ManualClock::default(), [policy]);
    for _ in 0..3 {
        assert!(check(&limiter, "t", 1).await.is_ok());
    }
    handle(&limiter, "t").reserve(&ACME, 1).await.unwrap().settle(0);
    assert_eq!(left(&limiter, "t").await, 0, "what was not held is not given back");
}

/// A name from a configuration file is not `'static`.
#[tokio::test]
async fn a_policy_takes_its_name_from_a_configuration() {
    let name = String::from("from a file");
    let limiter = limiter(&ManualClock::default(), [per_tenant(name.clone(), Quota::per_hour(1))]);
    assert_eq!(limiter.policy(&name).unwrap().name(), name);
}
