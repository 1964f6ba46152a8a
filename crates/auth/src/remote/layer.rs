//! The layer.

use std::{fmt, sync::Arc};

use http::HeaderMap;
use tower_layer::Layer;

use super::{
    KeyRefresh, RemoteKeys, carried,
    peek::{self, Named},
};

/// Looks for a key that a token names and the set has not, before the token is refused for it. It
/// goes around an [`AuthLayer`](crate::AuthLayer). See the [module docs](super).
#[derive(Clone)]
#[must_use]
pub struct KeyRefreshLayer {
    issuers: Option<Arc<[(String, RemoteKeys)]>>,
    cookie: Option<Arc<str>>,
}

/// What to do about a request.
pub(super) enum Plan {
    Forward,
    Refresh { keys: RemoteKeys, key_id: String },
    Refuse,
}

impl KeyRefreshLayer {
    /// Keeps `keys` up with the tokens of `issuer`, as it is written in their `iss`.
    pub fn new(issuer: impl Into<String>, keys: RemoteKeys) -> Self {
        Self { issuers: Some(Arc::from([(issuer.into(), keys)])), cookie: None }
    }

    /// Adds an issuer, or replaces its keys. Keys of one issuer are looked for at this one alone; several
    /// issuers may share keys, as Entra's tenants do. A layer that is [`off`](Self::off) stays so.
    pub fn add_issuer(self, issuer: impl Into<String>, keys: RemoteKeys) -> Self {
        let issuer = issuer.into();
        let issuers = self.issuers.map(|issuers| {
            let others = issuers.iter().filter(|(other, _)| *other != issuer).cloned();
            others.chain([(issuer.clone(), keys)]).collect()
        });
        Self { issuers, ..self }
    }

    /// Looks for the token in the cookie of this name too, as [`AuthLayer::cookie`] does. Default: in
    /// the header alone.
    ///
    /// [`AuthLayer::cookie`]: crate::AuthLayer::cookie
    pub fn cookie(mut self, name: impl Into<Arc<str>>) -> Self {
        self.cookie = Some(name.into());
        self
    }

    /// The layer that does nothing: new keys are seen when the set is fetched the next time.
    pub const fn off() -> Self {
        Self { issuers: None, cookie: None }
    }

    pub(super) fn plan(&self, headers: &HeaderMap) -> Plan {
        let token = || carried::token(headers, self.cookie.as_deref());
        let Some((issuers, token)) = self.issuers.as_deref().and_then(|all| Some((all, token()?)))
        else {
            return Plan::Forward;
        };
        // With one issuer, its keys are asked first: the payload of a good token is not read here.
        let held = |key_id: &str| matches!(issuers, [(_, keys)] if keys.has(key_id));
        let named = match peek::key_of(token, held) {
            None | Some(Named::NoToken) => return Plan::Forward,
            Some(Named::NoKey) => None,
            Some(Named::Key(key_id)) => Some(key_id),
        };
        let keys = peek::with_issuer(token, |issuer| {
            issuers.iter().find_map(|(name, keys)| (name == issuer).then_some(keys))
        });
        match (keys, named) {
            (None, _) => Plan::Forward,
            (Some(keys), None) if keys.is_usable() => Plan::Forward,
            (Some(_), None) => Plan::Refuse,
            (Some(keys), Some(key_id)) if keys.has(&key_id) => Plan::Forward,
            (Some(keys), Some(key_id)) => Plan::Refresh { keys: keys.clone(), key_id },
        }
    }
}

impl<S> Layer<S> for KeyRefreshLayer {
    type Service = KeyRefresh<S>;

    fn layer(&self, inner: S) -> KeyRefresh<S> {
        KeyRefresh::new(inner, self.clone())
    }
}

impl fmt::Debug for KeyRefreshLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuers = self.issuers.iter().flat_map(|issuers| issuers.iter());
        f.debug_map().entries(issuers.map(|(issuer, keys)| (issuer, keys.state()))).finish()
    }
}
