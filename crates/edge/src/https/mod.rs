//! Sends clients that use plain HTTP to https.
//!
//! Protects users whose first request, or an old link, goes over plain HTTP, and reveals programs that
//! send credentials over it.
//!
//! ```
//! use hardpoint_core::{ClientResolver, Family, Peer, TrustedProxies};
//! use hardpoint_edge::{ClientLayer, HttpsLayer};
//! use http::{Request, Response, StatusCode};
//! use http_body_util::Full;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let inner = service_fn(async |_: Request<()>| {
//!     Ok::<_, std::convert::Infallible>(Response::new(Full::from("fine")))
//! });
//! let proxies = TrustedProxies::new(["10.0.0.0/8"])?;
//! let client = ClientLayer::new(ClientResolver::new(proxies, Family::XForwarded));
//! let service = client.layer(HttpsLayer::new(["api.example"])?.layer(inner));
//!
//! // As a proxy that terminates TLS passes a request on.
//! let request = |scheme: &str| {
//!     Request::get("/notes?page=2")
//!         .header("host", "api.example")
//!         .header("x-forwarded-proto", scheme)
//!         .extension(Peer::new(([10, 0, 0, 1], 9).into()))
//!         .body(())
//! };
//! let accepted = service.clone().oneshot(request("https")?).await?;
//! assert_eq!(accepted.status(), StatusCode::OK);
//!
//! let redirected = service.oneshot(request("http")?).await?;
//! assert_eq!(redirected.status(), StatusCode::PERMANENT_REDIRECT);
//! assert_eq!(redirected.headers()["location"], "https://api.example/notes?page=2");
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. A request passes if its client used https, or if the client's scheme is not known: no trusted
//!    proxy sent one, and the resolver has no
//!    [`direct_scheme`](hardpoint_core::ClientResolver::direct_scheme). So a proxy that does not report
//!    the scheme causes no loop.
//! 2. A `GET` or `HEAD` for a listed host is answered with 308 and the same path and query at
//!    `https://`, without a port. Caches must not store the answer (`Cache-Control: no-store`).
//! 3. Every other request is refused with 403 `https_required`: one with another method, whose body
//!    would be sent twice; one for a host that is not listed, since a redirect to any host that a client
//!    names helps phishing; and one with a credential in `Authorization`, `Proxy-Authorization`,
//!    `X-Api-Key` or an [added field](HttpsLayer::add_credential), which everyone on the way could read. A redirect would hide that from the program's
//!    authors.
//!
//! # Sharing
//! The layer has no state but its list of hosts.
//!
//! # Cancellation
//! The decision is made within `call`; the future is the inner service's.
//!
//! # Deployment caveats
//! - Without a [`ClientLayer`](crate::ClientLayer) outside of it, no scheme is known, and every request
//!   passes.
//! - Of several proxies, one that overwrites the scheme of an outer one with `http` causes a redirect
//!   loop. Let the outermost proxy's value arrive.
//! - The layer does not protect the request that it answers: it has already been sent. Let
//!   [`SecurityHeadersLayer`](crate::SecurityHeadersLayer) send `Strict-Transport-Security`, so that browsers
//!   do not use plain HTTP again.
//! - A credential in a query is not recognized.
//! - A redirected challenge of ACME (`http-01`) needs a listener on port 443; otherwise answer it in the
//!   proxy.
//! - Scripts of other origins see a network error, since the layer is outside CORS.
//!
//! # Where to put this layer
//! Inside [`ClientLayer`](crate::ClientLayer) and the layers that record requests and add security
//! headers; outside everything else. Outside CORS, because a preflight over plain HTTP must fail: else the
//! browser would send the request with its credential.

mod error;
mod layer;
mod location;
mod service;

pub use self::{error::ConfigError, layer::HttpsLayer, service::RequireHttps};
