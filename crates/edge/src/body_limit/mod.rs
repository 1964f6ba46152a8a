//! Limits the length of request bodies before they are buffered.
//!
//! Protects against bodies that exhaust memory, whether they declare their length or are chunked
//! and never end.
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
//! 1. A request whose `Content-Length` or body size hint exceeds the limit is rejected with 413
//!    immediately. The inner service is not called, and a client that waits for `100 Continue` does
//!    not send the body.
//! 2. A body that is known to fit is passed on unchanged.
//! 3. Any other body is counted while it is read. Once it exceeds the limit, reading fails with a
//!    [`LimitedBodyError`], the rest is never read, and the response is 413. This replaces the
//!    inner service's result, whether it is an extractor's 400, a success or an error.
//! 4. If the head of the response was sent before, the response breaks off: its body fails with
//!    [`BodyTooLarge`], so the server closes an HTTP/1 connection before the last chunk and resets an
//!    HTTP/2 stream. A response rendered for gRPC ends with trailers. The outcome of the request is
//!    [`Rejected`](hardpoint_core::Outcome::Rejected). A response that ended before is kept.
//! 5. Bytes of data are counted as the inner service reads them: after chunked framing has been
//!    removed, and decoded if an outer layer decodes. A body that is still encoded
//!    (`Content-Encoding`, `grpc-encoding`) is rejected with 415, because a decoder inside of this
//!    layer could get around the limit: see [`BodyLimitLayer::allow_encoded`]. Trailers are not
//!    counted.
//! 6. The rejection is `body_too_large` with the member `limit`, in bytes; rendered for
//!    gRPC, it is `RESOURCE_EXHAUSTED`. An encoded body is `encoding_unsupported`, and for gRPC
//!    `UNIMPLEMENTED`.
//! 7. With [`BodyLimitLayer::grpc_messages`], each message of a gRPC stream is limited, and the
//!    stream itself is not.
//!
//! A body of known length costs no allocation. Any other body costs one, for the mark that reports
//! to the response that the limit was exceeded.
//!
//! # The body of the inner service
//! The inner service takes `Request<LimitedBody<B>>`. This works for any service that is generic
//! over bodies, including axum's `Router::layer`. axum boxes the body, so a middleware in between
//! that accepts only axum's own body does not compile. With the feature `axum`,
//! `BodyLimitLayer::with_axum_body` passes axum's body on, untouched if its length is known. A
//! service with another body type maps it: a body that
//! [is known to fit](LimitedBody::is_known_to_fit) may be unwrapped, any other must be read through
//! the limit.
//!
//! # Sharing
//! Nothing is shared: each request is counted separately. Requests together can hold up to the
//! limit times the number of concurrent requests.
//!
//! # Cancellation
//! Dropping the future drops the inner future. Dropping the body drops the unread rest of it.
//!
//! # Deployment caveats
//! - This layer has no clock and does not limit how long a client may take.
//! - After a rejection the server closes an HTTP/1 connection whose body it has not read. A client
//!   that keeps sending may see a reset before it reads the response.
//! - axum's own extractors reject bodies above 2 MB. A higher limit here requires
//!   `DefaultBodyLimit::disable()` there.
//!
//! # Where to put this layer
//! Innermost, so that requests rejected for another reason are rejected first, and inside anything
//! that decodes bodies, such as tower-http's `RequestDecompressionLayer`.

mod body;
mod error;
mod future;
mod layer;
mod mark;
mod messages;
mod response;
mod service;

pub use self::{
    body::LimitedBody,
    error::{BodyEncoded, BodyTooLarge, LimitedBodyError},
    future::ResponseFuture,
    layer::BodyLimitLayer,
    response::ResponseBody,
    service::BodyLimit,
};
