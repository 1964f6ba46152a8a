//! How much a client may send: request bodies are cut before anybody buffers them.
//!
//! Protects against bodies that fill the memory, whether they announce their length or, chunked,
//! never end.
//!
//! ```
//! use hardpoint_edge::BodyLimitLayer;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::{BodyExt, Full};
//! use tower::{Layer, ServiceExt, service_fn};
//! # use hardpoint_edge::body_limit::{LimitedBody, LimitedBodyError};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let inner = service_fn(|request: Request<LimitedBody<Full<&'static [u8]>>>| async {
//!     let body = request.into_body().collect().await?.to_bytes();
//!     Ok::<_, LimitedBodyError>(Response::new(Full::new(body)))
//! });
//! let layer = BodyLimitLayer::new(5);
//!
//! let accepted = layer.layer(inner).oneshot(Request::new(Full::new(b"hello"))).await?;
//! assert_eq!(accepted.status(), StatusCode::OK);
//!
//! let refused = layer.layer(inner).oneshot(Request::new(Full::new(b"hello!"))).await?;
//! assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. A request that announces more than the limit, by `Content-Length` or by the size that its
//!    body tells of itself, is answered with 413 at once; the inner service is not called, and a
//!    client that waits for `100 Continue` sends nothing.
//! 2. A body that is known to fit is handed on as it is.
//! 3. Any other body is counted while it is read. When more than the limit has come, reading fails
//!    with a [`LimitedBodyError`], the rest is never read, and the answer is 413 whatever the inner
//!    service makes of the failure: an extractor's 400, a success, an error of its own.
//! 4. An answer that was given before the limit was passed stands. The body still ends there.
//! 5. Bytes of data are counted, as they come from the server: after chunks were put together,
//!    before anything is decompressed unless a layer outside of this one does it. Trailers are not.
//! 6. The refusal is `body_too_large` with the member `limit`, in bytes; for a gRPC caller
//!    `RESOURCE_EXHAUSTED`.
//!
//! A body of known length costs no allocation. Any other costs one, for the mark by which the body
//! tells the response that the limit was passed.
//!
//! # The body of the inner service
//! The inner service takes `Request<LimitedBody<B>>`, which suits any service that is generic over
//! bodies, axum's `Router::layer` included. axum boxes that body, and a middleware in between that
//! takes only axum's own body does not fit. With the feature `axum`,
//! `BodyLimitLayer::with_axum_body` passes axum's body on, untouched where its length is known. A
//! service with another body type maps it: a body that
//! [is known to fit](LimitedBody::is_known_to_fit) may be unwrapped, any other must be read through
//! the limit.
//!
//! # Sharing
//! Nothing is shared: each request is counted by itself. What requests may hold together is the
//! limit times the number of requests at a time.
//!
//! # Cancellation
//! Nothing is held: dropping the future drops the inner one, dropping the body the rest of it.
//!
//! # Deployment caveats
//! - How long a client may take is another matter: this layer has no clock.
//! - After a refusal the server closes an HTTP/1 connection whose body it has not read; a client
//!   that goes on sending may see a reset before it reads the answer.
//! - axum's own extractors refuse above 2 MB by themselves; a higher limit here takes
//!   `DefaultBodyLimit::disable()` there.
//!
//! # Where to put this layer
//! Innermost, so that what is refused for another reason is refused first; inside of anything that
//! decompresses bodies.

mod body;
mod error;
mod future;
mod layer;
mod service;

pub use self::{
    body::LimitedBody,
    error::{BodyTooLarge, LimitedBodyError},
    future::ResponseFuture,
    layer::BodyLimitLayer,
    service::BodyLimit,
};
