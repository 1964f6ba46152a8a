//! How a document is fetched.

use std::{error::Error, pin::Pin, sync::Arc};

use bytes::Bytes;
pub use hardpoint_core::event::RefreshErrorKind;
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
    /// them. A body of more than `limit` bytes is [`FetchError::TooLarge`].
    fn fetch(&self, request: Request<()>, limit: usize) -> Fetching<'_>;
}

/// A fetch got no response, or too much of one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The body is longer than the limit.
    #[error("the response is too large")]
    TooLarge,
    /// No response came, for this reason. It is logged, so it must not contain a secret.
    #[error("no response")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
}

/// Keys could not be fetched. The error contains nothing that the server sent.
#[derive(Clone, Debug, thiserror::Error)]
#[error("keys could not be fetched: {}", .kind.as_str())]
pub struct RefreshError {
    kind: RefreshErrorKind,
    source: Option<Arc<FetchError>>,
}

impl RefreshError {
    /// Why.
    #[must_use]
    pub fn kind(&self) -> RefreshErrorKind {
        self.kind
    }
}

impl From<FetchError> for RefreshError {
    fn from(error: FetchError) -> Self {
        let kind = match error {
            FetchError::TooLarge => RefreshErrorKind::TooLarge,
            FetchError::Unreachable(_) => RefreshErrorKind::Unreachable,
        };
        Self { kind, source: Some(Arc::new(error)) }
    }
}

impl From<RefreshErrorKind> for RefreshError {
    fn from(kind: RefreshErrorKind) -> Self {
        Self { kind, source: None }
    }
}
