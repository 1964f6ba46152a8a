//! API keys: long-lived credentials of programs, which their owners issue, rotate and end.
//!
//! A leaked key works until someone notices. So a key is recognizable to scanners of source code, ends by
//! itself, has only the scopes that its owner gave it, and can be replaced without an interruption. A
//! reader of the store cannot use it, and made-up keys do not reach the store in numbers.
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
//!    256 random bits (43), and a CRC-32 of all before it (6). The regular expression
//!    `acme_live_[0-9A-Za-z]{65}` finds the keys of a service in source code, and the checksum confirms
//!    them. A key with a wrong character is refused without a look-up.
//! 2. The store keeps the SHA-256 digest of the text, which is compared in constant time. A slow hash
//!    would add nothing to 256 random bits.
//! 3. A key is sent in the header field `x-api-key`, or in `Authorization` with the scheme `ApiKey`. The
//!    caller becomes the [`Identity`](hardpoint_core::Identity) of the key's owner with the scopes of
//!    the key, and [`ApiKeyRecord::from_identity`] returns the key.
//! 4. A key that is malformed, unknown, wrong, ended or expired is 401 `invalid_api_key`, and the client
//!    does not learn why.
//! 5. A store in memory is asked for each request. The answers of a remote one are copied: a request is
//!    decided by a copy that is younger than [`fresh_for`](ApiKeysBuilder::fresh_for), and a key in use is
//!    asked for in advance, so that its requests do not wait. Requests that need the same key at the same
//!    time share one question.
//! 6. While a remote store does not answer, copies are used for another
//!    [`stale_if_error`](ApiKeysBuilder::stale_if_error). A key without a copy gets 503 with
//!    `Retry-After`.
//! 7. A network of clients that presents many unknown keys gets 429 for keys that have no copy. At most 64
//!    questions wait for the store; beyond that, a key without a copy gets 503.
//! 8. An ended key is refused at once by the instance that ended it, and by the others within
//!    [`fresh_for`](ApiKeysBuilder::fresh_for). Expiry needs no question.
//!
//! # Rotation
//! [`ApiKeys::rotate`] makes a second key with the same name, scopes and lifetime, and lets the former
//! one end after an overlap. Nothing else is replaced: no root secret is involved, so that rotating one
//! ends no key.
//!
//! # Sharing
//! All clones of [`ApiKeys`] share their copies; all clones of an [`ApiKeyStore`] share the keys. With
//! [`ApiKeyStore::memory`] they belong to this process and end with it. With the feature `redis`,
//! instances share them on a server: `api_key::redis`. A table of the application's database is a
//! [`RemoteApiKeys`].
//!
//! # Cancellation
//! A task asks the store, so the answer also serves others if the client that needed it leaves. Outside
//! of a tokio runtime no remote store is asked: 503.
//!
//! # Deployment caveats
//! - A key acts for its owner. Let routes that change an account or issue keys require a token
//!   ([`RequireLayer::method`](crate::RequireLayer::method)), or a leaked key can make others.
//! - Put a limit by address outside of the layer, and one by subject inside.
//! - Behind a network without an address, as in a hyper loop without
//!   [`Peer`](hardpoint_core::Peer), unknown keys are not counted.

mod builder;
mod copy;
mod error;
mod keys;
mod lookup;
mod memory;
mod new;
mod record;
#[cfg(feature = "redis")]
pub mod redis;
mod store;
mod text;

pub use self::{
    builder::ApiKeysBuilder,
    error::ApiKeyError,
    keys::ApiKeys,
    new::{IssuedApiKey, NewApiKey},
    record::{ApiKeyOwner, ApiKeyRecord},
    store::{ApiKeyStore, Placed, PutApiKey, RemoteApiKeys},
    text::{ApiKeyId, ParseApiKeyIdError},
};
pub use crate::{rate::Rate, store::BoxFuture};
