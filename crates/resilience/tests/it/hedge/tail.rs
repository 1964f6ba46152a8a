//! The effect of hedges on the tail: a simulation on virtual time, from a seed.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hardpoint_core::Time;
use hardpoint_resilience::{HedgeLayer, Jitter, RetryBudget, retry::ReplayBody};
use hardpoint_testkit::{TestBody, clock::TokioClock};
use http::Request;
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};

use super::ms;
use crate::support::{get, status};

const CALLS: u64 = 20_000;

/// The times of calls, sorted, and the requests that the destination got for each call.
struct Run {
    times: Vec<Duration>,
    load: f64,
}

impl Run {
    /// The time that this many of a thousand calls stay below.
    fn at(&self, of_a_thousand: usize) -> Duration {
        self.times[self.times.len() * of_a_thousand / 1_000]
    }

    fn row(&self, name: &str) -> String {
        let [half, p95, p99, p999] = [500, 950, 990, 999].map(|share| self.at(share).as_millis());
        format!("{name:24} | {half:5} | {p95:5} | {p99:5} | {p999:6} | {:.3} x", self.load)
    }
}

/// Calls a destination at random times, 500 a second. `slowness` is the time of a call, given
/// a random number up to a million and the number of the call.
async fn run(layer: &HedgeLayer, seed: u64, slowness: fn(u64, u64) -> Duration) -> Run {
    let (random, arrivals) = (Jitter::seeded(seed), Jitter::seeded(seed + 1));
    let requests = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&requests);
    let client = layer.layer(service_fn(move |_: Request<ReplayBody<TestBody>>| {
        let number = counter.fetch_add(1, Ordering::Relaxed);
        let drawn = random.up_to(Duration::from_nanos(999_999)).as_nanos();
        let takes = slowness(u64::try_from(drawn).unwrap(), number);
        async move {
            tokio::time::sleep(takes).await;
            Ok::<_, io::Error>(status::<TestBody>(200))
        }
    }));
    let times = Arc::new(Mutex::new(Vec::new()));
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..CALLS {
        tokio::time::sleep(arrivals.up_to(ms(4))).await;
        let (client, times) = (client.clone(), Arc::clone(&times));
        calls.spawn(async move {
            let started = Instant::now();
            client.oneshot(get::<TestBody>("/")).await.unwrap();
            times.lock().unwrap().push(started.elapsed());
        });
    }
    calls.join_all().await;
    let mut times = std::mem::take(&mut *times.lock().unwrap());
    times.sort_unstable();
    Run { times, load: requests.load(Ordering::Relaxed) as f64 / CALLS as f64 }
}

fn layer(budget: &RetryBudget) -> HedgeLayer {
    let time = Time::custom(TokioClock::new());
    HedgeLayer::builder().budget(budget).time(time).build().unwrap()
}

/// One call in fifty takes 1 s, the others 5 to 20 ms.
fn heavy_tail(drawn: u64, _number: u64) -> Duration {
    if drawn < 20_000 { ms(1_000) } else { ms(5 + drawn % 16) }
}

/// Each call takes longer than those before it: every hedge is due.
fn ever_slower(_drawn: u64, number: u64) -> Duration {
    ms(10) + Duration::from_micros(100) * u32::try_from(number).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_tail_falls_and_the_load_grows_by_no_more_than_the_budget() {
    println!("time of a call, in ms    |  half |  95 % |  99 % | 99.9 % | requests a call");
    let ratio = 0.1;
    for seed in [1, 2, 2_013] {
        let off = run(&HedgeLayer::off(), seed, heavy_tail).await;
        let budget = || RetryBudget::ratio(ratio);
        let hedged = run(&layer(&budget()), seed, heavy_tail).await;
        println!("{}\n{}", off.row("without hedges"), hedged.row("with hedges"));
        assert_eq!(off.at(990), ms(1_000), "the scenario has a tail");
        assert!(hedged.at(990) <= ms(50), "{:?}", hedged.at(990));
        assert!(hedged.at(500) <= off.at(500) + ms(1));
        assert!(hedged.load > 1.01 && hedged.load <= 1.0 + ratio, "{}", hedged.load);
        // Five in a hundred are due by definition.
        assert!(hedged.load < 1.075, "{}", hedged.load);
    }
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_becomes_ever_slower_gets_no_more_than_the_budget() {
    println!("time of a call, in ms    |  half |  95 % |  99 % | 99.9 % | requests a call");
    for ratio in [0.02, 0.05, 0.1] {
        let budget = RetryBudget::ratio(ratio).burst(10);
        let hedged = run(&layer(&budget), 3, ever_slower).await;
        println!("{}", hedged.row(&format!("ever slower, ratio {ratio}")));
        // The calls from which the first percentile is learned are not hedged.
        assert!(hedged.load <= 1.0 + ratio && hedged.load > 1.0 + 0.9 * ratio, "{}", hedged.load);
    }
}
