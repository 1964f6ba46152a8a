//! One-time tokens: password resets, magic links, verified addresses, and codes.
//!
//! A link in a mail is a temporary password. It must work once, for one purpose and one state of
//! its subject, expire soon, and be useless to a reader of the store. It must lead to the service's
//! own address, and requesting one must not reveal who has an account.
//!
//! ```
//! use hardpoint_auth::{
//!     one_time::{NewOneTimeToken, OneTimeTokens, Purpose, TokenStore},
//!     session::RootSecret,
//! };
//! use hardpoint_core::Secret;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let root = RootSecret::new(Secret::from(&[7; 32][..]))?; // HARDPOINT_ROOT_SECRET
//! let tokens = OneTimeTokens::builder(TokenStore::memory(), &root).build();
//!
//! // Requested: counted before anyone is looked up. Then, off the path of the request (`Courier`):
//! tokens.admit(Purpose::PasswordReset, "alice@example.org", None).await?;
//! let state = b"a fingerprint of the password's hash";
//! let new = NewOneTimeToken::new(Purpose::PasswordReset, "account 7").state(state);
//! let token = tokens.issue(new).await?;
//!
//! // Confirmed, by POST: what may fail comes first, and then the token is consumed.
//! let found = tokens.find(Purpose::PasswordReset, token.expose()).await?;
//! assert_eq!(found.subject(), "account 7");
//! found.consume(state).await?;
//!
//! // It works once.
//! assert!(tokens.find(Purpose::PasswordReset, token.expose()).await.is_err());
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. A token is 256 random bits. The store keeps a hash of these bits and a proof keyed with them.
//! 2. A token is bound to its [`Purpose`], to its subject, and to a state that the application
//!    names. Presenting it for another state voids it.
//! 3. Each purpose and subject has one slot: the newest token replaces all others.
//! 4. Of any number of concurrent [`consume`](FoundToken::consume) calls with a token, exactly one
//!    succeeds.
//! 5. A code is short, so it is authenticated with a key that the store does not have, and five
//!    wrong tries void it.
//! 6. Requests are counted for each recipient, known or not, and for each network.
//! 7. All refusals of tokens have the same text.
//! 8. Links lead to the configured [`LinkBase`]. Messages are prepared and delivered by a [`Courier`],
//!    off the path of requests.
//!
//! # Sharing
//! All clones of [`OneTimeTokens`] and of a [`TokenStore`] share the tokens. With
//! [`TokenStore::memory`] they belong to this process and end with it. With the feature `redis`
//! instances share them on a server: `one_time::redis`.
//!
//! # Cancellation
//! A command is submitted to the store before anything is awaited. If the future of a `consume` is
//! dropped, the token may or may not have been consumed.
//!
//! # Deployment caveats
//! - While the store does not answer, no token is made or consumed: 503.
//! - After a reset, end the subject's sessions
//!   ([`SessionIssuer::revoke_all`](crate::SessionIssuer::revoke_all)) and unlock the account
//!   ([`LoginGuard::unlock`](crate::LoginGuard::unlock)).
//! - A new root secret voids codes unless the earlier one is kept as a previous one; links survive.

mod courier;
mod delivery;
mod error;
mod link;
mod memory;
mod purpose;
mod record;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "smtp")]
pub mod smtp;
mod store;
mod token;
mod tokens;

pub use self::{
    courier::{Courier, CourierBuilder},
    delivery::{ConsoleDelivery, Delivery, DeliveryError, DeliveryFuture, Message},
    error::OneTimeError,
    link::LinkBase,
    purpose::Purpose,
    record::TokenRecord,
    store::{Found, Put, RemoteTokens, Request, Slot, Taken, TokenStore},
    tokens::{FoundToken, NewOneTimeToken, OneTimeTokens, OneTimeTokensBuilder},
};
pub use crate::rate::Rate;
