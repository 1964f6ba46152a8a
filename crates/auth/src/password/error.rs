//! A password was neither hashed nor verified.

use std::error::Error;

use hardpoint_core::{Outcome, Problem, Rejection};

use crate::rejection::unavailable;

texts! {
    /// A password was neither hashed nor verified: 503. The password may be correct.
    pub enum PasswordError {
        /// The hash function failed, or its thread did.
        Failed = "the password hash function failed",
        /// Too many callers wait, or this one waited too long.
        Overloaded = "too many passwords wait to be hashed",
    }
}

impl Error for PasswordError {}

impl Rejection for PasswordError {
    fn problem(&self) -> Problem {
        let is_shed = *self == Self::Overloaded;
        let outcome = if is_shed { Outcome::Shed } else { Outcome::Failed };
        unavailable("password_unavailable", 2).outcome(outcome)
    }
}
