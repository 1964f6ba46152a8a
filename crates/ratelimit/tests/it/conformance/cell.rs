//! Takes beside those of redis-cell 0.2.2, a limiter of another origin by the same algorithm.
//!
//! Both decide by the clock of one server, one after the other. So they agree but for what is
//! replenished in between, which the test measures: the *skew*.

use std::time::Duration;

use hardpoint_core::{Key, Secret};
use hardpoint_ratelimit::{
    Decider, OnFailure, PolicyHandle, Quota, RateLimiter, redis::RedisStore,
};
use hardpoint_redis::{DigestKey, Redis};
use hardpoint_testkit::redis::RedisServer;
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use tokio::time::{Instant, sleep};

use crate::{handle, per_tenant};

/// A quota, in the terms of both: `count` cells in `period` seconds, and a burst.
#[derive(Clone, Copy, Debug)]
struct Terms {
    count: u32,
    period: u32,
    burst: u32,
}

#[derive(Clone, Copy, Debug)]
struct Take {
    key: usize,
    cost: u32,
    /// How long to wait before it, in milliseconds.
    pause: u64,
}

/// What a limiter answered, in the precision of redis-cell: whole seconds.
#[derive(Clone, Copy, Debug)]
struct Answer {
    is_admitted: bool,
    remaining: u32,
    retry_after: Option<Duration>,
    /// Until the bucket is full. Ours is known only of an admission.
    full_after: Option<Duration>,
}

/// Quotas of which nothing is replenished while the test runs, and quotas of which much is.
fn terms(is_slow: bool) -> impl Strategy<Value = Terms> {
    let slow = (1_u32..=60, Just(3600_u32));
    let fast = (prop_oneof![Just(10_u32), Just(25), Just(50)], Just(1_u32));
    let rate = if is_slow { slow.boxed() } else { fast.boxed() };
    (rate, 1_u32..12).prop_map(|((count, period), burst)| Terms { count, period, burst })
}

fn takes(is_slow: bool) -> impl Strategy<Value = Vec<Take>> {
    let pause =
        if is_slow { Just(0).boxed() } else { prop_oneof![2 => Just(0), 1 => 1_u64..40].boxed() };
    let take = (0_usize..3, prop_oneof![4 => Just(1_u32), 1 => 2_u32..14], pause);
    prop::collection::vec(take.prop_map(|(key, cost, pause)| Take { key, cost, pause }), 1..40)
}

struct Both {
    redis: Redis,
    ours: PolicyHandle,
    terms: Terms,
    number: u32,
}

impl Both {
    fn new(redis: &Redis, terms: Terms, number: u32) -> Self {
        let period = Duration::from_secs(terms.period.into());
        let quota = Quota::new(terms.count, period).unwrap().burst(terms.burst);
        let policy = per_tenant("t", quota).on_failure(OnFailure::Deny);
        let digests = DigestKey::derive(&Secret::from(number.to_be_bytes().repeat(8))).unwrap();
        // The cache of refusals decides by the clock of this process.
        let store = RedisStore::builder(redis, &digests).deny_cache(0).build();
        let limiter = RateLimiter::builder().policy(policy).store(store).build().unwrap();
        Self { redis: redis.clone(), ours: handle(&limiter, "t"), terms, number }
    }

    async fn ours(&self, take: Take) -> Answer {
        let name = take.key.to_string();
        match self.ours.check_cost(&Key::borrowed(name.as_bytes()), take.cost).await {
            Ok(admitted) => {
                assert_eq!(admitted.decider(), Decider::Store);
                let (remaining, full_after) = (admitted.remaining(), Some(admitted.full_after()));
                Answer { is_admitted: true, remaining, retry_after: None, full_after }
            }
            Err(denied) => {
                assert!(!denied.is_undecided(), "{denied:?}");
                let (remaining, retry_after) = (denied.remaining(), denied.retry_after());
                Answer { is_admitted: false, remaining, retry_after, full_after: None }
            }
        }
    }

    async fn theirs(&self, take: Take) -> Answer {
        let Terms { count, period, burst } = self.terms;
        let key = format!("cell:{}:{}", self.number, take.key);
        let numbers = [burst - 1, count, period, take.cost].map(|number| number.to_string());
        let words = [key].into_iter().chain(numbers).collect::<Vec<_>>();
        let words = words.iter().map(String::as_str);
        let answer = self.redis.send("CL.THROTTLE", words).await.unwrap().into_array().unwrap();
        let numbers: Vec<i64> = answer.into_iter().map(|value| value.into_int().unwrap()).collect();
        let [throttled, limit, remaining, retry, reset] = numbers[..] else {
            panic!("{numbers:?}")
        };
        assert_eq!(limit, i64::from(burst));
        let seconds = |number: i64| u64::try_from(number).ok().map(Duration::from_secs);
        Answer {
            is_admitted: throttled == 0,
            remaining: u32::try_from(remaining).unwrap(),
            retry_after: seconds(retry),
            full_after: seconds(reset),
        }
    }
}

/// Whether a time is the one of redis-cell, which cuts the fraction of a second, within the skew.
fn is_same_time(ours: Option<Duration>, theirs: Option<Duration>, skew: Duration) -> bool {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => {
            ours + skew >= theirs && ours.saturating_sub(skew) < theirs + Duration::from_secs(1)
        }
        (ours, theirs) => ours.is_none() && theirs.is_none(),
    }
}

/// Runs histories, and returns how many takes were compared, denied, and ended a history early.
async fn compare(redis: &Redis, is_slow: bool, histories: u32) -> (u32, u32, u32) {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = (terms(is_slow), takes(is_slow));
    let (mut compared, mut denied, mut parted) = (0, 0, 0);
    for history in 0..histories {
        let (terms, takes) = strategy.new_tree(&mut runner).unwrap().current();
        let both = Both::new(redis, terms, history * 2 + u32::from(is_slow));
        let interval = Duration::from_secs(terms.period.into()) / terms.count;
        // Where the take that last found a full bucket has put the two states apart.
        let mut skew = Duration::ZERO;
        for (at, take) in takes.iter().enumerate() {
            // The passing of time is the input: redis-cell reads the clock of its server.
            sleep(Duration::from_millis(take.pause)).await;
            let began = Instant::now();
            let (ours, theirs) = (both.ours(*take).await, both.theirs(*take).await);
            skew = skew.max(began.elapsed());
            let context = format!(
                "history {history}, take {at}: {take:?} of {terms:?}: {ours:?}, {theirs:?}, {skew:?}"
            );
            if ours.is_admitted != theirs.is_admitted {
                // One of the two has the next cell already.
                let short = ours.retry_after.or(theirs.retry_after).unwrap_or(Duration::MAX);
                assert!(!is_slow && short <= skew, "{context}");
                parted += 1;
                break;
            }
            // Within the skew of the next cell, one of the two may have it already.
            let cells = 1 + u32::try_from(skew.as_nanos() / interval.as_nanos()).unwrap();
            let cells = if is_slow { 0 } else { cells };
            assert!(ours.remaining.abs_diff(theirs.remaining) <= cells, "{context}");
            assert!(is_same_time(ours.retry_after, theirs.retry_after, skew), "{context}");
            if ours.is_admitted {
                assert!(is_same_time(ours.full_after, theirs.full_after, skew), "{context}");
            }
            compared += 1;
            denied += u32::from(!ours.is_admitted);
        }
    }
    (compared, denied, parted)
}

#[tokio::test]
async fn takes_are_decided_as_by_redis_cell() {
    let server = RedisServer::builder().redis_cell().start();
    let redis = Redis::builder(server.url()).deadline(Duration::from_secs(20)).build().unwrap();
    for (is_slow, histories) in [(true, 60), (false, 20)] {
        let (compared, denied, parted) = compare(&redis, is_slow, histories).await;
        println!("slow: {is_slow}; {compared} takes, {denied} denied, {parted} histories parted");
        assert!(denied > 50 && compared - denied > 50, "both answers are compared");
        assert!(parted <= histories / 4, "{parted} of {histories} histories parted");
    }
}
