//! The layer.

use std::sync::Arc;

use hardpoint_core::{Place, StackLayer};
use tower_layer::Layer;

use super::{SecurityHeaders, SetSecurityHeaders};

/// Adds response headers that protect browser users. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct SecurityHeadersLayer {
    set: Option<Arc<SecurityHeaders>>,
}

impl SecurityHeadersLayer {
    /// Adds these headers to every response.
    pub fn new(headers: SecurityHeaders) -> Self {
        Self { set: Some(Arc::new(headers)) }
    }

    /// Does nothing: responses are unchanged.
    pub const fn off() -> Self {
        Self { set: None }
    }
}

impl Default for SecurityHeadersLayer {
    /// The headers of [`SecurityHeaders::api`].
    fn default() -> Self {
        Self::new(SecurityHeaders::api())
    }
}

impl<S> Layer<S> for SecurityHeadersLayer {
    type Service = SetSecurityHeaders<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SetSecurityHeaders::new(inner, self.set.clone())
    }
}

impl StackLayer for SecurityHeadersLayer {
    const PLACE: Place = Place::SECURITY_HEADERS;
}
