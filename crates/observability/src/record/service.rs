use std::{
    fmt::Display,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{RecordBody, ResponseFuture, entry::Entry, layer::Settings};

/// The service of [`RecordLayer`](super::RecordLayer).
#[derive(Clone, Debug)]
pub struct Record<S> {
    inner: S,
    settings: Option<Arc<Settings>>,
}

impl<S> Record<S> {
    pub(super) fn new(inner: S, settings: Option<Arc<Settings>>) -> Self {
        Self { inner, settings }
    }

    hardpoint_core::inner_accessors!();
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Record<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>, Error: Display>,
    ReqB: Body,                 // its size
    ResB: Body<Error: Display>, // its size and its end
{
    type Response = Response<RecordBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let Some(settings) = &self.settings else {
            return ResponseFuture::new(self.inner.call(request), None);
        };
        let mut entry = Entry::open(&mut request, settings);
        let inner = entry.inside(|| self.inner.call(request));
        ResponseFuture::new(inner, Some(entry))
    }
}
