//! Mistakes in a set of headers.

use std::{error::Error, fmt};

use http::HeaderName;

/// A mistake in the configuration of security headers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A header cannot be enforced because the set has no value for it.
    HeaderNotSet {
        /// The header.
        name: HeaderName,
    },
    /// A value that browsers ignore or that does not protect.
    HeaderPolicy {
        /// The header.
        name: HeaderName,
        /// The configured value.
        value: String,
        /// What is wrong with the value, and what to write instead.
        reason: &'static str,
    },
    /// A value that is not a valid header value.
    HeaderValue {
        /// The header.
        name: HeaderName,
        /// The configured value.
        value: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeaderNotSet { name } => write!(
                f,
                "header `{name}` cannot be enforced because the set has no value for it; set a \
                 value first"
            ),
            Self::HeaderPolicy { name, value, reason } => {
                write!(f, "invalid value `{value}` for header `{name}`: {reason}")
            }
            Self::HeaderValue { name, value } => write!(
                f,
                "invalid value {value:?} for header `{name}`; write visible ASCII characters, or \
                 leave the header out"
            ),
        }
    }
}

impl Error for ConfigError {}
