//! Limits on real servers and networks that fail.
//!
//! Each test puts load on a limiter, causes a fault, ends it, and compares the server's account with
//! what was admitted: the server is charged what it admitted, and at most that and the calls whose
//! end is unknown.

mod cluster;
mod outages;
mod refusals;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::poll;
use hardpoint_core::Secret;
use hardpoint_ratelimit::{
    Decider, OnFailure, PolicyHandle, Quota, RateLimiter, redis::RedisStore,
};
use hardpoint_redis::{DigestKey, LinkState, Redis};
use tokio::{
    task::{JoinSet, yield_now},
    time::{Instant, sleep, timeout},
};

use super::{ACME, handle, per_tenant};

/// How long an event may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The deadline of links under test: longer than the default, since the machine may be busy.
pub(crate) const DEADLINE: Duration = Duration::from_millis(100);
/// More than any test consumes, and nearly nothing comes back while it runs.
const CELLS: u32 = 100_000;

pub(crate) fn digests() -> DigestKey {
    DigestKey::derive(&Secret::from(vec![7; 32])).unwrap()
}

/// A link that is up.
pub(crate) async fn link(url: impl AsRef<str>) -> Redis {
    let redis = Redis::builder(url).deadline(DEADLINE).build().unwrap();
    up(&redis).await;
    redis
}

pub(crate) async fn up(redis: &Redis) {
    timeout(PATIENCE, redis.up()).await.expect("the link comes up");
}

/// A limiter on a server, with one policy that denies what the server does not decide.
pub(crate) fn strict(redis: &Redis) -> RateLimiter {
    let quota = Quota::per_minute(1).burst(CELLS);
    let policy = per_tenant("t", quota).on_failure(OnFailure::Deny);
    RateLimiter::builder().policy(policy).store(RedisStore::new(redis, &digests())).build().unwrap()
}

/// The cells that the server has charged, but for what was replenished meanwhile.
async fn charged(redis: &Redis) -> u64 {
    let left = handle(&strict(redis), "t").check_cost(&ACME, 0).await.unwrap().remaining();
    u64::from(CELLS - left)
}

/// The end of one check.
#[derive(Debug)]
struct Ended {
    began: Instant,
    took: Duration,
    admitted: bool,
    /// It was answered when it was first polled, so nothing was sent for it.
    at_once: bool,
}

/// Tasks that consume one cell after the other, each of them one at a time.
struct Load {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<Vec<Ended>>,
    admitted: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
}

impl Load {
    fn start(redis: &Redis) -> Self {
        let handle = handle(&strict(redis), "t");
        let (stop, admitted, failed) = <(Arc<AtomicBool>, Arc<_>, Arc<_>)>::default();
        let mut tasks = JoinSet::new();
        for _ in 0..8 {
            let handle = handle.clone();
            let counts = (Arc::clone(&stop), Arc::clone(&admitted), Arc::clone(&failed));
            tasks.spawn(consume(handle, counts));
        }
        Self { stop, tasks, admitted, failed }
    }

    /// Waits until so many more checks were admitted.
    async fn admissions(&self, more: u64) {
        wait(&self.admitted, more).await.expect("checks are admitted");
    }

    /// Waits until so many more checks were not decided.
    async fn failures(&self, more: u64) {
        wait(&self.failed, more).await.expect("checks fail");
    }

    async fn stop(mut self) -> Report {
        self.stop.store(true, SeqCst);
        let mut ended = Vec::new();
        let joined = timeout(PATIENCE, async {
            while let Some(task) = self.tasks.join_next().await {
                ended.extend(task.expect("no task panics"));
            }
        });
        joined.await.expect("no check hangs");
        ended.sort_by_key(|check| check.began);
        Report { ended }
    }
}

async fn wait(count: &AtomicU64, more: u64) -> Result<(), tokio::time::error::Elapsed> {
    let goal = count.load(SeqCst) + more;
    let reached = async {
        while count.load(SeqCst) < goal {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, reached).await
}

async fn consume(
    handle: PolicyHandle,
    (stop, admitted, failed): (Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>),
) -> Vec<Ended> {
    let mut ended = Vec::new();
    while !stop.load(SeqCst) {
        let began = Instant::now();
        let mut check = Box::pin(handle.check(&ACME));
        let first = poll!(check.as_mut());
        let at_once = first.is_ready();
        let answer = match first {
            std::task::Poll::Ready(answer) => answer,
            std::task::Poll::Pending => check.await,
        };
        let took = began.elapsed();
        match &answer {
            Ok(by) => assert_eq!(by.decider(), Decider::Store),
            Err(denied) => {
                assert!(denied.is_undecided(), "the bucket is never empty: {denied:?}");
                assert_eq!(denied.decider(), Decider::Fallback);
            }
        }
        if answer.is_ok() { &admitted } else { &failed }.fetch_add(1, SeqCst);
        ended.push(Ended { began, took, admitted: answer.is_ok(), at_once });
        if at_once {
            // A failure takes microseconds: let others work.
            sleep(Duration::from_millis(1)).await;
        }
        yield_now().await;
    }
    ended
}

struct Report {
    ended: Vec<Ended>,
}

impl Report {
    fn admitted(&self) -> u64 {
        self.ended.iter().filter(|check| check.admitted).count() as u64
    }

    /// The checks that were not decided although the server may have charged them.
    fn unknown(&self) -> u64 {
        self.ended.iter().filter(|check| !check.admitted && !check.at_once).count() as u64
    }

    /// Only checks that began soon after the first failure wait, and each at most two deadlines: for
    /// the call before theirs, and for their own. The rest is slack for a busy machine.
    fn assert_bounded(&self, what: &str) {
        let waited = || self.ended.iter().filter(|check| !check.admitted && !check.at_once);
        let first = waited().next().map(|check| check.began);
        let longest = waited().map(|check| check.took).max().unwrap_or_default();
        let last = waited().map(|check| check.began).max();
        let spread = last.zip(first).map_or(Duration::ZERO, |(last, first)| last - first);
        println!(
            "{what}: {} checks, {} admitted, {} waited and failed, the longest for {longest:?}, begun \
             within {spread:?}",
            self.ended.len(),
            self.admitted(),
            waited().count(),
        );
        assert!(longest <= 3 * DEADLINE, "{what}: a check waited for {longest:?}");
        assert!(spread <= 3 * DEADLINE, "{what}: a check waited that began {spread:?} late");
    }

    async fn assert_charged(&self, redis: &Redis) {
        let charged = charged(redis).await;
        // One cell may have been replenished.
        let (least, most) = (self.admitted().saturating_sub(1), self.admitted() + self.unknown());
        assert!((least..=most).contains(&charged), "charged {charged}, not {least} to {most}");
    }
}

/// Puts load on a limiter, causes a fault, ends it once checks fail steadily, and checks the rest.
async fn outage(what: &str, redis: &Redis, cause: impl FnOnce(), end: impl FnOnce()) -> Report {
    let load = Load::start(redis);
    load.admissions(100).await;
    cause();
    load.failures(2_000).await;
    assert_eq!(redis.state(), LinkState::Down);
    end();
    let ended = Instant::now();
    load.admissions(1).await;
    let back = ended.elapsed();
    load.admissions(100).await;
    let report = load.stop().await;
    report.assert_bounded(what);
    println!("{what}: enforcing again after {back:?}");
    // The goal is one second; a busy machine may need two.
    assert!(back <= Duration::from_secs(2), "{what}: enforcing again after {back:?}");
    report
}
