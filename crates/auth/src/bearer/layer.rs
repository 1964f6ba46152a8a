//! The layer, and what its services share.

use std::sync::Arc;

use hardpoint_core::{
    Identity, Origin, Place, Refusals, Rejection, RequestContext, StackLayer, Telemetry, Time,
};
use http::{HeaderName, Request, Response, header};
use tower_layer::Layer;

use super::{
    Attempt, Auth, Authenticator, Credential, challenge,
    credentials::{self, Carrier},
    csrf,
};
use crate::AuthRejection;

/// Authenticates the caller of each request. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct AuthLayer {
    shared: Option<Arc<Shared>>,
}

/// What the services of a layer share.
#[derive(Clone)]
pub(super) struct Shared {
    authenticators: Vec<Arc<dyn Authenticator>>,
    /// The header fields of authenticators.
    fields: Vec<HeaderName>,
    is_required: bool,
    cookie: Option<Box<str>>,
    /// Origins whose pages may use what browsers attach, besides the service's own.
    trusted_origins: Vec<Origin>,
    realm: Box<str>,
    time: Time,
    pub(super) refusals: Refusals,
}

debug_only!(Shared { fields, is_required, cookie, trusted_origins, realm });

impl AuthLayer {
    /// Every request needs a credential that `authenticator` accepts.
    pub fn new(authenticator: impl Authenticator) -> Self {
        let shared = Shared {
            authenticators: Vec::new(),
            fields: Vec::new(),
            is_required: true,
            cookie: None,
            trusted_origins: Vec::new(),
            realm: "api".into(),
            time: Time::system(),
            refusals: Refusals::unset(),
        };
        Self { shared: Some(Arc::new(shared)) }.add_authenticator(authenticator)
    }

    /// The layer that does nothing: it reads no credential.
    pub fn off() -> Self {
        Self { shared: None }
    }

    /// Accepts the credentials of a further authenticator, which is asked after the earlier ones. A
    /// layer that is [`off`](Self::off) stays off.
    ///
    /// A [`TokenVerifier`](crate::TokenVerifier) takes every credential that it is asked about: add it
    /// last if another authenticator has the same scheme, or if both read the cookie.
    pub fn add_authenticator(self, authenticator: impl Authenticator) -> Self {
        self.change(|shared| {
            shared.fields.extend(authenticator.header());
            shared.authenticators.push(Arc::new(authenticator));
        })
    }

    /// Lets requests without a credential pass, without an identity: for a service with public
    /// routes. The others need a [`RequireLayer`](super::RequireLayer) or an extractor.
    pub fn optional(self) -> Self {
        self.change(|shared| shared.is_required = false)
    }

    /// Also reads the credential from the cookie of this name. Default: only from header fields.
    ///
    /// Browsers also send cookies with requests that other sites cause, so the cookie counts only in
    /// requests of the service's own pages (see the [semantics](super#semantics)). Give it a name that
    /// begins with `__Host-`: then neither another host of the domain nor plain http can set it.
    ///
    /// The check does not protect log-in forms: such a request has no cookie yet. Routes to which other
    /// sites post, such as those of SAML and of payments, belong outside of this layer, even if it is
    /// [`optional`](Self::optional).
    pub fn cookie(self, name: impl Into<Box<str>>) -> Self {
        self.change(|shared| shared.cookie = Some(name.into()))
    }

    /// Lets pages of this origin use the [`cookie`](Self::cookie) as well: for a service at
    /// `https://api.example` with pages at `https://app.example`. Default: none. Other subdomains
    /// cannot act for the user.
    ///
    /// A wildcard trusts every subdomain, including one that another party can register. The origin
    /// also counts for the schemes that browsers remember, such as `Basic`.
    ///
    /// ```
    /// # use hardpoint_auth::{AuthLayer, test::TestIssuer};
    /// use hardpoint_core::Origin;
    ///
    /// # let issuer = TestIssuer::new()?;
    /// let layer = AuthLayer::new(issuer.verifier())
    ///     .cookie("__Host-session")
    ///     .add_trusted_origin(Origin::parse("https://app.example")?);
    /// # let _ = layer;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_trusted_origin(self, origin: Origin) -> Self {
        self.change(|shared| shared.trusted_origins.push(origin))
    }

    /// The realm in `WWW-Authenticate`. Default: `api`. Quotes, backslashes and characters that are
    /// not printable ASCII are left out.
    pub fn realm(self, realm: impl Into<Box<str>>) -> Self {
        self.change(|shared| shared.realm = realm.into())
    }

    /// Reads the time at which a request was received from this handle, if no outer layer did.
    /// Default: the system's clocks.
    pub fn time(self, time: impl Into<Time>) -> Self {
        self.change(|shared| shared.time = time.into())
    }

    /// Reports each verification to this observer. Default: to the observer of the stack.
    pub fn telemetry(self, telemetry: &Telemetry) -> Self {
        for authenticator in self.shared.iter().flat_map(|shared| &shared.authenticators) {
            authenticator.telemetry(telemetry);
        }
        self
    }

    /// Renders refusals with these settings. Default: those of the stack.
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

impl StackLayer for AuthLayer {
    const PLACE: Place = Place::AUTH;

    fn telemetry(self, telemetry: &Telemetry) -> Self {
        Self::telemetry(self, telemetry)
    }

    fn refusals(self, refusals: &Refusals) -> Self {
        self.change(|shared| shared.refusals = shared.refusals.clone().or(refusals))
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = Auth<S>;

    fn layer(&self, inner: S) -> Auth<S> {
        Auth::new(inner, self.shared.clone())
    }
}

impl Shared {
    /// The caller; `None` if a request without a credential may pass.
    pub(super) fn attempt<B>(&self, request: &mut Request<B>) -> Option<Attempt> {
        let headers = request.headers_mut();
        credentials::hide(headers, &header::AUTHORIZATION);
        if self.cookie.is_some() {
            credentials::hide(headers, &header::COOKIE);
        }
        self.fields.iter().for_each(|field| credentials::hide(headers, field));
        let has_scheme = |own: &Arc<dyn Authenticator>, scheme: &[u8]| {
            own.scheme().as_bytes().eq_ignore_ascii_case(scheme)
        };
        let is_known =
            |scheme: &[u8]| self.authenticators.iter().any(|own| has_scheme(own, scheme));
        let cookie = self.cookie.as_deref();
        let found = credentials::find(request.headers(), is_known, cookie, self.fields.iter());
        let (text, carrier) = match found {
            Ok(Some(found)) => found,
            Ok(None) if self.is_required => return Some(refuse(AuthRejection::NotAuthenticated)),
            Ok(None) => return None,
            Err(rejection) => return Some(refuse(rejection)),
        };
        if csrf::is_untrusted(request, carrier, &self.trusted_origins) {
            return Some(refuse(AuthRejection::UntrustedOrigin));
        }
        let credential = Credential { text, request: Some(request.extensions()) };
        let takers = self.authenticators.iter().filter(|own| match carrier {
            Carrier::Cookie => true,
            Carrier::Header(field) => own.header().as_ref() == Some(field),
            Carrier::Scheme(scheme) => has_scheme(own, scheme),
        });
        let mut attempts = takers.map(|own| own.authenticate(credential));
        let attempt = attempts.find(|attempt| !matches!(attempt, Attempt::NotMine));
        // Accepted credentials are one: joined ones need not be looked for.
        if !matches!(attempt, Some(Attempt::Now(Ok(_)))) && credentials::is_joined(text) {
            return Some(refuse(AuthRejection::InvalidRequest));
        }
        attempt.or(Some(Attempt::NotMine))
    }

    /// Stores the caller in the request's context, unless an outer layer found another one.
    pub(super) fn admit<B>(
        &self,
        request: &mut Request<B>,
        identity: Identity,
    ) -> Result<(), Box<dyn Rejection>> {
        let store = |context: &RequestContext| {
            let is_other = |outer: &Identity| !outer.is_same_caller(&identity);
            if context.identity().is_some_and(is_other) {
                return Err(Box::new(AuthRejection::InvalidRequest) as _);
            }
            context.set_identity(identity);
            Ok(())
        };
        match RequestContext::find(request.extensions()) {
            Some(context) => store(context),
            None => store(&RequestContext::ensure(request.extensions_mut(), &self.time)),
        }
    }

    /// Writes the challenges of a response on its way out.
    pub(super) fn challenge<B>(&self, response: &mut Response<B>) {
        let scheme = |index: usize| self.authenticators.get(index).map(|own| own.scheme());
        let is_first = |index: &usize| (0..*index).all(|other| scheme(other) != scheme(*index));
        let schemes = (0..self.authenticators.len()).filter(is_first).filter_map(scheme);
        challenge::write(response, &self.realm, schemes);
    }
}

fn refuse(rejection: AuthRejection) -> Attempt {
    Attempt::Now(Err(Box::new(rejection)))
}
