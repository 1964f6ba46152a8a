//! Keys of somebody else's tokens: fetched from the issuer, and kept up to date.
//!
//! Protects a service from refusing everybody when the issuer changes its keys or cannot be reached,
//! and the issuer from being asked for every token that names a key which does not exist.
//!
//! # Example
//! ```no_run
//! use hardpoint_auth::{
//!     AuthLayer, TokenVerifier,
//!     remote::{HttpFetch, KeyRefreshLayer, RemoteKeys},
//! };
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let issuer = "https://example.eu.auth0.com/";
//! let keys = RemoteKeys::discovery(issuer, HttpFetch::new()?).start()?;
//! keys.warm().await?; // before the service says that it is ready
//!
//! let verifier = TokenVerifier::watching(keys.watch(), issuer, "https://api.example");
//! // Router::new().route(..).layer(auth).layer(refresh): the refresh is outside.
//! let auth = AuthLayer::new(verifier);
//! let refresh = KeyRefreshLayer::new(issuer, keys);
//! # let _ = (auth, refresh);
//! # Ok(())
//! # }
//! ```
//!
//! Without a network, with a [`Fetch`] that answers by itself: a token is accepted whose key was
//! published after the keys were fetched, and one is refused whose key nobody knows.
//! ```
//! use bytes::Bytes;
//! use hardpoint_auth::{
//!     AuthLayer, KeySet, SigningKey, TokenIssuer, TokenVerifier,
//!     remote::{Fetch, FetchError, KeyRefreshLayer, RemoteKeys},
//! };
//! use http::{Request, Response, StatusCode, header::AUTHORIZATION};
//! use http_body_util::Full;
//! use std::{convert::Infallible, sync::{Arc, Mutex}};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! struct Published(Arc<Mutex<KeySet>>);
//!
//! impl Fetch for Published {
//!     async fn fetch(&self, _: Request<()>, _: usize) -> Result<Response<Bytes>, FetchError> {
//!         let keys = self.0.lock().expect("nobody panics").to_jwks();
//!         Ok(Response::new(keys.to_string().into()))
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let (issuer, audience) = ("https://id.example", "api");
//! let first = SigningKey::generate()?;
//! let published = Arc::new(Mutex::new(KeySet::new([first.verifying_key()])?));
//!
//! let keys = RemoteKeys::jwks("https://id.example/keys", Published(published.clone())).start()?;
//! keys.warm().await?;
//! let verifier = TokenVerifier::watching(keys.watch(), issuer, audience);
//! let layers = (KeyRefreshLayer::new(issuer, keys), AuthLayer::new(verifier));
//! let service = layers.layer(service_fn(async |_: Request<()>| {
//!     Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
//! }));
//!
//! let call = async |key: SigningKey| {
//!     let token = TokenIssuer::new(key, issuer, audience).issue("alice", &"".parse()?)?;
//!     let header = format!("Bearer {}", token.expose());
//!     let request = Request::builder().header(AUTHORIZATION, header).body(())?;
//!     let response = service.clone().oneshot(request).await?;
//!     Ok::<_, Box<dyn std::error::Error>>(response.status())
//! };
//! let second = SigningKey::generate()?;
//! *published.lock().expect("nobody panics") = KeySet::new([second.verifying_key()])?;
//! assert_eq!(call(second).await?, StatusCode::OK);
//! assert_eq!(call(SigningKey::generate()?).await?, StatusCode::UNAUTHORIZED);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Semantics
//! 1. Keys are fetched when [`start`](RemoteKeysBuilder::start) is called, and again at 70 to 80 % of
//!    the answer's `max-age`, less its `Age`: at least five minutes, at most a day, and an hour if the
//!    server says nothing. The part that is random keeps replicas apart.
//! 2. A fetch that fails is repeated after half a second to one, twice that, and so on up to a minute.
//!    The keys are used on meanwhile: [`Fresh`](KeysState::Fresh) as long as the server said, then
//!    [`Stale`](KeysState::Stale) for [a day](RemoteKeysBuilder::stale_if_error), then
//!    [`Expired`](KeysState::Expired) and let go.
//! 3. Only keys that have changed are sent again: the server is told the `ETag` of those that are held
//!    (of at most 256 bytes), or when they were changed last. Its 304 is as good as the keys, and says
//!    anew how long they are fresh. Once a day they are fetched whole, so that a server which is wrong
//!    about what has changed keeps no key alive.
//! 4. What the issuer publishes now is what counts: a key that is gone is refused at once, since it may
//!    have been withdrawn. If the issuer was rolled back, or its replicas do not agree, the key is found
//!    again like any that is unknown, within a minute of its being back.
//! 5. A key that cannot be used is skipped and the others are taken. An answer without any usable key,
//!    of more than 256 KiB or of more than 100 keys counts as a failure: the keys before it stay.
//! 6. A token that names a key which is not held causes one fetch, however many such tokens come: see
//!    [`refresh_for_unknown_key_id`](RemoteKeys::refresh_for_unknown_key_id). [`KeyRefreshLayer`] does
//!    so for requests. The key's id is compared here, and never sent. It counts as missing for a
//!    minute if a fetch that began after the question did not bring it.
//! 7. If the issuer cannot be asked, the layer answers 503 `keys_unavailable` with `Retry-After`: the
//!    token may be good. What is known to be bad stays the verifier's 401.
//! 8. Only https is fetched unless [`insecure_http`](RemoteKeysBuilder::insecure_http) is said,
//!    redirects are not followed, and a discovery document must name exactly the issuer.
//! 9. An [observer](RemoteKeysBuilder::with_observer) and the log are told when keys come or go, when
//!    their state changes, and when a fetch fails: by the set's
//!    [name](RemoteKeysBuilder::name), never with a key, an id or a URL.
//!
//! # Several issuers
//! Each has its own [`RemoteKeys`] and its own verifier: a key of one never vouches for another. An
//! [`AuthByIssuerLayer`] holds an `AuthLayer` for each, and takes the one whose issuer the token
//! claims; [`TokenVerifiers`] does the same for verifiers, outside of requests.
//!
//! # Microsoft Entra
//! For one tenant, `https://login.microsoftonline.com/<tenant>/v2.0` is an issuer like any other. For
//! several, start with the issuer `https://login.microsoftonline.com/common/v2.0` and
//! [`entra_template`](RemoteKeysBuilder::entra_template), and give [`AuthByIssuerLayer`] one layer for
//! each tenant that is let in, with that tenant's issuer, all on the same keys.
//!
//! # Sharing
//! Clones of a [`RemoteKeys`] and receivers made from it share one set and one task. Each process
//! fetches for itself.
//!
//! # Cancellation
//! Who waits for a key and goes away changes nothing: the fetch is the task's. The task ends when
//! there is neither a handle nor a receiver.
//!
//! # Deployment caveats
//! Names are resolved by the system, and addresses are not filtered: who answers for the issuer's name
//! is known by its certificate. A discovery document cannot point to a bare address or to `localhost`
//! unless it came from there. An egress proxy needs a [`Fetch`] of its own. Health checks should call
//! [`state`](RemoteKeys::state): stale keys are a warning, expired ones an outage.
//!
//! # Where to put this layer
//! Directly outside the [`AuthLayer`](crate::AuthLayer), and inside a limit by address.

mod bucket;
mod builder;
mod by_issuer;
mod carried;
mod discovery;
mod entra;
mod error;
mod fetch;
mod freshness;
mod http_fetch;
mod keys;
mod layer;
mod location;
mod machine;
mod notices;
mod peek;
mod rejection;
mod round;
mod service;
mod state;
mod task;
mod validator;
mod verifiers;

pub use self::{
    builder::RemoteKeysBuilder,
    by_issuer::{AuthByIssuer, AuthByIssuerLayer},
    error::{RefreshError, RefreshErrorKind, RemoteKeysError},
    fetch::{Fetch, FetchError},
    http_fetch::{HttpFetch, HttpFetchError},
    keys::{Refreshed, RemoteKeys},
    layer::KeyRefreshLayer,
    rejection::KeysUnavailable,
    service::{KeyRefresh, RefreshFuture},
    state::KeysState,
    verifiers::TokenVerifiers,
};
