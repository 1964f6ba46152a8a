//! The body of a response, whose trailers may decide whether the request is charged.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Extensions, HeaderMap, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{ResponseHead, limiter::SettleLater};

pin_project! {
    /// The inner service's body, or that of a refusal.
    ///
    /// It forwards frames, trailers, `size_hint` and `is_end_stream` unchanged. If the response is
    /// judged by its trailers, dropping the body before it ends charges the request.
    pub struct ResponseBody<B> {
        #[pin]
        inner: hardpoint_core::ResponseBody<B>,
        judge: Option<Box<Judge>>,
    }
}

/// What judging a response by its trailers needs of its head.
struct Judge {
    settle_later: Box<SettleLater>,
    status: StatusCode,
    extensions: Extensions,
}

impl Judge {
    fn settle(&mut self, trailers: &HeaderMap) {
        let head = ResponseHead::from_parts(self.status, trailers, &self.extensions);
        self.settle_later.settle(head);
    }
}

impl<B> ResponseBody<B> {
    #[inline]
    pub(super) const fn new(inner: hardpoint_core::ResponseBody<B>) -> Self {
        Self { inner, judge: None }
    }
}

impl<B> Default for ResponseBody<B> {
    /// An empty body.
    fn default() -> Self {
        Self::new(hardpoint_core::ResponseBody::empty())
    }
}

impl<B: Body> ResponseBody<B> {
    /// Settles by the response, now or when its trailers come.
    pub(super) fn judged(
        response: Response<B>,
        mut settle_later: Box<SettleLater>,
    ) -> Response<Self> {
        let head = ResponseHead::new(&response);
        // An empty body ends without trailers, and a server does not even poll it.
        if !head.is_judged_later() || response.body().is_end_stream() {
            settle_later.settle(head);
            return response.map(|body| Self::new(hardpoint_core::ResponseBody::inner(body)));
        }
        let judge = Judge {
            settle_later,
            status: response.status(),
            extensions: response.extensions().clone(),
        };
        response.map(|body| Self {
            inner: hardpoint_core::ResponseBody::inner(body),
            judge: Some(Box::new(judge)),
        })
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body<Data = Bytes>,
{
    type Data = Bytes;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.inner.as_mut().poll_frame(cx));
        if this.judge.is_some() {
            judge(this.judge, frame.as_ref(), this.inner.is_end_stream());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Settles at the end of a body. An error leaves the request charged.
#[cold]
fn judge<E>(judge: &mut Option<Box<Judge>>, frame: Option<&Result<Frame<Bytes>, E>>, ended: bool) {
    let none = HeaderMap::new();
    let trailers = match frame {
        Some(Err(_)) => return drop(judge.take()),
        Some(Ok(frame)) => match frame.trailers_ref() {
            Some(trailers) => trailers,
            // The last frame, after which a server does not poll again.
            None if ended => &none,
            None => return,
        },
        None => &none,
    };
    if let Some(mut judge) = judge.take() {
        judge.settle(trailers);
    }
}

impl<B: fmt::Debug> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("inner", &self.inner)
            .field("is_judged", &self.judge.is_none())
            .finish()
    }
}
