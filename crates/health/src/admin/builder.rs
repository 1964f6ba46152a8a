//! The admin listener and its builder.

use std::{
    error::Error,
    fmt,
    net::{self, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;
use hardpoint_core::Secret;
use http::{Request, Response};
use http_body::Body;
use tokio::{net::TcpListener, task::AbortHandle};
use tower_service::Service;

use super::{
    AdminError, RequestBody, listener,
    routes::{self, Routes},
    service::Shared,
};
use crate::{Lifecycle, Probes};

/// A listener for probes and operators. See the [module docs](super).
#[derive(Debug)]
#[must_use = "dropping the admin listener closes it"]
pub struct Admin {
    local_addr: SocketAddr,
    task: AbortHandle,
}

impl Admin {
    /// Returns a builder for a listener on this address, with the defaults: no token and no routes.
    pub const fn builder(listen: SocketAddr) -> AdminBuilder {
        AdminBuilder { listen: Listen::On(listen), token: None, routes: None }
    }

    /// Returns a builder for a listener that is already bound, by the program or by systemd.
    pub const fn from_listener(listener: net::TcpListener) -> AdminBuilder {
        AdminBuilder { listen: Listen::Bound(listener), token: None, routes: None }
    }

    /// The bound address. It has the real port if port 0 was asked for.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Builds an [`Admin`]. Created by [`Admin::builder`].
#[must_use = "a builder does nothing until `serve` is called"]
pub struct AdminBuilder {
    listen: Listen,
    token: Option<Arc<Secret<str>>>,
    routes: Option<Routes>,
}

#[derive(Debug)]
enum Listen {
    On(SocketAddr),
    Bound(net::TcpListener),
}

impl Listen {
    /// Binds the address if it is not bound yet. Checks it before.
    fn bind(
        self,
        check: impl FnOnce(SocketAddr) -> Result<(), AdminError>,
    ) -> Result<net::TcpListener, AdminError> {
        match self {
            Self::On(listen) => {
                check(listen)?;
                let refused = |source| AdminError::Bind { listen, source };
                net::TcpListener::bind(listen).map_err(refused)
            }
            Self::Bound(listener) => {
                check(listener.local_addr().map_err(|source| AdminError::Listener { source })?)?;
                Ok(listener)
            }
        }
    }
}

impl AdminBuilder {
    /// Requires this bearer token for every path except the probes. Default: none, which is an error
    /// unless the address is a loopback address.
    ///
    /// Use a random text of at least 128 bits. An empty one is an error.
    pub fn token(mut self, token: impl Into<Arc<Secret<str>>>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Sets the service that answers every path that is not a probe or the report, such as
    /// `/metrics`. Default: none, and the answer is a 404.
    ///
    /// It is called on the service's runtime. An `axum::Router` is such a service.
    pub fn routes<S, B>(mut self, service: S) -> Self
    where
        S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        S::Future: Send,
        B: Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        self.routes = Some(routes::erase(service));
        self
    }

    /// Binds the address and serves it for `lifecycle` on the admin thread.
    ///
    /// # Errors
    /// The address is not a loopback address and no token is set; the token is empty; there are
    /// routes and the lifecycle was built outside a tokio runtime; the address cannot be bound; or
    /// the thread cannot be started.
    pub fn serve(self, lifecycle: &Lifecycle) -> Result<Admin, AdminError> {
        let Self { listen, token, routes } = self;
        let listener = listen.bind(|listen| match &token {
            Some(token) if token.expose().is_empty() => Err(AdminError::EmptyToken),
            None if !listen.ip().to_canonical().is_loopback() => {
                Err(AdminError::NoToken { listen })
            }
            _ => Ok(()),
        })?;
        let routes = match (routes, lifecycle.runtime()) {
            (None, _) => None,
            (Some(routes), Some(runtime)) => Some((routes, runtime.clone())),
            (Some(_), None) => return Err(AdminError::NoRuntime),
        };
        let monitor = lifecycle.monitor().map_err(|source| AdminError::Thread { source })?;
        let register = || {
            listener.set_nonblocking(true)?;
            let local_addr = listener.local_addr()?;
            let _context = monitor.enter();
            Ok((TcpListener::from_std(listener)?, local_addr))
        };
        let (listener, local_addr) =
            register().map_err(|source| AdminError::Listener { source })?;
        let shared = Shared { probes: Probes::new(lifecycle), token, routes };
        let task = monitor.spawn(listener::accept(listener, Arc::new(shared))).abort_handle();
        Ok(Admin { local_addr, task })
    }
}

impl fmt::Debug for AdminBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminBuilder")
            .field("listen", &self.listen)
            .field("token", &self.token)
            .field("routes", &self.routes.is_some())
            .finish()
    }
}
