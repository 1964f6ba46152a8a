//! Resolves the client's address, scheme and host, once for all layers.
//!
//! Protects against clients that forge the address they are counted, logged or allowed under, by
//! sending headers that only a proxy should write. Inner layers and handlers read the result from
//! the [`RequestContext`](hardpoint_core::RequestContext).
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
//! // A trusted proxy reports the client.
//! let response = layer.layer(inner).oneshot(from("10.0.0.1:4711")?).await?;
//! assert_eq!(response.body(), &(Some("203.0.113.9".parse()?), 1));
//!
//! // The same header from a stranger is ignored and removed.
//! let response = layer.layer(inner).oneshot(from("198.51.100.7:4711")?).await?;
//! assert_eq!(response.body(), &(Some("198.51.100.7".parse()?), 0));
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. The peer is the request's [`Peer`](hardpoint_core::Peer) extension. With the feature `axum`,
//!    axum's `ConnectInfo<SocketAddr>` or a test's `MockConnectInfo` is used too.
//! 2. The [`ClientResolver`](hardpoint_core::ClientResolver) evaluates the headers by the rules
//!    documented there.
//! 3. If no header names the host, as is usual in HTTP/2, the host is taken from the request
//!    target.
//! 4. The result is put into the request's context, which is created if no outer layer created it.
//!    A client set by an outer layer is kept.
//! 5. Untrusted forwarding headers are removed, so that they cannot mislead inner layers:
//!    - If the peer is not a trusted proxy: `Forwarded`, every header whose name starts with
//!      `X-Forwarded-`, and `X-Real-IP`, `X-Client-IP`, `X-Cluster-Client-IP`,
//!      `X-Original-Forwarded-For`, `True-Client-IP` and `CF-Connecting-IP`.
//!    - If the peer is a trusted proxy: the family that is not read, which is either `Forwarded`,
//!      or `X-Forwarded-For`, `-Host`, `-Port`, `-Prefix`, `-Proto`, `-Scheme`, `-Ssl` and
//!      `X-Real-IP`. All other headers are kept. The left end of the family that is read may still
//!      be forged by the client, and so may any header that your proxy does not overwrite.
//! 6. No request is rejected. If the peer is unknown, the client has no address, and the first such
//!    request logs a warning. In a service reached over TCP it means that the server does not
//!    attach the peer address to its requests.
//! 7. If a trusted proxy names no client, because it writes the other family of headers or none, the
//!    proxy is the client, and the first such request logs a warning.
//!
//! # Sharing
//! All services made from one layer value share the resolver. No state is kept per client.
//!
//! # Cancellation
//! The future is the inner service's own; dropping it needs no cleanup.
//!
//! # Deployment caveats
//! - Trust only the networks of your proxies. Every host in a trusted network can choose the
//!   address that it is counted under.
//! - The server must be configured to attach the peer address. In axum, use
//!   `into_make_service_with_connect_info::<SocketAddr>()`.
//! - Connections over a Unix socket have no peer address, and no header is trusted unless the
//!   resolver is told to:
//!   [`trust_unix_socket`](hardpoint_core::ClientResolver::trust_unix_socket).
//! - A direct connection is assumed to use `http`. A service that terminates TLS itself sets
//!   `ClientResolver::direct_scheme`.
//!
//! # Where to put this layer
//! Inside probes and layers that count in-flight requests, outside everything else: layers that
//! limit, log or reject requests read its result.

mod forwarding;
mod layer;
mod service;

pub use self::{layer::ClientLayer, service::ResolveClient};
