//! Assigns ids to each request and writes one access line about it.
//!
//! Without ids, a report of "it failed at noon" cannot be matched to any log line. With this layer
//! every request has an id that is sent to the client and added to all of its log lines. One line
//! reports its route, status, duration and outcome, even if the handler panicked, the client
//! disconnected, or the body broke off.
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
//!     // An outer layer has resolved the client.
//!     let client = resolver.resolve(Some(peer.parse()?), request.headers());
//!     RequestContext::ensure(request.extensions_mut(), &Time::system()).set_client(client);
//!
//!     // A trusted proxy's id is accepted, a stranger's is replaced.
//!     let response = service.clone().oneshot(request).await?;
//!     let id = response.headers()["x-request-id"].to_str()?;
//!     assert_eq!(id == "from-outside", taken_over);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. The request id in `x-request-id` is accepted if all of the following hold:
//!    - the request came through a trusted proxy, according to the
//!      [`Client`](hardpoint_core::Client) in the request's context;
//!    - the header appears exactly once;
//!    - its value is 1 to 128 bytes of letters, digits and `. _ : + / = -`.
//!
//!    Otherwise, as when the client is unknown, a new version 7 UUID replaces it.
//! 2. The id is set in the request's `x-request-id` header, in its context, and in the
//!    `x-request-id` header of every response.
//! 3. The trace id of a valid `traceparent` (W3C Trace Context) is accepted under the same rule;
//!    otherwise a random one is generated. A trace of
//!    [AWS's load balancers](RecordLayer::amazon_trace_id) is accepted by setting. A `traceparent`
//!    that is not accepted is removed, so that nothing inside continues a stranger's trace.
//!    `tracestate` is kept only beside an accepted `traceparent` and only if the whole list is valid,
//!    as one line. `baggage` keeps only the members that [`baggage`](RecordLayer::baggage) names.
//!    [`outgoing`](crate::outgoing) passes all of them on to the services that the handler calls.
//! 4. The inner service and its body run inside a span `request` (target `hardpoint::request`,
//!    fields `request_id` and `trace_id`), so their events carry the ids.
//! 5. Each request logs one event, with the message `request` and the target `hardpoint::access`,
//!    when the response body ends or when the future or the body is dropped before. Its fields are
//!    listed below; an unknown field has no value. [`Logs`](crate::Logs) leaves out `correlation_id`,
//!    `error`, `grpc_status`, `notes`, `query` and `unlogged` if they have no value.
//! 6. The event's level is `error` if the outcome is `failed` or `panicked`, `warn` if it is `shed`
//!    or `timed_out`, and `info` otherwise.
//! 7. Lines about rejected requests are bounded: see
//!    [`rejected_lines`](RecordLayer::rejected_lines). Of successes, a part is logged by setting: see
//!    [`one_success_in`](RecordLayer::one_success_in). Every other request has its line.
//! 8. The layer reports [`RequestStarted`](hardpoint_core::event::RequestStarted) before the inner
//!    service runs and [`RequestEnded`](hardpoint_core::event::RequestEnded) with the access line.
//!    [`metrics`](crate::metrics) counts requests by them.
//!
//! | field | content |
//! |---|---|
//! | `request_id`, `trace_id` | the ids |
//! | `correlation_id` | the id of requests that belong together, by [setting](RecordLayer::correlation_id) |
//! | `method` | the method; `_OTHER` if it is neither in RFC 9110 nor `PATCH` |
//! | `route` | the template that matched, from a [`Route`](hardpoint_core::Route) in the request's extensions or context, or axum's matched path (feature `axum`), or the method of gRPC; else `unmatched`. Any other path is never logged |
//! | `query` | the parameters that a [setting](RecordLayer::query) names |
//! | `status` | of the response; for gRPC the one that its code means |
//! | `grpc_status` | the code of a gRPC response |
//! | `outcome` | see below |
//! | `error` | the first 256 bytes of the text of the error that the inner service or its body returned, redacted like every text |
//! | `duration_ms` | from the first hardpoint layer to the end of the body |
//! | `ttfb_ms` | from the first hardpoint layer to the head of the response |
//! | `bytes_in` | declared size of the request body; none if undeclared (chunked) |
//! | `bytes_out` | bytes of the response body handed to the server |
//! | `client` | address of the client, in full |
//! | `subject` | the authenticated subject |
//! | `user_agent` | its first 256 bytes |
//! | `unlogged` | in a line about a rejected request, or about a success: how many of them before it have no line |
//! | `notes` | an object of the notes that handlers added with [`RequestContext::note`](hardpoint_core::RequestContext::note) |
//!
//! A rejected request is logged with the status and outcome of its
//! [`Refused`](hardpoint_core::Refused), even where gRPC sends 200. If the server sends a refusal in
//! place of the response, such as a 408 after a slow request body, the line reports that refusal: the
//! server notes it in the request's [`Replacement`](hardpoint_core::Replacement). Otherwise `outcome` is:
//!
//! | outcome | the request |
//! |---|---|
//! | `ok` | received its whole response, with a status below 500 |
//! | `failed` | received a status of 500 or more, or the service or the body returned an error |
//! | `rejected`, `shed`, `timed_out` | was rejected or cut off by a layer |
//! | `panicked` | caused a panic in the handler or the body |
//! | `cancelled` | was dropped before it had a response |
//! | `aborted` | was dropped before the end of the response body |
//!
//! # gRPC
//! A response is one of gRPC if the service sends the content type `application/grpc`. Its status is
//! then in `grpc-status`, in the head or in the trailers:
//!
//! | code | `status` | outcome |
//! |---|---|---|
//! | `OK` | 200 | `ok` |
//! | `UNKNOWN`, `INTERNAL`, `DATA_LOSS`, none at all | 500 | `failed` |
//! | `UNAVAILABLE` | 503 | `failed` |
//! | `DEADLINE_EXCEEDED` | 504 | `timed_out` |
//! | `CANCELLED` | 408 | `ok` |
//! | `INVALID_ARGUMENT`, `FAILED_PRECONDITION`, `OUT_OF_RANGE` | 400 | `ok` |
//! | `UNAUTHENTICATED`, `PERMISSION_DENIED` | 401, 403 | `ok` |
//! | `NOT_FOUND`, `UNIMPLEMENTED` | 404 | `ok` |
//! | `ALREADY_EXISTS`, `ABORTED` | 409 | `ok` |
//! | `RESOURCE_EXHAUSTED` | 429 | `ok` |
//!
//! The route of a call without a template is its path, `/package.Service/Method`, if the method is
//! [declared](RecordLayer::grpc_methods) or has answered. A message, or a code that only a method
//! sends, shows that it exists; `UNIMPLEMENTED`, rejections and the codes of interceptors
//! (`UNAUTHENTICATED`, for example) do not. A client therefore cannot add a route. A layer learns at
//! most 256 methods.
//!
//! `tracing::Span::record` cannot add a field to this line: tracing drops fields that the span does
//! not declare. Use notes instead.
//!
//! # Sharing
//! The services of one layer share the methods of gRPC that have answered; a record belongs to its
//! request. Random bytes come from a pool per thread.
//!
//! # Cancellation
//! A dropped future is logged as `cancelled`, a dropped body as `aborted`. The inner future or body
//! is dropped first, inside the span.
//!
//! # Deployment caveats
//! - A client that can choose its id can copy another request's and mix its log lines into that
//!   request's. Trusted proxies must therefore overwrite or remove `x-request-id` and
//!   `traceparent`. If yours pass on their clients' ids, use
//!   [`replace_ids`](RecordLayer::replace_ids). If only your own services can reach this one, use
//!   [`accept_ids`](RecordLayer::accept_ids).
//! - `client`, `subject` and `user_agent` are personal data: keep the access log only as long as
//!   you need it. No other header is logged, except accepted ids.
//! - A version 7 request id contains the time at which the request arrived.
//! - `bytes_out` counts bytes handed to the server, before TLS, framing and compression by outer
//!   layers. It does not prove that the client received them.
//!
//! # Where to put this layer
//! Once, inside probes, the drain and the layer that resolves the client, outside everything else.
//! In axum, add it with `Router::layer`, where the matched route is known.

mod address;
pub(crate) mod amazon;
#[cfg(any(feature = "opentelemetry_0_33", feature = "otlp"))]
pub(crate) mod attributes;
mod body;
pub(crate) mod entry;
pub(crate) mod facts;
mod future;
mod grpc;
pub(crate) mod ids;
mod layer;
pub(crate) mod notes;
mod query;
pub(crate) mod random;
mod sample;
mod service;
pub(crate) mod span;
pub(crate) mod traceparent;

pub use self::{body::RecordBody, future::ResponseFuture, layer::RecordLayer, service::Record};
