//! Why a check failed.

use std::error::Error;

/// A check's failure: a fixed code for whoever reads the report, and a cause for the log.
///
/// The code is all that leaves through a response. The cause is logged when the check's status
/// changes to down, and nowhere else.
///
/// `?` on any error makes one with the code `failed`:
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
    /// A failure with this code, such as `unreachable`.
    ///
    /// Up to 14 codes of one check are told apart in the report; further ones are shown as `other`.
    /// hardpoint itself uses `failed`, `panicked` and `timeout`.
    #[must_use]
    pub const fn new(code: &'static str) -> Self {
        Self { code, cause: None }
    }

    /// Keeps the error behind the failure for the log. Its text must not contain a secret.
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

    /// The error behind the failure, if one was kept.
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Some(cause) => Some(&**cause),
            None => None,
        }
    }
}

// `Down` is no `Error` itself, which is what lets `?` turn every error into it.
impl<E: Error + Send + Sync + 'static> From<E> for Down {
    fn from(error: E) -> Self {
        Self::new("failed").caused_by(error)
    }
}
