//! The future.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hardpoint_core::{Head, event::StaleCopyResult};
use http::{Request, Response, header::AGE};
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
        // None if the request has no copies and ends none.
        stake: Option<Stake>,
    }
}

/// What a request has to do with copies.
#[expect(clippy::large_enum_variant, reason = "a box would be an allocation for each call")]
pub(super) enum Stake {
    /// It may get one.
    Copy(Claim),
    /// Its method is not safe, and its success ends the copies of its target.
    Change { shared: Arc<Shared>, target: u64 },
}

/// A request that may get a copy, and whose response may become one.
pub(super) struct Claim {
    pub(super) shared: Arc<Shared>,
    pub(super) key: Vec<u8>,
    selecting: Selecting,
    /// The highest age of a copy that the request accepts.
    oldest: Option<Duration>,
    /// The hash of the target.
    pub(super) target: u64,
    /// The removals of the target when the call began.
    pub(super) removals: u64,
}

impl Stake {
    pub(super) fn new<B: Body>(shared: &Arc<Shared>, request: &Request<B>) -> Option<Self> {
        let head = Head::new(request);
        if head.method.is_safe() {
            Claim::new(shared, head, !request.body().is_end_stream()).map(Self::Copy)
        } else {
            Some(Self::Change { shared: Arc::clone(shared), target: shared.target(head) })
        }
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn new(inner: F, stake: Option<Stake>) -> Self {
        Self { inner, stake }
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
        match this.stake.take() {
            Some(Stake::Copy(claim)) if claim.failed(&result) => {
                if let Some(copy) = claim.serve() {
                    return Poll::Ready(Ok(copy));
                }
            }
            Some(Stake::Copy(claim)) => {
                return Poll::Ready(result.map(|response| claim.keep(response)));
            }
            Some(Stake::Change { shared, target }) => {
                // RFC 9111 §4.4: 2xx and 3xx are not errors.
                let status = result.as_ref().map(Response::status);
                if status.is_ok_and(|status| status.is_success() || status.is_redirection()) {
                    shared.remove_target(target);
                }
            }
            None => {}
        }
        Poll::Ready(result.map(|response| response.map(ResponseBody::inner)))
    }
}

impl Claim {
    fn new(shared: &Arc<Shared>, head: Head<'_>, has_body: bool) -> Option<Self> {
        let (settings, target) = (&shared.settings, shared.target(head));
        let callers = settings.callers.as_deref();
        let key = rules::key(head, target, has_body, &settings.neutral, callers)?;
        let (selecting, oldest) = (Selecting::new(head.headers), rules::oldest(head.headers));
        let (shared, removals) = (Arc::clone(shared), shared.removals(target));
        Some(Self { shared, key, selecting, oldest, target, removals })
    }

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
        let age = now.saturating_since(copy.stored).saturating_add(copy.had_age);
        if self.oldest.is_some_and(|oldest| age > oldest) {
            self.shared.report(StaleCopyResult::Expired);
            return None;
        }
        self.shared.report(StaleCopyResult::Served);
        let mut response = Response::new(ResponseBody::copy(copy.body.clone()));
        *response.status_mut() = copy.status;
        *response.version_mut() = copy.version;
        response.headers_mut().clone_from(&copy.headers);
        response.headers_mut().insert(AGE, age.as_secs().into());
        response.extensions_mut().insert(StaleCopy::new(age));
        Some(response)
    }

    /// Records the response while its caller reads it, if it may be kept, or removes the copy that
    /// the response ends.
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
        let settings = &self.shared.settings;
        let (status, headers) = (response.status(), response.headers());
        let variant = self.selecting.variant(headers);
        if variant.is_none() || rules::ends_copies(status, headers) {
            self.shared.remove(self.target, self.key);
            return None;
        }
        let variant = variant?;
        let keeps_for = rules::keeps_for(status, headers, settings.max_age)?;
        if response.body().size_hint().lower() > settings.max_body as u64 {
            return None;
        }
        let now = settings.time.now();
        let mut copies = self.shared.copies();
        let wanted = copies.wants(&self.key, &self.selecting, now, REPLACED_AFTER);
        drop(copies);
        if !wanted {
            return None;
        }
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
        Recorder::new(self, copy)
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_claim = matches!(self.stake, Some(Stake::Copy(_)));
        f.debug_struct("ResponseFuture").field("may_be_stale", &has_claim).finish_non_exhaustive()
    }
}
