//! Traces, metrics and logs for an OpenTelemetry collector, in OTLP over gRPC or HTTP.
//!
//! A service that loses its collector must not wait for it, fill its memory, or lose telemetry
//! without notice. With this exporter, a request encodes its span into a bounded queue. A thread
//! with its own runtime sends the queued records, retries, and counts every record that does not
//! arrive.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use hardpoint_observability::{
//!     Logs, Metrics, RecordLayer,
//!     otlp::{OtlpBuilder, Signal},
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // `OtlpBuilder::from_process()` reads them from the environment.
//! let variables = [
//!     ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"),
//!     ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
//!     ("OTEL_TRACES_SAMPLER_ARG", "0.1"),
//! ];
//! let otlp = OtlpBuilder::from_variables(variables)?
//!     .service("orders")
//!     .version(env!("CARGO_PKG_VERSION"))
//!     .start()?;
//!
//! // Log records: what the log writes is exported as well.
//! let logs = Logs::json("orders").otlp(&otlp);
//! // Metrics: those that are scraped, and the exporter's own.
//! let mut metrics = Metrics::builder();
//! metrics.otlp(&otlp);
//! let metrics = metrics.build()?;
//! otlp.metrics(&metrics);
//! // Traces: a span of each sampled request.
//! let layer = RecordLayer::new().otlp(&otlp);
//!
//! // At the end, from any runtime or none. In a drain: `add_hook("telemetry", .., otlp.shutdown(..))`.
//! let sent = otlp.blocking_shutdown(Duration::from_millis(200));
//! let totals = otlp.totals(Signal::Metrics);
//! assert_eq!(totals.recorded, totals.sent + totals.dropped());
//! # let _ = (logs, layer, sent);
//!
//! // A mistake is reported with its variable and what to write, all mistakes at once.
//! let mistake = OtlpBuilder::from_variables([("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318")]);
//! assert!(mistake.unwrap_err().to_string().contains("write a URL such as http://127.0.0.1:4318"));
//! // Without an endpoint, nothing runs.
//! assert!(!OtlpBuilder::from_variables([("OTEL_SERVICE_NAME", "orders")])?.is_on());
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. If the caller's ids are [accepted](crate::record) and the sampler is `parentbased`, the
//!    caller decides whether a request is sampled. Otherwise the sampler decides, and sets the
//!    *sampled* flag of the trace. A ratio depends only on the trace id, as in OpenTelemetry's
//!    SDKs, so that services with the same ratio record the same traces.
//! 2. A sampled request has one span of kind *server*. It starts and ends with the access line and
//!    has the attributes of the semantic conventions for HTTP, and `hardpoint.request_id`. Its path
//!    and user agent are redacted; query, headers and bodies are never exported. The span is an
//!    error if the service failed, not if the client did.
//! 3. The `traceparent` header of a sampled request names this span from then on, so services that
//!    the handler calls with this header continue the trace from here. Log lines inside the request
//!    contain its `span_id`.
//! 4. A request that is not sampled has no span and costs only the decision. `tracing` spans inside
//!    a sampled request are its children if their target is one of
//!    [`span_targets`](OtlpBuilder::span_targets).
//! 5. A log record contains the same data as the log line, redacted alike, with the ids of its
//!    trace and span. The exporter's own lines are written but not exported.
//! 6. Metrics are those of [`Metrics`](crate::Metrics), cumulative, read at each interval and at
//!    each flush. Names lose `_total` and the units seconds and bytes, which readers add; the
//!    metrics of requests are named by the semantic conventions, such as
//!    `http.server.request.duration`.
//! 7. A request that may succeed later is sent again with exponential backoff, not before the time
//!    in `Retry-After` or `RetryInfo`. A collector may therefore receive a record twice.
//! 8. Every record is counted as sent or, by its [reason](DropReason), as dropped: in
//!    [`Otlp::totals`], in `hardpoint_otlp_dropped_total`, and in a line `telemetry dropped` at
//!    most every 10 s. Changes between failure and success are logged, too.
//! # Variables
//! The [manual](https://github.com/hardpoint-rs/hardpoint/blob/main/docs/otlp.md) lists all of
//! them. An empty value counts as unset.
//!
//! # Sharing
//! Clones of an [`Otlp`] are handles of one exporter, and the layers and logs made with it keep it
//! running. Each signal has its own queue and connection, so a stuck signal does not hold up the
//! others. Requests append to one of 16 lanes, so that they do not all share one lock.
//!
//! # Cancellation
//! Dropping the future of [`Otlp::flush`] or [`Otlp::shutdown`] only stops waiting.
//!
//! # Deployment caveats
//! - Call [`Otlp::shutdown`] at the end of the process. If all handles are dropped instead, the
//!   thread goes on for at most 5 s, but the end of `main` does not wait for it.
//! - Killing the process loses the queued records.
//! - `client.address` is personal data, as in the access log.
//!
//! # Where to put this layer
//! Start it first in `main`, before [`Logs::init`](crate::Logs::init). Shut it down after the server
//! has drained and before the log is flushed.

mod answer;
mod backoff;
mod builder;
mod counts;
mod deliver;
mod error;
mod exporter;
mod handle;
mod log;
mod queue;
mod resource;
mod sampler;
mod settings;
mod span;
mod transport;
pub(crate) mod wire;

pub(crate) use self::queue::Queue;
pub use self::{
    builder::OtlpBuilder,
    counts::{DropReason, Signal, Totals},
    error::{ConfigError, Mistake, StartError},
    handle::Otlp,
    settings::VARIABLES,
};

/// The target of the exporter's own log lines, which are not exported.
const TARGET: &str = "hardpoint::observability::otlp";
