//! The future of a limited request.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use hardpoint_core::{Answer, Head, HeadFacts, Observer, ResponseBody, refuse};
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    Batch, RateLimiter, ResponseHead, Store, StoreError, Verdicts,
    headers::Fields,
    limiter::{Current, Refusal, Settlement},
};

pin_project! {
    /// Waits for the store if it must, then for the inner service, or is ready with a refusal.
    pub struct ResponseFuture<S, Req, St, Ob>
    where
        S: Service<Req>,
        St: Store,
        Ob: Observer,
    {
        #[pin]
        state: State<S, Req, St, Ob>,
    }
}

pin_project! {
    #[project = StateProject]
    enum State<S, Req, St, Ob>
    where
        S: Service<Req>,
        St: Store,
        Ob: Observer,
    {
        /// The store is asked.
        Wait { #[pin] pending: St::Pending, held: Option<Box<Held<S, Req, St, Ob>>> },
        /// The inner service answers.
        Inner { #[pin] inner: S::Future, after: After<St, Ob> },
        /// What turned out not to be charged is given back, to a store that takes its time.
        Settle {
            #[pin]
            pending: St::Pending,
            held: Option<Box<Settling<S::Response, St, Ob>>>,
        },
        /// The client is refused.
        Refused { facts: HeadFacts, refusal: Option<Box<Refusal>> },
    }
}

/// What follows upon the response of the inner service.
struct After<St: Store, Ob: Observer> {
    fields: Option<Fields>,
    settlement: Option<Box<Settlement<St, Ob>>>,
}

impl<St: Store, Ob: Observer> After<St, Ob> {
    const NOTHING: Self = Self { fields: None, settlement: None };
}

/// What is kept while the store is asked: the ready service, its request, and the question.
struct Held<S, Req, St, Ob> {
    limiter: RateLimiter<St, Ob>,
    batch: Batch,
    ready: S,
    request: Req,
}

/// What is kept while the store takes back what was not charged.
struct Settling<Res, St: Store, Ob: Observer> {
    settlement: Box<Settlement<St, Ob>>,
    response: Res,
    fields: Option<Fields>,
}

impl<S, ReqB, St, Ob> ResponseFuture<S, Request<ReqB>, St, Ob>
where
    S: Service<Request<ReqB>>,
    St: Store,
    Ob: Observer,
{
    /// The answer of a service around which nothing is limited.
    #[inline]
    pub(super) const fn pass(inner: S::Future) -> Self {
        Self { state: State::Inner { inner, after: After::NOTHING } }
    }

    #[cold]
    pub(super) fn refuse(head: Head<'_>, refusal: Box<Refusal>) -> Self {
        Self { state: State::Refused { facts: HeadFacts::of(head), refusal: Some(refusal) } }
    }

    #[cold]
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

impl<S, ReqB, St, Ob> ResponseFuture<S, Request<ReqB>, St, Ob>
where
    S: Service<Request<ReqB>>,
    St: Store,
    Ob: Observer,
{
    /// What becomes of a request whose question the store has answered.
    #[inline]
    pub(super) fn conclude(
        limiter: &RateLimiter<St, Ob>,
        rules: &Current<'_>,
        batch: &Batch,
        answer: &Result<Verdicts, StoreError>,
        (ready, request): (&mut S, Request<ReqB>),
    ) -> Self {
        let after = match answer {
            Ok(verdicts) if verdicts.allowed() => {
                let tell = || limiter.tell(rules, batch, verdicts, Head::of(&request).context());
                if rules.asks_nothing_more {
                    tell();
                    return Self::pass(ready.call(request));
                }
                // First: whatever panics from here on, what is held is settled.
                let settlement = limiter.settlement(rules, batch, verdicts);
                tell();
                After { fields: limiter.fields(rules, batch, verdicts), settlement }
            }
            answer => {
                let head = Head::of(&request);
                match limiter.refuse(rules, batch, answer, head.context()) {
                    Some(refusal) => return Self::refuse(head, refusal),
                    None => After::NOTHING,
                }
            }
        };
        Self { state: State::Inner { inner: ready.call(request), after } }
    }
}

impl<S, ReqB, ResB, St, Ob> Future for ResponseFuture<S, Request<ReqB>, St, Ob>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    St: Store,
    Ob: Observer,
{
    type Output = Result<Response<ResponseBody<ResB>>, S::Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // The way of nearly all requests stands first, and short enough to be inlined.
        if let StateProject::Inner { inner, after: After { fields: None, settlement: None } } =
            self.as_mut().project().state.project()
        {
            return inner.poll(cx).map_ok(|response| response.map(ResponseBody::inner));
        }
        self.poll_rest(cx)
    }
}

impl<S, ReqB, ResB, St, Ob> ResponseFuture<S, Request<ReqB>, St, Ob>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    St: Store,
    Ob: Observer,
{
    #[inline(never)]
    fn poll_rest(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<ResponseBody<ResB>>, S::Error>> {
        let mut state = self.project().state;
        loop {
            // What is taken out of a state is there: the state is replaced, or the future is over.
            let next = match state.as_mut().project() {
                StateProject::Wait { pending, held } => {
                    let answer = ready!(pending.poll(cx));
                    let Some(held) = held.take() else { return Poll::Pending };
                    let Held { limiter, batch, mut ready, request } = *held;
                    let asked = (&mut ready, request);
                    Self::conclude(&limiter, &limiter.rules(), &batch, &answer, asked).state
                }
                StateProject::Inner { inner, after } => {
                    let response = ready!(inner.poll(cx))?;
                    let Some(mut settlement) = after.settlement.take() else {
                        return Poll::Ready(Ok(with_fields(response, after.fields.take())));
                    };
                    match settlement.settle(ResponseHead::of(&response)) {
                        Answer::Now(()) => {
                            return Poll::Ready(Ok(with_fields(response, after.fields.take())));
                        }
                        Answer::Later(pending) => {
                            let fields = after.fields.take();
                            let held = Settling { settlement, response, fields };
                            State::Settle { pending, held: Some(Box::new(held)) }
                        }
                    }
                }
                StateProject::Settle { pending, held } => {
                    let answer = ready!(pending.poll(cx));
                    let Some(held) = held.take() else { return Poll::Pending };
                    let Settling { settlement, response, fields } = *held;
                    settlement.ended(answer);
                    return Poll::Ready(Ok(with_fields(response, fields)));
                }
                StateProject::Refused { facts, refusal } => {
                    let Some(refusal) = refusal.take() else { return Poll::Pending };
                    let Refusal { rejection, fields } = *refusal;
                    let mut response = refuse(facts, &*rejection);
                    if let Some(fields) = fields {
                        fields.insert_into(response.headers_mut());
                    }
                    return Poll::Ready(Ok(response));
                }
            };
            state.set(next);
        }
    }
}

fn with_fields<B>(response: Response<B>, fields: Option<Fields>) -> Response<ResponseBody<B>> {
    let mut response = response.map(ResponseBody::inner);
    if let Some(fields) = fields {
        fields.insert_into(response.headers_mut());
    }
    response
}

impl<S, Req, St, Ob> fmt::Debug for ResponseFuture<S, Req, St, Ob>
where
    S: Service<Req>,
    St: Store,
    Ob: Observer,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Wait { .. } => "wait",
            State::Inner { .. } => "inner",
            State::Settle { .. } => "settle",
            State::Refused { .. } => "refused",
        };
        f.debug_tuple("ResponseFuture").field(&state).finish()
    }
}
