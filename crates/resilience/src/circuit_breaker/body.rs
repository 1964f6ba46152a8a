//! The body of a response, whose trailers may decide about the call.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderMap, Response, StatusCode, header::CONTENT_TYPE};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::CircuitPermit;
use crate::{Class, classify::GRPC_STATUS};

pin_project! {
    /// The inner service's body.
    ///
    /// It forwards frames, trailers, `size_hint` and `is_end_stream` unchanged. The body of a gRPC
    /// response records the call by the status in its trailers.
    pub struct ResponseBody<B> {
        #[pin]
        inner: B,
        // After the body, so that a dropped call has ended when its outcome is recorded.
        // Boxed: only gRPC has it, and every layer further out moves the body.
        pending: Option<Box<Pending>>,
    }
}

/// A call whose head succeeded and whose trailers decide.
pub(crate) struct Pending {
    permit: Option<CircuitPermit>,
    /// The nanoseconds to the head: how long a stream lasts shows nothing about the destination.
    took: u64,
    progress: Progress,
}

/// How far the caller has come with a body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// It has not asked for the body yet.
    Unread,
    /// It waits for the first message.
    Waiting,
    /// It has a message.
    Begun,
}

impl Pending {
    /// `None` if no trailers will come. An empty body without trailers is broken.
    #[cold]
    fn new(permit: CircuitPermit, is_over: bool) -> Option<Self> {
        let took = permit.took();
        if is_over {
            permit.judge_body(Class::Failed, took);
            return None;
        }
        Some(Self { permit: Some(permit), took, progress: Progress::Unread })
    }
}

impl Drop for Pending {
    /// A caller that has read enough does not show that the destination failed. One that gave up
    /// waiting for the first message may: dropping its permit counts a call that has hung.
    fn drop(&mut self) {
        if self.progress != Progress::Waiting
            && let Some(permit) = self.permit.take()
        {
            permit.judge_body(Class::Success, self.took);
        }
    }
}

impl<B: Body> ResponseBody<B> {
    /// Records the call by the response's head, or leaves it to its trailers.
    #[inline]
    pub(super) fn judge(response: Response<B>, permit: Option<CircuitPermit>) -> Response<Self> {
        let pending = permit.and_then(|permit| judge_head(permit, &response));
        response.map(|inner| Self::new(inner, pending))
    }
}

impl<B> ResponseBody<B> {
    pub(crate) const fn new(inner: B, pending: Option<Box<Pending>>) -> Self {
        Self { inner, pending }
    }
}

/// Records the call by the response's head. Returns what the trailers decide, if they do.
///
/// Not inlined, so that the future's `poll` is: a response that is returned through one more function
/// is copied once more.
#[inline(never)]
pub(crate) fn judge_head<B: Body>(
    permit: CircuitPermit,
    response: &Response<B>,
) -> Option<Box<Pending>> {
    if is_judged_later(response.status(), response.headers()) {
        return Pending::new(permit, response.body().is_end_stream()).map(Box::new);
    }
    permit.judge_head(response.status(), response.headers());
    None
}

/// Whether the trailers of a response contain its status.
#[inline]
fn is_judged_later(status: StatusCode, headers: &HeaderMap) -> bool {
    status == StatusCode::OK
        && headers
            .get(CONTENT_TYPE)
            .is_some_and(|media_type| media_type.as_bytes().starts_with(b"application/grpc"))
        && !headers.contains_key(&GRPC_STATUS)
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let frame = this.inner.poll_frame(cx);
        if this.pending.is_some() {
            judge(this.pending, &frame);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Records the call by a frame, if it decides.
#[cold]
fn judge<D, E>(pending: &mut Option<Box<Pending>>, frame: &Poll<Option<Result<Frame<D>, E>>>) {
    let Some(pending) = pending else { return };
    let Pending { permit, took, progress } = &mut **pending;
    let Poll::Ready(frame) = frame else {
        if *progress == Progress::Unread {
            *progress = Progress::Waiting;
        }
        return;
    };
    let frame = frame.as_ref();
    let is_trial = permit.as_ref().is_some_and(CircuitPermit::is_trial);
    let record = |permit: CircuitPermit| match frame {
        // A stream may last for hours, and a trial is waited for: its first message is enough.
        Some(Ok(frame)) if frame.is_data() => permit.judge_body(Class::Success, *took),
        Some(Ok(frame)) => match frame.trailers_ref() {
            Some(trailers) => permit.judge_trailers(trailers, *took),
            // No frame of a kind that exists.
            None => permit.judge_body(Class::Success, *took),
        },
        // The stream broke off, or ended without trailers.
        Some(Err(_)) | None => permit.judge_body(Class::Failed, *took),
    };
    let is_message = matches!(frame, Some(Ok(frame)) if frame.is_data());
    if is_message {
        *progress = Progress::Begun;
    }
    if let Some(permit) = permit.take_if(|_| is_trial || !is_message) {
        record(permit);
    }
}

impl<B: fmt::Debug> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("inner", &self.inner)
            .field("is_recorded", &self.pending.is_none())
            .finish()
    }
}
