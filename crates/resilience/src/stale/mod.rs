//! Serves the last good response in place of a failure.
//!
//! A page with ten-minute-old prices is better than one without any. The layer keeps the last good
//! response of each target while its caller reads it, and returns it when a later call fails.
//!
//! ```
//! use bytes::Bytes;
//! use hardpoint_resilience::{StaleCopies, stale::StaleCopy};
//! use http::{Request, Response, StatusCode, header::AGE};
//! use http_body_util::{BodyExt, Empty, Full};
//! use std::sync::{Arc, atomic::{AtomicBool, Ordering}};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let down = Arc::new(AtomicBool::new(false));
//! let is_down = Arc::clone(&down);
//! let rates = service_fn(move |_request: Request<Empty<Bytes>>| {
//!     let mut response = Response::new(Full::new(Bytes::from_static(b"1.07")));
//!     if is_down.load(Ordering::Relaxed) {
//!         *response.status_mut() = StatusCode::BAD_GATEWAY;
//!     }
//!     async { Ok::<_, std::io::Error>(response) }
//! });
//! let copies = StaleCopies::builder("rates").build()?;
//! let client = copies.layer().layer(rates);
//! let get = |path: &str| Request::get(path).body(Empty::new());
//!
//! let response = client.clone().oneshot(get("/eur")?).await?;
//! assert_eq!(response.into_body().collect().await?.to_bytes(), "1.07");
//!
//! // The destination fails: its last answer to the same request takes the place of the failure.
//! down.store(true, Ordering::Relaxed);
//! let response = client.clone().oneshot(get("/eur")?).await?;
//! assert_eq!((response.status(), &response.headers()[AGE]), (StatusCode::OK, &"0".parse()?));
//! assert!(response.extensions().get::<StaleCopy>().is_some());
//! assert_eq!(response.into_body().collect().await?.to_bytes(), "1.07");
//!
//! // Another target has no copy, and a request with credentials does not get this one.
//! assert_eq!(client.clone().oneshot(get("/usd")?).await?.status(), StatusCode::BAD_GATEWAY);
//! let mut as_user = get("/eur")?;
//! as_user.headers_mut().insert("authorization", "Bearer secret".parse()?);
//! assert_eq!(client.oneshot(as_user).await?.status(), StatusCode::BAD_GATEWAY);
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. A copy takes the place of an error of the inner service, such as
//!    [`CircuitOpen`](crate::CircuitOpen), and of a response whose [`Class`](crate::Class) is a
//!    failure. A response that rejects the request (404) is an answer. If there is no copy, the
//!    failure is returned, unchanged.
//! 2. Only GET and HEAD requests have copies, without a body, `Range`, `If-Match`,
//!    `If-Unmodified-Since`, `Pragma`, and `Cache-Control` with `no-store`, `no-cache` or
//!    `min-fresh`. `max-age` and `stale-if-error` of a request limit the age of its copy; one with
//!    0 has none. A copy belongs to the method, the target (scheme, authority, `Host`, path,
//!    query), and the caller.
//! 3. A request that may identify its caller has no copies: with a header that is not
//!    [neutral](StaleCopiesBuilder::neutral_header) (such as `Authorization`, `Cookie` or
//!    `X-User-Id`) or is marked as sensitive, or with user information in its target. A request
//!    whose [`RequestContext`](hardpoint_core::RequestContext) has an identity shares copies only
//!    with requests of the same issuer and subject.
//!    [`callers`](StaleCopiesBuilder::callers) replaces both rules.
//! 4. A response is kept if its status is 200, and it has neither `Set-Cookie` nor `Cache-Control`
//!    with `no-store`, `private`, `no-cache`, `must-revalidate` or `proxy-revalidate`. If it varies
//!    (`Vary`), its copy is only for requests with the same values. `Vary` may name only `Accept`,
//!    `Accept-Encoding`, `Accept-Language` and `Origin`; a response that varies by anything else is
//!    not kept.
//! 5. A response is recorded while its caller reads it, and kept when its body has ended. It is not
//!    kept if its body is longer than [`max_body`](StaleCopiesBuilder::max_body), breaks off,
//!    differs in length from its `Content-Length`, has trailers, or is dropped, or if the bodies
//!    that are being read would take more than [`max_bytes`](StaleCopiesBuilder::max_bytes). The
//!    recording never delays a frame.
//! 6. The last response of a key replaces the one before, at most once a second.
//! 7. A later answer ends copies. A response that is not a failure ends those of the same caller for
//!    GET and HEAD if its status is neither 200 nor 304, or rule 4 forbids to keep it. A 2xx or 3xx
//!    to a method that is not safe, such as POST, ends those of its target for all callers (RFC 9111
//!    §4.4). Responses that were asked for before are not kept.
//! 8. A copy is served up to the age of [`max_age`](StaleCopiesBuilder::max_age). `stale-if-error` of
//!    the response (RFC 5861) can shorten it: to that time after the response has become stale.
//! 9. A copy has the response's header fields without those of the connection, an `Age` (RFC 9111
//!    §5.1) of its time here and before, and [`StaleCopy`] in its extensions. There is no `Warning`,
//!    which RFC 9111 made obsolete.
//! 10. When there are [`max_entries`](StaleCopiesBuilder::max_entries) copies, or they take
//!     [`max_bytes`](StaleCopiesBuilder::max_bytes), the oldest makes room. A copy that was asked for
//!     again meanwhile gets a second turn, so a flood of targets that are asked for once does not push
//!     out the others.
//!
//! # Sharing
//! All layers of the same [`StaleCopies`], and their services, share the copies. They are local to a
//! process, and gone when it ends.
//!
//! # Cancellation
//! Dropping the future drops the inner future. A body that is dropped before its end is not kept, and
//! its recording is freed.
//!
//! # Deployment caveats
//! - A copy can be wrong: do not serve balances, permissions or stock from it.
//! - Credentials that inner layers add are this service's own: the layer does not see them, and
//!   callers share what they get. If an inner layer adds those of a user, set
//!   [`callers`](StaleCopiesBuilder::callers).
//! - With [`callers`](StaleCopiesBuilder::callers), requests with the same key share copies even if
//!   their other headers identify different users.
//! - A copy hides an outage. The metric of [`StaleCopySought`](hardpoint_core::event::StaleCopySought)
//!   and the policies inside still report it.
//!
//! # Where to put this layer
//! Outside of a [`ClientPolicy`](crate::ClientPolicy), whose circuit must see the failures, and inside
//! of a [`FallbackLayer`](crate::FallbackLayer), whose substitute is for calls without a copy.

mod body;
mod builder;
mod copies;
mod fields;
mod future;
mod layer;
mod rules;
mod service;
mod shared;

use std::time::Duration;

pub use self::{
    body::ResponseBody, builder::StaleCopiesBuilder, future::ResponseFuture, layer::StaleLayer,
    service::Stale, shared::StaleCopies,
};

/// Marks a response, in its extensions, as a copy of an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaleCopy {
    age: Duration,
}

impl StaleCopy {
    pub(crate) const fn new(age: Duration) -> Self {
        Self { age }
    }

    /// How old the response is.
    #[must_use]
    pub const fn age(self) -> Duration {
        self.age
    }
}
