//! Refuses callers that may not use a route.
//!
//! Protects routes from authenticated callers without the scope or the role, with another type of
//! credential, or whose log-in is too old for the operation.
//!
//! # Example
//! ```
//! use hardpoint_auth::{
//!     AuthLayer, KeySet, RequireLayer, Scopes, SigningKey, TokenIssuer, TokenVerifier,
//! };
//! use http::{Request, Response, StatusCode, header::{AUTHORIZATION, WWW_AUTHENTICATE}};
//! use http_body_util::Full;
//! use std::convert::Infallible;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! const WRITE: Scopes = Scopes::from_static("notes:write");
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let key = SigningKey::generate()?;
//! let verifier = TokenVerifier::builder()
//!     .issuer("https://id.example", KeySet::new([key.verifying_key()])?)
//!     .audience("api")
//!     .build()?;
//! let issuer = TokenIssuer::builder(key).issuer("https://id.example").audience("api").build()?;
//! let layers = (AuthLayer::new(verifier), RequireLayer::authenticated().scopes(WRITE));
//!
//! let service = layers.layer(service_fn(async |_: Request<()>| {
//!     Ok::<_, Infallible>(Response::new(Full::new(bytes::Bytes::new())))
//! }));
//! let with = |scope: &str| -> Result<_, Box<dyn std::error::Error>> {
//!     let token = issuer.token("alice").scopes(["notes:read", scope]).sign()?;
//!     Ok(Request::builder().header(AUTHORIZATION, format!("Bearer {}", token.expose())).body(())?)
//! };
//! let accepted = service.clone().oneshot(with("notes:write")?).await?;
//! assert_eq!(accepted.status(), StatusCode::OK);
//!
//! let refused = service.oneshot(with("notes:list")?).await?;
//! assert_eq!(refused.status(), StatusCode::FORBIDDEN);
//! assert!(refused.headers()[WWW_AUTHENTICATE].to_str()?.contains("insufficient_scope"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Semantics
//! 1. A request without an identity is 401.
//! 2. A caller whose log-in is too old, or whose credential does not say when it was (`auth_time`),
//!    is 401 `insufficient_user_authentication` with the required `max_age` (RFC 9470).
//! 3. A caller without one of the scopes is 403 `insufficient_scope` with the required scopes
//!    (RFC 6750 §3.1). Names are compared exactly; none implies another.
//! 4. A caller without one of the roles is 403 `insufficient_role`, or 503 `roles_unknown` if the token
//!    leaves the claim out for its length, as Entra does with more than 200 groups.
//! 5. A caller with a credential of another type than the required one is 403
//!    `auth_method_not_allowed`.
//!
//! # Sharing
//! The layer has no state.
//!
//! # Cancellation
//! The decision is made within `call`; the future is the inner service's.
//!
//! # Deployment caveats
//! The age of a log-in is measured with the host's calendar; a clock that is slow extends it.
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
    AuthMethod, Head, Identity, Place, Refusals, RequestContext, ResponseBody, ResponseFuture,
    StackLayer, Time,
};
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::{AuthRejection, Scopes};

/// Lets only callers pass that may use a route. See the [module docs](self).
#[derive(Clone, Debug)]
#[must_use]
pub struct RequireLayer {
    required: Option<Arc<Required>>,
}

#[derive(Clone, Debug, Default)]
struct Required {
    scopes: Option<Scopes>,
    auth_method: Option<AuthMethod>,
    roles: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    fresh: Option<Duration>,
    time: Time,
    refusals: Refusals,
}

impl RequireLayer {
    /// Requires an authenticated caller; the setters require more.
    pub fn authenticated() -> Self {
        Self { required: Some(Arc::default()) }
    }

    /// The layer that requires nothing, not even an authenticated caller.
    pub fn off() -> Self {
        Self { required: None }
    }

    /// Also requires all of these scopes.
    pub fn scopes(self, scopes: Scopes) -> Self {
        self.change(|required| required.scopes = Some(scopes))
    }

    /// Also requires `role`: the named claim must equal it or be an array that contains it. May be
    /// called several times; all roles are required.
    ///
    /// RFC 9068 calls the claim `roles`, `groups` or `entitlements`. The name of a nested claim is a
    /// JSON pointer, such as Keycloak's `/realm_access/roles`.
    pub fn add_role(
        self,
        claim: impl Into<Cow<'static, str>>,
        role: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.change(|required| required.roles.push((claim.into(), role.into())))
    }

    /// Also requires a credential of this type. With [`AuthMethod::Token`] no [API key](crate::ApiKeys)
    /// is accepted, for example on routes that change the account or issue other keys.
    pub fn auth_method(self, method: AuthMethod) -> Self {
        self.change(|required| required.auth_method = Some(method))
    }

    /// Also requires that the caller logged in (`auth_time`) at most this long ago. 0 accepts only
    /// log-ins of the current second.
    pub fn fresh(self, most: Duration) -> Self {
        self.change(|required| required.fresh = Some(most))
    }

    /// Reads the time from this handle. Default: the system's clocks.
    pub fn time(self, time: impl Into<Time>) -> Self {
        self.change(|required| required.time = time.into())
    }

    /// Renders refusals with these settings. Default: those of the stack.
    pub fn refusals(self, refusals: &Refusals) -> Self {
        self.change(|required| required.refusals = refusals.clone())
    }

    fn change(mut self, change: impl FnOnce(&mut Required)) -> Self {
        if let Some(required) = &mut self.required {
            change(Arc::make_mut(required));
        }
        self
    }
}

impl StackLayer for RequireLayer {
    const PLACE: Place = Place::REQUIRE;

    fn refusals(self, refusals: &Refusals) -> Self {
        self.change(|required| required.refusals = required.refusals.clone().or(refusals))
    }
}

impl<S> Layer<S> for RequireLayer {
    type Service = Require<S>;

    fn layer(&self, inner: S) -> Require<S> {
        Require { inner, required: self.required.clone() }
    }
}

/// Lets only callers pass that may use a route. See the [module docs](self).
#[derive(Clone, Debug)]
pub struct Require<S> {
    inner: S,
    required: Option<Arc<Required>>,
}

impl<S> Require<S> {
    hardpoint_core::inner_accessors!();
}

impl Required {
    fn check(&self, caller: Option<&Identity>) -> Result<(), AuthRejection> {
        let caller = caller.ok_or(AuthRejection::NotAuthenticated)?;
        if self.auth_method.is_some_and(|method| method != caller.method()) {
            return Err(AuthRejection::AuthMethodNotAllowed);
        }
        if let Some(most) = self.fresh {
            let age = caller.logged_in().map(|then| self.time.unix().saturating_sub(then));
            // `auth_time` has no fractions of a second.
            if age.is_none_or(|age| age.as_secs() > most.as_secs()) {
                return Err(AuthRejection::LoginTooOld(most));
            }
        }
        if let Some(scopes) = &self.scopes
            && !scopes.iter().all(|name| caller.has_scope(name))
        {
            return Err(AuthRejection::InsufficientScope(scopes.clone()));
        }
        let mut lacking = self.roles.iter().filter(|(claim, role)| !caller.has_role(claim, role));
        match lacking.next() {
            None => Ok(()),
            Some((claim, _)) if caller.omits_roles(claim) => Err(AuthRejection::RolesUnknown),
            Some(_) => Err(AuthRejection::InsufficientRole),
        }
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Require<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        if let Some(required) = &self.required {
            let context = RequestContext::find(request.extensions());
            let caller = context.and_then(|context| context.identity());
            if let Err(rejection) = required.check(caller) {
                let facts = required.refusals.facts(Head::new(&request));
                return ResponseFuture::refuse(required.refusals.refuse(&facts, &rejection));
            }
        }
        ResponseFuture::forward(self.inner.call(request))
    }
}
