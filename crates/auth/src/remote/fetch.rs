//! How a document is fetched.

use std::{error::Error, fmt, pin::Pin, sync::Arc};

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
    /// Returns responses of any status and follows no redirects, which the caller refuses. A body of more than `limit` bytes is [`FetchError::TooLarge`].
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

/// Keys could not be fetched.
#[derive(Clone, Debug)]
pub struct RefreshError {
    kind: RefreshErrorKind,
    detail: Option<Arc<str>>,
    source: Option<Arc<FetchError>>,
}

impl RefreshError {
    /// Why.
    #[must_use]
    pub fn kind(&self) -> RefreshErrorKind {
        self.kind
    }

    /// What an operator needs to mend it: the status, the kind of body, or the issuer that the
    /// discovery document names. It may quote up to 200 characters of the server's, escaped.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    pub(super) fn new(kind: RefreshErrorKind, detail: impl Into<Arc<str>>) -> Self {
        Self { kind, detail: Some(detail.into()), source: None }
    }

    /// A body that is not the expected document, and what it looks like instead.
    pub(super) fn malformed(body: &[u8], expected: &str) -> Self {
        let start = body.trim_ascii_start();
        let found = match start {
            [] => "is empty",
            [0x1f, 0x8b, ..] => "is compressed with gzip, although no encoding was asked for",
            [b'<', ..] => "is HTML or XML",
            [b'{', ..] => "is an object with other members, or incomplete",
            [b'[', ..] => "is a JSON array",
            _ => "is not JSON",
        };
        Self::new(RefreshErrorKind::Malformed, format!("the body {found}; expected {expected}"))
    }
}

impl From<FetchError> for RefreshError {
    fn from(error: FetchError) -> Self {
        let kind = match error {
            FetchError::TooLarge => RefreshErrorKind::TooLarge,
            FetchError::Unreachable(_) => RefreshErrorKind::Unreachable,
        };
        Self { kind, detail: None, source: Some(Arc::new(error)) }
    }
}

impl From<RefreshErrorKind> for RefreshError {
    fn from(kind: RefreshErrorKind) -> Self {
        Self { kind, detail: None, source: None }
    }
}

impl fmt::Display for RefreshError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "keys could not be fetched: {}", self.kind.as_str())?;
        match self.detail() {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl Error for RefreshError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Text of a server for an operator: escaped, and cut after 200 characters.
pub(super) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(200).collect();
    let mark = if short.len() < text.len() { ".." } else { "" };
    format!("\"{}{mark}\"", short.escape_debug())
}
