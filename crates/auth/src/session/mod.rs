//! Sessions: refresh tokens that rotate, log-out, and the detection of stolen tokens.
//!
//! An access token cannot be taken back, so it lives for minutes, and a *refresh token* gets the
//! next one. A stolen refresh token would be as good as the password. So each refresh replaces it,
//! and the first use of a replaced token ends the session: either the owner or a thief used a copy.
//!
//! ```
//! use hardpoint_auth::{
//!     KeySet, SessionIssuer, SessionStore, SigningKey, TokenIssuer, TokenVerifier,
//!     session::{Grant, RootSecret, SessionClient, SessionError},
//! };
//! use hardpoint_core::Secret;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = SigningKey::generate()?;
//! let keys = KeySet::new([key.verifying_key()])?;
//! let tokens = TokenIssuer::builder(key).issuer("https://id.example").audience("api").build()?;
//! let root = RootSecret::new(Secret::from(&[7; 32][..]))?; // HARDPOINT_ROOT_SECRET
//! let store = SessionStore::memory();
//! let verifier = TokenVerifier::builder()
//!     .issuer("https://id.example", keys)
//!     .audience("api")
//!     .revocation(store.revocations())
//!     .build()?;
//! # let no_grace = std::time::Duration::ZERO;
//! let sessions = SessionIssuer::builder(tokens, &root, store).grace(no_grace).build()?;
//!
//! // After the password was checked:
//! let grant = Grant::new().scopes(["notes:read"]);
//! let first = sessions.log_in("alice").grant(grant).open().await?;
//! assert!(verifier.verify(first.access_token()).is_ok());
//!
//! // Each refresh asks the application what the subject may do now.
//! let client = SessionClient::new();
//! let grant = async |_session| Ok(Grant::new());
//! let second = sessions.refresh(first.refresh_token(), &client, grant).await?;
//! assert!(verifier.verify(second.access_token()).is_ok());
//!
//! // A copy of the first refresh token appears: the session ends, and its access tokens.
//! let reused = sessions.refresh(first.refresh_token(), &client, grant).await;
//! assert!(matches!(reused, Err(SessionError::Reused(_))));
//! assert!(verifier.verify(second.access_token()).is_err());
//! assert!(sessions.refresh(second.refresh_token(), &client, grant).await.is_err());
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. A log-in opens a session: a family of refresh tokens, numbered by generation. Exactly one
//!    generation is current. Presenting it makes the next one.
//! 2. Presenting the previous generation within the [`grace`](SessionIssuerBuilder::grace) returns
//!    the same successor again, so tabs that refresh at once and clients that lost a response stay
//!    logged in. A retry does not extend the grace.
//! 3. Presenting any other earlier generation is *reuse*: the session ends, its access tokens are
//!    refused from then on, and one
//!    [`SessionReused`](hardpoint_core::event::SessionReused) event is reported. Only authentic
//!    tokens can cause it, so an attacker cannot end a session by guessing.
//! 4. An authentic token that is *newer* than the store's state shows that the store lost a
//!    rotation. It is refused and reported, and is not taken for theft.
//! 5. A session ends after its [`idle`](SessionIssuerBuilder::idle) time without a refresh, and
//!    after its [`absolute`](SessionIssuerBuilder::absolute) lifetime in any case.
//! 6. Scopes never grow within a session. The application decides claims and scopes again at each
//!    refresh.
//! 7. Access tokens carry `sid`, the subject's `epoch` and `auth_time`, so
//!    [`Revocations`](crate::Revocations) refuses those of a session that ended, and
//!    [`RequireLayer::fresh`](crate::RequireLayer::fresh) works.
//!
//! # Keys and tokens at rest
//! A refresh token is authenticated by an HMAC under a key that is derived from a [`RootSecret`], so
//! garbage is refused without asking the store. The store keeps a digest of 128 random bits that
//! only tokens contain. Neither the store nor the key forges a token, not even both together. A
//! thief of the key who also has any one token of a session, even a used one, can forge that
//! session's tokens: answer a leaked root secret by replacing it without keeping it as a previous
//! one.
//!
//! # Sharing
//! All clones of a [`SessionIssuer`] and of a [`SessionStore`] share the sessions. With
//! [`SessionStore::memory`] they belong to this process and end with it. With the feature `redis`
//! instances share them on a server: `session::redis`.
//!
//! # Cancellation
//! A command is submitted to the store before anything is awaited. If the future of a refresh is
//! dropped, the token was rotated or it was not; the client retries with the token that it has and
//! gets the same successor within the grace.
//!
//! # Deployment caveats
//! - A thief who presents a token within the grace of *every* refresh of its owner stays
//!   unnoticed. A grace of 0 excludes that, at the price of log-outs after lost responses.
//! - All instances need the same root secret and the same store.
//! - A calendar that is set back extends neither a grace nor a session.
//! - Log-out is not a part of a token's expiry: a service that verifies tokens without asking
//!   [`Revocations`](crate::Revocations) accepts them until they expire.
//!
//! `docs/sessions.md` has the state diagram, and what each setting trades.

mod builder;
mod client;
mod error;
mod family;
mod grant;
mod id;
mod info;
mod issuer;
mod log_in;
#[cfg(feature = "redis")]
pub mod redis;
mod refresh_token;
pub(crate) mod root;
mod store;
mod tokens;

pub use self::{
    builder::SessionIssuerBuilder,
    client::SessionClient,
    error::SessionError,
    family::{AfterGrace, FamilyState, Rotation, Transition},
    grant::{Grant, GrantError},
    id::{ParseSessionIdError, SessionId},
    info::{Reuse, Session},
    issuer::SessionIssuer,
    log_in::LogIn,
    root::{RootSecret, RootSecretError},
    store::{
        Accepted, BoxFuture, FamilyStore, Opened, Opening, Presentation, Presented, Revoke,
        SessionStore, StoreError, Which,
    },
    tokens::{Rotated, SessionTokens},
};
