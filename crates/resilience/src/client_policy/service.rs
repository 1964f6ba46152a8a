//! The service.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    ResponseBody, ResponseFuture,
    attempts::{Attempts, AttemptsFuture},
};
use crate::{BoxError, retry, retry::ReplayBody, timeout, timeout::Limit};

/// Guards calls to a destination. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct GuardedClient<S> {
    attempts: Attempts<S>,
    retry: Option<Arc<retry::Settings>>,
    deadline: Option<Arc<timeout::Settings>>,
}

impl<S> GuardedClient<S> {
    pub(super) const fn new(
        attempts: Attempts<S>,
        retry: Option<Arc<retry::Settings>>,
        deadline: Option<Arc<timeout::Settings>>,
    ) -> Self {
        Self { attempts, retry, deadline }
    }

    /// A reference to the client.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        self.attempts.get_ref().get_ref()
    }

    /// A mutable reference to the client.
    pub fn get_mut(&mut self) -> &mut S {
        self.attempts.get_mut().get_mut()
    }

    /// Unwraps the client.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.attempts.into_inner().into_inner()
    }
}

impl<S, B, R> Service<Request<B>> for GuardedClient<S>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
    R: Body<Data = Bytes> + Unpin,
{
    type Response = Response<ResponseBody<R>>;
    type Error = BoxError;
    type Future = ResponseFuture<S, B, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.attempts.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut future = ResponseFuture::new();
        self.start(&mut future, request);
        future
    }
}

impl<S> GuardedClient<S> {
    /// Sends the first attempt.
    ///
    /// Fills in `future` in place: a future, like a request's head, is copied each time that one
    /// policy returns it to the next.
    #[inline]
    fn start<B, R>(&mut self, future: &mut ResponseFuture<S, B, R>, request: Request<B>)
    where
        S: Service<Request<ReplayBody<B>>, Response = Response<R>> + Clone,
        S::Error: Into<BoxError>,
        B: Body<Data = Bytes> + Unpin,
        R: Body<Data = Bytes> + Unpin,
    {
        let Self { attempts, retry, deadline } = self;
        let (mut head, body) = request.into_parts();
        if let Some(deadline) = deadline {
            let Some(limit) = deadline.limit(&mut head.extensions) else {
                let expired = AttemptsFuture::refused(Limit::EXPIRED.error().into());
                future.call.attempt = Some(expired);
                return;
            };
            future.limit = Some(limit);
        }
        let (now, call) = (attempts.get_ref().now(), &mut future.call);
        let body = match retry {
            None => ReplayBody::once(body),
            Some(retry) => retry::keep(&mut call.course, retry, || now, &mut head, body),
        };
        let attempt = call.attempt.get_or_insert_with(AttemptsFuture::new);
        if let Some(plain) = attempts.plain() {
            let attempt = &mut attempt.one;
            match plain.admit(attempt, &mut head, now) {
                Ok(()) => {
                    attempt.inner = Some(plain.get_mut().call(Request::from_parts(head, body)));
                }
                Err(obstacle) => plain.hold(attempt, obstacle, head, body),
            }
        } else {
            *attempt = attempts.call(Request::from_parts(head, body));
        }
        // After the call: the ready instance has made the first attempt. Its clone, which is not
        // ready, makes the others after its own `poll_ready`.
        call.service = call.course.is_some().then(|| attempts.clone());
    }
}
