//! What can be wrong with a set of headers.

use std::{error::Error, fmt};

use http::HeaderName;

/// A mistake in the configuration of security headers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A header is to be enforced that the set does not have.
    HeaderNotSet {
        /// The header.
        name: HeaderName,
    },
    /// A value that browsers ignore, or that does not protect.
    HeaderPolicy {
        /// The header.
        name: HeaderName,
        /// What was written.
        value: String,
        /// What is wrong with it, and what to write.
        reason: &'static str,
    },
    /// A value that no header can have.
    HeaderValue {
        /// The header.
        name: HeaderName,
        /// What was written.
        value: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeaderNotSet { name } => write!(
                f,
                "header `{name}` cannot be enforced, since the set has no value for it; give it one \
                 first"
            ),
            Self::HeaderPolicy { name, value, reason } => {
                write!(f, "`{value}` is no value for header `{name}`: {reason}")
            }
            Self::HeaderValue { name, value } => write!(
                f,
                "{value:?} is no value for header `{name}`: write visible ASCII, at least one \
                 character; leave the header out if it is not to be sent"
            ),
        }
    }
}

impl Error for ConfigError {}
