//! Authentication: bearer tokens, scopes, sessions, API keys, and passwords hashed within a bound.
//!
//! It finds out who is calling, and whether the caller was granted a scope. It does *not* store
//! accounts, log users in over OAuth, or decide what a subject may see.
//!
//! # Quick start
//!
//! ```
//! use hardpoint_auth::{AuthLayer, KeySet, SigningKey, TokenCache, TokenIssuer, TokenVerifier};
//!
//! let key = SigningKey::generate()?;
//! let verifier = TokenVerifier::builder()
//!     .issuer("https://id.example", KeySet::new([key.verifying_key()])?)
//!     .audience("api")
//!     .cache(TokenCache::new())
//!     .build()?;
//! let issuer = TokenIssuer::builder(key).issuer("https://id.example").audience("api").build()?;
//!
//! let token = issuer.token("alice").scopes(["notes:read"]).sign()?;
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
//! | the middleware | [`AuthLayer`], [`Authenticator`], [`RequireLayer`] |
//! | access tokens (RFC 9068) | [`TokenIssuer`], [`TokenVerifier`], [`TrustedIssuer`], [`VerifiedToken`], [`Claims`], [`Scopes`], [`Profile`] |
//! | cached and revoked tokens | [`TokenCache`], [`Revocation`], [`Revocations`] |
//! | sessions: refresh tokens, log-out | [`SessionIssuer`], [`SessionStore`], [`session`] |
//! | API keys | [`ApiKeys`], [`ApiKeyStore`], [`api_key`] |
//! | keys | [`SigningKey`], [`VerifyingKey`], [`KeySet`], [`KeyRing`], [`Algorithm`] |
//! | publishing and fetching keys | [`JwksService`], and with the feature `remote` `RemoteKeys` |
//! | limits on attempts to log in | [`LoginGuard`], [`AttemptStore`], [`lockout`] |
//! | one-time tokens: resets, magic links, codes | [`OneTimeTokens`], [`one_time`] |
//! | passwords | [`PasswordPolicy`], [`PasswordHasher`], [`PasswordHash`], [`password`] |
//! | stores in memory: their size and their clock | [`InMemory`] |
//!
//! # Features
//!
//! | name | adds | default |
//! |---|---|---|
//! | `axum` | the extractor `axum::Authenticated` | no |
//! | `imported-hashes` | password hashes of other systems: bcrypt, PBKDF2, scrypt: `PasswordHash::parse_imported` | no |
//! | `redis` | what instances share on a Redis server: sessions and revocations (`session::redis`), API keys (`api_key::redis`), attempts (`lockout::redis`), one-time tokens (`one_time::redis`) | no |
//! | `smtp` | messages to users over SMTP, with the crate `lettre`: `one_time::smtp::SmtpDelivery` | no |
//! | `test` | tokens for the tests of a service: `test::TestIssuer` | no |
//! | `remote` | keys that are fetched over https from an issuer, or found through OpenID Connect Discovery: `remote::RemoteKeys` | no |
//!
//! The minimum supported Rust version is 1.95.

#[macro_use]
mod macros;

pub mod api_key;
#[cfg(feature = "axum")]
pub mod axum;
pub mod bearer;
mod config_error;
mod json;
pub mod jwks_endpoint;
mod key;
pub mod lockout;
mod network;
pub mod one_time;
pub mod password;
mod rate;
mod rejection;
#[cfg(feature = "remote")]
pub mod remote;
pub mod revocation;
mod scopes;
pub mod session;
mod shards;
mod store;
mod table;
#[cfg(any(test, feature = "test"))]
pub mod test;
mod token;

#[cfg(feature = "remote")]
pub use self::remote::{KeysState, RemoteKeys};
pub use self::{
    api_key::{ApiKeyStore, ApiKeys},
    bearer::{Attempt, Auth, AuthLayer, Authenticator, Credential, Require, RequireLayer},
    config_error::ConfigError,
    jwks_endpoint::JwksService,
    key::{
        Algorithm, IssuerKeys, KeyError, KeyErrorKind, KeyRing, KeySet, KeySetError, KeyState,
        Refreshed, SigningKey, SkippedKey, VerifyingKey,
    },
    lockout::{AttemptStore, LoginGuard},
    one_time::OneTimeTokens,
    password::{PasswordClient, PasswordError, PasswordHash, PasswordHasher, PasswordPolicy},
    rejection::AuthRejection,
    revocation::{Revocations, Revoked},
    scopes::{ParseScopesError, Scopes},
    session::{SessionIssuer, SessionStore},
    store::{InMemory, StoreError},
    token::{
        AskedStore, Claims, IssueError, IssuedToken, KeyIdRule, Need, NewToken, Profile,
        Revocation, RevocationPolicy, RevocationState, ScopeForm, SignedBytes, TokenCache,
        TokenIssuer, TokenIssuerBuilder, TokenSigner, TokenVerifier, TokenVerifierBuilder,
        TrustedIssuer, VerifiedToken, VerifyError, VerifyErrorKind,
    },
};
