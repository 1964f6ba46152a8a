//! Metrics that a client cannot blow up.
//!
//! A metric with a label whose values clients choose, such as the path of requests that match no
//! route, gets a new series for each value, until a scanner has filled the memory of the service and
//! of the monitoring system. Here labels are declared, every metric has a maximum number of series,
//! and what does not fit is counted in one series of its own.
//!
//! # Example
//!
//! ```
//! use hardpoint_core::event::Limited;
//! use hardpoint_observability::{Metrics, metrics::{Bounds, ConfigError, Mistake, Unit}};
//! use http::Request;
//! use http_body_util::{BodyExt, Empty};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut metrics = Metrics::builder();
//! // Give it to `Stack::telemetry`: every layer of the stack reports through it.
//! let telemetry = metrics.telemetry();
//! // Metrics of the service itself: handles are made once and kept.
//! let orders = metrics.counter("orders_total", Unit::NONE, "Orders that were placed.");
//! let metrics = metrics.build()?;
//!
//! orders.increment();
//! telemetry.on(&Limited::new("client", false, true).into()); // by a layer
//!
//! // On the admin listener: Router::new().route_service("/metrics", metrics.service())
//! let request = Request::get("/metrics").body(Empty::<bytes::Bytes>::new())?;
//! let response = metrics.service().oneshot(request).await?;
//! let text = response.into_body().collect().await?.to_bytes();
//! let text = std::str::from_utf8(&text)?;
//! assert!(text.contains("\norders_total 1\n"));
//! assert!(text.contains("decisions_total{policy=\"client\",decision=\"denied\",decider=\"memory\"} 1\n"));
//!
//! // Mistakes are refused, all at once.
//! let mut mistaken = Metrics::builder();
//! let _ = mistaken.counter("orders", Unit::NONE, "Orders that were placed.");
//! let _ = mistaken.histogram("wait_seconds", Unit::SECONDS, Bounds::new([2.0, 1.0]), "");
//! let error: ConfigError = mistaken.build().err().ok_or("three mistakes")?;
//! assert_eq!(error.mistakes().len(), 3);
//! assert!(matches!(&error.mistakes()[0], Mistake::Suffix { suffix, .. } if suffix == "_total"));
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. Every metric has a name, a unit and a help text. The name ends in the unit, and that of a
//!    counter also in `_total`. [`MetricsBuilder::build`] reports all mistakes and duplicates.
//! 2. A metric has at most [`max_series`](MetricsBuilder::max_series) series. Further label values
//!    are recorded in one series whose only label is `otel_metric_overflow="true"`, and
//!    `hardpoint_metrics_overflow_total` counts the look-ups that took it. A series is never
//!    removed.
//! 3. A label's value is cut after 128 bytes and escaped.
//! 4. A value that is not a number is refused, and so are negative and infinite ones where only
//!    amounts make sense; `hardpoint_metrics_refused_total` counts them.
//! 5. The first value of each bucket after a scrape whose trace is known and sampled is the bucket's
//!    exemplar. Only OpenMetrics shows exemplars.
//! 6. The metrics of requests have the labels `http_request_method`, `url_scheme`, `http_route`,
//!    `http_response_status_code` and `error_type`, as in OpenTelemetry's semantic conventions. A
//!    request that matched no route has the route `unmatched`, a method outside of RFC 9110 and
//!    `PATCH` is `_OTHER`. Hosts, paths and queries are never labels. `error_type` is absent if the
//!    request succeeded or was rejected; otherwise it is the status of a failure, or how the request
//!    ended (`cancelled`, `aborted`, `panicked`, `shed`, `timed_out`, `failed`). They are recorded at
//!    the end of the response body, by the [`record`](crate::record) layer, with the same duration
//!    as the access line.
//! 7. A scrape sums up each series at once. Different series may be of slightly different times, and
//!    the sum of a histogram may be behind or ahead of its buckets by the values that are being
//!    recorded.
//!
//! # Metrics of hardpoint's layers
//! Their names and labels are stable: they change only with a new major version. The layers log
//! these events themselves, where a line is worth it.
//!
//! | metric | labels | declared by |
//! |---|---|---|
//! | `http_server_request_duration_seconds`, `http_server_request_body_size_bytes`, `http_server_response_body_size_bytes` | `http_request_method`, `url_scheme`, `http_route`, `http_response_status_code`, `error_type` | [`telemetry`](MetricsBuilder::telemetry) |
//! | `http_server_active_requests` | `http_request_method`, `url_scheme` | |
//! | `hardpoint_auth_api_keys_total` | `result` | |
//! | `hardpoint_auth_key_set_changes_total` | `key_set`, `change` | |
//! | `hardpoint_auth_key_set_fetch_failures_total` | `key_set`, `reason` | |
//! | `hardpoint_auth_key_set_keys_skipped_total` | `key_set`, `reason` | |
//! | `hardpoint_auth_key_set_state` | `key_set`, `state` | |
//! | `hardpoint_auth_login_attempts_total` | `result`, `lane`, `decider` | |
//! | `hardpoint_auth_messages_total` | `result` | |
//! | `hardpoint_auth_one_time_tokens_total` | `purpose`, `result` | |
//! | `hardpoint_auth_passwords_total` | `result` | |
//! | `hardpoint_auth_session_refreshes_total` | `result` | |
//! | `hardpoint_auth_session_reuses_total` | `same_network`, `same_user_agent` | |
//! | `hardpoint_auth_verifications_total` | `result` | |
//! | `http_client_request_duration_seconds` | `destination`, `http_request_method`, `http_response_status_code`, `error_type` | |
//! | `hardpoint_health_check_up` | `check` | |
//! | `hardpoint_health_readiness` | `state` | |
//! | `hardpoint_link_command_duration_seconds` | `link`, `result` | |
//! | `hardpoint_link_state` | `link`, `state` | |
//! | `hardpoint_ratelimit_decisions_total` | `policy`, `decision`, `decider` | |
//! | `hardpoint_ratelimit_near_limits_total` | `policy` | |
//! | `hardpoint_resilience_circuit_changes_total` | `circuit`, `state` | |
//! | `hardpoint_resilience_failed_attempts_total` | `policy`, `result` | |
//! | `hardpoint_resilience_hedges_total` | `policy`, `result` | |
//! | `hardpoint_resilience_refused_calls_total` | `policy`, `guard` | |
//! | `hardpoint_resilience_stale_copies_total` | `copies`, `result` | |
//! | `hardpoint_store_failures_total` | `store`, `reason` | |
//! | `hardpoint_store_settlements_lost_total` | `store` | |
//! | `hardpoint_log_dropped_total` | | [`logs`](MetricsBuilder::logs) |
//! | `hardpoint_metrics_overflow_total`, `hardpoint_metrics_refused_total` | `metric` | always |
//! | `process_*` | | [`process`](MetricsBuilder::process) |
//! | `target_info` | your own | [`target_info`](MetricsBuilder::target_info) |
//! | `tokio_*` | | `tokio::runtime` (feature `tokio`) |
//!
//! # Sharing
//! Clones of a handle and handles with the same labels record in the same series. Each thread has
//! its own copy of the cells that it writes to and never touches another thread's, so recording
//! takes no lock and does not slow down with more threads. A scrape adds the copies up. A thread
//! holds 4 KiB for each 512 cells that it has written any of, and remembers the last 512 series of
//! requests and 256 others that it looked up by labels. When it ends, its values are added to a
//! copy of the process, and its memory is freed: nothing is lost. The cells of dropped [`Metrics`]
//! are used again.
//!
//! # Cancellation
//! Recording and scraping never await. A dropped [`MetricsBody`] ends the scrape.
//!
//! # Deployment caveats
//! - `/metrics` shows routes, policies and volumes. Serve it on a listener that only operators
//!   reach, never on the public one.
//! - A counter starts at zero with the process; queries use `rate`, which knows resets.
//! - With several instances, the monitoring system distinguishes them by the address it scrapes.
//!
//! # Where to put this layer
//! Metrics are not a layer. Declare them in `main`, after [`Logs::init`](crate::Logs::init) and
//! before the stack, give their [`telemetry`](MetricsBuilder::telemetry) to the stack first, and
//! mount the [service](Metrics::service) on the admin listener.

mod builder;
mod cells;
mod encode;
mod error;
mod exemplar;
#[cfg(feature = "otlp")]
mod exporter;
mod exposition;
mod family;
pub(crate) mod http;
mod instrument;
mod key;
mod observer;
mod operation;
#[cfg(feature = "otlp")]
pub(crate) mod otlp;
mod process;
mod recent;
mod service;
mod source;
mod thread;
#[cfg(feature = "tokio")]
pub mod tokio;
mod unit;

pub use self::{
    builder::{Metrics, MetricsBuilder},
    error::{ConfigError, Mistake},
    instrument::{Counter, Family, FloatCounter, Gauge, Histogram, Labels, UpDown, UpDownGuard},
    operation::{Operation, Operations, Timed, Timer},
    service::{MetricsBody, MetricsService},
    unit::{Bounds, Unit},
};
