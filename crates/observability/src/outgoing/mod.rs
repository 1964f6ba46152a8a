//! Passes the ids of a request on to the services it calls, and measures each call.
//!
//! A trace that ends at this service does not explain a failure behind it. With this layer the
//! services that a handler calls continue the request's trace and log its id. Ids go only to the
//! hosts that you name, because they reveal to third parties which services talk to each other.
//!
//! # Example
//!
//! ```
//! use hardpoint_core::{RequestContext, Time, TraceContext, TraceId};
//! use hardpoint_observability::outgoing::{AllowedHosts, OutgoingLayer};
//! use http::{Request, Response};
//! use tower::{BoxError, Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let hosts = AllowedHosts::new(["inventory.internal", "*.svc.cluster.local"])?;
//! // Any client that is a tower service, such as hyper-util's.
//! let client = OutgoingLayer::new("inventory", hosts).layer(service_fn(
//!     async |request: Request<()>| {
//!         Ok::<_, BoxError>(Response::new(request.headers().contains_key("traceparent")))
//!     },
//! ));
//!
//! // In a handler: the call belongs to the request whose context it carries.
//! let mut incoming = Request::new(());
//! let context = RequestContext::ensure(incoming.extensions_mut(), &Time::system());
//! # let id = TraceId::from_bytes([7; 16]).ok_or("no id")?;
//! # context.set_trace(TraceContext::new(id, None, 1));
//! for (uri, passed_on) in [
//!     ("https://inventory.internal/items", true),
//!     ("https://stranger.example/items", false),
//! ] {
//!     let call = Request::get(uri).extension(context.clone()).body(())?;
//!     assert_eq!(*client.clone().oneshot(call).await?.body(), passed_on);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. A call belongs to an incoming request if its extensions contain that request's
//!    `Arc<RequestContext>`.
//! 2. If its URI names an [allowed host](AllowedHosts), the layer sets `traceparent` (version 00, a
//!    new parent id for each call, and only the flags *sampled* and *random*) and `x-request-id`;
//!    `tracestate` and `baggage` if [`RecordLayer`](crate::RecordLayer) accepted one;
//!    `x-correlation-id` if it reads one; and
//!    `x-amzn-trace-id` [by setting](OutgoingLayer::amazon_trace_id). Values that the call
//!    already has are replaced or removed.
//! 3. Any other call is passed on unchanged.
//! 4. With an exporter (`OutgoingLayer::otlp`, feature `otlp`), each call of a sampled request has a
//!    client span, and `traceparent` names it. Without one it names the request's span if that is
//!    exported, else an id of its own.
//! 5. Each call reports one [`CallEnded`](hardpoint_core::event::CallEnded), when the head of its
//!    response is ready, when it fails, or when its future is dropped.
//!    [`metrics`](crate::metrics) makes `http_client_request_duration_seconds` of it.
//!
//! # Sharing
//! All services of a layer share its settings. Nothing else is shared.
//!
//! # Cancellation
//! A dropped future is reported as cancelled: a timeout outside of this layer drops it.
//!
//! # Deployment caveats
//! - A redirect that the client follows inside of this layer carries the headers to the new host.
//! - The duration does not include the response body.
//!
//! # Where to put this layer
//! Directly around the client, inside `ClientPolicy`, so that every attempt has its own parent id and
//! its own duration.

mod future;
mod hosts;
mod layer;
#[cfg(feature = "reqwest")]
pub mod reqwest;
mod service;

pub use self::{
    future::ResponseFuture,
    hosts::{AllowedHosts, ParseHostError},
    layer::OutgoingLayer,
    service::Outgoing,
};
