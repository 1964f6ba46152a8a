//! How a document is fetched.

use std::{error::Error, fmt, pin::Pin};

use bytes::Bytes;
use http::{Request, Response};

/// The answer of a [`Fetch`], later.
pub type Fetching<'a> =
    Pin<Box<dyn Future<Output = Result<Response<Bytes>, FetchError>> + Send + 'a>>;

/// Fetches a document over HTTP.
///
/// [`HttpFetch`](super::HttpFetch) comes with this crate; implement another one to send the requests
/// through a proxy or through an HTTP client of the service. The future is dropped when its time is
/// over.
pub trait Fetch: Send + Sync + 'static {
    /// Sends `request`, a GET of an absolute URL, with its header fields: they make it conditional.
    /// Returns responses of any status and follows no redirects: the caller decides about
    /// them. A body of more than `limit` bytes is [`FetchError::too_large`].
    fn fetch(&self, request: Request<()>, limit: usize) -> Fetching<'_>;
}

/// A fetch got no response, or too much of one.
#[derive(Debug)]
pub struct FetchError {
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl FetchError {
    /// No response came, for this reason. It is logged, so it must not contain a secret.
    #[must_use]
    pub fn unreachable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: Some(cause.into()) }
    }

    /// The body is longer than the limit.
    #[must_use]
    pub fn too_large() -> Self {
        Self { cause: None }
    }

    /// Whether the body was longer than the limit.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        self.cause.is_none()
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_too_large() { "the response is too large" } else { "no response" })
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}
