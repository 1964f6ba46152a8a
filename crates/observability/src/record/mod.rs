//! One record of each request: its ids, and one line about how it went.
//!
//! Without it a report of "it failed at noon" cannot be matched to anything. With it every request
//! has an id that the client gets, that all of its log lines carry, and one line with its route,
//! status, duration and end; also if the handler panicked, the client went away, or the body broke
//! off half-way.
//!
//! # Example
//!
//! ```
//! use hardpoint_core::{ClientResolver, Family, RequestContext, Time, TrustedProxies};
//! use hardpoint_observability::RecordLayer;
//! use http::{Request, Response};
//! use http_body_util::Empty;
//! use tower::{BoxError, Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! type Body = Empty<bytes::Bytes>;
//! let service = RecordLayer::new().layer(service_fn(async |_: Request<Body>| {
//!     Ok::<_, BoxError>(Response::new(Body::new()))
//! }));
//! let resolver = ClientResolver::new(TrustedProxies::new(["10.0.0.0/8"])?, Family::XForwarded);
//!
//! for (peer, taken_over) in [("10.0.0.1", true), ("203.0.113.9", false)] {
//!     let mut request = Request::new(Body::new());
//!     request.headers_mut().insert("x-request-id", "from-outside".parse()?);
//!     // A layer further out has found out who is calling.
//!     let client = resolver.resolve(Some(peer.parse()?), request.headers());
//!     RequestContext::ensure(request.extensions_mut(), &Time::system()).set_client(client);
//!
//!     // The id of our proxy is taken over, that of a stranger is replaced.
//!     let response = service.clone().oneshot(request).await?;
//!     let id = response.headers()["x-request-id"].to_str()?;
//!     assert_eq!(id == "from-outside", taken_over);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. The request id is the one in `x-request-id` if the request came through a trusted proxy (as
//!    the [`Client`](hardpoint_core::Client) in the request's context says), the header is there
//!    once, and it is 1 to 128 bytes of letters, digits and `. _ : + / = -`. Otherwise it is a new
//!    UUID of version 7, and the one that was sent is gone. A request whose client is not known
//!    gets a new one.
//! 2. The id stands in the request's header, in its context, and in `x-request-id` of every
//!    response.
//! 3. The trace id is that of a valid `traceparent` (W3C Trace Context) under the same rule, else a
//!    random one. Under that rule `traceparent`, `tracestate` and `baggage` are left as they came;
//!    otherwise they are removed, so that nothing inside carries on a stranger's trace.
//! 4. While the inner service and its body run, a span `request` (target `hardpoint::request`,
//!    fields `request_id` and `trace_id`) is entered: what they log carries the ids.
//! 5. One event is logged for each request, with the message `request` and the target
//!    `hardpoint::access`: when the response body has ended, or the future or the body is dropped
//!    before. Its fields are below; one that is not known has no value.
//! 6. It is an error if the outcome is `failed` or `panicked`, a warning if it is `shed` or
//!    `timed_out`, else an info.
//!
//! | field | what it is |
//! |---|---|
//! | `request_id`, `trace_id` | the ids |
//! | `method` | `_OTHER` for what is not in RFC 9110 nor `PATCH` |
//! | `route` | the template that matched, from a [`Route`](hardpoint_core::Route) in the request's extensions or context, or axum's matched path (feature `axum`); else `unmatched`. Path and query are never written |
//! | `status` | of the response |
//! | `outcome` | see below |
//! | `duration_ms` | from the first of our layers to the end of the body |
//! | `ttfb_ms` | from the first of our layers to the head of the response |
//! | `bytes_in` | size of the request body as announced; none if it was not (chunked) |
//! | `bytes_out` | bytes of the response body that were handed to the server |
//! | `client` | address of the client, in full |
//! | `subject` | who was authenticated |
//! | `user_agent` | its first 256 bytes |
//! | `notes` | an object with what handlers added by [`RequestContext::note`](hardpoint_core::RequestContext::note) |
//!
//! The status and the outcome of a refusal are those of its [`Refused`](hardpoint_core::Refused),
//! also where gRPC puts 200 on the wire. Otherwise `outcome` is:
//!
//! | outcome | the request |
//! |---|---|
//! | `ok` | got its whole response, with a status below 500 |
//! | `failed` | got a status of 500 or more, or the service or the body returned an error |
//! | `rejected`, `shed`, `timed_out` | was refused or cut by a layer |
//! | `panicked` | made the handler or the body panic |
//! | `cancelled` | was dropped before it had a response |
//! | `aborted` | was dropped before the end of the response's body |
//!
//! `tracing::Span::record` cannot add a field to this line: tracing drops fields that the span did
//! not declare. Use notes.
//!
//! # Sharing
//! Nothing is shared: a record belongs to its request. Random bytes come from a pool of the thread.
//!
//! # Cancellation
//! A dropped future is logged as `cancelled`, a dropped body as `aborted`. The inner future is
//! dropped first, inside the span. Nothing else is held.
//!
//! # Deployment caveats
//! - Whoever chooses an id can choose that of another request, and so mix their lines into its
//!   story. The proxies that are trusted must therefore overwrite `x-request-id` and `traceparent`,
//!   or not let them in. If yours hands on its clients' ids, use
//!   [`replace_ids`](RecordLayer::replace_ids); if only services of yours can reach this one,
//!   [`accept_ids`](RecordLayer::accept_ids).
//! - `client`, `subject` and `user_agent` are personal data: keep the access log no longer than you
//!   need it. Of the headers nothing else is logged but the ids that are taken over.
//! - A request id of version 7 tells the time at which the request came.
//! - `bytes_out` is what the server was handed, before TLS, framing, and compression further out;
//!   whether the client received it, nobody here can know.
//!
//! # Where to put this layer
//! Inside probes, the drain and the layer that finds out the client, outside everything else, once.
//! On `axum::Router::layer`, where the matched route is known.

mod body;
pub(crate) mod entry;
mod future;
mod ids;
mod layer;
pub(crate) mod notes;
mod random;
mod service;
mod traceparent;

pub use self::{body::RecordBody, future::ResponseFuture, layer::RecordLayer, service::Record};
