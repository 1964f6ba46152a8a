use std::{
    fmt::{self, Display},
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::{RecordBody, entry::Entry};

pin_project! {
    /// The future of [`Record`](super::Record).
    ///
    /// If dropped before it is ready, it drops the inner future and then writes the access line.
    pub struct ResponseFuture<F> {
        // `None` only during drop: events of the inner future's drop still belong to this request.
        #[pin]
        inner: Option<F>,
        entry: Option<Entry>,
    }

    impl<F> PinnedDrop for ResponseFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(entry) = this.entry {
                entry.inside_span(|| this.inner.set(None));
            }
        }
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(inner: F, entry: Option<Entry>) -> Self {
        Self { inner: Some(inner), entry }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    E: Display,
{
    type Output = Result<Response<RecordBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(inner) = this.inner.as_pin_mut() else {
            return Poll::Pending;
        };
        let answer = ready!(match this.entry {
            Some(entry) => entry.inside(|| inner.poll(cx)),
            None => inner.poll(cx),
        });
        let entry = this.entry.take();
        Poll::Ready(match answer {
            Ok(response) => Ok(RecordBody::new(response, entry)),
            Err(error) => {
                if let Some(mut entry) = entry {
                    entry.failed(&error);
                }
                Err(error)
            }
        })
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("entry", &self.entry).finish_non_exhaustive()
    }
}
