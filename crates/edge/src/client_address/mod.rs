//! Who is calling: the client's address, scheme and host, found once for all layers.
//!
//! Protects against clients that choose the address they are counted, logged or allowed under, by
//! sending the headers that only a proxy should write. Every layer and handler inside reads the one
//! answer from the [`RequestContext`](hardpoint_core::RequestContext).
//!
//! ```
//! use hardpoint_core::{ClientResolver, Family, Peer, RequestContext, TrustedProxies};
//! use hardpoint_edge::ClientLayer;
//! use http::{Request, Response};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let inner = service_fn(|request: Request<()>| async move {
//!     let context = RequestContext::find(request.extensions());
//!     let ip = context.and_then(|context| context.client()?.ip());
//!     Ok::<_, std::convert::Infallible>(Response::new((ip, request.headers().len())))
//! });
//! let proxies = TrustedProxies::new(["10.0.0.0/8"])?;
//! let layer = ClientLayer::new(ClientResolver::new(proxies, Family::XForwarded));
//! let from = |peer: &str| {
//!     let mut request = Request::get("/").header("x-forwarded-for", "203.0.113.9").body(())?;
//!     request.extensions_mut().insert(Peer::new(peer.parse()?));
//!     Ok::<_, Box<dyn std::error::Error>>(request)
//! };
//!
//! // Our proxy says who the client is.
//! let response = layer.layer(inner).oneshot(from("10.0.0.1:4711")?).await?;
//! assert_eq!(response.body(), &(Some("203.0.113.9".parse()?), 1));
//!
//! // A stranger says so too: it is not believed, and the header goes no further.
//! let response = layer.layer(inner).oneshot(from("198.51.100.7:4711")?).await?;
//! assert_eq!(response.body(), &(Some("198.51.100.7".parse()?), 0));
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. The peer is the request's [`Peer`](hardpoint_core::Peer) extension; with the feature `axum`
//!    also axum's `ConnectInfo<SocketAddr>`, or the `MockConnectInfo` of a test.
//! 2. What the headers say is judged by the [`ClientResolver`](hardpoint_core::ClientResolver): see
//!    there for the rules.
//! 3. A request that no header names the host of, as is usual in HTTP/2, has the host of its
//!    target.
//! 4. The result is put into the request's context, which is made if no layer has made it. A client
//!    that a layer further out has set stays.
//! 5. Forwarding headers that nobody vouches for are removed, so that nothing inside can be fooled
//!    by them. From a peer that is no trusted proxy those are `Forwarded`, every header whose name
//!    starts with `X-Forwarded-`, and `X-Real-IP`, `X-Client-IP`, `X-Cluster-Client-IP`,
//!    `X-Original-Forwarded-For`, `True-Client-IP` and `CF-Connecting-IP`. From a trusted proxy it is
//!    the family that is not read: `Forwarded`; or `X-Forwarded-For`, `-Host`, `-Port`, `-Prefix`,
//!    `-Proto`, `-Scheme`, `-Ssl` with `X-Real-IP`. What it sent otherwise is left as it came: the
//!    left end of the family that is read may still be the client's invention, and so may be a
//!    header that your proxy does not overwrite.
//! 6. No request is refused. A request without a known peer has a client without an address, and
//!    the first such request is reported in the log: in a service that is reached over TCP it means
//!    that the server does not say who connects.
//!
//! # Sharing
//! The resolver is shared by all services made from one layer value. There is no state per client.
//!
//! # Cancellation
//! Nothing is held: a dropped future is the inner service's own.
//!
//! # Deployment caveats
//! - Trust the networks of the proxies and nothing more. Everybody in a trusted network may choose
//!   the address that they are counted under.
//! - A server must be told to hand on the peer's address: in axum by
//!   `into_make_service_with_connect_info::<SocketAddr>()`.
//! - Behind a Unix socket there is no peer address, and no header is believed.
//! - The scheme of a direct connection is taken to be `http`. A service that ends TLS itself says
//!   otherwise by `ClientResolver::direct_scheme`.
//!
//! # Where to put this layer
//! Inside of probes and of what counts requests in flight, outside of everything else: whatever
//! limits, logs or refuses reads its result.

mod forwarding;
mod layer;
mod service;

pub use self::{layer::ClientLayer, service::ResolveClient};
