//! Extractors for axum's handlers.

use std::{convert::Infallible, ops::Deref};

use ::axum::{
    body::Body,
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use hardpoint_core::{Head, HeadFacts, Rejection, refuse};
use http::request::Parts;

use crate::{InsufficientScope, NotAuthenticated, Scopes, Verified};

/// The verified token of the request. The handler is not called without one: 401.
///
/// It needs an [`AuthLayer`](crate::AuthLayer) around the router. `Option<Authenticated>` is `None`
/// for a request without a token, behind a layer that is
/// [`optional`](crate::AuthLayer::optional).
///
/// ```
/// use hardpoint_auth::{axum::{Authenticated, Refusal}, Scopes};
///
/// async fn add_note(user: Authenticated) -> Result<String, Refusal> {
///     user.require(&"notes:write".parse().unwrap_or_default())?;
///     Ok(format!("added by {}", user.subject()))
/// }
/// # let _ = add_note;
/// ```
#[derive(Clone, Debug)]
pub struct Authenticated {
    verified: Verified,
    facts: HeadFacts,
}

impl Authenticated {
    /// Goes on only if the token carries all of these scopes.
    ///
    /// # Errors
    /// The response to send otherwise: 403.
    pub fn require(&self, required: &Scopes) -> Result<(), Refusal> {
        if self.verified.allows(required) {
            return Ok(());
        }
        Err(Refusal::new(&self.facts, &InsufficientScope::new(required.clone())))
    }
}

impl Deref for Authenticated {
    type Target = Verified;

    fn deref(&self) -> &Verified {
        &self.verified
    }
}

impl<S: Sync> FromRequestParts<S> for Authenticated {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        let facts = HeadFacts::of(Head::of_parts(parts));
        let verified = parts.extensions.get::<Verified>().cloned();
        match verified {
            Some(verified) => Ok(Self { verified, facts }),
            None => Err(Refusal::new(&facts, &NotAuthenticated::new())),
        }
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Authenticated {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Infallible> {
        let verified = parts.extensions.get::<Verified>().cloned();
        Ok(verified.map(|verified| Self { verified, facts: HeadFacts::of(Head::of_parts(parts)) }))
    }
}

/// A refusal as axum sends it.
#[derive(Debug)]
pub struct Refusal {
    response: Box<Response>,
}

impl Refusal {
    fn new(facts: &HeadFacts, rejection: &dyn Rejection) -> Self {
        let response = refuse::<Body>(facts, rejection).map(Body::new);
        Self { response: Box::new(response) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        *self.response
    }
}
