//! The response body, recorded while it is read.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{copies::StoredCopy, fields, future::Claim, rules};

pin_project! {
    /// The inner service's body, or that of a copy.
    ///
    /// It forwards frames, trailers, `size_hint` and `is_end_stream` unchanged.
    pub struct ResponseBody<B> {
        // None for a copy.
        #[pin]
        inner: Option<B>,
        copy: Option<Bytes>,
        recorder: Option<Recorder>,
    }
}

/// Records a body up to a limit, and keeps the response when the body has ended.
pub(super) struct Recorder {
    claim: Claim,
    /// The response without its body.
    copy: StoredCopy,
    /// Copied: frames may share memory with other responses of the connection.
    body: Vec<u8>,
    /// The memory that it has taken: its head, its key, and the capacity of `body`.
    taken: usize,
}

impl<B> ResponseBody<B> {
    pub(super) const fn inner(body: B) -> Self {
        Self { inner: Some(body), copy: None, recorder: None }
    }

    pub(super) fn copy(bytes: Bytes) -> Self {
        let copy = Some(bytes).filter(|bytes| !bytes.is_empty());
        Self { inner: None, copy, recorder: None }
    }

    pub(super) fn recorded(body: B, recorder: Recorder) -> Self
    where
        B: Body,
    {
        if body.is_end_stream() {
            // A caller need not poll an empty body.
            recorder.finish();
            return Self::inner(body);
        }
        Self { inner: Some(body), copy: None, recorder: Some(recorder) }
    }
}

impl<B: Body<Data = Bytes>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let Some(mut inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(this.copy.take().map(|bytes| Ok(Frame::data(bytes))));
        };
        let frame = ready!(inner.as_mut().poll_frame(cx));
        if let Some(mut recorder) = this.recorder.take() {
            match &frame {
                None => recorder.finish(),
                // Not kept: trailers, and bodies that are too long or break off.
                Some(Ok(frame)) => {
                    if frame.data_ref().is_some_and(|data| recorder.add(data)) {
                        if inner.is_end_stream() {
                            // A caller need not poll again after the last frame.
                            recorder.finish();
                        } else {
                            *this.recorder = Some(recorder);
                        }
                    }
                }
                Some(Err(_)) => {}
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Some(inner) => inner.is_end_stream(),
            None => self.copy.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let copy = self.copy.as_ref().map_or(0, |bytes| bytes.len() as u64);
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(copy), Body::size_hint)
    }
}

impl Recorder {
    /// `None` if too many responses are read at once.
    pub(super) fn new(claim: Claim, copy: StoredCopy) -> Option<Self> {
        let head = copy.bytes(&claim.key);
        claim.shared.take(head).then(|| Self { claim, copy, body: Vec::new(), taken: head })
    }

    /// Adds a part of the body. `false` if the body is too long to be kept, or the bodies that are
    /// being read take too much memory.
    fn add(&mut self, data: &Bytes) -> bool {
        let max_body = self.claim.shared.settings.max_body;
        let length = self.body.len() + data.len();
        length <= max_body && self.reserve(length, max_body) && {
            self.body.extend_from_slice(data);
            true
        }
    }

    /// Makes room for `length` bytes, of at most `max_body`. It doubles the room, as `Vec` does, and
    /// counts all of it.
    fn reserve(&mut self, length: usize, max_body: usize) -> bool {
        let capacity = self.body.capacity();
        if length <= capacity {
            return true;
        }
        let wanted = length.max(capacity.saturating_mul(2).min(max_body));
        let taken = self.claim.shared.take(wanted - capacity);
        if taken {
            self.taken += wanted - capacity;
            self.body.reserve_exact(wanted - self.body.len());
        }
        taken
    }

    /// Keeps the response.
    fn finish(mut self) {
        let promised = fields::promised_length(&self.copy.headers);
        if !rules::is_head(&self.claim.key)
            && promised.is_some_and(|length| length != self.body.len() as u64)
        {
            // Its length is not that of the head: the body broke off without an error.
            return;
        }
        let copy = StoredCopy {
            headers: fields::kept(&self.copy.headers),
            // Of its exact size: a vector would keep its spare room.
            body: std::mem::take(&mut self.body).into_boxed_slice().into(),
            variant: std::mem::take(&mut self.copy.variant),
            ..self.copy
        };
        let Claim { shared, key, target, removals, .. } = &self.claim;
        shared.insert(*target, *removals, key, copy);
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.claim.shared.give_back(self.taken);
    }
}

impl<B: fmt::Debug> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("inner", &self.inner)
            .field("is_recorded", &self.recorder.is_some())
            .finish_non_exhaustive()
    }
}
