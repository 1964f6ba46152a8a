//! One trace from hardpoint's layers and from the OpenTelemetry SDK that a service already has.
//!
//! A service that has the SDK and `tracing-opentelemetry` would otherwise have two traces for each
//! request: one in its log lines, another in its backend. With this module the SDK makes the span of
//! the request, its ids are those of the log lines, and the spans of a handler are its children.
//!
//! It is for services that keep the SDK. A service without an SDK uses the feature `otlp` instead.
//!
//! # Example
//!
//! ```
//! use hardpoint_observability::{
//!     Logs, RecordLayer,
//!     opentelemetry_0_33::{Propagator, RequestSpans, resource},
//! };
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use opentelemetry::trace::TracerProvider as _;
//! use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
//! use tower::{BoxError, Layer as _, ServiceExt as _, service_fn};
//! use tracing_subscriber::{Layer as _, filter::filter_fn, layer::SubscriberExt as _};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! type Body = Full<bytes::Bytes>;
//!
//! let logs = Logs::json("orders").version(env!("CARGO_PKG_VERSION"));
//! // In a service, the exporter of `opentelemetry-otlp`.
//! let exporter = InMemorySpanExporter::default();
//! let provider = SdkTracerProvider::builder()
//!     .with_resource(resource(&logs, std::env::vars())?)
//!     .with_simple_exporter(exporter.clone())
//!     .build();
//! opentelemetry::global::set_text_map_propagator(Propagator::new());
//!
//! // The spans of `tracing` go to the SDK, except the request's, which the SDK has already made.
//! let spans = tracing_opentelemetry::layer()
//!     .with_tracer(provider.tracer("orders"))
//!     .with_filter(filter_fn(|place| place.target() != "hardpoint::request"));
//! let subscriber = tracing_subscriber::registry().with(spans).with(logs.layer(std::io::stderr)?);
//! # let entered = // a program calls `tracing::subscriber::set_global_default`
//! # tracing::subscriber::set_default(subscriber);
//!
//! let record = RecordLayer::new().opentelemetry_0_33(&RequestSpans::new(&provider));
//! let service = record.layer(service_fn(async |_: Request<Body>| {
//!     tracing::info_span!("load order").in_scope(|| tracing::info!("loaded"));
//!     Ok::<_, BoxError>(Response::new(Body::from("hello")))
//! }));
//! drop(service.oneshot(Request::new(Body::default())).await?);
//!
//! let ended = exporter.get_finished_spans()?;
//! let [work, request] = ended.as_slice() else { panic!("{ended:?}") };
//! assert_eq!(work.parent_span_id, request.span_context.span_id());
//! assert_eq!(work.span_context.trace_id(), request.span_context.trace_id());
//! # drop(entered);
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. [`RecordLayer::opentelemetry_0_33`](crate::RecordLayer::opentelemetry_0_33) begins a span of kind
//!    *server* for each request, before the inner service runs. Its parent is the caller's span if the
//!    caller's ids are [accepted](crate::record); otherwise it begins a trace. It has the same
//!    attributes as the spans of `otlp`: paths and user agents are redacted, and queries, headers and
//!    bodies are never recorded.
//! 2. The SDK's sampler decides whether the span is sampled, and its id generator makes the ids.
//!    The request's [`TraceContext`](hardpoint_core::TraceContext) then has the trace id and the
//!    flags of this span, and log lines have its `span_id`. A request that is not sampled has no
//!    `span_id`, and spans inside it are not sampled either, if the sampler is `ParentBased`.
//! 3. The span is the SDK's current one whenever the inner service or its body runs. It ends with the
//!    access line.
//! 4. [`OutgoingLayer::opentelemetry_0_33`](crate::OutgoingLayer::opentelemetry_0_33) names the SDK's
//!    current span in the `traceparent` of a call.
//! 5. [`context_of`] returns the context of a request for work that continues its trace elsewhere, such
//!    as a spawned task. It also works with the spans of `otlp`, and without any.
//! 6. [`Propagator`] reads and writes the standard headers for other libraries of OpenTelemetry.
//!    Unlike the SDK's own, it passes the W3C's test suite for level 2: it keeps the flag *random*,
//!    discards malformed values, and writes no empty `tracestate`.
//! 7. [`resource`] gives the SDK the same service attributes as the log lines.
//! 8. If an outer layer has set the request's trace, or the provider was shut down, the request has no
//!    span.
//!
//! # Sharing
//! All requests share the provider's tracer, whose queue and bounds are the SDK's.
//!
//! # Cancellation
//! Dropping the record ends the span and writes the access line.
//!
//! # Deployment caveats
//! - The SDK exports the spans itself: `hardpoint_otlp_dropped_total` does not count those that it
//!   drops, and the service must shut it down.
//! - A span of the SDK costs more than one of `otlp`: it allocates for each text attribute.
//! - A `tracestate` that a sampler of the SDK changes is passed on by [`Propagator`].
//!   [`OutgoingLayer`](crate::OutgoingLayer) passes on the caller's.
//! - The types of this module are those of `opentelemetry` 0.33. A later version gets a module of its
//!   own.
//!
//! # Where to put this layer
//! It is a setting of [`RecordLayer`](crate::RecordLayer): see [where that layer
//! belongs](crate::record).

mod context;
mod convert;
mod propagator;
mod resource;
mod spans;

pub use self::{
    context::context_of,
    propagator::Propagator,
    resource::{ParseAttributesError, resource},
    spans::RequestSpans,
};
