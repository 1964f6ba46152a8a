//! The service.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use hardpoint_core::Head;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{ResponseBody, ResponseFuture, StaleCopies, fields::Selecting, future::Claim, rules};
use crate::BoxError;

/// Serves the last good response in place of a failure. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct Stale<S> {
    inner: S,
    copies: Option<StaleCopies>,
}

impl<S> Stale<S> {
    pub(super) const fn new(inner: S, copies: Option<StaleCopies>) -> Self {
        Self { inner, copies }
    }

    hardpoint_core::inner_accessors!();
}

impl<S, B, R> Service<Request<B>> for Stale<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    B: Body,
    R: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let claim = self.copies.as_ref().and_then(|copies| {
            let settings = &copies.shared.settings;
            let (neutral, callers) = (&settings.neutral, settings.callers.as_deref());
            let has_body = !request.body().is_end_stream();
            let key = rules::key(Head::new(&request), has_body, neutral, callers)?;
            let selecting = Selecting::new(request.headers());
            Some(Claim { shared: Arc::clone(&copies.shared), key, selecting })
        });
        ResponseFuture::new(self.inner.call(request), claim)
    }
}
