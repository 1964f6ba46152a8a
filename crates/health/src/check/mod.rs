//! Checks: background tests of dependencies.
//!
//! A check decouples the probes from the dependency. It tests the dependency once per period, no
//! matter how often balancers probe, and probes answer at once from memory, no matter how slow the
//! dependency is.
//!
//! ```
//! use hardpoint_health::{Check, Checks, Down};
//! use std::time::Duration;
//!
//! # let pool = ();
//! # async fn ping(_: ()) -> std::io::Result<()> { Ok(()) }
//! let checks = Checks::builder()
//!     .add_check(Check::new("postgres", move || {
//!         let pool = pool.clone();
//!         async move { Ok(ping(pool).await?) }
//!     }).gates_readiness())
//!     .add_check(
//!         Check::new("search", || async { Err(Down::new("unreachable")) })
//!             .every(Duration::from_secs(30))
//!             .timeout(Duration::from_secs(2)),
//!     )
//!     .build()?;
//!
//! // Every mistake is reported at once.
//! let mistakes = Checks::builder()
//!     .add_check(Check::new("", || async { Ok(()) }).every(Duration::ZERO))
//!     .build()
//!     .unwrap_err();
//! assert_eq!(mistakes.mistakes().len(), 3);
//! # Ok::<(), hardpoint_health::ConfigError>(())
//! ```
//!
//! # Semantics
//!
//! 1. A check starts as *unknown*. Its first pass makes it *up*;
//!    [`fail_after`](Check::fail_after) failures in a row make it *down*.
//! 2. An *up* check becomes *down* after [`fail_after`](Check::fail_after) failures in a row. A
//!    *down* check becomes *up* after [`recover_after`](Check::recover_after) passes in a row.
//! 3. An error, a panic and a run longer than [`timeout`](Check::timeout) are failures. After a
//!    failure, the check continues to run.
//! 4. A check that is down degrades the service. Only a check that
//!    [gates readiness](Check::gates_readiness) takes the service out of traffic. A gating check
//!    must also pass once before the service is ready. A check that
//!    [gates the start](Check::gates_startup) must pass once before the service has started.
//! 5. While a check is down, the checks that [depend on it](Check::depends_on) are *skipped*: they
//!    do not run, keep their state, and count neither as failed nor as passed.
//! 6. The first run starts within 100 ms, the second after a random part of the period, and each
//!    later run one period after the start of the previous one.
//! 7. A run that exceeds its timeout is *overdue*. It counts as failed at its timeout and once per
//!    period from then on, and the report shows its age. The next run starts after it has ended, so
//!    at most one run of a check exists. [`cancel_at_timeout`](Check::cancel_at_timeout) drops the
//!    run instead.
//! 8. Checks run on a thread of their own. If a check blocks it, the other checks move to another
//!    thread after 100 ms; there are never more such threads than checks. Each future is polled in
//!    the context of the runtime in which the lifecycle was built: what it spawns and the
//!    connections it opens belong to that runtime.
//!
//! # Sharing
//!
//! Each check has one atomic word of state per [`Lifecycle`](crate::Lifecycle), which all clones,
//! layers and probes of the lifecycle share. The checks end when the last of these is dropped.
//!
//! # Cancellation
//!
//! The future of a run is dropped when it resolves, when the lifecycle ends, and at its timeout if
//! the check is set so.
//!
//! # Deployment caveats
//!
//! A check whose future never resolves stays down until the process ends, because no second run
//! starts. Give its client a timeout, or set [`cancel_at_timeout`](Check::cancel_at_timeout).
//!
//! If a gating check tests a dependency that all replicas share, its failure takes all replicas out
//! of traffic at once, and clients get refused connections instead of a response that explains the
//! problem. Gate only on dependencies that a single replica can lose, and let shared dependencies
//! degrade the service.

mod checks;
mod codes;
mod config;
mod down;
mod graph;
mod plan;
mod pool;
pub(crate) mod run;
mod schedule;
pub(crate) mod state;
#[cfg(test)]
mod tests;
mod tracked;

pub(crate) use self::tracked::Tracked;
pub use self::{
    checks::{Checks, ChecksBuilder},
    config::Check,
    down::Down,
};
