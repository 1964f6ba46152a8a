//! Settings that make no sense.

use std::{error::Error, fmt, sync::Arc};

/// Something cannot be set up as it is configured.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// The certificate authorities cannot be read, or are missing.
    Authorities {
        /// Whether they were looked for in the system's stores, and not in a text.
        system: bool,
        /// Why they cannot be read.
        source: Option<Arc<dyn Error + Send + Sync>>,
    },
    /// A URL with plain http, without `insecure_http()`.
    Insecure {
        /// The URL.
        url: String,
    },
    /// An issuer without an audience.
    NoAudience {
        /// The issuer.
        issuer: String,
    },
    /// No issuer, or one without a name.
    NoIssuer,
    /// Remote keys were started outside of a tokio runtime.
    NoRuntime,
    /// An issuer that does not fit Entra's template.
    NoTenant {
        /// The issuer.
        issuer: String,
    },
    /// A timeout of zero.
    NoTime,
    /// Entra's template without discovery.
    TemplateWithoutDiscovery,
    /// A text that is not a URL, or a URL with a user name.
    Url {
        /// The text, unless it has a user name.
        url: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authorities { system: true, .. } => f.write_str(
                "the system has no readable certificate authorities; install ca-certificates, set \
                 SSL_CERT_FILE, or pass them to trusting_pem()",
            ),
            Self::Authorities { system: false, .. } => f.write_str(
                "the text has no readable certificate authority; pass the whole PEM file, from \
                 -----BEGIN CERTIFICATE to -----END CERTIFICATE",
            ),
            Self::Insecure { url } => write!(
                f,
                "{url:?} is plain http, so an attacker on the way could replace the keys; write \
                 https, or call insecure_http() for a test"
            ),
            Self::NoAudience { issuer } => {
                write!(f, "the issuer {issuer:?} has no audience; call audience() with the `aud`")
            }
            Self::NoIssuer => f.write_str("the issuer has no name; call issuer() with the `iss`"),
            Self::NoRuntime => {
                f.write_str("a task keeps remote keys fresh; call start() inside a tokio runtime")
            }
            Self::NoTenant { issuer } => write!(
                f,
                "{issuer:?} has no tenant; write https://login.microsoftonline.com/common/v2.0"
            ),
            Self::NoTime => {
                f.write_str("with a timeout of 0 no fetch succeeds; write at least 1 ms")
            }
            Self::TemplateWithoutDiscovery => f.write_str(
                "entra_template() is for a discovery document; call RemoteKeys::discovery()",
            ),
            Self::Url { url } => {
                write!(f, "{url:?} cannot be fetched; write https://host/path, without a user name")
            }
        }
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let Self::Authorities { source: Some(source), .. } = self else { return None };
        Some(&**source)
    }
}
