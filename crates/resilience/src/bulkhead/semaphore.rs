//! Permits, and a bounded queue for them in order of arrival.
//!
//! One word holds the free permits and the number of waiting callers. They are never both above 0: a
//! caller waits only when no permit is free, and a permit becomes free only when no caller waits. So
//! taking and returning a permit is one compare-and-swap while no caller waits, and a new caller
//! cannot overtake a waiting one.
//!
//! The queue is behind a lock, which only waiting callers and the permits that they get take.
//!
//! This file has only atomics and a lock: loom explores it.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Poll, Waker},
};

use crate::sync::{AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering};

/// The free permits in the lower half, the waiting callers in the upper.
const ONE_WAITING: u64 = 1 << 32;

#[derive(Debug)]
pub(super) struct Semaphore {
    word: AtomicU64,
    queue: Mutex<VecDeque<Waiting>>,
    max_waiting: u32,
}

#[derive(Debug)]
struct Waiting {
    turn: Arc<AtomicBool>,
    waker: Waker,
}

/// A place in the queue. Its holder leaves the queue with [`Semaphore::leave`] or takes the
/// permit once [`Semaphore::poll`] is ready.
#[derive(Debug)]
pub(super) struct Turn(Arc<AtomicBool>);

/// The answer to a caller.
#[derive(Debug)]
pub(super) enum Entry {
    Acquired,
    Full,
    Queued(Turn),
}

impl Semaphore {
    pub(super) fn new(permits: u32, max_waiting: u32) -> Self {
        Self {
            word: AtomicU64::new(u64::from(permits)),
            queue: Mutex::new(VecDeque::new()),
            max_waiting,
        }
    }

    /// Takes a permit if one is free.
    #[inline]
    pub(super) fn try_acquire(&self) -> bool {
        // Acquire, paired with the release of a permit: the caller sees what was done under it.
        let take = |word| (free(word) > 0).then(|| word - 1);
        self.word.fetch_update(Ordering::Acquire, Ordering::Relaxed, take).is_ok()
    }

    /// Takes a permit or a place in the queue.
    pub(super) fn enter(&self) -> Entry {
        if self.try_acquire() {
            return Entry::Acquired;
        }
        if self.max_waiting == 0 {
            return Entry::Full;
        }
        let mut queue = self.queue();
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let next = if free(word) > 0 {
                word - 1
            } else if waiting(word) >= self.max_waiting {
                return Entry::Full;
            } else {
                word + ONE_WAITING
            };
            match self.word.compare_exchange_weak(word, next, Ordering::Acquire, Ordering::Relaxed)
            {
                Err(current) => word = current,
                Ok(_) if next < word => return Entry::Acquired,
                Ok(_) => break,
            }
        }
        let turn = Arc::new(AtomicBool::new(false));
        queue.push_back(Waiting { turn: Arc::clone(&turn), waker: Waker::noop().clone() });
        Entry::Queued(Turn(turn))
    }

    /// Ready when the caller has a permit. Otherwise `waker` is woken then.
    pub(super) fn poll(&self, turn: &Turn, waker: &Waker) -> Poll<()> {
        let mut queue = self.queue();
        if turn.0.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        if let Some(waiting) = queue.iter_mut().find(|waiting| waiting.is(turn)) {
            waiting.waker.clone_from(waker);
        }
        Poll::Pending
    }

    /// Gives up a place in the queue. A permit that has already come goes to the next caller.
    pub(super) fn leave(&self, turn: &Turn) {
        let mut queue = self.queue();
        if turn.0.load(Ordering::Relaxed) {
            drop(queue);
            return self.release();
        }
        if let Some(place) = queue.iter().position(|waiting| waiting.is(turn)) {
            queue.remove(place);
            self.word.fetch_sub(ONE_WAITING, Ordering::Relaxed);
        }
    }

    /// Returns a permit: to the caller that waits longest, or to the free ones.
    #[inline]
    pub(super) fn release(&self) {
        let give = |word| (waiting(word) == 0).then(|| word + 1);
        if self.word.fetch_update(Ordering::Release, Ordering::Relaxed, give).is_err() {
            self.pass_on();
        }
    }

    #[cold]
    fn pass_on(&self) {
        let mut queue = self.queue();
        if let Some(first) = queue.pop_front() {
            self.word.fetch_sub(ONE_WAITING, Ordering::Relaxed);
            first.turn.store(true, Ordering::Relaxed);
            // Woken without the lock: the task may run at once and take it.
            drop(queue);
            return first.waker.wake();
        }
        // The last waiting caller left meanwhile. Under the lock no other can come.
        self.word.fetch_add(1, Ordering::Release);
    }

    /// The free permits and the waiting callers.
    pub(super) fn counts(&self) -> (u32, u32) {
        let word = self.word.load(Ordering::Relaxed);
        (free(word), waiting(word))
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        // No user code runs under the lock except the clone of a waker, which changes no queue.
        self.queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Waiting {
    fn is(&self, turn: &Turn) -> bool {
        Arc::ptr_eq(&self.turn, &turn.0)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half of the word")]
const fn free(word: u64) -> u32 {
    word as u32
}

const fn waiting(word: u64) -> u32 {
    (word >> 32) as u32
}
