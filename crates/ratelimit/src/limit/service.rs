//! The service: a thin shell around the limiter's decision.

use std::{
    mem,
    task::{Context, Poll},
};

use bytes::Bytes;
use hardpoint_core::{Answer, Head, Observer};
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::ResponseFuture;
use crate::{Batch, MemoryStore, RateLimiter, Store};

/// Refuses requests over a quota. See the [module docs](super).
#[derive(Debug)]
pub struct RateLimit<S, St = MemoryStore, Ob = ()> {
    inner: S,
    limiter: Option<RateLimiter<St, Ob>>,
}

impl<S, St, Ob> RateLimit<S, St, Ob> {
    pub(super) const fn new(inner: S, limiter: Option<RateLimiter<St, Ob>>) -> Self {
        Self { inner, limiter }
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

impl<S: Clone, St, Ob> Clone for RateLimit<S, St, Ob> {
    /// The clone asks its own inner service for readiness: this layer holds none.
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), limiter: self.limiter.clone() }
    }
}

impl<S, St, Ob, ReqB, ResB> Service<Request<ReqB>> for RateLimit<S, St, Ob>
where
    // Clone: a store that answers later keeps the instance that is ready.
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    St: Store,
    Ob: Observer,
    ResB: Body<Data = Bytes>,
{
    type Response = Response<hardpoint_core::ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, Request<ReqB>, St, Ob>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let Some(limiter) = &self.limiter else {
            return ResponseFuture::pass(self.inner.call(request));
        };
        let rules = limiter.rules();
        let mut batch = Batch::new();
        if let Err(refusal) = limiter.ask(&rules, &request, &mut batch) {
            return ResponseFuture::refuse(Head::of(&request), refusal);
        }
        match limiter.store().decide(&batch) {
            Answer::Now(ref answer) => {
                let asked = (&mut self.inner, request);
                ResponseFuture::conclude(limiter, &rules, &batch, answer, asked)
            }
            Answer::Later(pending) => {
                let clone = self.inner.clone();
                let ready = mem::replace(&mut self.inner, clone);
                ResponseFuture::wait(pending, limiter.clone(), batch, ready, request)
            }
        }
    }
}
