//! One attempt, or two at the same time if the policy hedges.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::attempt::{Attempt, AttemptBody, AttemptFuture};
use crate::{BoxError, hedge, hedge::Hedging, retry::ReplayBody};

/// The service that a retry calls: one attempt, or a hedged pair.
#[derive(Clone, Debug)]
pub(super) struct Attempts<S> {
    hedging: Hedging<Attempt<S>>,
}

impl<S> Attempts<S> {
    pub(super) const fn new(hedging: Hedging<Attempt<S>>) -> Self {
        Self { hedging }
    }

    pub(super) fn get_ref(&self) -> &Attempt<S> {
        self.hedging.get_ref()
    }

    pub(super) fn get_mut(&mut self) -> &mut Attempt<S> {
        self.hedging.get_mut()
    }

    pub(super) fn into_inner(self) -> Attempt<S> {
        self.hedging.into_inner()
    }

    /// The attempt service, if the policy does not hedge.
    #[inline]
    pub(super) fn plain(&mut self) -> Option<&mut Attempt<S>> {
        self.hedging.is_off().then(|| self.hedging.get_mut())
    }
}

impl<S, B, R> Service<Request<ReplayBody<B>>> for Attempts<S>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes>,
    R: Body<Data = Bytes>,
{
    type Response = Response<AttemptBody<R>>;
    type Error = BoxError;
    type Future = AttemptsFuture<S, B, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.hedging.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReplayBody<B>>) -> Self::Future {
        let mut future = AttemptsFuture::new();
        match self.plain() {
            None => future.two = Some(Box::pin(self.hedging.call(request))),
            Some(plain) => future.one = plain.call(request),
        }
        future
    }
}

pin_project! {
    /// The response of the attempt that answers first.
    pub(super) struct AttemptsFuture<S, B, R>
    where
        S: Service<Request<ReplayBody<B>>, Response = Response<R>>,
        S: Clone,
        S::Error: Into<BoxError>,
        B: Body<Data = Bytes>,
        R: Body<Data = Bytes>,
    {
        #[pin]
        pub(super) one: AttemptFuture<S, ReplayBody<B>>,
        // Boxed: only a policy that hedges uses it.
        pub(super) two: Option<Pin<Box<hedge::ResponseFuture<Attempt<S>, B>>>>,
    }
}

impl<S, B, R> AttemptsFuture<S, B, R>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes>,
    R: Body<Data = Bytes>,
{
    /// An attempt that has not been sent.
    #[inline]
    pub(super) const fn new() -> Self {
        Self { one: AttemptFuture::new(), two: None }
    }

    /// An attempt that fails with `error`.
    #[cold]
    pub(super) fn refused(error: BoxError) -> Self {
        Self { one: AttemptFuture::refused(error), two: None }
    }

    /// Whether its own limit ends it. One of a hedged pair may still queue for a permit.
    pub(super) const fn is_limited(&self) -> bool {
        self.two.is_none() && self.one.is_sent()
    }
}

impl<S, B, R> Future for AttemptsFuture<S, B, R>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes>,
    R: Body<Data = Bytes>,
{
    type Output = Result<Response<AttemptBody<R>>, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.two {
            None => this.one.poll(cx),
            Some(two) => two.as_mut().poll(cx),
        }
    }
}
