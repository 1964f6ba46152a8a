//! The future.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hardpoint_core::event::StaleCopyResult;
use http::{Response, header::AGE};
use http_body::Body;
use pin_project_lite::pin_project;

use super::{
    ResponseBody, StaleCopy,
    body::Recorder,
    copies::{Found, StoredCopy},
    fields::Selecting,
    rules,
    shared::Shared,
};
use crate::BoxError;

/// How long a copy is kept before a later response replaces it. Copying each response of a busy key
/// would cost more than a second's freshness is worth.
const REPLACED_AFTER: Duration = Duration::from_secs(1);

pin_project! {
    /// The inner service's response, or the last good one in its place.
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        // None if the request has no copies.
        claim: Option<Claim>,
    }
}

/// A request that may get a copy, and whose response may become one.
pub(super) struct Claim {
    pub(super) shared: Arc<Shared>,
    pub(super) key: Vec<u8>,
    pub(super) selecting: Selecting,
}

impl<F> ResponseFuture<F> {
    pub(super) const fn new(inner: F, claim: Option<Claim>) -> Self {
        Self { inner, claim }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
    R: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<R>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx)).map_err(Into::into);
        let Some(claim) = this.claim.take() else {
            return Poll::Ready(result.map(|response| response.map(ResponseBody::inner)));
        };
        if claim.failed(&result)
            && let Some(copy) = claim.serve()
        {
            return Poll::Ready(Ok(copy));
        }
        Poll::Ready(result.map(|response| claim.keep(response)))
    }
}

impl Claim {
    fn failed<R>(&self, result: &Result<Response<R>, BoxError>) -> bool {
        result.as_ref().map_or(true, |response| {
            let classifier = &self.shared.settings.classifier;
            classifier.classify_response(response.status(), response.headers()).is_failure()
        })
    }

    /// The copy in place of a failure.
    #[cold]
    fn serve<R>(&self) -> Option<Response<ResponseBody<R>>> {
        let now = self.shared.settings.time.now();
        let found = self.shared.copies().find(&self.key, &self.selecting, now);
        let copy = match found {
            Found::Absent => {
                self.shared.report(StaleCopyResult::Absent);
                return None;
            }
            Found::Expired => {
                self.shared.report(StaleCopyResult::Expired);
                return None;
            }
            Found::Usable(copy) => copy,
        };
        self.shared.report(StaleCopyResult::Served);
        let age = now.saturating_since(copy.stored).saturating_add(copy.had_age);
        let mut response = Response::new(ResponseBody::copy(copy.body.clone()));
        *response.status_mut() = copy.status;
        *response.version_mut() = copy.version;
        response.headers_mut().clone_from(&copy.headers);
        response.headers_mut().insert(AGE, age.as_secs().into());
        response.extensions_mut().insert(StaleCopy::new(age));
        Some(response)
    }

    /// Records the response while its caller reads it, if it may be kept.
    fn keep<R>(self, response: Response<R>) -> Response<ResponseBody<R>>
    where
        R: Body<Data = Bytes>,
    {
        match self.recorder(&response) {
            Some(recorder) => response.map(|body| ResponseBody::recorded(body, recorder)),
            None => response.map(ResponseBody::inner),
        }
    }

    fn recorder<R>(self, response: &Response<R>) -> Option<Recorder>
    where
        R: Body<Data = Bytes>,
    {
        let Self { shared, key, selecting } = self;
        let settings = &shared.settings;
        let (status, headers) = (response.status(), response.headers());
        let keeps_for = rules::keeps_for(status, headers, settings.max_age)?;
        let variant = selecting.variant(headers)?;
        if response.body().size_hint().lower() > settings.max_body as u64 {
            return None;
        }
        let now = settings.time.now();
        let wanted = shared.copies().wants(&key, &selecting, now, REPLACED_AFTER);
        wanted.then(|| {
            let copy = StoredCopy {
                status,
                version: response.version(),
                headers: headers.clone(),
                body: Bytes::new(),
                variant,
                had_age: rules::age(headers),
                stored: now,
                expires: now.saturating_add(keeps_for),
            };
            Recorder::new(shared, key, copy)
        })
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_claim = self.claim.is_some();
        f.debug_struct("ResponseFuture").field("may_be_stale", &has_claim).finish_non_exhaustive()
    }
}
