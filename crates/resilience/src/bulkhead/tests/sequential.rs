use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Poll, Wake, Waker},
};

use proptest::prelude::*;

use super::super::semaphore::*;
use crate::Jitter;

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Enter,
    Leave(usize),
    Release,
    TryAcquire,
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Enter),
        1 => any::<usize>().prop_map(Step::Leave),
        3 => Just(Step::Release),
        1 => Just(Step::TryAcquire),
    ]
}

proptest! {
    #[test]
    fn permits_go_out_in_the_order_of_arrival(
        permits in 1..4_u32,
        max_waiting in 0..5_u32,
        steps in proptest::collection::vec(steps(), 1..200),
    ) {
        let semaphore = Semaphore::new(permits, max_waiting);
        let (mut held, mut queue, mut arrived) = (0, VecDeque::new(), 0);
        for step in steps {
            match step {
                Step::TryAcquire => {
                    let acquired = semaphore.try_acquire();
                    prop_assert_eq!(acquired, held < permits);
                    held += u32::from(acquired);
                }
                Step::Enter => match semaphore.enter() {
                    Entry::Acquired => {
                        prop_assert!(held < permits && queue.is_empty());
                        held += 1;
                    }
                    Entry::Full => {
                        prop_assert!(held == permits && queue.len() == max_waiting as usize);
                    }
                    Entry::Queued(turn) => {
                        prop_assert!(held == permits && queue.len() < max_waiting as usize);
                        let bell = Arc::new(Bell::default());
                        let waker = Waker::from(Arc::clone(&bell));
                        prop_assert_eq!(semaphore.poll(&turn, &waker), Poll::Pending);
                        queue.push_back((arrived, turn, bell));
                        arrived += 1;
                    }
                },
                Step::Release if held > 0 => {
                    semaphore.release();
                    match queue.pop_front() {
                        None => held -= 1,
                        Some((_, turn, bell)) => {
                            prop_assert_eq!(bell.0.load(Ordering::SeqCst), 1, "woken once");
                            let ready = semaphore.poll(&turn, Waker::noop());
                            prop_assert_eq!(ready, Poll::Ready(()));
                        }
                    }
                }
                Step::Leave(which) if !queue.is_empty() => {
                    let (_, turn, bell) = queue.remove(which % queue.len()).unwrap();
                    semaphore.leave(&turn);
                    prop_assert_eq!(bell.0.load(Ordering::SeqCst), 0);
                }
                Step::Release | Step::Leave(_) => {}
            }
            prop_assert!(queue.iter().is_sorted_by_key(|(arrived, ..)| *arrived));
            let waiting = u32::try_from(queue.len()).unwrap();
            prop_assert_eq!(semaphore.counts(), (permits - held, waiting));
            for (_, turn, _) in &queue {
                let bell = Waker::from(Arc::new(Bell::default()));
                prop_assert_eq!(semaphore.poll(turn, &bell), Poll::Pending);
            }
            // The bells in use are those of the last poll: give them back.
            for (_, turn, bell) in &queue {
                let waker = Waker::from(Arc::clone(bell));
                prop_assert_eq!(semaphore.poll(turn, &waker), Poll::Pending);
            }
        }
    }
}

#[test]
fn a_permit_that_came_to_a_caller_that_left_goes_to_the_next() {
    let semaphore = Semaphore::new(1, 2);
    assert!(semaphore.try_acquire());
    let (Entry::Queued(first), Entry::Queued(second)) = (semaphore.enter(), semaphore.enter())
    else {
        panic!("both wait");
    };
    semaphore.release();
    semaphore.leave(&first);
    assert_eq!(semaphore.poll(&second, Waker::noop()), Poll::Ready(()));
    semaphore.release();
    assert_eq!(semaphore.counts(), (1, 0));
}

#[test]
fn a_million_random_drops_leak_no_permit() {
    let semaphore = Semaphore::new(3, 4);
    let jitter = Jitter::seeded(15);
    let (mut held, mut queue, mut drops) = (0_u32, Vec::new(), 0);
    while drops < 1_000_000 {
        match jitter.below(4) {
            0 | 1 => match semaphore.enter() {
                Entry::Acquired => held += 1,
                Entry::Full => {}
                Entry::Queued(turn) => queue.push(turn),
            },
            2 if held > 0 => {
                semaphore.release();
                held -= 1;
                drops += 1;
            }
            3 if !queue.is_empty() => {
                // Some of them have their permit already.
                let place = usize::try_from(jitter.below(queue.len() as u64)).unwrap();
                semaphore.leave(&queue.swap_remove(place));
                drops += 1;
            }
            _ => {}
        }
        // Some callers notice that their permit has come.
        if jitter.below(3) == 0 {
            let before = queue.len();
            queue.retain(|turn| semaphore.poll(turn, Waker::noop()).is_pending());
            held += u32::try_from(before - queue.len()).unwrap();
        }
        assert!(held <= 3);
    }
    queue.iter().for_each(|turn| semaphore.leave(turn));
    (0..held).for_each(|_| semaphore.release());
    assert_eq!(semaphore.counts(), (3, 0));
}
