//! A request body that can be sent again.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::BoxError;

/// What a frame counts at least, in bytes: the memory that keeping it takes. A body of many small
/// frames cannot take more than the limit either.
const LEAST_FRAME: usize = size_of::<Bytes>();

pin_project! {
    /// The body of an outgoing request, recorded while it is sent so that a retry can send it again.
    ///
    /// Frames are shared, not copied. A body longer than the policy keeps is sent once, unrecorded.
    pub struct ReplayBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProject]
    enum Kind<B> {
        // Without frames.
        Empty,
        // No retry can follow.
        Once { #[pin] body: B },
        Recorded { reader: Reader<B> },
    }
}

/// One attempt's view of a recording.
struct Reader<B> {
    shared: Arc<Mutex<Recording<B>>>,
    attempt: u32,
    next: usize,
    trailers_read: bool,
}

pub(crate) struct Recording<B> {
    /// The part that no attempt has read yet.
    rest: Option<B>,
    frames: Vec<Bytes>,
    trailers: Option<HeaderMap>,
    /// What may still be recorded, in bytes.
    room: usize,
    /// The attempt that reads. The bodies of earlier ones, which the client may still send, fail.
    attempt: u32,
    /// Whether frames were discarded, or the body failed.
    lost: bool,
    /// Wakes the attempt that waits for the rest.
    waker: Option<Waker>,
}

/// Makes the bodies of further attempts.
pub(crate) enum Replay<B> {
    Empty,
    Recorded(Arc<Mutex<Recording<B>>>),
}

impl<B> ReplayBody<B> {
    /// A body that is sent once.
    pub(crate) fn once(body: B) -> Self {
        Self { kind: Kind::Once { body } }
    }
}

impl<B: Body<Data = Bytes>> ReplayBody<B> {
    /// This body, recorded up to `limit` bytes unless it already is, and the [`Replay`] that makes
    /// further ones. `None` if the body is known to be longer.
    pub(crate) fn recording(self, limit: usize) -> (Self, Option<Replay<B>>) {
        match self.kind {
            Kind::Empty => (self, Some(Replay::Empty)),
            Kind::Recorded { ref reader } => {
                let replay = Replay::Recorded(Arc::clone(&reader.shared));
                (self, Some(replay))
            }
            Kind::Once { body } => match Self::recorded(body, limit) {
                Ok((body, replay)) => (body, Some(replay)),
                Err(long) => (Self::once(long), None),
            },
        }
    }

    /// A body that is recorded up to `limit` bytes, and what makes the next one. The body is
    /// returned if it is known to be longer.
    pub(crate) fn recorded(body: B, limit: usize) -> Result<(Self, Replay<B>), B> {
        if body.is_end_stream() {
            return Ok((Self { kind: Kind::Empty }, Replay::Empty));
        }
        if body.size_hint().lower() > limit as u64 {
            return Err(body);
        }
        let recording = Recording {
            rest: Some(body),
            frames: Vec::new(),
            trailers: None,
            room: limit,
            attempt: 1,
            lost: false,
            waker: None,
        };
        let shared = Arc::new(Mutex::new(recording));
        let reader =
            Reader { shared: Arc::clone(&shared), attempt: 1, next: 0, trailers_read: false };
        Ok((Self { kind: Kind::Recorded { reader } }, Replay::Recorded(shared)))
    }
}

impl<B> Replay<B> {
    /// Stops the body of the last attempt if it can be sent again, and returns whether it can. The
    /// client may still be sending it: its next frame is an error, for which it is woken.
    pub(crate) fn stop(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Recorded(shared) => {
                let mut recording = lock(shared);
                if recording.lost {
                    return false;
                }
                recording.attempt += 1;
                let waker = recording.waker.take();
                // Unlocked first: the task that is woken may poll its body at once.
                drop(recording);
                if let Some(waker) = waker {
                    waker.wake();
                }
                true
            }
        }
    }

    /// Whether the last attempt has read the whole body, and all of it was kept. Another attempt
    /// beside that one then finds every frame: neither waits for the other.
    pub(crate) fn is_whole(&self) -> bool
    where
        B: Body,
    {
        match self {
            Self::Empty => true,
            Self::Recorded(shared) => {
                let recording = lock(shared);
                !recording.lost && recording.rest.as_ref().is_none_or(Body::is_end_stream)
            }
        }
    }

    /// The body of the attempt after the one that was stopped, or of another beside the last one.
    pub(crate) fn body(&self) -> ReplayBody<B> {
        let kind = match self {
            Self::Empty => Kind::Empty,
            Self::Recorded(shared) => {
                let attempt = lock(shared).attempt;
                let shared = Arc::clone(shared);
                let reader = Reader { shared, attempt, next: 0, trailers_read: false };
                Kind::Recorded { reader }
            }
        };
        ReplayBody { kind }
    }
}

impl<B> Body for ReplayBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project().kind.project() {
            KindProject::Empty => Poll::Ready(None),
            KindProject::Once { body } => {
                body.poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(Into::into)))
            }
            KindProject::Recorded { reader } => reader.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty => true,
            Kind::Once { body } => body.is_end_stream(),
            Kind::Recorded { reader } => reader.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Once { body } => body.size_hint(),
            Kind::Recorded { reader } => reader.size_hint(),
        }
    }
}

impl<B> Reader<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Self { shared, attempt, next, trailers_read } = self;
        let recording = &mut *lock(shared);
        if recording.attempt != *attempt {
            return Poll::Ready(Some(Err(Superseded.into())));
        }
        if let Some(frame) = recording.frames.get(*next) {
            *next += 1;
            return Poll::Ready(Some(Ok(Frame::data(frame.clone()))));
        }
        if let Some(rest) = &mut recording.rest {
            let Poll::Ready(frame) = Pin::new(rest).poll_frame(cx) else {
                // Once stopped, this attempt no longer hears from the rest.
                recording.waker = Some(cx.waker().clone());
                return Poll::Pending;
            };
            match recording.record(frame) {
                Some(Ok(frame)) => {
                    // The frame that was recorded now is read now.
                    *next = recording.frames.len();
                    *trailers_read |= frame.is_trailers();
                    return Poll::Ready(Some(Ok(frame)));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {}
            }
        }
        if *trailers_read {
            return Poll::Ready(None);
        }
        *trailers_read = true;
        Poll::Ready(recording.trailers.clone().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        let recording = lock(&self.shared);
        recording.attempt == self.attempt
            && recording.frames.len() <= self.next
            && (recording.trailers.is_none() || self.trailers_read)
            && recording.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let recording = lock(&self.shared);
        let unread = recording.frames.iter().skip(self.next);
        let unread: u64 = unread.map(|frame| frame.len() as u64).sum();
        let rest = recording.rest.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint);
        let mut hint = SizeHint::new();
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(unread));
        }
        hint.set_lower(rest.lower().saturating_add(unread));
        hint
    }
}

impl<B: Body<Data = Bytes>> Recording<B>
where
    B::Error: Into<BoxError>,
{
    /// Keeps what the rest of the body yielded, and returns it.
    fn record(
        &mut self,
        frame: Option<Result<Frame<Bytes>, B::Error>>,
    ) -> Option<Result<Frame<Bytes>, BoxError>> {
        let Some(frame) = frame else {
            self.rest = None;
            return None;
        };
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => {
                self.rest = None;
                self.lose();
                return Some(Err(error.into()));
            }
        };
        if let Some(data) = frame.data_ref() {
            match self.room.checked_sub(data.len().max(LEAST_FRAME)) {
                Some(room) if !self.lost => {
                    self.room = room;
                    self.frames.push(data.clone());
                }
                _ => self.lose(),
            }
        } else if let Some(trailers) = frame.trailers_ref() {
            self.trailers = Some(trailers.clone());
            self.rest = None;
        }
        Some(Ok(frame))
    }

    fn lose(&mut self) {
        self.lost = true;
        self.frames = Vec::new();
    }
}

impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Empty => "empty",
            Kind::Once { .. } => "once",
            Kind::Recorded { .. } => "recorded",
        };
        f.debug_tuple("ReplayBody").field(&kind).finish()
    }
}

/// The error of a body whose attempt was given up: the client stops sending it.
#[derive(Debug)]
struct Superseded;

impl fmt::Display for Superseded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a retry took the place of this attempt")
    }
}

impl Error for Superseded {}

/// A panic of the inner body cannot leave a recording in a state that the next attempt would take
/// for complete: frames are added whole.
fn lock<B>(shared: &Mutex<Recording<B>>) -> MutexGuard<'_, Recording<B>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
