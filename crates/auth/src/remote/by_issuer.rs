//! Several issuers in front of one service.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use hardpoint_core::{Clock, Observer, ResponseBody, ResponseFuture, SystemClock};
use http::{HeaderMap, Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::{carried, peek};
use crate::AuthLayer;

/// Lets each request be authenticated by the [`AuthLayer`] of the issuer that its token claims.
///
/// The claim is not believed: it only chooses the layer, which then checks everything, the issuer
/// too. So the keys of one issuer never vouch for the tokens of another. A request without a token, or
/// with one of an issuer that is not known, goes to the first layer, which refuses it or lets it go on
/// as nobody. Make all of them alike but for the issuer.
///
/// It has no state of its own, and its future is the inner one's. It stands where an [`AuthLayer`]
/// would, inside a [`KeyRefreshLayer`](super::KeyRefreshLayer).
///
/// ```
/// use hardpoint_auth::{AuthLayer, KeySet, SigningKey, TokenIssuer, TokenVerifier, remote::AuthByIssuerLayer};
/// use http::{Request, Response, StatusCode, header::AUTHORIZATION};
/// use http_body_util::Full;
/// use std::convert::Infallible;
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let (ours, theirs) = ("https://ours.example", "https://theirs.example");
/// let (our_key, their_key) = (SigningKey::generate()?, SigningKey::generate()?);
/// let our_keys = KeySet::new([our_key.verifying_key()])?;
/// let their_keys = KeySet::new([their_key.verifying_key()])?;
/// let layer = AuthByIssuerLayer::new(ours, AuthLayer::new(TokenVerifier::new(our_keys, ours, "api")))
///     .add_issuer(theirs, AuthLayer::new(TokenVerifier::new(their_keys, theirs, "api")));
///
/// let service = layer.layer(service_fn(async |_: Request<()>| {
///     Ok::<_, Infallible>(Response::new(Full::new(bytes::Bytes::new())))
/// }));
/// let call = async |token: &str| {
///     let request = Request::builder().header(AUTHORIZATION, format!("Bearer {token}")).body(())?;
///     Ok::<_, Box<dyn std::error::Error>>(service.clone().oneshot(request).await?.status())
/// };
/// let token = TokenIssuer::new(our_key, ours, "api").issue("alice", &"".parse()?)?;
/// assert_eq!(call(token.expose()).await?, StatusCode::OK);
///
/// // Their key signs for our issuer.
/// let forged = TokenIssuer::new(their_key, ours, "api").issue("alice", &"".parse()?)?;
/// assert_eq!(call(forged.expose()).await?, StatusCode::UNAUTHORIZED);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct AuthByIssuerLayer<C = SystemClock, Ob = ()> {
    issuers: Option<Issuers<C, Ob>>,
}

/// The issuers, and the layer of each.
struct Issuers<C, Ob> {
    layers: Arc<[(String, AuthLayer<C, Ob>)]>,
    cookie: Option<Arc<str>>,
}

impl<C: Clone, Ob: Clone> AuthByIssuerLayer<C, Ob> {
    /// Lets `layer` authenticate the tokens of `issuer`, as it is written in their `iss`, and those
    /// requests that are nobody else's. The layers around are told of a subject together with its
    /// issuer: see [`AuthLayer::subject_with_issuer`].
    pub fn new(issuer: impl Into<String>, layer: AuthLayer<C, Ob>) -> Self {
        let layers = Arc::from([(issuer.into(), layer.subject_with_issuer())]);
        Self { issuers: Some(Issuers { layers, cookie: None }) }
    }

    /// Adds an issuer, or replaces its layer. A layer that is [`off`](Self::off) stays so.
    pub fn add_issuer(self, issuer: impl Into<String>, layer: AuthLayer<C, Ob>) -> Self {
        let issuers = self.issuers.map(|Issuers { layers, cookie }| {
            let added = (issuer.into(), layer.subject_with_issuer());
            let mut layers = layers.to_vec();
            // The first is that of requests which are nobody's, and stays the first.
            match layers.iter_mut().find(|(other, _)| *other == added.0) {
                Some(known) => *known = added,
                None => layers.push(added),
            }
            let layers = layers.into();
            Issuers { layers, cookie }
        });
        Self { issuers }
    }

    /// Looks for the token in the cookie of this name too, as [`AuthLayer::cookie`] does. Default: in
    /// the header alone.
    pub fn cookie(mut self, name: impl Into<Arc<str>>) -> Self {
        if let Some(issuers) = &mut self.issuers {
            issuers.cookie = Some(name.into());
        }
        self
    }
}

impl AuthByIssuerLayer {
    /// The layer that looks at no token, and so authenticates nobody.
    pub const fn off() -> Self {
        Self::off_with_clock()
    }
}

impl<C, Ob> AuthByIssuerLayer<C, Ob> {
    /// [`off`](AuthByIssuerLayer::off) of the type that a layer with another clock or observer has.
    pub const fn off_with_clock() -> Self {
        Self { issuers: None }
    }
}

impl<C, Ob> Issuers<C, Ob> {
    /// The layer for a request.
    fn choose(&self, headers: &HeaderMap) -> Option<&AuthLayer<C, Ob>> {
        let token = carried::token(headers, self.cookie.as_deref());
        let of_issuer = token.and_then(|token| {
            peek::with_issuer(token, |issuer| {
                self.layers.iter().find_map(|(name, layer)| (name == issuer).then_some(layer))
            })
        });
        of_issuer.or_else(|| self.layers.first().map(|(_, layer)| layer))
    }
}

impl<C, Ob> Clone for Issuers<C, Ob> {
    fn clone(&self) -> Self {
        Self { layers: Arc::clone(&self.layers), cookie: self.cookie.clone() }
    }
}

impl<C, Ob> Clone for AuthByIssuerLayer<C, Ob> {
    fn clone(&self) -> Self {
        Self { issuers: self.issuers.clone() }
    }
}

impl<C, Ob> fmt::Debug for AuthByIssuerLayer<C, Ob> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layers = self.issuers.iter().flat_map(|issuers| issuers.layers.iter());
        f.debug_list().entries(layers.map(|(issuer, _)| issuer)).finish()
    }
}

impl<S, C, Ob> Layer<S> for AuthByIssuerLayer<C, Ob> {
    type Service = AuthByIssuer<S, C, Ob>;

    fn layer(&self, inner: S) -> Self::Service {
        AuthByIssuer { inner, layer: self.clone() }
    }
}

/// Lets each request be authenticated by its issuer's layer. See [`AuthByIssuerLayer`].
pub struct AuthByIssuer<S, C = SystemClock, Ob = ()> {
    inner: S,
    layer: AuthByIssuerLayer<C, Ob>,
}

impl<S, C, Ob> AuthByIssuer<S, C, Ob> {
    /// The inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service, without this one.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, C, Ob, ReqB, ResB> Service<Request<ReqB>> for AuthByIssuer<S, C, Ob>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    C: Clock,
    Ob: Observer,
    ResB: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let issuers = self.layer.issuers.as_ref();
        match issuers.and_then(|issuers| issuers.choose(request.headers())) {
            // Around a borrow: it is the instance that is ready which is called.
            Some(layer) => layer.layer(&mut self.inner).call(request),
            None => ResponseFuture::forward(self.inner.call(request)),
        }
    }
}

impl<S: Clone, C, Ob> Clone for AuthByIssuer<S, C, Ob> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S: fmt::Debug, C, Ob> fmt::Debug for AuthByIssuer<S, C, Ob> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthByIssuer")
            .field("inner", &self.inner)
            .field("layer", &self.layer)
            .finish()
    }
}
