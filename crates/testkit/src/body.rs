//! A body that yields the frames that a test lists.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use crate::spy::SpyError;

/// A request or response body that yields the listed frames. Default: empty.
///
/// ```
/// use hardpoint_testkit::TestBody;
/// use http_body::Body;
///
/// let body = TestBody::default().data("hello").pending().data(" world");
/// assert_eq!(body.size_hint().exact(), Some(11));
/// assert!(!body.is_end_stream());
/// assert!(TestBody::default().is_end_stream());
/// ```
#[derive(Clone, Debug, Default)]
pub struct TestBody {
    steps: VecDeque<Step>,
    size_hidden: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Data(Bytes),
    Error(SpyError),
    Pending,
    Trailers(HeaderMap),
}

impl TestBody {
    /// Adds a data frame with these bytes.
    #[must_use]
    pub fn data(self, bytes: impl Into<Bytes>) -> Self {
        self.then(Step::Data(bytes.into()))
    }

    /// Adds a failure with this error.
    #[must_use]
    pub fn error(self, error: SpyError) -> Self {
        self.then(Step::Error(error))
    }

    /// Adds a step that returns `Pending` once and wakes the task at once.
    #[must_use]
    pub fn pending(self) -> Self {
        self.then(Step::Pending)
    }

    /// Adds a frame with trailers.
    #[must_use]
    pub fn trailers(self, trailers: HeaderMap) -> Self {
        self.then(Step::Trailers(trailers))
    }

    /// Hides the size of the body, as in a chunked body.
    #[must_use]
    pub const fn without_size(mut self) -> Self {
        self.size_hidden = true;
        self
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push_back(step);
        self
    }
}

impl From<&'static str> for TestBody {
    fn from(text: &'static str) -> Self {
        Self::default().data(text)
    }
}

impl Body for TestBody {
    type Data = Bytes;
    type Error = SpyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SpyError>>> {
        Poll::Ready(match self.steps.pop_front() {
            Some(Step::Data(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Step::Error(error)) => Some(Err(error)),
            Some(Step::Pending) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(Step::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.size_hidden {
            return SizeHint::default();
        }
        let lengths = self.steps.iter().map(|step| match step {
            Step::Data(bytes) => bytes.len() as u64,
            Step::Error(_) | Step::Pending | Step::Trailers(_) => 0,
        });
        SizeHint::with_exact(lengths.sum())
    }
}
