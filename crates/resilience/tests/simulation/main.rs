//! A discrete-event simulation of a metastable failure, on virtual time and from a seed.
//!
//! A destination with a capacity of 1,000 requests a second serves 700. For ten seconds its capacity
//! drops to 30 %. It works in the order of arrival, and works on after its callers gave up: the
//! usual server. Callers wait a second for each of up to three attempts.
//!
//! Without policies the failure outlives its cause: retries keep the queue longer than the callers'
//! patience. The table shows what each policy contributes.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

mod destination;
mod report;

use std::{fs, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use hardpoint_core::Time;
use hardpoint_resilience::{
    ClientPolicy, ClientPolicyBuilder, Jitter, RetryBudget, RetryBuilder,
    client_policy::GuardedClient,
};
use hardpoint_testkit::clock::TokioClock;
use http::Request;
use http_body_util::Full;
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

use self::{
    destination::Destination,
    report::{Log, Report},
};

const LOAD: f64 = 700.0;
const TRIGGER: Duration = Duration::from_secs(10);
const RECOVERY: Duration = Duration::from_secs(20);
const END: Duration = Duration::from_secs(45);

/// A set of policies under test.
struct Variant {
    name: &'static str,
    /// The number of processes, each with its own policy.
    clients: usize,
    /// Whether the destination skips requests whose deadline has passed.
    honours_deadlines: bool,
    build: fn(ClientPolicyBuilder) -> ClientPolicyBuilder,
}

const VARIANTS: [Variant; 8] = [
    variant("no retries", 1, false, |policy| bare(policy).without_retry()),
    variant("retries without a budget", 1, false, |policy| bare(policy).retry(without_budget)),
    variant("budget only", 1, false, bare),
    variant("circuit breaker only", 1, false, |policy| {
        policy.without_bulkhead().retry(without_budget)
    }),
    variant("deadline only", 1, true, |policy| bare(policy).retry(without_budget)),
    variant(DEFAULTS, 1, true, |policy| policy),
    variant("ClientPolicy::internal, 50 processes", 50, true, |policy| policy),
    variant("the same, with a budget for a fleet", 50, true, |policy| {
        policy.retry(|retry| retry.budget(&RetryBudget::ratio(0.1).burst(2).reserve_per_second(1)))
    }),
];

const DEFAULTS: &str = "ClientPolicy::internal";

const fn variant(
    name: &'static str,
    clients: usize,
    honours_deadlines: bool,
    build: fn(ClientPolicyBuilder) -> ClientPolicyBuilder,
) -> Variant {
    Variant { name, clients, honours_deadlines, build }
}

/// Timeouts and retries only.
fn bare(policy: ClientPolicyBuilder) -> ClientPolicyBuilder {
    policy.without_circuit().without_bulkhead()
}

fn without_budget(retry: RetryBuilder) -> RetryBuilder {
    retry.budget(&RetryBudget::unlimited())
}

/// Runs one variant on virtual time.
fn simulate(variant: &Variant, seed: u64) -> Report {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let time = Time::custom(TokioClock::new());
        let log = Arc::new(Log::new(END));
        let destination = Destination::new(&log, variant.honours_deadlines);
        let clients: Vec<GuardedClient<Destination>> = (0..variant.clients)
            .map(|client| {
                let policy = (variant.build)(ClientPolicy::internal("destination"))
                    // A server with a queue lets many calls wait: a bulkhead of the default size
                    // would be what holds the load down.
                    .max_concurrent(5_000)
                    .jitter(Jitter::seeded(seed ^ client as u64))
                    .time(time.clone());
                policy.build().unwrap().layer().layer(destination.clone())
            })
            .collect();
        offer(&clients, &log, seed).await;
        log.report(variant.name)
    })
}

/// Calls at random times, on average [`LOAD`] times a second, without waiting for earlier calls.
async fn offer(clients: &[GuardedClient<Destination>], log: &Arc<Log>, seed: u64) {
    let (arrivals, started) = (Jitter::seeded(seed), Instant::now());
    let mut next = Duration::ZERO;
    for client in clients.iter().cycle() {
        let uniform = arrivals.up_to(Duration::from_secs(1)).as_secs_f64().max(1e-9);
        next += Duration::from_secs_f64(-uniform.ln() / LOAD);
        if next >= END {
            break;
        }
        tokio::time::sleep_until(started + next).await;
        let (client, log) = (client.clone(), Arc::clone(log));
        tokio::spawn(async move {
            log.called();
            let request = Request::get("/").body(Full::<Bytes>::default()).unwrap();
            let served =
                client.oneshot(request).await.is_ok_and(|response| response.status() == 200);
            if served {
                log.served();
            }
        });
    }
}

#[test]
fn the_defaults_survive_a_metastable_failure() {
    println!("{}", Report::HEADER);
    let mut reports = Vec::new();
    for variant in &VARIANTS {
        let report = simulate(variant, 2_026);
        println!("{report}");
        reports.push(report);
    }
    // docs/resilience has copies.
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::write(directory.join("metastable.csv"), report::csv(&reports)).unwrap();
    fs::write(directory.join("metastable.svg"), report::svg(&reports)).unwrap();
    println!("metastable.csv and metastable.svg are in {}", directory.display());
    let named = |name: &str| reports.iter().find(|report| report.name == name).unwrap();

    // The scenario is what it should be: without a budget, retries keep the destination down.
    let collapsed = named("retries without a budget");
    assert!(collapsed.recovered_after.is_none() && collapsed.peak > 2.0, "{collapsed}");
    let policy = named(DEFAULTS);
    assert!(policy.peak <= 1.15, "{policy}");
    assert!(policy.recovered_after.is_some_and(|seconds| seconds <= 5), "{policy}");
}

#[test]
fn the_defaults_survive_it_for_other_seeds() {
    let policy = VARIANTS.iter().find(|variant| variant.name == DEFAULTS).unwrap();
    for seed in 1..=5 {
        let report = simulate(policy, seed);
        println!("seed {seed}: {report}");
        assert!(report.peak <= 1.15, "{report}");
        assert!(report.recovered_after.is_some_and(|seconds| seconds <= 5), "{report}");
    }
}

#[test]
fn a_seed_determines_the_run() {
    let policy = VARIANTS.iter().find(|variant| variant.name == DEFAULTS).unwrap();
    assert_eq!(simulate(policy, 7), simulate(policy, 7));
}
