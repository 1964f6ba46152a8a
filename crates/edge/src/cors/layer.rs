//! The layer and its builder.

use std::{sync::Arc, time::Duration};

use hardpoint_core::{Origin, OriginError, Place, StackLayer};
use http::{
    HeaderName, HeaderValue, Method,
    header::{
        ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_TYPE,
        LOCATION, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE,
    },
};
use tower_http::cors::{self, AllowOrigin};
use tower_layer::Layer;

use super::{ConfigError, Cors, Mistake, future::list};

/// Lets browsers of other origins read responses. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct CorsLayer {
    /// `None` if the layer is off.
    rules: Option<Arc<Rules>>,
}

/// The rules of a layer.
#[derive(Debug)]
pub(super) struct Rules {
    origins: Arc<[Allowed]>,
    pub(super) credentials: bool,
    /// The names that scripts may read.
    pub(super) names: Vec<HeaderName>,
    /// All of them, for a response of which nothing else exposes any.
    pub(super) exposed: Option<HeaderValue>,
    /// Answers preflights.
    pub(super) preflights: cors::CorsLayer,
}

/// Pages whose scripts may read responses.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Allowed {
    /// Those of every origin (`*`).
    All,
    /// Files, and pages in a sandbox (`null`).
    Unnamed,
    /// Those of an origin.
    Named(Origin),
}

impl Allowed {
    fn parse(text: &str) -> Result<Self, OriginError> {
        match text {
            "*" => Ok(Self::All),
            "null" => Ok(Self::Unnamed),
            text => Origin::insecure_parse(text).map(Self::Named),
        }
    }

    fn covers(&self, sent: &str) -> bool {
        match self {
            Self::All => true,
            Self::Unnamed => sent == "null",
            Self::Named(origin) => origin.covers(sent),
        }
    }

    /// Whether anyone on the network path, or an unnamed site, may read responses.
    fn is_insecure(&self) -> bool {
        match self {
            Self::All | Self::Unnamed => true,
            Self::Named(origin) => origin.is_plain_http(),
        }
    }
}

impl Rules {
    /// The value that names the only origin that may read a response, or all.
    pub(super) fn allowed(&self, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
        if self.origins.contains(&Allowed::All) {
            return Some(HeaderValue::from_static("*"));
        }
        origin.filter(|origin| covers(&self.origins, origin)).cloned()
    }
}

/// Whether scripts of this origin may read responses.
fn covers(origins: &[Allowed], sent: &HeaderValue) -> bool {
    sent.to_str().is_ok_and(|sent| origins.iter().any(|allowed| allowed.covers(sent)))
}

impl CorsLayer {
    /// Starts a layer that allows these origins, each as browsers send it: `https://app.example`,
    /// with a port unless it is the scheme's own, or `https://*.app.example` for every subdomain.
    pub fn builder<I>(origins: I) -> CorsLayerBuilder
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        CorsLayerBuilder {
            origins: origins.into_iter().map(Into::into).collect(),
            any_origin: false,
            insecure_origins: false,
            credentials: false,
            methods: vec![
                Method::GET,
                Method::HEAD,
                Method::POST,
                Method::PUT,
                Method::PATCH,
                Method::DELETE,
            ],
            headers: vec![AUTHORIZATION, CONTENT_TYPE],
            exposed: vec![
                LOCATION,
                RETRY_AFTER,
                WWW_AUTHENTICATE,
                HeaderName::from_static("ratelimit"),
                HeaderName::from_static("ratelimit-policy"),
                HeaderName::from_static("x-request-id"),
            ],
            max_age: Duration::from_secs(600),
        }
    }

    /// Does nothing: no header is added, and `OPTIONS` requests reach the inner service.
    pub const fn off() -> Self {
        Self { rules: None }
    }
}

impl<S> Layer<S> for CorsLayer {
    type Service = Cors<S>;

    fn layer(&self, inner: S) -> Cors<S> {
        Cors::new(inner, self.rules.clone())
    }
}

impl StackLayer for CorsLayer {
    const PLACE: Place = Place::CORS;
}

/// Builds a [`CorsLayer`].
///
/// # Defaults
///
/// | setting | default |
/// |---|---|
/// | [`insecure_origins`](Self::insecure_origins) | refused |
/// | [`any_origin`](Self::any_origin) | no |
/// | [`credentials`](Self::credentials) | no |
/// | [`methods`](Self::methods) | `GET HEAD POST PUT PATCH DELETE` |
/// | [`add_header`](Self::add_header) | `Authorization` and `Content-Type` |
/// | [`expose`](Self::expose) | `Location`, `RateLimit`, `RateLimit-Policy`, `Retry-After`, `WWW-Authenticate`, `X-Request-Id` |
/// | [`max_age`](Self::max_age) | 10 minutes |
#[derive(Clone, Debug)]
#[must_use]
pub struct CorsLayerBuilder {
    origins: Vec<String>,
    any_origin: bool,
    insecure_origins: bool,
    credentials: bool,
    methods: Vec<Method>,
    headers: Vec<HeaderName>,
    exposed: Vec<HeaderName>,
    max_age: Duration,
}

impl CorsLayerBuilder {
    /// Accepts origins over plain http, `null` and `*`. Default: they are mistakes. For development,
    /// where a page comes from `http://localhost:5173`.
    pub fn insecure_origins(mut self) -> Self {
        self.insecure_origins = true;
        self
    }

    /// Lets every site read responses: for an API whose responses are public. It cannot be combined
    /// with [`credentials`](Self::credentials).
    pub fn any_origin(mut self) -> Self {
        self.any_origin = true;
        self
    }

    /// Lets browsers send cookies and client certificates. Default: no, since an `Authorization`
    /// header needs no such permission.
    ///
    /// Scripts of every allowed origin can then act for the user. CORS does not protect against
    /// requests that other sites send without reading the response: cookies also need
    /// `SameSite` and a check of `Origin`. `hardpoint_auth::AuthLayer` makes that check; add the origins
    /// there too.
    pub fn credentials(mut self) -> Self {
        self.credentials = true;
        self
    }

    /// The methods that other origins may use. Default: those of a REST API. The router decides about
    /// methods in any case.
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods = methods.into_iter().collect();
        self
    }

    /// Adds a request header that scripts may set, such as `Idempotency-Key`.
    pub fn add_header(mut self, name: HeaderName) -> Self {
        self.headers.push(name);
        self
    }

    /// Adds a response header that scripts may read. Names that an inner layer or a handler lists in
    /// `Access-Control-Expose-Headers` are kept in any case.
    pub fn expose(mut self, name: HeaderName) -> Self {
        self.exposed.push(name);
        self
    }

    /// How long browsers may cache the answer to a preflight. Default: 10 minutes. A removed origin
    /// can still send requests for this long. Browsers cap it at one or two hours; with 0, every
    /// request has a preflight.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    /// [`ConfigError`] with every mistake in the origins.
    pub fn build(self) -> Result<CorsLayer, ConfigError> {
        let mut mistakes = Vec::new();
        let mut origins = Vec::new();
        for value in self.origins {
            match Allowed::parse(&value) {
                Ok(Allowed::All) if self.credentials => {
                    mistakes.push(Mistake::CredentialsForEveryone);
                }
                Ok(allowed) if allowed.is_insecure() && !self.insecure_origins => {
                    mistakes.push(Mistake::InsecureOrigin { value });
                }
                Ok(allowed) => origins.push(allowed),
                Err(error) => mistakes.push(Mistake::Origin(error)),
            }
        }
        match (self.any_origin, self.credentials) {
            (true, true) => mistakes.push(Mistake::CredentialsForEveryone),
            (true, false) => origins.push(Allowed::All),
            (false, _) if origins.is_empty() && mistakes.is_empty() => {
                mistakes.push(Mistake::NoOrigin);
            }
            (false, _) => {}
        }
        if let Some(error) = ConfigError::new(mistakes) {
            return Err(error);
        }
        let origins: Arc<[Allowed]> = origins.into();
        let allowed = if origins.contains(&Allowed::All) {
            AllowOrigin::any()
        } else {
            let origins = Arc::clone(&origins);
            AllowOrigin::predicate(move |origin, _head| covers(&origins, origin))
        };
        // Lists only: with a wildcard in one of them tower-http panics if credentials are allowed.
        let preflights = cors::CorsLayer::new()
            .allow_origin(allowed)
            .allow_credentials(self.credentials)
            .allow_methods(self.methods)
            .allow_headers(self.headers)
            .max_age(self.max_age)
            .vary([ORIGIN, ACCESS_CONTROL_REQUEST_METHOD, ACCESS_CONTROL_REQUEST_HEADERS]);
        let Self { credentials, exposed: names, .. } = self;
        let exposed = list(names.iter().map(HeaderName::as_str));
        let rules = Rules { origins, credentials, names, exposed, preflights };
        Ok(CorsLayer { rules: Some(Arc::new(rules)) })
    }
}
