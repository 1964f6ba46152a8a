//! Interleavings of the semaphore, explored by loom.

use std::{
    sync::Arc,
    task::{Poll, Wake, Waker},
};

use loom::sync::atomic::{AtomicBool, Ordering};

use super::super::semaphore::*;

fn explore(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn bell() -> (Arc<Bell>, Waker) {
    let bell = Arc::new(Bell(AtomicBool::new(false)));
    (Arc::clone(&bell), Waker::from(bell))
}

#[test]
fn explored_waiting_callers_get_the_permit_and_are_woken() {
    explore(|| {
        let semaphore = Arc::new(Semaphore::new(1, 1));
        assert!(semaphore.try_acquire());
        let twin = Arc::clone(&semaphore);
        let releasing = loom::thread::spawn(move || twin.release());
        let (bell, waker) = bell();
        match semaphore.enter() {
            Entry::Acquired => releasing.join().unwrap(),
            Entry::Full => panic!("there is room in the queue"),
            Entry::Queued(turn) => {
                let at_once = semaphore.poll(&turn, &waker).is_ready();
                releasing.join().unwrap();
                assert!(at_once || bell.0.load(Ordering::SeqCst), "the caller is woken");
                assert_eq!(semaphore.poll(&turn, &waker), Poll::Ready(()));
            }
        }
        assert_eq!(semaphore.counts(), (0, 0));
        semaphore.release();
        assert_eq!(semaphore.counts(), (1, 0));
    });
}

#[test]
fn explored_permits_of_callers_that_leave_are_not_lost() {
    explore(|| {
        let semaphore = Arc::new(Semaphore::new(1, 1));
        assert!(semaphore.try_acquire());
        let Entry::Queued(turn) = semaphore.enter() else { panic!("it waits") };
        let twin = Arc::clone(&semaphore);
        let releasing = loom::thread::spawn(move || twin.release());
        semaphore.leave(&turn);
        releasing.join().unwrap();
        assert_eq!(semaphore.counts(), (1, 0));
    });
}

#[test]
fn explored_permits_never_exceed_their_number() {
    explore(|| {
        let semaphore = Arc::new(Semaphore::new(1, 0));
        let inside = Arc::new(AtomicBool::new(false));
        let enter = move |semaphore: &Semaphore, inside: &AtomicBool| {
            if semaphore.try_acquire() {
                assert!(!inside.swap(true, Ordering::SeqCst), "two permits of one");
                inside.store(false, Ordering::SeqCst);
                semaphore.release();
            }
        };
        let (twin, twin_inside) = (Arc::clone(&semaphore), Arc::clone(&inside));
        let other = loom::thread::spawn(move || enter(&twin, &twin_inside));
        enter(&semaphore, &inside);
        other.join().unwrap();
        assert_eq!(semaphore.counts(), (1, 0));
    });
}

#[test]
fn explored_newcomers_do_not_overtake() {
    explore(|| {
        let semaphore = Arc::new(Semaphore::new(1, 1));
        assert!(semaphore.try_acquire());
        let Entry::Queued(turn) = semaphore.enter() else { panic!("it waits") };
        let twin = Arc::clone(&semaphore);
        let newcomer = loom::thread::spawn(move || twin.try_acquire());
        semaphore.release();
        assert!(!newcomer.join().unwrap(), "the permit is the waiting caller's");
        assert_eq!(semaphore.poll(&turn, Waker::noop()), Poll::Ready(()));
    });
}
