//! Extractors for axum's handlers.

use std::{convert::Infallible, ops::Deref, sync::Arc};

use ::axum::extract::{FromRequestParts, OptionalFromRequestParts};
use hardpoint_core::{AuthMethod, Identity, RequestContext, axum::RejectionResponse};
use http::request::Parts;

use crate::{AuthRejection, Scopes, VerifiedToken, api_key::ApiKeyRecord};

/// The authenticated caller of the request. Without one the handler is not called: 401.
///
/// It needs an [`AuthLayer`](crate::AuthLayer) around the router. `Option<Authenticated>` is `None`
/// for a request without a credential, behind a layer that is
/// [`optional`](crate::AuthLayer::optional).
///
/// ```
/// use hardpoint_auth::{Scopes, axum::Authenticated};
/// use hardpoint_core::axum::RejectionResponse;
///
/// const WRITE: Scopes = Scopes::from_static("notes:write");
///
/// async fn add_note(caller: Authenticated) -> Result<String, RejectionResponse> {
///     caller.require(&WRITE)?;
///     Ok(format!("added by {}", caller.subject()))
/// }
/// # let _ = add_note;
/// ```
#[derive(Clone, Debug)]
pub struct Authenticated {
    identity: Identity,
}

impl Authenticated {
    /// Continues only if the caller was granted all of these scopes.
    ///
    /// # Errors
    /// The response to send otherwise: 403.
    pub fn require(&self, required: &Scopes) -> Result<(), RejectionResponse> {
        if required.iter().all(|name| self.identity.has_scope(name)) {
            return Ok(());
        }
        Err(AuthRejection::InsufficientScope(required.clone()).into())
    }

    /// Continues only if the caller used this type of credential: with [`AuthMethod::Token`] an
    /// [API key](crate::ApiKeys) cannot change an account.
    ///
    /// # Errors
    /// The response to send otherwise: 403.
    pub fn require_auth_method(&self, method: AuthMethod) -> Result<(), RejectionResponse> {
        if self.identity.method() == method {
            return Ok(());
        }
        Err(AuthRejection::AuthMethodNotAllowed.into())
    }

    /// The caller's token; `None` if the caller used another kind of credential.
    #[must_use]
    pub fn token(&self) -> Option<VerifiedToken> {
        VerifiedToken::from_identity(&self.identity)
    }

    /// The caller's API key; `None` if the caller used another kind of credential.
    #[must_use]
    pub fn api_key(&self) -> Option<Arc<ApiKeyRecord>> {
        ApiKeyRecord::from_identity(&self.identity)
    }

    fn find(parts: &Parts) -> Option<Self> {
        let identity = RequestContext::find(&parts.extensions)?.identity()?.clone();
        Some(Self { identity })
    }
}

impl Deref for Authenticated {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.identity
    }
}

impl<S: Sync> FromRequestParts<S> for Authenticated {
    type Rejection = RejectionResponse;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, RejectionResponse> {
        Self::find(parts).ok_or_else(|| AuthRejection::NotAuthenticated.into())
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Authenticated {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Infallible> {
        Ok(Self::find(parts))
    }
}
