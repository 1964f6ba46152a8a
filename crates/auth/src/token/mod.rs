//! Access tokens: JSON Web Tokens, strictly.

mod cache;
mod claims;
mod error;
mod issuer;
mod json;
mod jws;
mod profile;
mod revocation;
mod verified;
mod verifier;

#[cfg(test)]
mod tests;

#[cfg(feature = "remote")]
pub(crate) use self::jws::{MAX_HEADER, MAX_TOKEN};
pub use self::{
    cache::TokenCache,
    claims::Claims,
    error::{VerifyError, VerifyErrorKind},
    issuer::{IssueError, IssueErrorKind, TokenIssuer},
    jws::SignedBytes,
    profile::Profile,
    revocation::{Revocation, RevocationState},
    verified::Verified,
    verifier::TokenVerifier,
};
