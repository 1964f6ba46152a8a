//! What the destination asks for.

use std::time::Duration;

use hardpoint_resilience::Backoff;
use hardpoint_testkit::{TestBody, spy::Spy};
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

use super::builder;
use crate::support::{get, status};

/// How long a call to a destination that always answers 503 with this hint takes, and its calls.
async fn with_hint(name: &'static str, value: &'static str) -> (Duration, usize) {
    let (spy, handle) = Spy::new();
    handle.respond(move |_| {
        let mut response = status::<TestBody>(503);
        response.headers_mut().insert(name, value.parse().unwrap());
        Ok(response)
    });
    let none = Backoff::exponential(Duration::from_millis(50), Duration::from_millis(50));
    let layer = builder().attempts(2).backoff(none).build().unwrap();
    let started = Instant::now();
    let response = layer.layer(spy).oneshot(get::<TestBody>("/")).await.unwrap();
    assert_eq!(response.headers()[name], value, "the caller can decide by it");
    (started.elapsed(), handle.calls())
}

#[tokio::test(start_paused = true)]
async fn a_hint_is_waited_for_with_jitter_on_top() {
    for value in ["7", "Fri, 15 Jan 2027 08:00:07 GMT"] {
        let (took, calls) = with_hint("retry-after", value).await;
        assert_eq!(calls, 2);
        let (least, most) = (Duration::from_secs(7), Duration::from_millis(7_100));
        assert!((least..=most).contains(&took), "{value}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hint_beyond_the_limit_is_returned_at_once() {
    for value in ["31", "31536000", "99999999999999999999", "Sat, 15 Jan 2028 08:00:00 GMT"] {
        assert_eq!(with_hint("retry-after", value).await, (Duration::ZERO, 1), "{value}");
    }
}

#[tokio::test(start_paused = true)]
async fn garbage_and_the_past_leave_the_backoff() {
    for value in ["soon", "-5", "1.5", "", "Thu, 14 Jan 2027 08:00:00 GMT"] {
        let (took, calls) = with_hint("retry-after", value).await;
        assert!(calls == 2 && took <= Duration::from_millis(51), "{value}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn negative_pushback_stops() {
    assert_eq!(with_hint("grpc-retry-pushback-ms", "-1").await.1, 1);
    let (took, calls) = with_hint("grpc-retry-pushback-ms", "2000").await;
    assert!(calls == 2 && took >= Duration::from_secs(2), "{took:?}");
}
