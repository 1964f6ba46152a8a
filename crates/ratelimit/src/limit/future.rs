//! The future of a limited request.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use hardpoint_core::{Head, HeadFacts, Refusals};
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::ResponseBody;
use crate::{
    BoxFuture, RateLimiter, StoreError, Verdicts,
    headers::{Bound, Fields},
    limiter::{By, Current, Refusal, Rules, SettleLater},
    store::Questions,
};

pin_project! {
    /// Waits for the store if it must, then for the inner service, or is ready with a refusal.
    pub struct ResponseFuture<S, Req>
    where
        S: Service<Req>,
    {
        #[pin]
        state: State<S, Req>,
    }
}

pin_project! {
    #[project = StateProject]
    enum State<S, Req>
    where
        S: Service<Req>,
    {
        /// The store was asked.
        Wait {
            answer: BoxFuture<Result<Verdicts, StoreError>>,
            waiting: Option<Box<Waiting<S, Req>>>,
        },
        /// The inner service answers.
        Inner { #[pin] inner: S::Future, after: After },
        /// The client is refused.
        Refused { refused: Option<Box<Refused>> },
    }
}

/// What follows the response of the inner service.
struct After {
    fields: Option<Fields>,
    settle_later: Option<Box<SettleLater>>,
}

impl After {
    const NOTHING: Self = Self { fields: None, settle_later: None };
}

/// What is kept while the store is asked: the ready service, its request, and the question with the
/// rules it was asked under.
pub(super) struct Waiting<S, Req> {
    pub(super) limiter: RateLimiter,
    pub(super) refusals: Refusals,
    pub(super) rules: Arc<Rules>,
    pub(super) questions: Questions,
    pub(super) ready: S,
    pub(super) request: Req,
}

struct Refused {
    facts: HeadFacts,
    refusals: Refusals,
    refusal: Refusal,
}

impl<S, ReqB> ResponseFuture<S, Request<ReqB>>
where
    S: Service<Request<ReqB>>,
{
    /// The answer of a service around which nothing is limited.
    #[inline]
    pub(super) const fn pass(inner: S::Future) -> Self {
        Self { state: State::Inner { inner, after: After::NOTHING } }
    }

    #[cold]
    pub(super) fn refuse(refusals: &Refusals, head: Head<'_>, refusal: Refusal) -> Self {
        let facts = refusals.facts(head);
        let refused = Refused { facts, refusals: refusals.clone(), refusal };
        Self { state: State::Refused { refused: Some(Box::new(refused)) } }
    }

    #[cold]
    pub(super) fn wait(
        answer: BoxFuture<Result<Verdicts, StoreError>>,
        waiting: Waiting<S, Request<ReqB>>,
    ) -> Self {
        Self { state: State::Wait { answer, waiting: Some(Box::new(waiting)) } }
    }

    /// Forwards or refuses a request that was decided.
    #[inline]
    pub(super) fn conclude(
        limiter: &RateLimiter,
        refusals: &Refusals,
        rules: &Current<'_>,
        (questions, verdicts, by): (&Questions, &Verdicts, By),
        (ready, request): (&mut S, Request<ReqB>),
    ) -> Self {
        if !verdicts.allowed() {
            let refusal = limiter.refuse(rules, questions, verdicts);
            return Self::refuse(refusals, Head::new(&request), refusal);
        }
        if rules.only_admits {
            limiter.report_decision(rules, questions, verdicts);
            return Self::pass(ready.call(request));
        }
        // First: if anything panics from here on, what is held is charged.
        let settle_later = limiter.settle_later(rules, questions, verdicts, by);
        limiter.report_decision(rules, questions, verdicts);
        let after = After { fields: limiter.fields(rules, questions, verdicts), settle_later };
        Self { state: State::Inner { inner: ready.call(request), after } }
    }

    /// Forwards or refuses a request by the store's answer, or by what its policies fall back to.
    pub(super) fn conclude_answer(
        limiter: &RateLimiter,
        refusals: &Refusals,
        rules: &Current<'_>,
        (questions, answer): (Questions, Result<Verdicts, StoreError>),
        asked: (&mut S, Request<ReqB>),
    ) -> Self {
        let (questions, verdicts, by) = match answer {
            Ok(verdicts) => {
                limiter.store_decided(rules, &questions, &verdicts);
                (questions, verdicts, By::Store(verdicts.receipt()))
            }
            Err(error) => match limiter.fall_back(rules, &questions, &error) {
                Some((local, verdicts)) => (local, verdicts, By::Memory),
                None => {
                    let head = Head::new(&asked.1);
                    return Self::refuse(refusals, head, Refusal::unavailable());
                }
            },
        };
        Self::conclude(limiter, refusals, rules, (&questions, &verdicts, by), asked)
    }
}

impl<S, ReqB, ResB> Future for ResponseFuture<S, Request<ReqB>>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: Body,
{
    type Output = Result<Response<ResponseBody<ResB>>, S::Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Nearly all requests take this branch, which is short enough to be inlined.
        if let StateProject::Inner { inner, after: After { fields: None, settle_later: None } } =
            self.as_mut().project().state.project()
        {
            return inner.poll(cx).map_ok(passed);
        }
        self.poll_rest(cx)
    }
}

impl<S, ReqB, ResB> ResponseFuture<S, Request<ReqB>>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: Body,
{
    #[inline(never)]
    fn poll_rest(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<ResponseBody<ResB>>, S::Error>> {
        let mut state = self.project().state;
        loop {
            // A value that is taken out of a state is there: the state is replaced, or the future
            // is over.
            match state.as_mut().project() {
                StateProject::Wait { answer, waiting } => {
                    let answer = ready!(answer.as_mut().poll(cx));
                    let Some(waiting) = waiting.take() else { return Poll::Pending };
                    let Waiting { limiter, refusals, rules, questions, mut ready, request } =
                        *waiting;
                    let (rules, asked) = (Current::Kept(&rules), (&mut ready, request));
                    let answered = (questions, answer);
                    let next = Self::conclude_answer(&limiter, &refusals, &rules, answered, asked);
                    state.set(next.state);
                }
                StateProject::Inner { inner, after } => {
                    let response = ready!(inner.poll(cx))?;
                    let response = match after.settle_later.take() {
                        Some(settle_later) => ResponseBody::judged(response, settle_later),
                        None => passed(response),
                    };
                    return Poll::Ready(Ok(with_fields(response, after.fields.take())));
                }
                StateProject::Refused { refused } => {
                    let Some(refused) = refused.take() else { return Poll::Pending };
                    let Refused { facts, refusals, refusal } = *refused;
                    let response = refusals.refuse(&facts, &*refusal.rejection);
                    let response = response.map(ResponseBody::new);
                    let mut response = with_fields(response, refusal.fields);
                    if let Some(bound) = refusal.bound {
                        response.extensions_mut().insert(bound);
                    }
                    return Poll::Ready(Ok(response));
                }
            }
        }
    }
}

#[inline]
fn passed<B>(response: Response<B>) -> Response<ResponseBody<B>> {
    response.map(|body| ResponseBody::new(hardpoint_core::ResponseBody::inner(body)))
}

fn with_fields<B>(mut response: Response<B>, fields: Option<Fields>) -> Response<B> {
    if let Some(fields) = fields {
        let met = Bound::find(&response);
        fields.insert_into(response.headers_mut(), met.as_ref());
    }
    response
}

impl<S, Req> fmt::Debug for ResponseFuture<S, Req>
where
    S: Service<Req>,
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
