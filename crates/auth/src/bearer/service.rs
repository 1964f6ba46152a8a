//! The service: a thin shell around the verifier.

use std::task::{Context, Poll};

use bytes::Bytes;
use hardpoint_core::{
    Clock, Event, Head, HeadFacts, Observer, Rejection, RequestContext, ResponseBody,
    ResponseFuture, Subject, SystemClock, refuse,
};
use http::{HeaderMap, Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    credentials::{self, Credentials},
    layer::Settings,
};
use crate::{
    InvalidRequest, InvalidToken, NotAuthenticated, RevocationUnavailable, TokenVerifier, Verified,
    VerifyError, VerifyErrorKind,
};

/// Tells who is calling from a bearer token. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct Auth<S, C = SystemClock, Ob = ()> {
    inner: S,
    verifier: Option<TokenVerifier<C>>,
    settings: Settings,
    observer: Ob,
}

impl<S, C, Ob> Auth<S, C, Ob> {
    pub(super) const fn new(
        inner: S,
        verifier: Option<TokenVerifier<C>>,
        settings: Settings,
        observer: Ob,
    ) -> Self {
        Self { inner, verifier, settings, observer }
    }

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

impl<S, C: Clock, Ob: Observer> Auth<S, C, Ob> {
    /// Who is calling, or why that is not known.
    fn authenticate(
        &self,
        verifier: &TokenVerifier<C>,
        headers: &mut HeaderMap,
    ) -> Result<Option<Verified>, Box<dyn Rejection>> {
        let cookie = self.settings.cookie.as_deref();
        credentials::hide(headers, cookie);
        let answer = match credentials::find(headers, cookie) {
            Credentials::Several => return Err(Box::new(InvalidRequest::new())),
            Credentials::None if self.settings.required => {
                return Err(Box::new(NotAuthenticated::new()));
            }
            Credentials::None => return Ok(None),
            Credentials::Malformed => Err(VerifyError::new(VerifyErrorKind::Malformed)),
            Credentials::Token(token) => verifier.verify(token),
        };
        let result = answer.as_ref().map_or_else(|error| error.kind().as_str(), |_| "ok");
        self.observer.on(&Event::Verified { result });
        answer.map(Some).map_err(|error| {
            tracing::debug!(target: "hardpoint::auth::bearer", reason = result, "token refused");
            match error.kind() {
                VerifyErrorKind::RevocationUnknown => {
                    Box::new(RevocationUnavailable::new()) as Box<dyn Rejection>
                }
                _ => Box::new(InvalidToken::new(error)),
            }
        })
    }
}

impl<S, C, Ob, ReqB, ResB> Service<Request<ReqB>> for Auth<S, C, Ob>
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

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let Some(verifier) = &self.verifier else {
            return ResponseFuture::forward(self.inner.call(request));
        };
        match self.authenticate(verifier, request.headers_mut()) {
            Ok(None) => {}
            Ok(Some(verified)) => {
                let extensions = request.extensions_mut();
                let context = RequestContext::of(extensions, verifier.clock());
                context.set_subject(if self.settings.names_issuer {
                    // No issuer's identifier has a fragment (OpenID Connect Discovery §2).
                    Subject::from([verified.issuer(), "#", verified.subject()].concat())
                } else {
                    Subject::from(verified.subject())
                });
                extensions.insert(verified);
            }
            Err(rejection) => {
                let facts = HeadFacts::of(Head::of(&request));
                return ResponseFuture::refuse(refuse(&facts, rejection.as_ref()));
            }
        }
        ResponseFuture::forward(self.inner.call(request))
    }
}
