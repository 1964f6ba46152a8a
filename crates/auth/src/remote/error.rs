//! What can be wrong with remote keys.

use std::{error::Error, fmt, sync::Arc};

use super::FetchError;

/// Keys could not be fetched. It holds nothing that the server sent.
#[derive(Clone, Debug)]
pub struct RefreshError {
    kind: RefreshErrorKind,
    source: Option<Arc<FetchError>>,
}

impl RefreshError {
    pub(super) fn failed(error: FetchError) -> Self {
        let kind = if error.is_too_large() {
            RefreshErrorKind::TooLarge
        } else {
            RefreshErrorKind::Unreachable
        };
        Self { kind, source: Some(Arc::new(error)) }
    }

    /// Why.
    #[must_use]
    pub const fn kind(&self) -> RefreshErrorKind {
        self.kind
    }
}

impl From<RefreshErrorKind> for RefreshError {
    fn from(kind: RefreshErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl fmt::Display for RefreshError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "keys could not be fetched: {}", self.kind.as_str())
    }
}

impl Error for RefreshError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|error| error as &(dyn Error + 'static))
    }
}

/// The kinds of [`RefreshError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefreshErrorKind {
    /// The set has no key that can be used. The keys before it stay.
    Empty,
    /// The discovery document points to plain http.
    Insecure,
    /// The discovery document is another issuer's.
    Issuer,
    /// The answer is no key set, or no discovery document.
    Malformed,
    /// The server says that nothing has changed (304), and was not asked, or not about the keys that
    /// are held.
    NotModified,
    /// A redirect that is not followed.
    Redirect,
    /// The task that fetches has ended, or the fetch panicked.
    Stopped,
    /// Another status than 200.
    Status,
    /// It took too long.
    Timeout,
    /// The answer is larger than 256 KiB, or has more than 100 keys.
    TooLarge,
    /// There was no answer.
    Unreachable,
    /// The discovery document points to what is no URL, or to an address inside the network.
    Url,
}

impl RefreshErrorKind {
    /// The kind as one lower-case word, for a metric's label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Insecure => "insecure",
            Self::Issuer => "issuer",
            Self::Malformed => "malformed",
            Self::NotModified => "not_modified",
            Self::Redirect => "redirect",
            Self::Stopped => "stopped",
            Self::Status => "status",
            Self::Timeout => "timeout",
            Self::TooLarge => "too_large",
            Self::Unreachable => "unreachable",
            Self::Url => "url",
        }
    }
}

/// Remote keys cannot be set up so.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RemoteKeysError {
    /// Plain http without [`insecure_http`](super::RemoteKeysBuilder::insecure_http).
    Insecure {
        /// What was given.
        url: String,
    },
    /// It was started outside of a tokio runtime.
    NoRuntime,
    /// An issuer that Entra's template does not fit.
    NoTenant {
        /// What was given.
        issuer: String,
    },
    /// The timeout is zero.
    NoTime,
    /// The template was asked for without discovery, which is what it is about.
    TemplateWithoutDiscovery,
    /// What was given is no URL that can be fetched. The text is not shown if it has a user name.
    Url {
        /// What was given.
        url: String,
    },
}

impl fmt::Display for RemoteKeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Insecure { url } => write!(
                f,
                "{url:?} is plain http, and whoever is between could replace the keys; write https, \
                 or call insecure_http() for a test"
            ),
            Self::NoRuntime => f.write_str(
                "remote keys are kept up by a task; call start() inside a tokio runtime",
            ),
            Self::NoTenant { issuer } => write!(
                f,
                "{issuer:?} has no tenant; write https://login.microsoftonline.com/common/v2.0"
            ),
            Self::NoTime => {
                f.write_str("a timeout of 0 lets no fetch succeed; write at least 1 ms")
            }
            Self::TemplateWithoutDiscovery => f.write_str(
                "entra_template() is about the discovery document, and there is none for a key \
                 set's URL; use RemoteKeys::discovery()",
            ),
            Self::Url { url } => {
                write!(f, "{url:?} cannot be fetched; write https://host/path, without a user name")
            }
        }
    }
}

impl Error for RemoteKeysError {}
