//! Mistakes in the configuration of a limiter.

use std::{error::Error, fmt};

/// A mistake in the configuration of a limiter.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ConfigError {
    /// Two policies have the same name.
    DuplicatePolicy {
        /// The name.
        name: String,
    },
    /// A failure policy's share is not above 0 and at most 1.
    FailureShare {
        /// The policy.
        policy: String,
        /// The share.
        share: f32,
    },
    /// The limiter has no policy.
    NoPolicy,
    /// A layer by subject has no policy that counts by the caller.
    NoSubjectPolicy,
    /// A name that a header cannot carry.
    PolicyName {
        /// The name.
        name: String,
    },
    /// A policy that a running limiter cannot take over from the one it replaces.
    Replacement {
        /// The policy.
        policy: String,
    },
    /// The store cannot do what a policy asks for.
    Store {
        /// The policy.
        policy: String,
        /// What the store cannot do, and what to do instead.
        reason: &'static str,
    },
    /// A layer by address has a policy that counts by the authenticated caller.
    SubjectPolicy {
        /// The policy.
        policy: String,
    },
    /// The limiter has more policies than it can decide by at once.
    TooManyPolicies {
        /// How many were given.
        given: usize,
        /// How many are allowed.
        most: usize,
    },
    /// The limiter has no policy of this name.
    UnknownPolicy {
        /// The name.
        name: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicatePolicy { name } => {
                write!(f, "two rate limit policies are named `{name}`; give each its own name")
            }
            Self::FailureShare { policy, share } => write!(
                f,
                "rate limit policy `{policy}` decides locally with a share of {share}; write a \
                 share above 0 and at most 1"
            ),
            Self::NoPolicy => f.write_str(
                "the rate limiter has no policy; add one, or use `RateLimitLayer::off()`",
            ),
            Self::NoSubjectPolicy => f.write_str(
                "no policy of this limiter counts by the caller; add one with `key::subject()`, or \
                 use `layer()` and place it by address",
            ),
            Self::PolicyName { name } => write!(
                f,
                "`{}` cannot name a rate limit policy; write 1 to 64 printable ASCII characters",
                name.escape_debug()
            ),
            Self::Replacement { policy } => write!(
                f,
                "rate limit policy `{policy}` cannot start to hold cells while the limiter runs; \
                 build it with `Policy::reservable()`"
            ),
            Self::Store { policy, reason } => {
                write!(f, "the store cannot serve rate limit policy `{policy}`: {reason}")
            }
            Self::SubjectPolicy { policy } => write!(
                f,
                "rate limit policy `{policy}` counts by the authenticated caller, who is not known \
                 in a layer by address; use `by_subject()` and place it inside authentication"
            ),
            Self::TooManyPolicies { given, most } => write!(
                f,
                "a rate limiter decides by at most {most} policies and was given {given}; put the \
                 others into a second limiter"
            ),
            Self::UnknownPolicy { name } => write!(
                f,
                "the rate limiter has no policy `{}`; add it where the limiter is built",
                name.escape_debug()
            ),
        }
    }
}

impl Error for ConfigError {}
