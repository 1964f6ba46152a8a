//! The service: a thin shell around the limiter's decision.

use std::{
    mem,
    task::{Context, Poll},
};

use bytes::Bytes;
use hardpoint_core::{Head, Refusals};
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{ResponseBody, ResponseFuture};
use crate::{Batch, Decided, RateLimiter, limiter::By, store::Questions};

/// Refuses requests over a quota. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct RateLimit<S> {
    // A clone asks its own inner service for readiness: this service holds none.
    inner: S,
    limiter: Option<RateLimiter>,
    refusals: Refusals,
}

impl<S> RateLimit<S> {
    pub(super) const fn new(inner: S, limiter: Option<RateLimiter>, refusals: Refusals) -> Self {
        Self { inner, limiter, refusals }
    }

    hardpoint_core::inner_accessors!();
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for RateLimit<S>
where
    // Clone: while a store is asked, the future keeps the instance that is ready.
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    ResB: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, Request<ReqB>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let Some(limiter) = &self.limiter else {
            return ResponseFuture::pass(self.inner.call(request));
        };
        let refusals = &self.refusals;
        let rules = limiter.rules();
        let mut questions = Questions::new();
        let asked = match limiter.mark() {
            None => limiter.ask(&rules, &request, &mut questions, 0).map(|()| true),
            Some(mark) => limiter.ask_once(mark, &rules, &mut request, &mut questions),
        };
        match asked {
            Ok(true) => {}
            Ok(false) => return ResponseFuture::pass(self.inner.call(request)),
            Err(refusal) => {
                return ResponseFuture::refuse(refusals, Head::new(&request), refusal);
            }
        }
        let Some(store) = limiter.remote() else {
            let verdicts = limiter.decide_here(&mut questions);
            let decided = (&questions, &verdicts, By::Memory);
            let asked = (&mut self.inner, request);
            return ResponseFuture::conclude(limiter, refusals, &rules, decided, asked);
        };
        match store.decide(&Batch::new(&rules, &questions)) {
            Decided::Now(answer) => {
                let asked = (&mut self.inner, request);
                let answered = (questions, answer);
                ResponseFuture::conclude_answer(limiter, refusals, &rules, answered, asked)
            }
            Decided::Later(answer) => {
                let rules = rules.to_arc();
                let clone = self.inner.clone();
                let ready = mem::replace(&mut self.inner, clone);
                let (limiter, refusals) = (limiter.clone(), refusals.clone());
                let waiting =
                    super::future::Waiting { limiter, refusals, rules, questions, ready, request };
                ResponseFuture::wait(answer, waiting)
            }
        }
    }
}
