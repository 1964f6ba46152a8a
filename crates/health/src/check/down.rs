//! The failure of a check.

use std::error::Error;

/// The failure of a check: a constant code for the report, and an optional cause for the log.
///
/// Responses contain only the code. The cause is logged only when the check's status changes to
/// down.
///
/// `?` converts any error into a `Down` with the code `failed`:
///
/// ```
/// use hardpoint_health::Down;
///
/// async fn reachable(address: &str) -> Result<(), Down> {
///     let address: std::net::SocketAddr = address.parse()?;
///     tokio::net::TcpStream::connect(address)
///         .await
///         .map_err(|error| Down::new("unreachable").caused_by(error))?;
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Down {
    code: &'static str,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Down {
    /// Creates a failure with this code, such as `unreachable`.
    ///
    /// The report distinguishes up to 14 codes per check and shows any further one as `other`.
    /// hardpoint itself uses `failed`, `panicked` and `timeout`.
    #[must_use]
    pub const fn new(code: &'static str) -> Self {
        Self { code, cause: None }
    }

    /// Sets the underlying error, for the log. Its text must not contain a secret.
    #[must_use]
    pub fn caused_by(mut self, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(error.into());
        self
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// The underlying error, if one was set.
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Some(cause) => Some(&**cause),
            None => None,
        }
    }
}

// `Down` does not implement `Error`, so this impl does not overlap with `From<T> for T`.
impl<E: Error + Send + Sync + 'static> From<E> for Down {
    fn from(error: E) -> Self {
        Self::new("failed").caused_by(error)
    }
}
