//! The threads that poll checks.
//!
//! A check may block the thread that polls it. So the queue of checks to poll belongs to no thread:
//! when a check has waited in it for [`STUCK_AFTER`], another thread takes over, and the blocked
//! one is left to its check. Since a thread is added only while a check waits, and each blocked
//! thread has a check of its own, there are never more threads than checks.
//!
//! The futures are polled in the context of the service's runtime. What a check opens or spawns (a
//! connection of a pool, for example) belongs to that runtime and stays usable for requests,
//! even if the check's thread ends.

use std::{
    any::Any,
    collections::VecDeque,
    io, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak, mpsc},
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use hardpoint_core::{Mono, Time};
use tokio::runtime::Handle;
use tracing::Dispatch;

use super::{
    Down,
    config::{Run, RunFuture},
};

/// A check that waits for a thread for this long gets another one. The other checks are late by as
/// much when a check blocks.
pub(super) const STUCK_AFTER: Duration = Duration::from_millis(100);

/// A thread that has nothing to do for this long ends, except for the last one.
const IDLE_FOR: Duration = Duration::from_secs(10);

/// A run has ended.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) check: usize,
    pub(super) at: Mono,
    /// `None` if the run was cancelled.
    pub(super) result: Option<Result<(), Down>>,
}

/// What the supervisor receives.
#[derive(Debug)]
pub(super) enum Message {
    Done(Done),
    Stop,
}

/// Threads that poll checks. Dropping it ends them, except for those that a check blocks: they end
/// when the check returns.
pub(super) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Mutex<Queue>,
    /// Notified when a check is queued and when the queue closes.
    queued: Condvar,
    jobs: Box<[Job]>,
    runtime: Handle,
    dispatch: Option<Dispatch>,
    clock: Time,
    supervisor: mpsc::Sender<Message>,
}

#[derive(Default)]
struct Queue {
    /// The checks to poll, and since when they wait.
    waiting: VecDeque<(usize, Mono)>,
    orders: Box<[Orders]>,
    threads: usize,
    closed: bool,
}

/// What the next poll of a check has to do.
#[derive(Clone, Copy, Default)]
struct Orders {
    state: State,
    start: bool,
    cancel: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    Queued,
    Polled,
    /// Woken while it was polled, and to be queued again.
    PolledAndWoken,
}

struct Job {
    /// Locked only by the thread that polls the check, never by anything that must not wait.
    work: Mutex<Work>,
    waker: Waker,
}

struct Work {
    run: Run,
    future: Option<RunFuture>,
}

struct CheckWaker {
    check: usize,
    shared: Weak<Shared>,
}

impl Pool {
    /// Creates a pool without threads.
    pub(super) fn new(
        runs: Vec<Run>,
        runtime: Handle,
        dispatch: Option<Dispatch>,
        clock: Time,
        supervisor: mpsc::Sender<Message>,
    ) -> Self {
        let shared = Arc::new_cyclic(|shared| Shared {
            queue: Mutex::new(Queue {
                orders: vec![Orders::default(); runs.len()].into(),
                ..Queue::default()
            }),
            queued: Condvar::new(),
            jobs: (0..)
                .zip(runs)
                .map(|(check, run)| Job {
                    work: Mutex::new(Work { run, future: None }),
                    waker: Arc::new(CheckWaker { check, shared: shared.clone() }).into(),
                })
                .collect(),
            runtime,
            dispatch,
            clock,
            supervisor,
        });
        Self { shared }
    }

    /// Starts a run of a check. The previous run must be over.
    pub(super) fn start(&self, check: usize) {
        self.shared.order(check, |orders| orders.start = true);
    }

    /// Drops the run of a check as soon as the thread that polls it allows.
    pub(super) fn cancel(&self, check: usize) {
        self.shared.order(check, |orders| orders.cancel = true);
    }

    /// Adds a thread if a check has waited for one for too long.
    pub(super) fn relieve(&self) -> io::Result<()> {
        let now = self.shared.clock.now();
        let mut queue = self.shared.lock();
        let stuck = match queue.waiting.front() {
            Some((_, since)) => now.saturating_since(*since) >= STUCK_AFTER,
            None => false,
        };
        if queue.threads == 0 || (stuck && queue.threads < self.shared.jobs.len()) {
            // Counted at once, so that a thread that starts slowly is not taken for a missing one.
            queue.threads += 1;
            drop(queue);
            let shared = Arc::clone(&self.shared);
            let thread = thread::Builder::new().name("hardpoint-check".to_owned());
            if let Err(error) = thread.spawn(move || shared.work()) {
                self.shared.lock().threads -= 1;
                return Err(error);
            }
        }
        Ok(())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.queued.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics while it holds the lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the orders of a check and queues it.
    fn order(&self, check: usize, change: impl FnOnce(&mut Orders)) {
        let mut queue = self.lock();
        let Some(orders) = queue.orders.get_mut(check) else { return };
        change(orders);
        match orders.state {
            State::Idle => {
                orders.state = State::Queued;
                queue.waiting.push_back((check, self.clock.now()));
                drop(queue);
                self.queued.notify_one();
            }
            State::Polled => orders.state = State::PolledAndWoken,
            State::Queued | State::PolledAndWoken => {}
        }
    }

    /// The loop of a thread.
    fn work(&self) {
        let _dispatch = self.dispatch.as_ref().map(tracing::dispatcher::set_default);
        let mut queue = self.lock();
        while !queue.closed {
            let Some((check, _)) = queue.waiting.pop_front() else {
                let (reacquired, timeout) = self
                    .queued
                    .wait_timeout(queue, IDLE_FOR)
                    .unwrap_or_else(PoisonError::into_inner);
                queue = reacquired;
                if timeout.timed_out() && queue.waiting.is_empty() && queue.threads > 1 {
                    break;
                }
                continue;
            };
            let (Some(orders), Some(job)) = (queue.orders.get_mut(check), self.jobs.get(check))
            else {
                continue;
            };
            let Orders { start, cancel, .. } = mem::take(orders);
            orders.state = State::Polled;
            drop(queue);
            let ended = job.poll(&self.runtime, start, cancel);
            let at = self.clock.now();
            queue = self.lock();
            if let Some(orders) = queue.orders.get_mut(check) {
                let woken = orders.state == State::PolledAndWoken;
                orders.state = if woken { State::Queued } else { State::Idle };
                if woken {
                    queue.waiting.push_back((check, at));
                }
            }
            if let Some(result) = ended {
                // The supervisor is gone only when the pool is closing.
                drop(self.supervisor.send(Message::Done(Done { check, at, result })));
            }
        }
        queue.threads -= 1;
    }
}

impl Job {
    /// Follows the orders and polls the run. Returns its end, if it has ended.
    fn poll(
        &self,
        runtime: &Handle,
        start: bool,
        cancel: bool,
    ) -> Option<Option<Result<(), Down>>> {
        // A panic is caught below, so the lock is never poisoned.
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let Work { run, future } = &mut *work;
        let _context = runtime.enter();
        // Cancel before start: an order to cancel is older than an order to start.
        if cancel && let Some(cancelled) = future.take() {
            // Its destructor may panic; the run counts as overdue either way.
            guarded(|| drop(cancelled));
            return Some(None);
        }
        if start {
            *future = match guarded(run) {
                Some(future) => Some(future),
                None => return Some(Some(Err(Down::new("panicked")))),
            };
        }
        let polled = future.as_mut()?;
        let result = match guarded(|| polled.as_mut().poll(&mut Context::from_waker(&self.waker))) {
            Some(Poll::Pending) => return None,
            Some(Poll::Ready(result)) => Some(result),
            None => None,
        };
        // A destructor that panics is a failure, as the run itself is.
        let dropped = guarded(|| drop(future.take()));
        let result = result.filter(|_| dropped.is_some());
        Some(Some(result.unwrap_or_else(|| Err(Down::new("panicked")))))
    }
}

impl Wake for CheckWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(shared) = self.shared.upgrade() {
            shared.order(self.check, |_| {});
        }
    }
}

/// Calls code of a check. Returns `None` if it panics.
///
/// Unwind safe: after a panic the run is dropped and never polled again. State that the check
/// shares with other code is the check's responsibility.
fn guarded<T>(call: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(call)).map_err(discard).ok()
}

/// Drops the payload of a panic. Its destructor may panic too.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(next) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // The payload of that panic could panic again, and so on: leak it.
        mem::forget(next);
    }
}
