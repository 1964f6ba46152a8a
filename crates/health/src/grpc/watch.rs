//! The stream of one `Watch`.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use super::{
    message::ServingStatus,
    service::{Known, serving},
};
use crate::Lifecycle;

/// How many streams of all clients are open at most.
const MAX_STREAMS: usize = 1_024;

/// Counts the open streams.
#[derive(Clone, Debug, Default)]
pub(super) struct Streams(Arc<AtomicUsize>);

impl Streams {
    /// Takes a place, if one is free.
    pub(super) fn enter(&self) -> Option<Place> {
        let enter = |open: usize| (open < MAX_STREAMS).then_some(open + 1);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, enter).ok()?;
        Some(Place(self.clone()))
    }
}

/// A place among the streams.
#[derive(Debug)]
pub(super) struct Place(Streams);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

type Next = Pin<Box<dyn Future<Output = Option<(ServingStatus, Cursor)>> + Send>>;

/// Yields the status of a service at once and after each change, until the server should let its
/// connections end.
pub(super) struct Watch {
    /// Resolves to the next status, or to `None` at the end.
    next: Next,
    _place: Place,
}

/// What the next status is computed from.
struct Cursor {
    lifecycle: Lifecycle,
    known: Option<Known>,
    sent: Option<ServingStatus>,
}

impl Watch {
    pub(super) fn new(lifecycle: Lifecycle, known: Option<Known>, place: Place) -> Self {
        let cursor = Cursor { lifecycle, known, sent: None };
        Self { next: Box::pin(cursor.advance()), _place: place }
    }

    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<ServingStatus>> {
        let next = ready!(self.next.as_mut().poll(cx));
        Poll::Ready(next.map(|(serving, cursor)| {
            self.next = Box::pin(cursor.advance());
            serving
        }))
    }
}

impl Cursor {
    async fn advance(mut self) -> Option<(ServingStatus, Self)> {
        // Subscribed before the first look, so that no change in between is lost.
        let mut changes = self.lifecycle.board().changes();
        let stop = self.lifecycle.stop_accepting();
        let mut stop = std::pin::pin!(stop);
        loop {
            let now = serving(self.lifecycle.board(), self.known);
            if self.sent != Some(now) {
                self.sent = Some(now);
                return Some((now, self));
            }
            tokio::select! {
                biased;
                () = &mut stop => return None,
                // The board owns the sender.
                _ = changes.changed() => {}
            }
        }
    }
}
