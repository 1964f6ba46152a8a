//! Access tokens: JSON Web Tokens of the profile of RFC 9068.

mod claims;
mod error;
mod issuer;
mod jws;
mod verifier;

#[cfg(test)]
mod tests;

pub use self::{
    claims::Claims,
    error::{VerifyError, VerifyErrorKind},
    issuer::{IssueError, TokenIssuer},
    verifier::{TokenVerifier, Verified},
};
