//! The remote address of a connection.

use std::net::{IpAddr, SocketAddr};

use http::Extensions;

/// The remote address of a connection, stored in the extensions of its requests.
///
/// A server that accepts connections itself inserts it. With the feature `axum`,
/// [`find`](Self::find) also reads axum's `ConnectInfo<SocketAddr>`, and with the feature `tonic`
/// tonic's `TcpConnectInfo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(SocketAddr);

impl Peer {
    /// Creates a peer with this address.
    #[must_use]
    pub const fn new(address: SocketAddr) -> Self {
        Self(address)
    }

    /// Finds the peer that sent a request: the [`Peer`] in its extensions, otherwise axum's
    /// `ConnectInfo<SocketAddr>`, otherwise the `MockConnectInfo<SocketAddr>` of a test (the last
    /// two with the feature `axum`), otherwise tonic's `TcpConnectInfo` (with the feature
    /// `tonic`). Returns `None` if the server does not supply it, as on a Unix
    /// socket.
    ///
    /// tonic's own TLS has another type, which depends on the features of tonic that the application
    /// chooses: insert a [`Peer`] from `TlsConnectInfo<TcpConnectInfo>` there.
    ///
    /// All hardpoint layers use this function, so limits, logs and allow lists agree on the
    /// caller.
    #[inline]
    #[must_use]
    pub fn find(extensions: &Extensions) -> Option<Self> {
        extensions
            .get::<Self>()
            .copied()
            .or_else(|| connect_info(extensions))
            .or_else(|| tonic_connect_info(extensions))
    }

    /// The address without its port. An IPv4-mapped address is converted to IPv4.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        self.0.ip().to_canonical()
    }
}

#[cfg(feature = "axum")]
fn connect_info(extensions: &Extensions) -> Option<Peer> {
    use axum::extract::connect_info::{ConnectInfo, MockConnectInfo};

    let real = extensions.get().map(|ConnectInfo(address): &ConnectInfo<SocketAddr>| *address);
    let mocked = || extensions.get().map(|mock: &MockConnectInfo<SocketAddr>| mock.0);
    real.or_else(mocked).map(Peer::new)
}

#[cfg(not(feature = "axum"))]
fn connect_info(_extensions: &Extensions) -> Option<Peer> {
    None
}

#[cfg(feature = "tonic")]
fn tonic_connect_info(extensions: &Extensions) -> Option<Peer> {
    let info: &tonic::transport::server::TcpConnectInfo = extensions.get()?;
    info.remote_addr().map(Peer::new)
}

#[cfg(not(feature = "tonic"))]
fn tonic_connect_info(_extensions: &Extensions) -> Option<Peer> {
    None
}
