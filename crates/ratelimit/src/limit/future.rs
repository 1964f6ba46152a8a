//! The future of a limited request.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use hardpoint_core::{Head, HeadFacts, Observer, Rejection, RequestContext, ResponseBody, refuse};
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{Batch, RateLimiter, Store, headers::Fields, limiter::Conclusion};

pin_project! {
    /// Waits for the store if it must, then for the inner service, or is ready with a refusal.
    pub struct ResponseFuture<S, Req, ResB, St, Ob>
    where
        S: Service<Req>,
        St: Store,
    {
        #[pin]
        state: State<S, S::Future, St::Pending, Req, ResB, RateLimiter<St, Ob>>,
    }
}

pin_project! {
    #[project = StateProject]
    enum State<S, F, P, Req, ResB, L> {
        Wait { #[pin] pending: P, held: Option<Held<S, Req, L>> },
        Inner { #[pin] inner: F, fields: Option<Fields> },
        Refused { response: Option<Response<ResponseBody<ResB>>> },
    }
}

/// What is kept while the store is asked: the ready service, its request, and the question.
struct Held<S, Req, L> {
    limiter: L,
    batch: Batch,
    ready: S,
    request: Req,
}

impl<S, ReqB, ResB, St, Ob> ResponseFuture<S, Request<ReqB>, ResB, St, Ob>
where
    S: Service<Request<ReqB>>,
    St: Store,
{
    pub(super) const fn admit(inner: S::Future, fields: Option<Fields>) -> Self {
        Self { state: State::Inner { inner, fields } }
    }

    pub(super) fn refuse(
        facts: &HeadFacts,
        rejection: &dyn Rejection,
        fields: Option<Fields>,
    ) -> Self {
        let mut response = refuse(facts, rejection);
        if let Some(fields) = fields {
            fields.insert_into(response.headers_mut());
        }
        Self { state: State::Refused { response: Some(response) } }
    }

    pub(super) fn conclude(conclusion: Conclusion, ready: &mut S, request: Request<ReqB>) -> Self {
        match conclusion {
            Conclusion::Admit(fields) => Self::admit(ready.call(request), fields),
            Conclusion::Refuse(limited, fields) => {
                Self::refuse(&HeadFacts::of(Head::of(&request)), &limited, fields)
            }
            Conclusion::Unavailable(unavailable) => {
                Self::refuse(&HeadFacts::of(Head::of(&request)), &unavailable, None)
            }
        }
    }

    pub(super) const fn wait(
        pending: St::Pending,
        limiter: RateLimiter<St, Ob>,
        batch: Batch,
        ready: S,
        request: Request<ReqB>,
    ) -> Self {
        let held = Some(Held { limiter, batch, ready, request });
        Self { state: State::Wait { pending, held } }
    }
}

impl<S, ReqB, ResB, St, Ob> Future for ResponseFuture<S, Request<ReqB>, ResB, St, Ob>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    St: Store,
    Ob: Observer,
{
    type Output = Result<Response<ResponseBody<ResB>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProject::Wait { pending, held } => {
                    let answer = ready!(pending.poll(cx));
                    // Taken once: the state is replaced right below.
                    let Some(held) = held.take() else {
                        return Poll::Pending;
                    };
                    let Held { limiter, batch, mut ready, request } = held;
                    let context = RequestContext::get(request.extensions()).map(AsRef::as_ref);
                    let conclusion = limiter.conclude(&batch, answer, context);
                    let next = Self::conclude(conclusion, &mut ready, request);
                    state.set(next.state);
                }
                StateProject::Inner { inner, fields } => {
                    let mut response = ready!(inner.poll(cx))?;
                    if let Some(fields) = fields.take() {
                        fields.insert_into(response.headers_mut());
                    }
                    return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                }
                // A future is not polled again after it was ready; if it is, nothing is left.
                StateProject::Refused { response } => {
                    return response
                        .take()
                        .map_or(Poll::Pending, |response| Poll::Ready(Ok(response)));
                }
            }
        }
    }
}

impl<S, Req, ResB, St, Ob> fmt::Debug for ResponseFuture<S, Req, ResB, St, Ob>
where
    S: Service<Req>,
    St: Store,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Wait { .. } => "wait",
            State::Inner { .. } => "inner",
            State::Refused { .. } => "refused",
        };
        f.debug_tuple("ResponseFuture").field(&state).finish()
    }
}
