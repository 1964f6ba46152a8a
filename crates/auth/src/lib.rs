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
//! | keys of others and for others | [`JwksService`], and with the feature `remote` `RemoteKeys`, `KeyRefreshLayer`, `AuthByIssuerLayer` |
//! | keys | [`SigningKey`], [`VerifyingKey`], [`KeySet`], [`KeyRing`], [`Algorithm`] |
//! | access tokens (RFC 9068) | [`TokenIssuer`], [`TokenVerifier`], [`Verified`], [`Claims`], [`Scopes`], [`Profile`] |
//! | tokens seen before, tokens that are dead | [`TokenCache`], [`Revocation`] |
//! | the middleware | [`AuthLayer`], [`RequireLayer`] |
//! | passwords | [`PasswordHasher`], [`PasswordHash`], [`PasswordPolicy`] |
//!
//! # Features
//!
//! | name | adds | default |
//! |---|---|---|
//! | `axum` | the extractor `axum::Authenticated` | no |
//! | `remote` | keys that are fetched over https from an issuer, or found through OpenID Connect Discovery: `remote::RemoteKeys` | no |
//!
//! The minimum supported Rust version is 1.95.

#[cfg(feature = "axum")]
pub mod axum;
pub mod bearer;
pub mod jwks_endpoint;
mod key;
pub mod password;
mod rejection;
#[cfg(feature = "remote")]
pub mod remote;
mod scopes;
mod token;

#[cfg(feature = "remote")]
pub use self::remote::{AuthByIssuerLayer, KeyRefreshLayer, KeysState, RemoteKeys};
pub use self::{
    bearer::{Auth, AuthLayer, Require, RequireLayer},
    jwks_endpoint::JwksService,
    key::{
        Algorithm, KeyError, KeyRing, KeySet, KeySetError, KeyState, SigningKey, SkippedKey,
        UnknownKey, VerifyingKey,
    },
    password::{PasswordError, PasswordErrorKind, PasswordHash, PasswordHasher, PasswordPolicy},
    rejection::{
        InsufficientRole, InsufficientScope, InvalidRequest, InvalidToken, LoginTooOld,
        NotAuthenticated, RevocationUnavailable,
    },
    scopes::{ParseScopesError, Scopes},
    token::{
        Claims, IssueError, IssueErrorKind, Profile, Revocation, RevocationState, SignedBytes,
        TokenCache, TokenIssuer, TokenVerifier, Verified, VerifyError, VerifyErrorKind,
    },
};

/// The manual's page on tokens, whose code is tested with this crate's.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/auth.md")]
pub struct Manual;
