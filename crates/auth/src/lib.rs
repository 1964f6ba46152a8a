//! Authentication: bearer tokens, scopes, and passwords hashed within a bound.
//!
//! It does *not* store accounts, log anybody in over OAuth, or decide what a subject may see: it
//! tells who is calling, and whether a token carries a scope.
//!
//! # Quick start
//!
//! ```
//! use hardpoint_auth::{AuthLayer, KeySet, SigningKey, TokenIssuer, TokenVerifier};
//!
//! let key = SigningKey::generate()?;
//! let keys = KeySet::new([key.verifying_key()])?;
//! let issuer = TokenIssuer::new(key, "https://id.example", "api");
//! let verifier = TokenVerifier::new(keys, "https://id.example", "api");
//!
//! let token = issuer.issue("alice", &"notes:read".parse()?)?;
//! assert_eq!(verifier.verify(token.expose())?.subject(), "alice");
//!
//! // Every request needs a token: Router::new().route(..).layer(layer)
//! let layer = AuthLayer::new(verifier);
//! # let _ = layer;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Concepts
//!
//! | concept | types |
//! |---|---|
//! | keys | [`SigningKey`], [`VerifyingKey`], [`KeySet`], [`Algorithm`] |
//! | access tokens (RFC 9068) | [`TokenIssuer`], [`TokenVerifier`], [`Verified`], [`Claims`], [`Scopes`] |
//! | the middleware | [`AuthLayer`], [`RequireScopesLayer`] |
//! | passwords | [`PasswordHasher`], [`PasswordHash`], [`PasswordPolicy`] |
//!
//! # Features
//!
//! | name | adds | default |
//! |---|---|---|
//! | `axum` | the extractor `axum::Authenticated` | no |
//!
//! The minimum supported Rust version is 1.95.

#[cfg(feature = "axum")]
pub mod axum;
pub mod bearer;
mod key;
pub mod password;
mod rejection;
mod scopes;
mod token;

pub use self::{
    bearer::{Auth, AuthLayer, RequireScopes, RequireScopesLayer},
    key::{Algorithm, KeyError, KeySet, KeySetError, SigningKey, VerifyingKey},
    password::{PasswordError, PasswordErrorKind, PasswordHash, PasswordHasher, PasswordPolicy},
    rejection::{InsufficientScope, InvalidRequest, InvalidToken, NotAuthenticated},
    scopes::{ParseScopesError, Scopes},
    token::{
        Claims, IssueError, TokenIssuer, TokenVerifier, Verified, VerifyError, VerifyErrorKind,
    },
};
