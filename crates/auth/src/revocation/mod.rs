//! Tokens that are revoked before they expire.
//!
//! A signed token is valid until it expires, so a log-out by itself does not end it. A
//! [`TokenVerifier`](crate::TokenVerifier) therefore asks a [`Revocation`](crate::Revocation) about
//! every token that is otherwise valid, cached or not. [`Revocations`] is the one that the stores of
//! [sessions](crate::session) keep up to date; an application can implement its own.

mod judge;
mod replica;
mod table;

pub use self::replica::{Revocations, Revoked};
