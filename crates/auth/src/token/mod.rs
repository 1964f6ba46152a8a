//! Access tokens: JSON Web Tokens, checked strictly.

mod base64url;
mod cache;
mod claims;
mod error;
mod issuer;
mod jws;
mod profile;
mod providers;
mod revocation;
mod trust;
mod verified;
mod verifier;

#[cfg(test)]
mod tests;

pub(crate) use self::trust::MAX_LEEWAY;
pub use self::{
    cache::TokenCache,
    claims::Claims,
    error::{VerifyError, VerifyErrorKind},
    issuer::{IssueError, IssuedToken, NewToken, TokenIssuer, TokenIssuerBuilder, TokenSigner},
    jws::SignedBytes,
    profile::{KeyIdRule, Need, Profile, ScopeForm},
    revocation::{AskedStore, Revocation, RevocationPolicy, RevocationState},
    trust::{TokenVerifierBuilder, TrustedIssuer},
    verified::VerifiedToken,
    verifier::TokenVerifier,
};
