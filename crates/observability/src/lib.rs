//! Request ids, one access line per request, logs that are safe to parse, and bounded metrics.
//!
//! [`RecordLayer`] assigns ids to each request and writes one access line when the request is over,
//! however it ended. [`OutgoingLayer`] passes the ids on to the services that a handler calls.
//! [`Logs`] writes that line and all other events, as JSON or as text for people.
//! [`Metrics`] counts what the layers and the service do, for Prometheus. With the feature `otlp`, an
//! exporter sends traces, metrics and logs to a collector. [`LogFile`](logs::LogFile) rotates. It never
//! logs bodies or paths, and no query unless a setting names its parameters. Of the headers it logs only the user agent and the request's ids.
//!
//! # Quick start
//!
//! ```
//! use hardpoint_observability::{Logs, RecordLayer};
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{BoxError, Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! type Body = Full<bytes::Bytes>;
//!
//! Logs::json("greeter").version(env!("CARGO_PKG_VERSION")).environment("prod").init()?;
//! let service = RecordLayer::new().layer(service_fn(async |_: Request<Body>| {
//!     tracing::info!("greeting"); // has the request's ids
//!     Ok::<_, BoxError>(Response::new(Body::from("hello")))
//! }));
//!
//! let response = service.oneshot(Request::new(Body::default())).await?;
//! assert_eq!(response.headers()["x-request-id"].len(), 36);
//! # Ok(())
//! # }
//! ```
//!
//! # Concepts
//!
//! | concept | module |
//! |---|---|
//! | request and trace ids, the access line | [`record`] |
//! | ids on outgoing calls, and their durations | [`outgoing`] |
//! | the format of log lines | [`logs`] |
//! | secrets and personal data in logs | [`redact`] |
//! | counters, histograms, `/metrics`, slow operations | [`metrics`] |
//! | spans, metrics and log records for a collector | `otlp` |
//! | a service that has OpenTelemetry's SDK | `opentelemetry_0_33` |
//!
//! # Features
//!
//! | name | adds | default |
//! |---|---|---|
//! | `axum` | axum's matched path as the route of the record | no |
//! | `opentelemetry_0_33` | a bridge to the OpenTelemetry SDK of a service (module `opentelemetry_0_33`) | no |
//! | `otlp` | export in OTLP (module `otlp`) | no |
//! | `reqwest` | outgoing calls by reqwest (module `outgoing::reqwest`) | no |
//! | `test` | what one test logs, and a search for secrets in it (module `test`) | no |
//! | `tokio` | metrics of a tokio runtime (module `metrics::tokio`) | no |
//!
//! The minimum supported Rust version is 1.95.

mod decimal;
pub mod logs;
pub mod metrics;
#[cfg(feature = "opentelemetry_0_33")]
pub mod opentelemetry_0_33;
#[cfg(feature = "otlp")]
pub mod otlp;
pub mod outgoing;
#[cfg(any(feature = "opentelemetry_0_33", feature = "otlp"))]
mod pairs;
pub mod record;
pub mod redact;
#[cfg(feature = "test")]
pub mod test;

pub use self::{
    logs::{ConfigError, Logs, LogsHandle},
    metrics::{Metrics, MetricsBuilder},
    outgoing::OutgoingLayer,
    record::RecordLayer,
    redact::Redactor,
};
