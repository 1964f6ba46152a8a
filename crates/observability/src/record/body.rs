use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use hardpoint_core::{Clock, SystemClock};
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::entry::Entry;

pin_project! {
    /// The inner service's body; the access line is written when it ends or is dropped.
    ///
    /// Frames, trailers, errors, `size_hint` and `is_end_stream` are those of the inner body.
    // The bound is there because dropping the entry reads the clock.
    #[derive(Debug)]
    pub struct RecordBody<B, C = SystemClock>
    where
        C: Clock,
    {
        #[pin]
        inner: B,
        entry: Option<Entry<C>>,
    }
}

impl<B: Body, C: Clock> RecordBody<B, C> {
    /// Enters the answer into `entry`, which stays with its body.
    pub(super) fn of(mut response: Response<B>, mut entry: Option<Entry<C>>) -> Response<Self> {
        if let Some(entry) = &mut entry {
            entry.answered(&mut response);
        }
        response.map(|inner| Self { inner, entry })
    }
}

impl<B: Body, C: Clock> Body for RecordBody<B, C> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let Some(entry) = this.entry else {
            return this.inner.poll_frame(cx);
        };
        let polled = ready!(entry.inside(|| this.inner.as_mut().poll_frame(cx)));
        let over = match &polled {
            None => {
                entry.complete();
                true
            }
            Some(Err(_)) => {
                entry.failed();
                true
            }
            Some(Ok(frame)) => {
                entry.sent(frame.data_ref().map_or(0, Buf::remaining));
                // Whoever reads the body does not poll it again after this.
                let last = frame.is_trailers() || this.inner.is_end_stream();
                if last {
                    entry.complete();
                }
                last
            }
        };
        if over {
            // Dropping it writes the line.
            *this.entry = None;
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
