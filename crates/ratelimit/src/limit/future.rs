//! The future of a limited request.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use hardpoint_core::{
    Answer, Head, HeadFacts, Observer, Rejection, RequestContext, ResponseBody, refuse,
};
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    Batch, RateLimiter, ResponseHead, Store,
    headers::Fields,
    limiter::{Conclusion, Settlement},
};

pin_project! {
    /// Waits for the store if it must, then for the inner service, or is ready with a refusal.
    pub struct ResponseFuture<S, Req, ResB, St, Ob>
    where
        S: Service<Req>,
        St: Store,
    {
        #[pin]
        state: State<S, S::Future, Req, ResB, St, St::Pending, Ob>,
    }
}

pin_project! {
    #[project = StateProject]
    enum State<S, F, Req, ResB, St, P, Ob> {
        /// The store is asked.
        Wait { #[pin] pending: P, held: Option<Box<Held<S, Req, St, Ob>>> },
        /// The inner service answers.
        Inner {
            #[pin]
            inner: F,
            fields: Option<Fields>,
            settlement: Option<Box<Settlement<St, Ob>>>,
        },
        /// What turned out not to be charged is given back.
        Settle {
            #[pin]
            pending: P,
            settlement: Option<Box<Settlement<St, Ob>>>,
            response: Option<Response<ResponseBody<ResB>>>,
        },
        /// The answer is there.
        Done { response: Option<Response<ResponseBody<ResB>>> },
    }
}

/// What is kept while the store is asked: the ready service, its request, and the question.
struct Held<S, Req, St, Ob> {
    limiter: RateLimiter<St, Ob>,
    batch: Batch,
    ready: S,
    request: Req,
}

impl<S, ReqB, ResB, St, Ob> ResponseFuture<S, Request<ReqB>, ResB, St, Ob>
where
    S: Service<Request<ReqB>>,
    St: Store,
{
    pub(super) const fn admit(
        inner: S::Future,
        fields: Option<Fields>,
        settlement: Option<Box<Settlement<St, Ob>>>,
    ) -> Self {
        Self { state: State::Inner { inner, fields, settlement } }
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
        Self { state: State::Done { response: Some(response) } }
    }

    pub(super) fn conclude(
        conclusion: Conclusion<St, Ob>,
        ready: &mut S,
        request: Request<ReqB>,
    ) -> Self {
        match conclusion {
            Conclusion::Admit(fields, settlement) => {
                Self::admit(ready.call(request), fields, settlement)
            }
            Conclusion::Refuse(limited, fields) => {
                Self::refuse(&HeadFacts::of(Head::of(&request)), &limited, fields)
            }
            Conclusion::Unavailable(unavailable) => {
                Self::refuse(&HeadFacts::of(Head::of(&request)), &unavailable, None)
            }
        }
    }

    pub(super) fn wait(
        pending: St::Pending,
        limiter: RateLimiter<St, Ob>,
        batch: Batch,
        ready: S,
        request: Request<ReqB>,
    ) -> Self {
        let held = Some(Box::new(Held { limiter, batch, ready, request }));
        Self { state: State::Wait { pending, held } }
    }
}

impl<S, ReqB, ResB, St, Ob> ResponseFuture<S, Request<ReqB>, ResB, St, Ob>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    St: Store,
    Ob: Observer,
{
    /// The response is there: it gets its headers, and what is not charged is given back first.
    fn answered(
        response: Response<ResB>,
        fields: Option<Fields>,
        settlement: Option<Box<Settlement<St, Ob>>>,
    ) -> State<S, S::Future, Request<ReqB>, ResB, St, St::Pending, Ob> {
        let head = ResponseHead::of(&response);
        let refund = settlement.as_ref().and_then(|settlement| settlement.refund(head));
        let mut response = response.map(ResponseBody::inner);
        if let Some(fields) = fields {
            fields.insert_into(response.headers_mut());
        }
        let response = Some(response);
        let (Some(settlement), Some(refund)) = (settlement, refund) else {
            return State::Done { response };
        };
        match settlement.limiter().store().decide(&refund) {
            Answer::Now(answer) => {
                answer.err().iter().for_each(|error| settlement.refund_failed(error));
                State::Done { response }
            }
            Answer::Later(pending) => {
                State::Settle { pending, settlement: Some(settlement), response }
            }
        }
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
            let next = match state.as_mut().project() {
                StateProject::Wait { pending, held } => {
                    let answer = ready!(pending.poll(cx));
                    // Taken once: the state is replaced right below.
                    let Some(held) = held.take() else { return Poll::Pending };
                    let Held { limiter, batch, mut ready, request } = *held;
                    let rules = limiter.rules();
                    let context = RequestContext::get(request.extensions()).map(AsRef::as_ref);
                    let conclusion = limiter.conclude(&rules, &batch, answer, context);
                    Self::conclude(conclusion, &mut ready, request).state
                }
                StateProject::Inner { inner, fields, settlement } => {
                    let response = ready!(inner.poll(cx))?;
                    Self::answered(response, fields.take(), settlement.take())
                }
                StateProject::Settle { pending, settlement, response } => {
                    let answer = ready!(pending.poll(cx));
                    if let (Err(error), Some(settlement)) = (answer, settlement) {
                        settlement.refund_failed(&error);
                    }
                    State::Done { response: response.take() }
                }
                // A future is not polled again after it was ready; if it is, nothing is left.
                StateProject::Done { response } => {
                    let response = response.take();
                    return response.map_or(Poll::Pending, |response| Poll::Ready(Ok(response)));
                }
            };
            state.set(next);
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
            State::Settle { .. } => "settle",
            State::Done { .. } => "done",
        };
        f.debug_tuple("ResponseFuture").field(&state).finish()
    }
}
