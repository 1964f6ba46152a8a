//! The service.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Extensions, HeaderMap, HeaderValue, Request};
use tower_service::Service;

use super::{
    ResponseFuture,
    future::Limit,
    layer::{Propagation, Settings},
};
use crate::{BoxError, Deadline, DeadlineHeader};

/// Limits how long an outgoing call may take. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct Timeout<S> {
    inner: S,
    settings: Option<Arc<Settings>>,
}

impl<S> Timeout<S> {
    pub(crate) const fn new(inner: S, settings: Option<Arc<Settings>>) -> Self {
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
        let Some(limit) = settings.limit(request.extensions_mut()) else {
            return ResponseFuture::expired();
        };
        settings.propagate(request.headers_mut(), limit);
        ResponseFuture::new(self.inner.call(request), Some(limit))
    }
}

impl Settings {
    /// The time to the request's deadline or to the limit, whichever is earlier. A layer that carries
    /// deadlines stores it in the request. `None` if the deadline has passed.
    #[inline]
    pub(crate) fn limit(&self, extensions: &mut Extensions) -> Option<Limit> {
        let found = Deadline::find(extensions);
        if found.is_none() && !self.carries {
            // This path does not read the clock.
            return Some(Limit { time: self.limit, cut: false });
        }
        self.limit_by(found, extensions)
    }

    fn limit_by(&self, found: Option<Deadline>, extensions: &mut Extensions) -> Option<Limit> {
        let now = self.time.now();
        match found.map(|deadline| deadline.remaining(now)) {
            Some(Duration::ZERO) => None,
            Some(remaining) if remaining <= self.limit => {
                Some(Limit { time: remaining, cut: remaining < self.limit })
            }
            _ => {
                if self.carries {
                    extensions.insert(Deadline::at(now.saturating_add(self.limit)));
                }
                Some(Limit { time: self.limit, cut: false })
            }
        }
    }

    /// Writes the time that is left into the propagation header, if there is one.
    #[inline]
    pub(crate) fn propagate(&self, headers: &mut HeaderMap, limit: Limit) {
        if let Some(propagation) = &self.propagation {
            let value = if limit.cut {
                value(&propagation.header, propagation.margin, limit.time)
            } else {
                propagation.whole.clone()
            };
            headers.insert(propagation.header.name(), value);
        }
    }
}

impl Propagation {
    /// Sends the time left, less `margin`, in `header`. Computes the value for the full `limit` in
    /// advance.
    pub(super) fn new(header: DeadlineHeader, margin: Duration, limit: Duration) -> Self {
        let whole = value(&header, margin, limit);
        Self { header, margin, whole }
    }
}

/// `time` less the margin. A call with less time than the margin asks for the least time that can be
/// expressed: the destination may still answer from memory.
fn value(header: &DeadlineHeader, margin: Duration, time: Duration) -> HeaderValue {
    header.value(time.saturating_sub(margin).max(header.unit()))
}
