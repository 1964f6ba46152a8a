use std::{
    fmt::Display,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::entry::Entry;

pin_project! {
    /// The inner service's body. The access line is written when it ends or is dropped.
    ///
    /// Frames, trailers, errors, `size_hint` and `is_end_stream` are forwarded.
    #[derive(Debug)]
    pub struct RecordBody<B> {
        // `None` only during drop: events of the inner body's drop still belong to this request.
        #[pin]
        inner: Option<B>,
        entry: Option<Entry>,
    }

    impl<B> PinnedDrop for RecordBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(entry) = this.entry {
                entry.inside_span(|| this.inner.set(None));
            }
        }
    }
}

impl<B: Body> RecordBody<B> {
    /// Adds the response to `entry`, which is kept with the body.
    pub(super) fn new(mut response: Response<B>, mut entry: Option<Entry>) -> Response<Self> {
        if let Some(entry) = &mut entry {
            entry.answered(&mut response);
        }
        response.map(|inner| Self { inner: Some(inner), entry })
    }
}

impl<B> Body for RecordBody<B>
where
    B: Body<Error: Display>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let Some(mut inner) = this.inner.as_pin_mut() else {
            return Poll::Ready(None);
        };
        let Some(entry) = this.entry else {
            return inner.poll_frame(cx);
        };
        let polled = ready!(entry.inside(|| inner.as_mut().poll_frame(cx)));
        let over = match &polled {
            None => {
                entry.complete(None);
                true
            }
            Some(Err(error)) => {
                entry.failed(error);
                true
            }
            Some(Ok(frame)) => {
                entry.sent(frame.data_ref().map_or(0, Buf::remaining));
                // Readers do not poll the body again after this.
                let last = frame.is_trailers() || inner.is_end_stream();
                if last {
                    entry.complete(frame.trailers_ref());
                }
                last
            }
        };
        if over {
            // Dropping the entry writes the line.
            *this.entry = None;
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
