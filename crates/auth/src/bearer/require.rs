//! Refuses tokens that do not allow what a route does.
//!
//! Protects routes from callers that are known and may not do this: without the scope or the role, or
//! whose log-in is too long ago for something that matters.
//!
//! # Example
//! ```
//! use hardpoint_auth::{AuthLayer, KeySet, RequireLayer, SigningKey, TokenIssuer, TokenVerifier};
//! use http::{Request, Response, StatusCode, header::{AUTHORIZATION, WWW_AUTHENTICATE}};
//! use http_body_util::Full;
//! use std::convert::Infallible;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let key = SigningKey::generate()?;
//! let keys = KeySet::new([key.verifying_key()])?;
//! let issuer = TokenIssuer::new(key, "https://id.example", "api");
//! let auth = AuthLayer::new(TokenVerifier::new(keys, "https://id.example", "api"));
//! let require = RequireLayer::new().scopes("notes:write".parse()?);
//!
//! let service = auth.layer(require.layer(service_fn(async |_: Request<()>| {
//!     Ok::<_, Infallible>(Response::new(Full::new(bytes::Bytes::new())))
//! })));
//! let with = |scopes: &str| -> Result<_, Box<dyn std::error::Error>> {
//!     let token = issuer.issue("alice", &scopes.parse()?)?;
//!     Ok(Request::builder().header(AUTHORIZATION, format!("Bearer {}", token.expose())).body(())?)
//! };
//! let accepted = service.clone().oneshot(with("notes:read notes:write")?).await?;
//! assert_eq!(accepted.status(), StatusCode::OK);
//!
//! let refused = service.oneshot(with("notes:read")?).await?;
//! assert_eq!(refused.status(), StatusCode::FORBIDDEN);
//! assert!(refused.headers()[WWW_AUTHENTICATE].to_str()?.contains("insufficient_scope"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Semantics
//! 1. A request that was not authenticated is 401.
//! 2. A token whose log-in is too long ago, or does not say when it was (`auth_time`), is 401
//!    `insufficient_user_authentication` with the `max_age` that would do (RFC 9470).
//! 3. A token without one of the scopes is 403 `insufficient_scope` and is told which are needed
//!    (RFC 6750 §3.1). Names are compared exactly; none implies another.
//! 4. A token without one of the roles is 403 `insufficient_role`.
//!
//! # Sharing
//! There is no state.
//!
//! # Cancellation
//! The decision is made within `call`; the future is the inner service's.
//!
//! # Deployment caveats
//! Freshness compares `auth_time` with the host's clock; one that is behind lets log-ins live on for as
//! long.
//!
//! # Where to put this layer
//! Inside an [`AuthLayer`](crate::AuthLayer), around the routes that it protects:
//! `Router::new().route("/notes", post(add)).route_layer(require)`.

use std::{
    borrow::Cow,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hardpoint_core::{
    Clock, Head, HeadFacts, Rejection, ResponseBody, ResponseFuture, SystemClock, refuse,
};
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::{InsufficientRole, InsufficientScope, LoginTooOld, NotAuthenticated, Scopes, Verified};

/// Lets only those requests through whose token allows what a route does. See the
/// [module docs](self).
#[derive(Clone, Debug)]
#[must_use]
pub struct RequireLayer<C = SystemClock> {
    required: Option<Arc<Required>>,
    clock: C,
}

#[derive(Clone, Debug, Default)]
struct Required {
    scopes: Scopes,
    roles: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    fresh: Option<Duration>,
}

impl RequireLayer {
    /// Requires a valid token, whatever it allows.
    pub fn new() -> Self {
        Self { required: Some(Arc::default()), clock: SystemClock }
    }

    /// The layer that requires nothing, not even a token.
    pub const fn off() -> Self {
        Self { required: None, clock: SystemClock }
    }
}

impl<C> RequireLayer<C> {
    /// Requires all of these scopes. Default: none.
    pub fn scopes(self, scopes: Scopes) -> Self {
        self.change(|required| required.scopes = scopes)
    }

    /// Requires a role too: that the claim of this name is it, or a list with it. Default: none.
    ///
    /// RFC 9068 calls the claim `roles`, `groups` or `entitlements`. One within others is named by a
    /// JSON pointer, such as Keycloak's `/realm_access/roles`.
    pub fn add_role(
        self,
        claim: impl Into<Cow<'static, str>>,
        role: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.change(|required| required.roles.push((claim.into(), role.into())))
    }

    /// Requires that the subject proved who it is (`auth_time`) at most this long ago. Default: no such
    /// limit. 0 accepts only log-ins of this second.
    pub fn fresh(self, most: Duration) -> Self {
        self.change(|required| required.fresh = Some(most))
    }

    /// Takes the time from another clock.
    pub fn with_clock<Other: Clock>(self, clock: Other) -> RequireLayer<Other> {
        RequireLayer { required: self.required, clock }
    }

    fn change(mut self, change: impl FnOnce(&mut Required)) -> Self {
        if let Some(required) = &mut self.required {
            change(Arc::make_mut(required));
        }
        self
    }
}

impl Default for RequireLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, C: Clone> Layer<S> for RequireLayer<C> {
    type Service = Require<S, C>;

    fn layer(&self, inner: S) -> Require<S, C> {
        Require { inner, required: self.required.clone(), clock: self.clock.clone() }
    }
}

/// Lets only those requests through whose token allows what a route does. See the
/// [module docs](self).
#[derive(Clone, Debug)]
pub struct Require<S, C = SystemClock> {
    inner: S,
    required: Option<Arc<Required>>,
    clock: C,
}

impl<S, C> Require<S, C> {
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

impl Required {
    fn check(&self, verified: &Verified, clock: &impl Clock) -> Result<(), Box<dyn Rejection>> {
        if let Some(most) = self.fresh {
            let since = verified.logged_in().map(|then| clock.unix().saturating_sub(then));
            // Fractions of a second are not in a token.
            if since.is_none_or(|since| since.as_secs() > most.as_secs()) {
                return Err(Box::new(LoginTooOld::new(most)));
            }
        }
        if !verified.allows(&self.scopes) {
            return Err(Box::new(InsufficientScope::new(self.scopes.clone())));
        }
        if self.roles.iter().any(|(claim, role)| !verified.claims().has(claim, role)) {
            return Err(Box::new(InsufficientRole::new()));
        }
        Ok(())
    }
}

impl<S, C, ReqB, ResB> Service<Request<ReqB>> for Require<S, C>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    C: Clock,
    ResB: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let Some(required) = &self.required else {
            return ResponseFuture::forward(self.inner.call(request));
        };
        let answer = match request.extensions().get::<Verified>() {
            None => Err(Box::new(NotAuthenticated::new()) as Box<dyn Rejection>),
            Some(verified) => required.check(verified, &self.clock),
        };
        match answer {
            Ok(()) => ResponseFuture::forward(self.inner.call(request)),
            Err(rejection) => {
                let facts = HeadFacts::of(Head::of(&request));
                ResponseFuture::refuse(refuse(&facts, rejection.as_ref()))
            }
        }
    }
}
