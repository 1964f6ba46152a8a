//! Keeps the wakes between the parts of one task within it.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

#[cfg(not(hardpoint_loom))]
use std::sync::atomic::{AtomicU8, Ordering};

#[cfg(hardpoint_loom)]
use loom::sync::atomic::{AtomicU8, Ordering};

/// A future whose parts wake each other, polled until none of them is woken.
///
/// A part that is woken while the task is polled would make the runtime schedule the task again. For
/// a task that is being polled, tokio puts it behind all others and wakes a second thread to help
/// (measured: 9 µs and a context switch for each command on an idle link). Here such a wake only
/// repeats the poll.
pub(super) struct Nest<F> {
    inner: Pin<Box<F>>,
    wakes: Arc<Wakes>,
    waker: Waker,
}

impl<F: Future> Nest<F> {
    pub(super) fn new(inner: F) -> Self {
        let wakes = Arc::new(Wakes::default());
        Self { inner: Box::pin(inner), waker: Arc::clone(&wakes).into(), wakes }
    }
}

impl<F: Future> Future for Nest<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        this.wakes.keep(cx.waker());
        for _ in 0..REPEATS {
            this.wakes.begin();
            let polled = this.inner.as_mut().poll(&mut Context::from_waker(&this.waker));
            if polled.is_ready() || this.wakes.end() {
                return polled;
            }
        }
        // Others on this thread have waited for long enough.
        this.wakes.rest();
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// How often the parts may wake each other before other tasks have a turn.
const REPEATS: u32 = 16;

/// Whether the task is polled, and whether it was woken meanwhile.
struct Wakes {
    state: AtomicU8,
    task: Mutex<Waker>,
}

const RESTING: u8 = 0;
const POLLED: u8 = 1;
const WOKEN: u8 = 2;

impl Default for Wakes {
    fn default() -> Self {
        Self { state: AtomicU8::new(RESTING), task: Mutex::new(Waker::noop().clone()) }
    }
}

// Every step is sequentially consistent: a wake is either seen by the poll that it happened in, or it
// sees that the poll has ended and wakes the task. Both steps change the one word, so neither can miss
// the other.
impl Wakes {
    fn keep(&self, waker: &Waker) {
        self.task.lock().unwrap_or_else(PoisonError::into_inner).clone_from(waker);
    }

    /// Begins a poll, which sees what was done before any wake until now.
    fn begin(&self) {
        self.state.swap(POLLED, Ordering::SeqCst);
    }

    /// Ends the poll, unless there was a wake.
    fn end(&self) -> bool {
        let ended =
            self.state.compare_exchange(POLLED, RESTING, Ordering::SeqCst, Ordering::SeqCst);
        ended.is_ok()
    }

    /// Ends the poll, although there was a wake: the caller wakes the task.
    fn rest(&self) {
        self.state.store(RESTING, Ordering::SeqCst);
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Of the wakes of a task that rests, the first wakes it.
        if self.state.swap(WOKEN, Ordering::SeqCst) == RESTING {
            self.task.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
        }
    }
}

#[cfg(all(test, not(hardpoint_loom)))]
mod tests {
    use std::{future::poll_fn, sync::atomic::AtomicU32};

    use super::*;

    #[derive(Default)]
    struct Counted(AtomicU32);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_wake_within_a_poll_repeats_it_and_one_between_polls_wakes_the_task() {
        let (outer, mut polls, mut inner) = (Arc::new(Counted::default()), 0, None);
        let mut nest = Nest::new(poll_fn(|cx| {
            polls += 1;
            inner = Some(cx.waker().clone());
            if polls < 3 {
                cx.waker().wake_by_ref();
            }
            if polls < 4 { Poll::Pending } else { Poll::Ready(polls) }
        }));
        let waker = Waker::from(Arc::clone(&outer));
        let poll = |nest: &mut Nest<_>| Pin::new(nest).poll(&mut Context::from_waker(&waker));
        assert!(poll(&mut nest).is_pending());
        assert_eq!(outer.0.load(Ordering::SeqCst), 0, "it woke itself twice");
        nest.waker.wake_by_ref();
        nest.waker.wake_by_ref();
        assert_eq!(outer.0.load(Ordering::SeqCst), 1);
        assert_eq!(poll(&mut nest), Poll::Ready(4));
    }

    #[test]
    fn parts_that_wake_each_other_for_ever_let_others_have_a_turn() {
        let (outer, mut polls) = (Arc::new(Counted::default()), 0);
        let mut nest = Nest::new(poll_fn(|cx| {
            polls += 1;
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        }));
        let waker = Waker::from(Arc::clone(&outer));
        assert!(Pin::new(&mut nest).poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(outer.0.load(Ordering::SeqCst), 1);
        drop(nest);
        assert_eq!(polls, REPEATS);
    }
}

#[cfg(all(test, hardpoint_loom))]
mod explored {
    use std::future::poll_fn;

    use loom::{sync::atomic::AtomicBool, thread};

    use super::*;

    struct Told(AtomicBool);

    impl Wake for Told {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn no_wake_is_lost() {
        loom::model(|| {
            let (told, done) =
                (Arc::new(Told(AtomicBool::new(false))), Arc::new(AtomicBool::new(false)));
            let seen = Arc::clone(&done);
            let mut nest = Nest::new(poll_fn(move |_| {
                if seen.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
            }));
            let inner = nest.waker.clone();
            let other = thread::spawn(move || {
                done.store(true, Ordering::Relaxed);
                inner.wake();
            });
            let waker = Waker::from(Arc::clone(&told));
            let first = Pin::new(&mut nest).poll(&mut Context::from_waker(&waker));
            other.join().unwrap();
            if first.is_pending() {
                assert!(told.0.load(Ordering::SeqCst), "the task was woken");
                let second = Pin::new(&mut nest).poll(&mut Context::from_waker(&waker));
                assert!(second.is_ready(), "and saw why");
            }
        });
    }
}
