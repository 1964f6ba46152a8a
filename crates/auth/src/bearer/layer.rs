//! The layer.

use hardpoint_core::{Observer, SystemClock};
use tower_layer::Layer;

use super::Auth;
use crate::TokenVerifier;

/// Tells who is calling from a bearer token. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct AuthLayer<C = SystemClock, Ob = ()> {
    verifier: Option<TokenVerifier<C>>,
    required: bool,
    observer: Ob,
}

impl<C> AuthLayer<C> {
    /// Every request needs a token that `verifier` accepts.
    pub const fn new(verifier: TokenVerifier<C>) -> Self {
        Self { verifier: Some(verifier), required: true, observer: () }
    }

    /// The layer that looks at no token, and so authenticates nobody.
    pub const fn off() -> Self {
        Self { verifier: None, required: false, observer: () }
    }
}

impl<C, Ob> AuthLayer<C, Ob> {
    /// Lets requests without a token go on, as nobody. For a service of which some routes are
    /// public: the others need a [`RequireScopesLayer`](super::RequireScopesLayer) or an extractor.
    pub fn optional(mut self) -> Self {
        self.required = false;
        self
    }

    /// Tells `observer` of every verification.
    pub fn with_observer<Other: Observer>(self, observer: Other) -> AuthLayer<C, Other> {
        AuthLayer { verifier: self.verifier, required: self.required, observer }
    }
}

impl<S, C: Clone, Ob: Clone> Layer<S> for AuthLayer<C, Ob> {
    type Service = Auth<S, C, Ob>;

    fn layer(&self, inner: S) -> Self::Service {
        Auth::new(inner, self.verifier.clone(), self.required, self.observer.clone())
    }
}
