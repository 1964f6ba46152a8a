//! The same work on several threads at once.

use std::{sync::Barrier, thread};

/// Runs `work` on as many threads as asked for, all from the same moment on, and returns when the
/// last one is done. Each is told its number, from 0.
pub fn together(threads: usize, work: impl Fn(usize) + Sync) {
    let start = Barrier::new(threads);
    thread::scope(|scope| {
        for number in 0..threads {
            let (start, work) = (&start, &work);
            scope.spawn(move || {
                start.wait();
                work(number);
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_thread_works_once() {
        let sum = AtomicUsize::new(0);
        together(4, |number| {
            sum.fetch_add(number + 1, Ordering::SeqCst);
        });
        assert_eq!(sum.into_inner(), 10);
    }
}
