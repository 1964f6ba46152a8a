//! The service.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Request;
use tower_service::Service;

use super::{
    ResponseFuture,
    future::Limit,
    layer::{Propagation, Settings},
};
use crate::{BoxError, Deadline};

/// Limits how long an outgoing call may take. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct Timeout<S> {
    inner: S,
    settings: Option<Arc<Settings>>,
}

impl<S> Timeout<S> {
    pub(super) fn new(inner: S, settings: Option<Arc<Settings>>) -> Self {
        Self { inner, settings }
    }

    hardpoint_core::inner_accessors!();
}

impl<S, B> Service<Request<B>> for Timeout<S>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    #[inline]
    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let Some(settings) = &self.settings else {
            return ResponseFuture::new(self.inner.call(request), None);
        };
        let Some(limit) = limit(&mut request, settings) else {
            return ResponseFuture::expired();
        };
        if let Some(propagation) = &settings.propagation {
            propagation.apply(&mut request, limit.time);
        }
        ResponseFuture::new(self.inner.call(request), Some(limit))
    }
}

/// The time to the earlier one of the request's deadline and the limit, which the request then
/// carries. `None` if it has passed.
fn limit<B>(request: &mut Request<B>, settings: &Settings) -> Option<Limit> {
    let found = Deadline::find(request.extensions());
    if found.is_none() && !settings.carries {
        // This path does not read the clock.
        return Some(Limit { time: settings.limit, cut: false });
    }
    let now = settings.time.now();
    match found.map(|deadline| deadline.remaining(now)) {
        Some(Duration::ZERO) => None,
        Some(remaining) if remaining <= settings.limit => {
            Some(Limit { time: remaining, cut: remaining < settings.limit })
        }
        _ => {
            if settings.carries {
                let deadline = Deadline::at(now.saturating_add(settings.limit));
                request.extensions_mut().insert(deadline);
            }
            Some(Limit { time: settings.limit, cut: false })
        }
    }
}

impl Propagation {
    /// Sends the destination `time` less the margin. A call with less time than the margin asks for
    /// the least time that can be expressed: the destination may still answer from memory.
    pub(crate) fn apply<B>(&self, request: &mut Request<B>, time: Duration) {
        let time = time.saturating_sub(self.margin).max(self.header.unit());
        self.header.write(request.headers_mut(), time);
    }
}
