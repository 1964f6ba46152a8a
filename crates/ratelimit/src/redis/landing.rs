//! Where the answers of calls land: one task for all calls of a store.

use std::{
    collections::VecDeque,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use hardpoint_core::Mono;
use hardpoint_redis::{Error, Reply, Value};
use tokio::runtime::Handle;

use super::{
    failure::Failure,
    store::{Group, Shared},
};

/// The calls under way, and the task that waits for their answers.
///
/// A task for each call would be scheduled when the call begins, beside the link's: two wakes in one
/// poll make tokio wake a second thread. So the task stays, and whoever begins a call polls the reply
/// with the task's waker: the task runs when the answer is there, and not before.
#[derive(Default)]
pub(super) struct Landing {
    slot: Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    /// In the order of their departure.
    flights: VecDeque<Flight>,
    /// The task's, once it was polled.
    waker: Option<Waker>,
    /// Whether the task exists.
    runs: bool,
    is_closed: bool,
}

/// A call under way. One that is dropped, with its runtime, is answered too.
pub(super) struct Flight {
    shared: Arc<Shared>,
    group: Option<Group>,
    asked: Mono,
    reply: Pin<Box<Reply>>,
    answer: Option<Result<Value, Error>>,
}

impl Landing {
    /// Waits for the end of a call.
    pub(super) fn expect(self: &Arc<Self>, mut flight: Flight, runtime: &Handle) {
        let mut slot = self.slot();
        if !slot.runs {
            slot.flights.push_back(flight);
            slot.runs = true;
            drop(slot);
            // If the runtime has ended, this drops the task, and the call with it.
            drop(runtime.spawn(Task(Arc::clone(self)).run()));
            return;
        }
        // Without a waker, the task has yet to run for the first time, and will find the call.
        let waker = slot.waker.clone();
        let is_down = waker.as_ref().is_some_and(|waker| {
            // The reply sets a timer.
            let _context = runtime.enter();
            flight.is_down(&mut Context::from_waker(waker))
        });
        slot.flights.push_back(flight);
        drop(slot);
        if let Some(waker) = waker.filter(|_| is_down) {
            waker.wake();
        }
    }

    /// Ends the task, once no call is under way.
    pub(super) fn close(&self) {
        let mut slot = self.slot();
        slot.is_closed = true;
        let waker = slot.waker.take();
        drop(slot);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut slot = self.slot();
            if !slot.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                slot.waker = Some(cx.waker().clone());
            }
            let down = slot.flights.iter_mut().position(|flight| flight.is_down(cx));
            match down.and_then(|place| slot.flights.remove(place)) {
                Some(flight) => {
                    drop(slot);
                    // A panic of an observer, which the panic hook has reported, must not end the other
                    // call. Requests that this call has not answered yet learn that it is lost.
                    let _panicked = catch_unwind(AssertUnwindSafe(|| flight.land()));
                }
                None if slot.is_closed && slot.flights.is_empty() => return Poll::Ready(()),
                None => return Poll::Pending,
            }
        }
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        // Each change under the lock is whole: a panic elsewhere does not leave half of one.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task. If it ends early, with its runtime, it gives up the calls under way, and the next call
/// starts another.
struct Task(Arc<Landing>);

impl Task {
    fn run(self) -> impl Future<Output = ()> + Send {
        poll_fn(move |cx| self.0.poll(cx))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let mut slot = self.0.slot();
        (slot.runs, slot.waker) = (false, None);
        let flights = std::mem::take(&mut slot.flights);
        drop(slot);
        // Dropping a flight answers its waiters, and may begin the next call.
        drop(flights);
    }
}

impl Flight {
    pub(super) fn new(shared: Arc<Shared>, group: Group, asked: Mono, reply: Reply) -> Self {
        Self { shared, group: Some(group), asked, reply: Box::pin(reply), answer: None }
    }

    /// Whether the answer is there.
    fn is_down(&mut self, cx: &mut Context<'_>) -> bool {
        if self.answer.is_none()
            && let Poll::Ready(answer) = self.reply.as_mut().poll(cx)
        {
            self.answer = Some(answer);
        }
        self.answer.is_some()
    }

    fn land(mut self) {
        let (Some(group), Some(answer)) = (self.group.take(), self.answer.take()) else { return };
        let answer = match answer {
            Ok(value) => {
                let bytes = value.into_bytes().ok().flatten();
                bytes.and_then(|bytes| group.call.read(&bytes)).ok_or(Failure::CORRUPT)
            }
            Err(error) => Err(Failure::from(error)),
        };
        // The next call first: the server need not wait until all answers are handed out.
        self.shared.go_on(group.buckets(), answer.is_ok());
        self.shared.hand_out(group, answer.as_ref(), self.asked);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(group) = self.group.take() {
            self.shared.go_on(group.buckets(), false);
            self.shared.hand_out(group, Err(&Failure::DROPPED), self.asked);
        }
    }
}
