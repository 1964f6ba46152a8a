//! What every hardpoint crate agrees on.
//!
//! This crate holds only what two or more hardpoint crates need *and* what is in their public API
//! or would be a security bug if they disagreed: the clock, the context of a request, the client's
//! address, the key of a limit, the shape of a refusal, secrets, and events. It has no middleware
//! of its own, starts no task, does no I/O, and depends on no runtime and no web framework.
//!
//! # Quick start
//!
//! Most services meet this crate through another one. It is useful alone where the client's address
//! decides something and a proxy stands in front:
//!
//! ```
//! use hardpoint_core::{ClientResolver, Family, TrustedProxies};
//! use http::HeaderMap;
//!
//! let resolver = ClientResolver::new(TrustedProxies::new(["10.0.0.0/8"])?, Family::XForwarded);
//! let mut headers = HeaderMap::new();
//! headers.insert("x-forwarded-for", "6.6.6.6, 203.0.113.9, 10.1.2.3".parse()?);
//!
//! // The peer is our proxy: walk from the right, over trusted hops, to the first untrusted one.
//! let client = resolver.resolve(Some("10.0.0.1".parse()?), &headers);
//! assert_eq!(client.ip(), Some("203.0.113.9".parse()?));
//!
//! // The peer is a stranger: whatever the headers say, the peer is the client.
//! let client = resolver.resolve(Some("198.51.100.7".parse()?), &headers);
//! assert_eq!(client.ip(), Some("198.51.100.7".parse()?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Concepts
//!
//! | concept | types |
//! |---|---|
//! | time | [`Clock`], [`Mono`], [`SystemClock`], [`ManualClock`] |
//! | one request's data, shared by layers | [`RequestContext`], [`RequestId`], [`Route`], [`Subject`], [`Outcome`] |
//! | who is calling | [`Client`], [`ClientResolver`], [`TrustedProxies`], [`Family`], [`Peer`] |
//! | what a limit is keyed by | [`Key`], [`KeyExtractor`], [`Head`] |
//! | refusals | [`Rejection`], [`Problem`], [`refuse`], [`GrpcCode`] |
//! | bodies and futures of refusing layers | [`ResponseBody`], [`ResponseFuture`], [`Answer`] |
//! | secrets | [`Secret`] |
//! | what happened | [`Observer`], [`Event`] |
//!
//! # Features
//!
//! | name | adds | default |
//! |---|---|---|
//! | `serde` | `Deserialize` for `Secret<str>` and `Secret<[u8]>` | no |
//!
//! The minimum supported Rust version is 1.95.

mod answer;
mod body;
mod client;
mod clock;
mod context;
mod future;
mod head;
mod key;
mod observe;
mod problem;
mod rejection;
mod secret;

pub use self::{
    answer::Answer,
    body::ResponseBody,
    client::{Client, ClientResolver, ConfigError, Family, Host, Peer, Scheme, TrustedProxies},
    clock::{Clock, ManualClock, Mono, SystemClock},
    context::{LimitDecision, Outcome, RequestContext, RequestId, Route, Subject, TraceId},
    future::ResponseFuture,
    head::{Head, HeadFacts},
    key::{Key, KeyExtractor, KeyMissing},
    observe::{Event, Observer, Readiness},
    problem::Problem,
    rejection::{GrpcCode, Refused, Rejection, refuse},
    secret::Secret,
};
