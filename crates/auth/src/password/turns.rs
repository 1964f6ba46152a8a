//! Waiting for a turn.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;

use super::{
    PasswordError,
    queue::{Arrival, Bounds, Queue, Seat},
};

/// The queue of a hasher.
pub(super) struct Turns {
    queue: Mutex<Queue<oneshot::Sender<Turn>>>,
}

/// The right to hash. Dropping it passes it on.
pub(super) struct Turn {
    turns: Arc<Turns>,
    seat: Seat,
}

/// A caller that waits. Dropping it gives the place up, or the turn that it has just got.
struct Waiting {
    turns: Arc<Turns>,
    seat: Seat,
    ticket: u64,
    turn: oneshot::Receiver<Turn>,
}

impl Turns {
    pub(super) fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self { queue: Mutex::new(Queue::new(bounds)) })
    }

    /// Waits for a turn, at most this long.
    pub(super) async fn turn(
        self: &Arc<Self>,
        seat: Seat,
        patience: Duration,
    ) -> Result<Turn, PasswordError> {
        let (waiter, turn) = oneshot::channel();
        // Bound to a name, so that the lock is free when a displaced caller is dropped.
        let arrival = self.queue().arrive(seat, waiter);
        match arrival {
            Arrival::Runs => Ok(Turn { turns: Arc::clone(self), seat }),
            Arrival::Refused => Err(PasswordError::Overloaded),
            Arrival::Waits { ticket, displaced } => {
                // Its receiver finds the sender gone.
                drop(displaced);
                let mut waiting = Waiting { turns: Arc::clone(self), seat, ticket, turn };
                match tokio::time::timeout(patience, &mut waiting.turn).await {
                    Ok(Ok(turn)) => Ok(turn),
                    Ok(Err(_)) | Err(_) => Err(PasswordError::Overloaded),
                }
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue<oneshot::Sender<Turn>>> {
        // The queue does not panic, and no code of others runs while it is locked.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = self.turns.queue().finish(self.seat);
        if let Some((seat, waiter)) = next {
            // If the receiver is gone by now, the turn comes back and is dropped here, which passes
            // it on again: once for each caller that is leaving, at most as often as callers wait.
            drop(waiter.send(Self { turns: Arc::clone(&self.turns), seat }));
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Dropping the receiver afterwards drops a turn that was sent in the meantime.
        let waiter = self.turns.queue().leave(self.seat, self.ticket);
        drop(waiter);
    }
}
