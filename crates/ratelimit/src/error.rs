//! Mistakes in the configuration of a limiter.

use std::{error::Error, fmt};

/// A mistake in the configuration of a limiter, found when it is built.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// Two policies have one name.
    DuplicatePolicy {
        /// The name.
        name: String,
    },
    /// A limiter without a policy limits nothing.
    NoPolicy,
    /// A name that cannot stand in a header.
    PolicyName {
        /// The name.
        name: String,
    },
    /// More policies than one request can be decided by.
    TooManyPolicies {
        /// How many were given.
        given: usize,
        /// How many there may be.
        most: usize,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicatePolicy { name } => {
                write!(f, "two rate limit policies are called `{name}`; give each its own name")
            }
            Self::NoPolicy => f.write_str(
                "a rate limiter needs a policy; add one, or use `RateLimitLayer::off()` to limit nothing",
            ),
            Self::PolicyName { name } => write!(
                f,
                "`{}` cannot name a rate limit policy; write 1 to 64 printable ASCII characters",
                name.escape_debug()
            ),
            Self::TooManyPolicies { given, most } => write!(
                f,
                "a rate limiter decides by at most {most} policies at once and was given {given}; \
                 put the rest into a second layer"
            ),
        }
    }
}

impl Error for ConfigError {}
