//! How a document is fetched.

use std::{error::Error, fmt};

use bytes::Bytes;
use http::{Request, Response};

/// Fetches a document over HTTP.
///
/// `HttpFetch` is the one that comes with this crate; write another to send the requests through a
/// proxy, or through a client that the service has anyway. Futures are dropped when time is up.
pub trait Fetch: Send + Sync + 'static {
    /// The answer to `request`, whatever its status, with its headers. It is a GET of an absolute URL;
    /// its headers are to be sent, since they say that an answer with the same keys is not needed.
    /// Redirects are not followed: the caller decides on them. Reading ends with
    /// [`FetchError::too_large`] at more than `limit` bytes of body.
    fn fetch(
        &self,
        request: Request<()>,
        limit: usize,
    ) -> impl Future<Output = Result<Response<Bytes>, FetchError>> + Send;
}

impl<F: Fetch> Fetch for std::sync::Arc<F> {
    fn fetch(
        &self,
        request: Request<()>,
        limit: usize,
    ) -> impl Future<Output = Result<Response<Bytes>, FetchError>> + Send {
        F::fetch(self, request, limit)
    }
}

/// There was no answer, or too much of one.
#[derive(Debug)]
pub struct FetchError {
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl FetchError {
    /// No answer came, for this reason. It goes to logs: it should show no secret.
    #[must_use]
    pub fn unreachable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: Some(cause.into()) }
    }

    /// The body is longer than the limit.
    #[must_use]
    pub const fn too_large() -> Self {
        Self { cause: None }
    }

    /// Whether the body was longer than the limit.
    #[must_use]
    pub const fn is_too_large(&self) -> bool {
        self.cause.is_none()
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_too_large() { "the answer is too large" } else { "no answer" })
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}
