use std::task::{Context, Poll};

use hardpoint_core::{Clock, SystemClock};
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{RecordBody, ResponseFuture, entry::Entry, layer::Settings};

/// The service of [`RecordLayer`](super::RecordLayer).
#[derive(Clone, Copy, Debug)]
pub struct Record<S, C = SystemClock> {
    inner: S,
    settings: Settings<C>,
}

impl<S, C> Record<S, C> {
    pub(super) const fn new(inner: S, settings: Settings<C>) -> Self {
        Self { inner, settings }
    }

    /// The inner service.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    #[must_use]
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service, unwrapped.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, C, ReqB, ResB> Service<Request<ReqB>> for Record<S, C>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    C: Clock,
    ReqB: Body, // its size
    ResB: Body, // its size and its end
{
    type Response = Response<RecordBody<ResB, C>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        if !self.settings.on {
            return ResponseFuture::new(self.inner.call(request), None);
        }
        let mut entry = Entry::open(&mut request, &self.settings);
        let inner = entry.inside(|| self.inner.call(request));
        ResponseFuture::new(inner, Some(entry))
    }
}
