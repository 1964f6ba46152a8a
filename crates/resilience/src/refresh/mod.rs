//! Refreshes the credential of outgoing calls when the destination answers 401.
//!
//! Access tokens expire while calls are in flight. Without coordination, a hundred calls that meet
//! the expiry refresh a hundred times, and a refresh token that may be used once ends the session.
//!
//! ```
//! use bytes::Bytes;
//! use hardpoint_resilience::{RefreshOn401Layer, retry::ReplayBody};
//! use http::{HeaderValue, Request, Response, StatusCode, header::AUTHORIZATION};
//! use http_body_util::{Empty, Full};
//! use std::{sync::{Arc, atomic::{AtomicU32, Ordering}}, time::Duration};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! // The destination accepts the second token.
//! let api = service_fn(|request: Request<ReplayBody<Full<Bytes>>>| async move {
//!     let mut response = Response::new(Empty::<Bytes>::new());
//!     if request.headers()[AUTHORIZATION] != "Bearer token-2" {
//!         *response.status_mut() = StatusCode::UNAUTHORIZED;
//!     }
//!     Ok::<_, std::io::Error>(response)
//! });
//! let issued = Arc::new(AtomicU32::new(0));
//! let layer = RefreshOn401Layer::new(move || {
//!     let number = issued.fetch_add(1, Ordering::Relaxed) + 1;
//!     async move { HeaderValue::try_from(format!("Bearer token-{number}")) }
//! });
//! // The tokens of this example follow each other within a second.
//! let layer = layer.min_interval(Duration::ZERO);
//!
//! let request = Request::get("/").body(Full::default())?;
//! let response = layer.layer(api).oneshot(request).await?;
//! assert_eq!(response.status(), StatusCode::OK);
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. Each call carries the current credential. A request that has the header already is forwarded
//!    unchanged, and its response too.
//! 2. Without a credential, the first calls wait for the function to return one. If it fails, they
//!    fail with [`RefreshFailed`].
//! 3. If the response is 401 and the credential was replaced meanwhile, the call is sent again at
//!    once. Otherwise the function is called, by one call at a time: the others wait for its result.
//! 4. A call is sent again at most once. A second 401 is returned.
//! 5. If the function fails, takes longer than [`timeout`](RefreshOn401Layer::timeout), or was called
//!    less than [`min_interval`](RefreshOn401Layer::min_interval) ago, the first 401 is returned. So a
//!    destination that refuses every credential does not cause a refresh for each call.
//! 6. The destination refuses a request with 401 before it acts on it, so requests of all methods are
//!    sent again. A body is recorded as by [`retry`](crate::retry); one that is longer than
//!    [`replay_limit`](RefreshOn401Layer::replay_limit) is not sent again, but still causes the
//!    refresh.
//!
//! # Sharing
//! All services made from one layer, and their clones, share the credential.
//!
//! # Cancellation
//! Dropping a call that refreshes drops the refresh; the next waiting call starts another. If the
//! function must not be interrupted, spawn its work and await the handle.
//!
//! # Deployment caveats
//! - Each process has its own credential. Where a refresh invalidates the previous one, processes must
//!   not share an account.
//! - The header is marked as sensitive, so that `Debug` does not show it.
//!
//! # Where to put this layer
//! Outside of a [`ClientPolicy`](crate::ClientPolicy): the call that is sent again may be retried.

mod error;
mod future;
mod layer;
mod service;
mod state;

pub use self::{
    error::RefreshFailed, future::ResponseFuture, layer::RefreshOn401Layer, service::RefreshOn401,
};
