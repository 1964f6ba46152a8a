//! governor's limiters as a store.

use std::time::Duration;

use hardpoint_core::Key;
use hardpoint_ratelimit::{Quota, RateLimiter, governor::GovernorStore};

use super::per_tenant;

const ACME: Key<'static> = Key::borrowed(b"acme");

#[tokio::test]
async fn governors_limiters_are_a_store_that_decides_the_same() {
    let quota = Quota::per_hour(3);
    let limiter = RateLimiter::builder()
        .policy(per_tenant("t", quota))
        .build_with_store(GovernorStore::new(&[quota]))
        .unwrap();
    let mut lefts = Vec::new();
    for _ in 0..4 {
        let verdict = limiter.check("t", &ACME, 1).await.unwrap();
        lefts.push((verdict.allowed(), verdict.remaining()));
    }
    assert_eq!(lefts, [(true, 2), (true, 1), (true, 0), (false, 0)]);
    let refused = limiter.check("t", &ACME, 1).await.unwrap().retry_after().unwrap();
    assert!(
        refused > Duration::from_secs(1_190) && refused <= Duration::from_secs(1_200),
        "{refused:?}"
    );
    assert!(limiter.check("t", &Key::borrowed(b"globex"), 1).await.unwrap().allowed());
    assert!(limiter.refund("t", &ACME, 1).await.is_err(), "governor gives nothing back");
    limiter.store().retain_recent();
}
