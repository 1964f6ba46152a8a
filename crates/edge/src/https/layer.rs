//! The layer.

use std::sync::Arc;

use hardpoint_core::{Place, Refusals, StackLayer};
use http::{
    HeaderName,
    header::{AUTHORIZATION, PROXY_AUTHORIZATION},
};
use tower_layer::Layer;

use super::{ConfigError, RequireHttps, location};

/// Sends clients that use plain HTTP to https. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct HttpsLayer {
    shared: Option<Arc<Shared>>,
}

/// What the services of a layer share.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    /// The names of the hosts to redirect to, in lowercase.
    pub(super) hosts: Vec<Box<str>>,
    /// The header fields that carry credentials.
    pub(super) credentials: Vec<HeaderName>,
    pub(super) refusals: Refusals,
}

impl HttpsLayer {
    /// Redirects to these hosts: the names under which clients reach the service over https, such as
    /// `api.example`.
    ///
    /// # Errors
    /// [`ConfigError`] if there is none, or if one is not a name or an address without a port.
    pub fn new(hosts: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, ConfigError> {
        let hosts = hosts.into_iter().map(|host| {
            let host = host.into();
            location::host(&host).ok_or(ConfigError::Host(host))
        });
        let hosts = hosts.collect::<Result<Vec<_>, _>>()?;
        if hosts.is_empty() {
            return Err(ConfigError::NoHost);
        }
        let api_key = HeaderName::from_static("x-api-key");
        let credentials = vec![AUTHORIZATION, PROXY_AUTHORIZATION, api_key];
        let shared = Shared { hosts, credentials, refusals: Refusals::unset() };
        Ok(Self { shared: Some(Arc::new(shared)) })
    }

    /// Does nothing: requests over plain HTTP pass.
    pub const fn off() -> Self {
        Self { shared: None }
    }

    /// Also refuses requests with this header field, because it carries a credential of the service, such
    /// as an API key. Default: `Authorization`, `Proxy-Authorization` and `X-Api-Key`.
    pub fn add_credential(self, field: HeaderName) -> Self {
        self.change(|shared| shared.credentials.push(field))
    }

    /// Sets how problems are rendered. Default: as JSON, or as configured on the stack.
    pub fn refusals(self, refusals: &Refusals) -> Self {
        self.change(|shared| shared.refusals = refusals.clone())
    }

    fn change(mut self, change: impl FnOnce(&mut Shared)) -> Self {
        if let Some(shared) = &mut self.shared {
            change(Arc::make_mut(shared));
        }
        self
    }
}

impl<S> Layer<S> for HttpsLayer {
    type Service = RequireHttps<S>;

    fn layer(&self, inner: S) -> RequireHttps<S> {
        RequireHttps::new(inner, self.shared.clone())
    }
}

impl StackLayer for HttpsLayer {
    const PLACE: Place = Place::HTTPS;

    fn refusals(self, refusals: &Refusals) -> Self {
        self.change(|shared| shared.refusals = shared.refusals.clone().or(refusals))
    }
}
