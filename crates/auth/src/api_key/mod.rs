//! API keys: long-lived credentials for programs, issued, rotated and revoked by their owners.
//!
//! A leaked key works until someone notices. Therefore a key can be recognized by secret scanners,
//! expires by default, has only the scopes that its owner granted, and can be rotated without downtime.
//! A reader of the store cannot use it, and invented keys reach the store only in bounded numbers.
//!
//! # Example
//! ```
//! use hardpoint_auth::{
//!     AuthLayer, Scopes,
//!     api_key::{ApiKeyOwner, ApiKeyStore, ApiKeys, NewApiKey},
//! };
//! use http::{Request, Response, StatusCode};
//! use http_body_util::Empty;
//! use std::convert::Infallible;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! const READ: Scopes = Scopes::from_static("notes:read");
//!
//! let keys = ApiKeys::builder("acme_live", ApiKeyStore::memory()).build()?;
//! let owner = ApiKeyOwner::new("alice");
//! let issued = keys.issue(NewApiKey::new(owner).name("backup").scopes(&READ)).await?;
//!
//! let service = AuthLayer::new(keys.clone()).layer(service_fn(async |_: Request<()>| {
//!     Ok::<_, Infallible>(Response::new(Empty::<bytes::Bytes>::new()))
//! }));
//! let call = async |key: &str| {
//!     let request = Request::builder().header("x-api-key", key).body(()).expect("a request");
//!     let Ok(response) = service.clone().oneshot(request).await;
//!     response.status()
//! };
//! assert_eq!(call(issued.text.expose()).await, StatusCode::OK); // acme_live_ and 65 characters
//! assert_eq!(call("acme_live_forged").await, StatusCode::UNAUTHORIZED);
//!
//! keys.revoke(owner, issued.id).await?;
//! assert_eq!(call(issued.text.expose()).await, StatusCode::UNAUTHORIZED);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Semantics
//! 1. A key is its service's prefix, an underscore, and 65 letters and digits: an id (16), a secret of
//!    256 random bits (43), and a CRC-32 of everything before it (6). The regular expression
//!    `acme_live_[0-9A-Za-z]{65}` finds the keys of a service in source code, and the checksum confirms
//!    them. A key with a wrong character is refused without a lookup.
//! 2. The store keeps the SHA-256 digest of the text, which is compared in constant time. A slow hash
//!    would add nothing to 256 random bits.
//! 3. A key is sent in the header field `x-api-key`, or in `Authorization` with the scheme `ApiKey`. The
//!    request gets the [`Identity`](hardpoint_core::Identity) of the key's owner with the key's scopes;
//!    [`ApiKeyRecord::from_identity`] returns the record.
//! 4. A malformed, unknown, revoked or expired key, or one with a wrong secret, is refused with 401
//!    `invalid_api_key`; the response does not reveal the reason. A credential without the prefix is
//!    passed to the next authenticator; if none accepts it, the response is 401 `invalid_token`.
//! 5. A store in memory is read on every request. Answers from a remote store are cached for
//!    [`fresh_for`](ApiKeysBuilder::fresh_for). The entry of a key in use is refreshed before it expires,
//!    so that requests do not wait unless the store takes longer than half of this time. Concurrent
//!    requests with the same key share one lookup.
//! 6. A lookup fails after 5 seconds. While lookups fail, cached keys remain valid for another
//!    [`stale_if_error`](ApiKeysBuilder::stale_if_error), and each is retried once a second. A key that is
//!    not cached gets 503 with `Retry-After`.
//! 7. A client network that presents too many unknown keys gets 429 for keys that are not cached. At most
//!    64 lookups of other keys are in flight; beyond that the response is 503. Of cached keys 64 lookups
//!    run at a time, and further ones wait for their turn.
//! 8. The instance that revokes a key refuses it at once. Other instances refuse it after at most
//!    [`fresh_for`](ApiKeysBuilder::fresh_for). If the store does not answer when the key is next used,
//!    they may accept it until their cached answer is `fresh_for` and `stale_if_error` old. Expiry needs
//!    no lookup.
//!
//! # Rotation
//! [`ApiKeys::rotate`] issues a second key with the same name, scopes and lifetime, and lets the old one
//! expire after an overlap. Both happen in one step of the store. Other instances that have the old key
//! cached learn of it as of a revocation. Keys do not depend on a root secret, so
//! rotating a root secret does not invalidate them.
//!
//! # Sharing
//! All clones of [`ApiKeys`] share their cache; all clones of an [`ApiKeyStore`] share the keys. With
//! [`ApiKeyStore::memory`] they belong to this process and end with it. With the feature `redis`,
//! instances share them on a server: `api_key::redis`. A table of the application's database is a
//! [`RemoteApiKeys`].
//!
//! # Cancellation
//! A lookup runs in its own task, so it completes for the other waiters when one client disconnects.
//! Without a tokio runtime with timers the answer is 503.
//!
//! # Deployment caveats
//! - A key acts for its owner. Require a token on routes that change the account or issue keys
//!   ([`RequireLayer::auth_method`](crate::RequireLayer::auth_method)); otherwise a leaked key can issue
//!   more.
//! - Keys survive a change of the password. If it was stolen, call [`ApiKeys::revoke_all`].
//! - Put a limit by address outside of the layer, and one by subject inside.
//! - The host's calendar decides when a cached key expires, and the store's clock when the key does. Keep
//!   both synchronized.
//! - In a hyper loop without [`Peer`](hardpoint_core::Peer), the client's network is not known, and unknown
//!   keys are not counted.
//! - If a gateway uses the field `x-api-key` for keys of its own, set another
//!   [`header`](ApiKeysBuilder::header).

mod builder;
mod cached;
mod error;
mod issue;
mod keys;
mod lookup;
mod memory;
mod networks;
mod record;
#[cfg(feature = "redis")]
pub mod redis;
mod store;
mod text;

pub use self::{
    builder::ApiKeysBuilder,
    error::ApiKeyError,
    issue::{IssuedApiKey, NewApiKey},
    keys::ApiKeys,
    record::{ApiKeyOwner, ApiKeyRecord},
    store::{ApiKeyStore, Placed, PutApiKey, RemoteApiKeys, Replaced},
    text::{ApiKeyId, ParseApiKeyIdError},
};
pub use crate::{rate::Rate, store::BoxFuture};
