//! The types that all hardpoint crates share.
//!
//! A type belongs in this crate if two or more hardpoint crates need it *and* it is in their public
//! API or would cause a security bug if they disagreed on it. The types cover time, the context of
//! a request, the client's address, the matched route, the key of a limit, the shape of a refusal,
//! secrets and events. The crate has no middleware, starts no tasks, does no I/O, and by default
//! depends on neither a runtime nor a web framework.
//!
//! # Quick start
//!
//! Most services use this crate through another hardpoint crate. On its own, it finds the client
//! behind a proxy:
//!
//! ```
//! use hardpoint_core::{ClientResolver, Family, TrustedProxies};
//! use http::HeaderMap;
//!
//! let resolver = ClientResolver::new(TrustedProxies::new(["10.0.0.0/8"])?, Family::XForwarded);
//! let mut headers = HeaderMap::new();
//! headers.insert("x-forwarded-for", "6.6.6.6, 203.0.113.9, 10.1.2.3".parse()?);
//!
//! // The peer is a trusted proxy: the client is the first untrusted address from the right.
//! let client = resolver.resolve(Some("10.0.0.1".parse()?), &headers);
//! assert_eq!(client.ip(), Some("203.0.113.9".parse()?));
//!
//! // The peer is not a trusted proxy: it is the client, and the headers are ignored.
//! let client = resolver.resolve(Some("198.51.100.7".parse()?), &headers);
//! assert_eq!(client.ip(), Some("198.51.100.7".parse()?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Concepts
//!
//! | concept | types |
//! |---|---|
//! | time | [`Time`], [`Clock`], [`Mono`], [`ManualClock`] |
//! | one request's data, shared by layers | [`RequestContext`], [`RequestId`], [`TraceContext`], [`Route`], [`Outcome`] |
//! | the caller's address | [`Client`], [`ClientResolver`], [`TrustedProxies`], [`Family`], [`Peer`] |
//! | the authenticated caller | [`Identity`], [`Principal`] |
//! | the origin of a page | [`Origin`] |
//! | the key of a limit | [`Key`], [`KeyExtractor`], [`Head`] |
//! | refusals | [`Rejection`], [`Problem`], [`Refusals`], [`Renderer`], [`GrpcCode`] |
//! | bodies and futures of layers that refuse | [`ResponseBody`], [`ResponseFuture`] |
//! | secrets | [`Secret`] |
//! | stores that fail | [`StoreError`], [`OnFailure`] |
//! | events | [`Telemetry`], [`Observer`], [`event`] |
//! | the order of layers | [`Place`], [`StackLayer`] |
//!
//! # Features
//!
//! | name | adds | default |
//! |---|---|---|
//! | `axum` | the peer and route that axum stores; rejections as axum responses (module `axum`) | no |
//! | `serde` | `Deserialize` for `Secret<str>` and `Secret<[u8]>` | no |
//! | `test` | a search for secrets in output and a strict reader of log lines (module `test`), for the tests of a service | no |
//!
//! The minimum supported Rust version is 1.95.

mod accessors;
#[cfg(feature = "axum")]
pub mod axum;
mod baggage;
mod body;
mod client;
mod context;
pub mod event;
mod future;
mod head;
mod identity;
mod key;
mod origin;
mod outcome;
mod place;
mod problem;
mod refusal;
mod request_id;
mod route;
mod secret;
mod store;
mod telemetry;
#[cfg(feature = "test")]
pub mod test;
mod time;
mod trace;
mod trace_state;

pub use self::{
    baggage::Baggage,
    body::ResponseBody,
    client::{Client, ClientResolver, ConfigError, Family, Host, Peer, Scheme, TrustedProxies},
    context::RequestContext,
    event::{Event, Readiness},
    future::ResponseFuture,
    head::{Head, HeadFacts},
    identity::{AuthMethod, Identity, Principal},
    key::{Key, KeyExtractor, KeyMissing},
    origin::{Origin, OriginError},
    outcome::Outcome,
    place::{Place, StackLayer},
    problem::{Challenge, Problem},
    refusal::{GrpcCode, Refusal, Refusals, Refused, Rejection, Renderer, Replacement},
    request_id::RequestId,
    route::Route,
    secret::Secret,
    store::{OnFailure, StoreError},
    telemetry::{Observer, Telemetry},
    time::{Clock, ManualClock, Mono, Time},
    trace::{SpanId, TraceContext, TraceId},
    trace_state::TraceState,
};
