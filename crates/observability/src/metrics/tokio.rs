//! Metrics of a tokio runtime.

use ::tokio::runtime::Handle;

use super::{MetricsBuilder, Unit};

/// Declares the stable metrics of a runtime: its workers, tasks, global queue, and how busy the
/// workers are.
///
/// ```
/// use hardpoint_observability::{Metrics, metrics};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), metrics::ConfigError> {
/// let mut builder = Metrics::builder();
/// metrics::tokio::runtime(&mut builder, &tokio::runtime::Handle::current());
/// let metrics = builder.build()?;
/// # let _ = metrics;
/// # Ok(())
/// # }
/// ```
#[expect(clippy::cast_precision_loss, reason = "tasks and workers are far fewer than 2^53")]
pub fn runtime(metrics: &mut MetricsBuilder, handle: &Handle) {
    let own = || handle.metrics();
    let runtime = own();
    metrics.observed_gauge(
        "tokio_workers",
        Unit::NONE,
        "Worker threads of the runtime.",
        move || runtime.num_workers() as f64,
    );
    let runtime = own();
    metrics.observed_gauge(
        "tokio_alive_tasks",
        Unit::NONE,
        "Tasks that have not ended.",
        move || runtime.num_alive_tasks() as f64,
    );
    let runtime = own();
    metrics.observed_gauge(
        "tokio_global_queue_depth",
        Unit::NONE,
        "Tasks that wait in the global queue.",
        move || runtime.global_queue_depth() as f64,
    );
    #[cfg(target_has_atomic = "64")]
    {
        let runtime = own();
        metrics.observed_counter(
            "tokio_worker_busy_seconds_total",
            Unit::SECONDS,
            "Time that all workers were busy.",
            move || {
                (0..runtime.num_workers())
                    .map(|worker| runtime.worker_total_busy_duration(worker).as_secs_f64())
                    .sum()
            },
        );
        let runtime = own();
        metrics.observed_counter(
            "tokio_worker_parks_total",
            Unit::NONE,
            "How often workers had nothing to do.",
            move || {
                (0..runtime.num_workers())
                    .map(|worker| runtime.worker_park_count(worker) as f64)
                    .sum()
            },
        );
    }
}
