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
    /// A store in memory that another limiter uses: the policies of both would share buckets.
    StoreInUse,
    /// A store in memory that was made for another number of policies.
    StoreTables {
        /// How many tables it has.
        tables: usize,
        /// How many policies the limiter has.
        policies: usize,
    },
    /// More policies than one request can be decided by.
    TooManyPolicies {
        /// How many were given.
        given: usize,
        /// How many there may be.
        most: usize,
    },
    /// A policy that replaces one which the limiter does not have.
    UnknownPolicy {
        /// The name.
        name: String,
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
            Self::StoreInUse => f.write_str(
                "the memory store belongs to another rate limiter; make one for each, or share the \
                 limiter",
            ),
            Self::StoreTables { tables, policies } => write!(
                f,
                "the memory store was made for {tables} policies and the rate limiter has {policies}; \
                 give `MemoryStore::for_peak` a number of keys for each"
            ),
            Self::TooManyPolicies { given, most } => write!(
                f,
                "a rate limiter decides by at most {most} policies at once and was given {given}; \
                 put the rest into a second layer"
            ),
            Self::UnknownPolicy { name } => write!(
                f,
                "the rate limiter has no policy `{}` to replace; policies are added when it is built",
                name.escape_debug()
            ),
        }
    }
}

impl Error for ConfigError {}
