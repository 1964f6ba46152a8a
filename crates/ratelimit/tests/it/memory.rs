//! The tables in this process: bounded, exact under threads, and hard to push keys out of.

use std::{
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use hardpoint_core::{Key, ManualClock};
use hardpoint_ratelimit::{PolicyHandle, Quota, RateLimiter};
use http::StatusCode;

use super::{ask, from, handle, limiter, per_tenant};

fn table(clock: &ManualClock, keys: usize, quota: Quota, holds: bool) -> RateLimiter {
    let policy = per_tenant("t", quota).peak_keys(keys);
    limiter(clock, [if holds { policy.reservable() } else { policy }])
}

/// What is left of a key's bucket after a check of this cost; `None` if it is denied.
fn take(handle: &PolicyHandle, key: u64, cost: u32) -> Option<u32> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(take_async(handle, key, cost))
}

async fn take_async(handle: &PolicyHandle, key: u64, cost: u32) -> Option<u32> {
    let key = Key::inline(&key.to_le_bytes()).unwrap();
    handle.check_cost(&key, cost).await.ok().map(|admitted| admitted.remaining())
}

#[tokio::test]
async fn a_key_costs_22_bytes_at_most_or_54_if_it_may_be_held_and_nothing_is_added_later() {
    for (holds, bytes) in [(false, 22), (true, 54)] {
        for keys in [1_000, 65_536, 1_000_003] {
            let limiter = table(&ManualClock::default(), keys, Quota::per_hour(5), holds);
            let size = limiter.memory_size();
            assert!(size <= keys * bytes + 64 * 160, "{size} bytes for {keys} keys");
            let handle = handle(&limiter, "t");
            for key in 0..10_000 {
                take_async(&handle, key, 1).await;
            }
            assert_eq!(limiter.memory_size(), size);
        }
    }
}

#[tokio::test]
async fn as_many_keys_as_announced_fit_and_hardly_one_is_forgotten() {
    for holds in [false, true] {
        let limiter = table(&ManualClock::default(), 100_000, Quota::per_hour(1), holds);
        let handle = handle(&limiter, "t");
        for key in 0..100_000 {
            assert_eq!(take_async(&handle, key, 1).await, Some(0));
        }
        let mut forgotten = 0;
        for key in 0..100_000 {
            forgotten += usize::from(take_async(&handle, key, 0).await == Some(1));
        }
        println!("forgotten of 100 000 keys at the announced peak (held: {holds}): {forgotten}");
        assert!(forgotten < 1_000, "{forgotten}");
        assert_eq!(limiter.evictions(), forgotten as u64);
    }
}

#[tokio::test]
async fn a_bucket_that_has_filled_up_is_full_whether_or_not_it_was_kept() {
    let clock = ManualClock::default();
    for holds in [false, true] {
        let limiter = table(&clock, 3, Quota::per_second(10).burst(5), holds);
        let handle = handle(&limiter, "t");
        for round in 0..1_000_u64 {
            for key in 0..3 {
                let key = round * 3 + key;
                for _ in 0..5 {
                    assert!(take_async(&handle, key, 1).await.is_some());
                }
                assert!(take_async(&handle, key, 1).await.is_none());
            }
            clock.advance(Duration::from_millis(500));
        }
        assert_eq!(limiter.evictions(), 0);
    }
}

#[test]
fn threads_together_get_what_one_would() {
    let limiter = table(&ManualClock::default(), 64, Quota::per_hour(1_000), false);
    let admitted: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let handle = handle(&limiter, "t");
                scope.spawn(move || (0..500).filter(|_| take(&handle, 7, 1).is_some()).count())
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(admitted, 1_000);
}

/// Both threads ask for each key at the same time, so both may see room in the narrow policy and only
/// one gets it: what the other has taken of the wide ones is given back.
#[test]
fn a_batch_that_loses_a_race_gives_back_what_it_took() {
    const KEYS: usize = 4_000;

    let wide = per_tenant("wide", Quota::per_hour(9));
    let held = per_tenant("held", Quota::per_hour(9)).charge_on(|_| true);
    let narrow = per_tenant("narrow", Quota::per_hour(1));
    let limiter = limiter(&ManualClock::default(), [wide, held, narrow]);
    let arrived = AtomicUsize::new(0);
    let admitted: usize = std::thread::scope(|scope| {
        let race = || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let mut admitted = 0;
            for key in 0..KEYS {
                arrived.fetch_add(1, SeqCst);
                while arrived.load(SeqCst) < 2 * (key + 1) {
                    std::thread::yield_now();
                }
                let answer = runtime.block_on(ask(&limiter, from(&key.to_string())));
                admitted += usize::from(answer.status() == StatusCode::OK);
            }
            admitted
        };
        let threads = [scope.spawn(race), scope.spawn(race)];
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    // One of two that race for the last cell may be refused because the other is about to give one
    // back, but a narrow bucket never admits two.
    assert_eq!(admitted, KEYS);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for policy in ["wide", "held"] {
        let handle = handle(&limiter, policy);
        for key in 0..KEYS {
            let key = key.to_string();
            let left = runtime.block_on(handle.check_cost(&Key::borrowed(key.as_bytes()), 0));
            assert_eq!(left.unwrap().remaining(), 8, "{policy} {key}");
        }
    }
}

#[test]
fn an_answer_is_four_words() {
    use hardpoint_ratelimit::{Admitted, Denied};
    // Who decided fits into what was padding: a larger answer would be slower to return.
    assert_eq!(size_of::<Admitted>(), 24);
    assert_eq!(size_of::<Result<Admitted, Denied>>(), 32);
}

#[tokio::test]
async fn keys_of_one_cell_that_come_later_do_not_free_a_blocked_key() {
    for holds in [false, true] {
        let clock = ManualClock::default();
        let limiter = table(&clock, 4_000, Quota::per_hour(1), holds);
        let handle = handle(&limiter, "t");
        for key in 0..400 {
            clock.advance(Duration::from_secs(1));
            assert_eq!(take_async(&handle, key, 1).await, Some(0));
        }
        // More keys than the table has slots, each for the first time and as much in debt.
        for key in 1_000..21_000 {
            clock.advance(Duration::from_millis(50));
            assert_eq!(take_async(&handle, key, 1).await, Some(0));
        }
        let mut freed = 0;
        for key in 0..400 {
            freed += usize::from(take_async(&handle, key, 0).await == Some(1));
        }
        assert_eq!(freed, 0, "held: {holds}");
        assert!(limiter.evictions() > 10_000);
    }
}
