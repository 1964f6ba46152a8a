//! Checks of the network.

use std::{error::Error, io, sync::Arc, time::Duration};

use http::StatusCode;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use super::RunFuture;
use crate::Down;

/// A connection attempt ends after this time, so that a check recovers soon after a firewall has
/// stopped dropping its packets. The system would give up after about two minutes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Connects to `address` (`host:port`) by TCP and closes the connection.
///
/// The server sees a connection without a request. A proxy or balancer in between accepts it even
/// if the server behind is down.
pub fn tcp(address: impl Into<Arc<str>>) -> impl FnMut() -> RunFuture + Send + 'static {
    let address = address.into();
    move || {
        let address = Arc::clone(&address);
        Box::pin(async move {
            let addresses: Vec<_> = lookup_host(&*address).await.map_err(unresolved)?.collect();
            match timeout(CONNECT_TIMEOUT, TcpStream::connect(&*addresses)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => {
                    let refused = error.kind() == io::ErrorKind::ConnectionRefused;
                    let code = if refused { "refused" } else { "unreachable" };
                    Err(Down::new(code).caused_by(error))
                }
                Err(_elapsed) => Err(Down::new("timeout")),
            }
        })
    }
}

/// Resolves `host` by the system's resolver, as most clients do.
///
/// The system's resolver blocks a thread of the service's runtime, at most one, for as long as its
/// name servers do not answer. Let the checks that need the name
/// [depend on](crate::Check::depends_on) this one.
pub fn dns(host: impl Into<Arc<str>>) -> impl FnMut() -> RunFuture + Send + 'static {
    let host = host.into();
    move || {
        let host = Arc::clone(&host);
        Box::pin(async move {
            // The port does not matter.
            match lookup_host((&*host, 0)).await.map_err(unresolved)?.next() {
                Some(_) => Ok(()),
                None => Err(Down::new("unresolved")),
            }
        })
    }
}

/// Calls `request`, which sends a request by the application's own client, and expects a status of
/// 2xx.
///
/// The check then tests what requests of the service use: the client's pool, proxy and TLS
/// settings. Choose an endpoint of the dependency that is cheap and does not test its own
/// dependencies.
///
/// ```
/// use hardpoint_health::{Check, builtin};
/// # #[derive(Clone)] struct Client;
/// # impl Client {
/// #     async fn get(&self, _: &str) -> std::io::Result<http::Response<()>> { todo!() }
/// # }
///
/// # fn check(client: Client) -> Check {
/// Check::new("search", builtin::http(move || {
///     let client = client.clone();
///     async move { Ok::<_, std::io::Error>(client.get("http://search.internal/_ping").await?.status()) }
/// }))
/// # }
/// ```
pub fn http<F, Fut, E>(mut request: F) -> impl FnMut() -> RunFuture + Send + 'static
where
    F: FnMut() -> Fut + Send + 'static,
    Fut: Future<Output = Result<StatusCode, E>> + Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    move || {
        let request = request();
        Box::pin(async move {
            let status = request.await.map_err(|error| Down::new("failed").caused_by(error))?;
            let code = match status.as_u16() / 100 {
                2 => return Ok(()),
                3 => "redirected",
                4 => "client_error",
                5 => "server_error",
                _ => "unexpected",
            };
            Err(Down::new(code).caused_by(format!("the status is {status}")))
        })
    }
}

fn unresolved(error: io::Error) -> Down {
    Down::new("unresolved").caused_by(error)
}
