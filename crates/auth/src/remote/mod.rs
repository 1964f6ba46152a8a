//! Keys of another issuer: fetched from it, and kept up to date.
//!
//! Protects a service from refusing every token when the issuer rotates its keys or cannot be
//! reached, and the issuer from a request for every token that names an unknown key.
//!
//! # Example
//! ```no_run
//! use hardpoint_auth::{
//!     AuthLayer, TokenVerifier,
//!     remote::{HttpFetch, RemoteKeys},
//! };
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let issuer = "https://example.eu.auth0.com/";
//! let keys = RemoteKeys::discovery(issuer, HttpFetch::new()?).start()?;
//! keys.warm().await?; // before the service reports that it is ready
//!
//! let verifier =
//!     TokenVerifier::builder().issuer(issuer, keys).audience("https://api.example").build()?;
//! let auth = AuthLayer::new(verifier);
//! # let _ = auth;
//! # Ok(())
//! # }
//! ```
//!
//! Without a network, with a [`Fetch`] that answers from memory: a token is accepted whose key was
//! published after the keys were fetched, and a token with an unknown key is refused.
//! ```
//! use bytes::Bytes;
//! use hardpoint_auth::{
//!     AuthLayer, KeySet, SigningKey, TokenIssuer, TokenVerifier,
//!     remote::{Fetch, Fetching, RemoteKeys},
//! };
//! use http::{Request, Response, StatusCode, header::AUTHORIZATION};
//! use http_body_util::Full;
//! use std::{convert::Infallible, sync::{Arc, Mutex}};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! struct Published(Arc<Mutex<KeySet>>);
//!
//! impl Fetch for Published {
//!     fn fetch(&self, _: Request<()>, _: usize) -> Fetching<'_> {
//!         let keys = self.0.lock().expect("no thread panics").to_jwks();
//!         Box::pin(async move { Ok(Response::new(keys.to_string().into())) })
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let issuer = "https://id.example";
//! let first = SigningKey::generate()?;
//! let published = Arc::new(Mutex::new(KeySet::new([first.verifying_key()])?));
//!
//! let keys = RemoteKeys::jwks("https://id.example/keys", Published(published.clone())).start()?;
//! keys.warm().await?;
//! let verifier = TokenVerifier::builder().issuer(issuer, keys).audience("api").build()?;
//! let service = AuthLayer::new(verifier).layer(service_fn(async |_: Request<()>| {
//!     Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
//! }));
//!
//! let call = async |key: SigningKey| {
//!     let minting = TokenIssuer::builder(key).issuer(issuer).audience("api").build()?;
//!     let header = format!("Bearer {}", minting.token("alice").sign()?.expose());
//!     let request = Request::builder().header(AUTHORIZATION, header).body(())?;
//!     let response = service.clone().oneshot(request).await?;
//!     Ok::<_, Box<dyn std::error::Error>>(response.status())
//! };
//! let second = SigningKey::generate()?;
//! *published.lock().expect("no thread panics") = KeySet::new([second.verifying_key()])?;
//! assert_eq!(call(second).await?, StatusCode::OK);
//! assert_eq!(call(SigningKey::generate()?).await?, StatusCode::UNAUTHORIZED);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Semantics
//! 1. Keys are fetched when [`start`](RemoteKeysBuilder::start) is called, and again at 70 to 80 % of
//!    the response's `max-age` less its `Age`: after at least five minutes and at most a day, and
//!    after an hour if the server sends neither. The random part keeps replicas apart.
//! 2. A failed fetch is repeated after half a second to one second, then after twice that, up to a
//!    minute. Meanwhile the keys are used: [`Fresh`](KeysState::Fresh) for as long as the server
//!    allows, then [`Stale`](KeysState::Stale) for [a day](RemoteKeysBuilder::stale_if_error), then
//!    [`Expired`](KeysState::Expired) and dropped.
//! 3. Requests are conditional: they carry the `ETag` of the held keys (of at most 256 bytes), or
//!    their `Last-Modified`. A 304 keeps the keys and renews their freshness. Once a day the keys are
//!    fetched unconditionally, so a server that is wrong about changes keeps no key alive.
//! 4. The published set decides: a key that disappears is refused at once, since the issuer may have
//!    withdrawn it. If the issuer was rolled back, or its replicas disagree, the key is found again
//!    like any unknown key, within a minute of its return.
//! 5. Unusable keys are skipped, and [reported](RemoteKeys::skipped) one by one. A response without a usable key, of more than 256 KiB or of more
//!    than 100 keys is a failure, and the previous keys stay.
//! 6. A token that names an unknown key causes one fetch, however many such tokens come: see
//!    [`refresh_for_unknown_key_id`](RemoteKeys::refresh_for_unknown_key_id). A verifier does so if
//!    the token names this issuer. The id is compared in this process and never sent. It counts as
//!    unknown for a minute if a fetch that began after the question did not bring it.
//! 7. If the issuer cannot be asked, an [`AuthLayer`](crate::AuthLayer) answers 503
//!    `keys_unavailable` with `Retry-After`: the token may be good. To a network of clients that has
//!    caused its share of fetches it answers 429 `too_many_key_ids`.
//! 8. Only https is fetched, unless [`insecure_http`](RemoteKeysBuilder::insecure_http) is called;
//!    redirects are not followed; and a discovery document must name exactly the issuer.
//! 9. The [observer](RemoteKeysBuilder::telemetry) and the log learn when keys come or go, when their
//!    state changes, when a key cannot be used, and when a fetch fails: by the set's
//!    [name](RemoteKeysBuilder::name), never with a URL. Only the report of an unusable key has its id.
//!
//! # Several issuers
//! Each has its own [`RemoteKeys`]; one [`TokenVerifier`](crate::TokenVerifier) trusts all of them. A
//! key of one issuer never verifies the tokens of another.
//!
//! # Microsoft Entra
//! For one tenant, `https://login.microsoftonline.com/<tenant>/v2.0` is an issuer like any other. For
//! several, use [`RemoteKeys::entra`] with the issuer
//! `https://login.microsoftonline.com/common/v2.0`, and trust them with
//! [`TrustedIssuer::template`](crate::TrustedIssuer::template). A key that names one tenant verifies
//! only its tokens.
//!
//! # Sharing
//! Clones of a [`RemoteKeys`] and receivers made from it share one set and one task. Each process
//! fetches for itself.
//!
//! # Cancellation
//! Dropping a future that waits for a key changes nothing: the task fetches. The task ends when
//! neither a handle nor a receiver is left.
//!
//! # Deployment caveats
//! The system resolves names, and addresses are not filtered: the issuer is identified by its
//! certificate. A discovery document cannot point to a bare address or to `localhost` unless it came
//! from there. An egress proxy needs a [`Fetch`] of its own. Health checks should call
//! [`state`](RemoteKeys::state): stale keys are a warning, expired ones an outage.

mod bucket;
mod builder;
mod discovery;
mod fetch;
mod freshness;
mod http_fetch;
mod keys;
mod location;
mod machine;
mod notices;
mod round;
mod task;
mod validator;

pub use self::{
    builder::RemoteKeysBuilder,
    fetch::{Fetch, FetchError, Fetching, RefreshError, RefreshErrorKind},
    http_fetch::HttpFetch,
    keys::RemoteKeys,
    machine::KeysState,
};
pub use crate::key::Refreshed;
