//! What authenticates a credential.

use std::{net::IpAddr, pin::Pin};

use hardpoint_core::{Identity, Rejection, Telemetry};
use http::{Extensions, HeaderName};

use crate::network::network;

/// Finds out whose credential a request carries. An [`AuthLayer`](crate::AuthLayer) asks its
/// authenticators in order, until one takes the credential.
///
/// [`TokenVerifier`](crate::TokenVerifier) and [`ApiKeys`](crate::ApiKeys) are two; the sessions of an
/// application or the keys of a partner are others:
///
/// ```
/// use hardpoint_auth::{Attempt, AuthRejection, Authenticator, Credential};
/// use hardpoint_core::Identity;
/// use http::HeaderName;
///
/// struct PartnerKeys;
///
/// impl Authenticator for PartnerKeys {
///     fn authenticate(&self, credential: Credential<'_>) -> Attempt {
///         let Some(key) = credential.text().strip_prefix("key_") else { return Attempt::NotMine };
///         let key = key.to_owned();
///         Attempt::Later(Box::pin(async move {
///             // let owner = database.owner(&key).await ..
///             if key == "demo" { Ok(Identity::from_subject("alice")) }
///             else { Err(Box::new(AuthRejection::NotAuthenticated) as _) }
///         }))
///     }
///
///     fn scheme(&self) -> &'static str { "Partner" }
///
///     fn header(&self) -> Option<HeaderName> { Some(HeaderName::from_static("x-partner-key")) }
/// }
/// # let _ = PartnerKeys;
/// ```
pub trait Authenticator: Send + Sync + 'static {
    /// The caller that this credential belongs to. Called in the middle of a request: it must not
    /// block.
    fn authenticate(&self, credential: Credential<'_>) -> Attempt;

    /// The scheme of its credentials in `Authorization`, and of its challenge in
    /// `WWW-Authenticate`. Compared without regard to case.
    fn scheme(&self) -> &'static str;

    /// A header field of its own that carries its credentials. Default: none.
    ///
    /// Browsers must not send the field by themselves, and a proxy must not derive it from a cookie:
    /// of all fields, only `Cookie` is checked for the page that caused the request.
    fn header(&self) -> Option<HeaderName> {
        None
    }

    /// Reports to `telemetry`, unless it reports to an observer already. Default: it reports
    /// nothing.
    fn telemetry(&self, _telemetry: &Telemetry) {}
}

/// The caller, or why the credential is refused, after a round trip.
pub type Authenticating =
    Pin<Box<dyn Future<Output = Result<Identity, Box<dyn Rejection>>> + Send>>;

/// The answer of an [`Authenticator`].
pub enum Attempt {
    /// The answer needs a round trip. The layer waits with the request and the inner service.
    Later(Authenticating),
    /// The credential is of another authenticator's format.
    NotMine,
    /// The caller, or why the credential is refused.
    Now(Result<Identity, Box<dyn Rejection>>),
}

debug_only!(Attempt {});

/// A credential, and who sent it. `Debug` hides it.
#[derive(Clone, Copy)]
pub struct Credential<'a> {
    pub(super) text: &'a str,
    pub(super) request: Option<&'a Extensions>,
}

impl<'a> Credential<'a> {
    /// A credential outside of a request, for the tests of an authenticator.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self { text, request: None }
    }

    /// The text of the credential, from the cookie of the layer, from the authenticator's own header
    /// field, or from behind its scheme in `Authorization`: empty if nothing readable is there.
    #[must_use]
    pub fn text(self) -> &'a str {
        self.text
    }

    /// The client's network: of the client that a `ClientLayer` resolved, otherwise of the peer.
    #[must_use]
    pub fn network(self) -> Option<IpAddr> {
        network(self.request?)
    }
}

debug_only!(Credential<'_> {});
