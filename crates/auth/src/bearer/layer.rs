//! The layer.

use std::sync::Arc;

use hardpoint_core::{Observer, SystemClock};
use tower_layer::Layer;

use super::Auth;
use crate::TokenVerifier;

/// Tells who is calling from a bearer token. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct AuthLayer<C = SystemClock, Ob = ()> {
    verifier: Option<TokenVerifier<C>>,
    settings: Settings,
    observer: Ob,
}

/// How a layer treats requests.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// Whether a request without a token is refused.
    pub(super) required: bool,
    /// The cookie that may carry the token.
    pub(super) cookie: Option<Arc<str>>,
    /// Whether the subject is told with its issuer.
    pub(super) names_issuer: bool,
}

impl Settings {
    const fn new(required: bool) -> Self {
        Self { required, cookie: None, names_issuer: false }
    }
}

impl AuthLayer {
    /// The layer that looks at no token, and so authenticates nobody.
    pub const fn off() -> Self {
        Self::off_with_clock()
    }
}

impl<C> AuthLayer<C> {
    /// Every request needs a token that `verifier` accepts.
    pub const fn new(verifier: TokenVerifier<C>) -> Self {
        Self { verifier: Some(verifier), settings: Settings::new(true), observer: () }
    }

    /// [`off`](AuthLayer::off) of the type that a layer with another clock has.
    pub const fn off_with_clock() -> Self {
        Self { verifier: None, settings: Settings::new(false), observer: () }
    }
}

impl<C, Ob> AuthLayer<C, Ob> {
    /// Lets requests without a token go on, as nobody. For a service of which some routes are
    /// public: the others need a [`RequireLayer`](super::RequireLayer) or an extractor.
    pub fn optional(mut self) -> Self {
        self.settings.required = false;
        self
    }

    /// Takes the token from the cookie of this name too. Default: from the header alone.
    ///
    /// A browser sends a cookie with requests that other sites make: put a layer against those around
    /// this one, and give the cookie a name that begins with `__Host-`. A request with both a header
    /// and a cookie, or with two cookies of this name, is 400.
    pub fn cookie(mut self, name: impl Into<Arc<str>>) -> Self {
        self.settings.cookie = Some(name.into());
        self
    }

    /// Tells the layers around of a subject with its issuer, as `https://id.example#alice`: where several
    /// issuers are trusted, one's `alice` is not the other's. Default: the subject alone.
    /// `remote::AuthByIssuerLayer` does it for its layers.
    pub fn subject_with_issuer(mut self) -> Self {
        self.settings.names_issuer = true;
        self
    }

    /// Tells `observer` of every verification.
    pub fn with_observer<Other: Observer>(self, observer: Other) -> AuthLayer<C, Other> {
        let Self { verifier, settings, observer: _ } = self;
        AuthLayer { verifier, settings, observer }
    }
}

impl<S, C: Clone, Ob: Clone> Layer<S> for AuthLayer<C, Ob> {
    type Service = Auth<S, C, Ob>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { verifier, settings, observer } = self.clone();
        Auth::new(inner, verifier, settings, observer)
    }
}
