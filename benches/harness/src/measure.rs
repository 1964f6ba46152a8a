//! Measuring contenders side by side.

use std::{
    fmt,
    hint::black_box,
    os::unix::process::parent_id,
    sync::{Barrier, Mutex, PoisonError},
    thread,
    time::Duration,
};

use hardpoint_core::Time;

use crate::{stats::Samples, threads};

/// Runs what it is given exactly once, and measures that.
pub type Meter<'m> = &'m mut dyn FnMut(&mut dyn FnMut());

/// The cost added to every operation, to show that the guard of a path detects it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Burden {
    /// Nothing.
    #[default]
    None,
    /// The operation holds a lock that all threads share.
    Lock,
    /// The operation makes a cheap system call (`getppid`).
    SystemCall,
}

impl Burden {
    /// Runs `operation` `count` times.
    fn repeat(self, count: u64, mut operation: impl FnMut()) {
        static SHARED: Mutex<()> = Mutex::new(());

        match self {
            Self::None => (0..count).for_each(|_| operation()),
            Self::Lock => (0..count).for_each(|_| {
                let _held = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
                operation();
            }),
            Self::SystemCall => (0..count).for_each(|_| {
                black_box(parent_id());
                operation();
            }),
        }
    }
}

/// Runs the given number of operations and lets the meter measure them.
type Run<'a> = Box<dyn FnMut(u64, Burden, Meter<'_>) + 'a>;

/// Something that does one operation over and over.
pub struct Contender<'a> {
    run: Run<'a>,
    burden: Burden,
}

impl<'a> Contender<'a> {
    /// Does `operation`.
    pub fn new<T>(mut operation: impl FnMut() -> T + 'a) -> Self {
        Self::from_run(move |count, burden, meter| {
            meter(&mut || {
                burden.repeat(count, || {
                    black_box(operation());
                });
            });
        })
    }

    fn from_run(run: impl FnMut(u64, Burden, Meter<'_>) + 'a) -> Self {
        Self { run: Box::new(run), burden: Burden::None }
    }

    /// Runs the requested number of operations in one call. It takes no [`Burden`].
    pub fn whole(mut operations: impl FnMut(u64) + 'a) -> Self {
        Self::from_run(move |count, _, meter| meter(&mut || operations(count)))
    }

    /// Runs `operation` on several threads at once, or on this thread if `threads` is 1. Each
    /// operation receives the number of its thread and the number of operations that the thread has
    /// run before, both from 0. A figure is the time of one operation on one thread.
    pub fn on_threads<T>(
        threads: usize,
        operation: impl Fn(usize, usize) -> T + Sync + 'a,
    ) -> Self {
        let mut done = 0;
        Self::from_run(move |count, burden, meter| {
            let work = |thread| {
                let mut place = done;
                burden.repeat(count, || {
                    black_box(operation(thread, place));
                    place += 1;
                });
            };
            meter(&mut || match threads {
                1 => work(0),
                _ => threads::together(threads, work),
            });
            done += usize::try_from(count).unwrap_or(usize::MAX);
        })
    }

    /// Does `operation` with what `prepare` made for it before the measuring began.
    pub fn prepared<P, T>(
        mut prepare: impl FnMut() -> P + 'a,
        mut operation: impl FnMut(P) -> T + 'a,
    ) -> Self {
        Self::from_run(move |count, burden, meter| {
            let ready: Vec<P> = (0..count).map(|_| prepare()).collect();
            let mut ready = ready.into_iter();
            meter(&mut || {
                burden.repeat(count, || {
                    black_box(ready.next().map(&mut operation));
                });
            });
        })
    }

    /// As [`prepared`](Self::prepared), on several threads at once: each makes what it does and what
    /// it does it with before the measuring begins. A figure is what one operation of one thread
    /// takes.
    pub fn prepared_on<P, T, O: FnMut(P) -> T>(
        threads: usize,
        prepare: impl Fn() -> P + Sync + 'a,
        operation: impl Fn() -> O + Sync + 'a,
    ) -> Self {
        Self::from_run(move |count, burden, meter| {
            let barrier = || Barrier::new(threads + 1);
            let (prepared, begin, end) = (barrier(), barrier(), barrier());
            thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        let _whole = EndsTogether;
                        let mut operation = operation();
                        let ready: Vec<P> = (0..count).map(|_| prepare()).collect();
                        let mut ready = ready.into_iter();
                        prepared.wait();
                        begin.wait();
                        burden.repeat(count, || {
                            black_box(ready.next().map(&mut operation));
                        });
                        end.wait();
                    });
                }
                prepared.wait();
                meter(&mut || {
                    begin.wait();
                    end.wait();
                });
            });
        })
    }

    /// Does all of it inside what `scope` sets up, such as a subscriber of the thread.
    #[must_use]
    pub fn within(mut self, scope: impl Fn(&mut dyn FnMut()) + 'a) -> Self {
        let burden = self.burden;
        let run = move |count: u64, burden: Burden, meter: Meter<'_>| {
            scope(&mut || (self.run)(count, burden, meter));
        };
        Self { burden, ..Self::from_run(run) }
    }

    /// Adds a burden to every operation.
    #[must_use]
    pub fn burden(mut self, burden: Burden) -> Self {
        self.burden = burden;
        self
    }

    /// Does `count` operations and lets `meter` measure them.
    pub fn run(&mut self, count: u64, meter: Meter<'_>) {
        (self.run)(count, self.burden, meter);
    }

    fn time(&mut self, count: u64) -> Duration {
        let mut took = Duration::ZERO;
        self.run(count, &mut |measured| {
            let begin = Time::system().now();
            measured();
            took = Time::system().now().saturating_since(begin);
        });
        took
    }
}

impl fmt::Debug for Contender<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contender").finish_non_exhaustive()
    }
}

/// How long, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many samples of each contender. More of them steady the median.
    pub rounds: usize,
    /// How long a sample should take: long beside the clock's resolution, short beside what disturbs
    /// a machine.
    pub sample: Duration,
    /// How long each contender runs before the first sample.
    pub warm_up: Duration,
    /// The most operations of a sample: what is prepared ahead has to fit into the cache.
    pub most: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            rounds: 101,
            sample: Duration::from_millis(5),
            warm_up: Duration::from_millis(200),
            most: u64::MAX,
        }
    }
}

impl Plan {
    /// For operations that take something made ahead.
    #[must_use]
    pub fn prepared() -> Self {
        Self { rounds: 301, sample: Duration::from_millis(1), most: 512, ..Self::default() }
    }

    /// Nanoseconds an operation of each contender, sample by sample.
    ///
    /// Every round takes one sample of each, every other round in the opposite order: whatever slows
    /// the machine down for a while slows down all of them.
    #[must_use]
    pub fn measure(&self, contenders: &mut [Contender<'_>]) -> Vec<Samples> {
        let counts: Vec<u64> =
            contenders.iter_mut().map(|contender| self.calibrate(contender)).collect();
        let mut samples = vec![Samples::default(); contenders.len()];
        for round in 0..self.rounds {
            for step in 0..contenders.len() {
                let index = if round % 2 == 0 { step } else { contenders.len() - 1 - step };
                let took = contenders[index].time(counts[index]);
                samples[index].push(per_operation(took, counts[index]));
            }
        }
        samples
    }

    /// How many operations fill a sample. It is what warms the contender up, too.
    fn calibrate(&self, contender: &mut Contender<'_>) -> u64 {
        let (mut count, mut spent) = (1_u64, Duration::ZERO);
        loop {
            let took = contender.time(count);
            spent = spent.saturating_add(took).saturating_add(Duration::from_nanos(1));
            if took < self.sample && count < self.most {
                count = count.saturating_mul(2).min(self.most);
            } else if spent >= self.warm_up {
                return count;
            }
        }
    }
}

/// Ends the program if its thread panics: the others would wait for the thread for ever.
struct EndsTogether;

impl Drop for EndsTogether {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::abort();
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a few milliseconds are far below 2^53")]
fn per_operation(took: Duration, count: u64) -> f64 {
    took.as_nanos() as f64 / count.max(1) as f64
}

#[cfg(test)]
mod tests {
    use std::{
        cell::RefCell,
        rc::Rc,
        sync::atomic::{AtomicU64, Ordering},
    };

    use super::*;

    const BRIEF: Plan =
        Plan { rounds: 4, sample: Duration::ZERO, warm_up: Duration::ZERO, most: 1 };

    #[test]
    fn every_other_round_goes_the_other_way() {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let note = |name: char| {
            let seen = Rc::clone(&seen);
            Contender::new(move || seen.borrow_mut().push(name))
        };
        let samples = BRIEF.measure(&mut [note('a'), note('b')]);
        assert_eq!(samples.iter().map(Samples::count).collect::<Vec<_>>(), [4, 4]);
        // The first two calibrate.
        assert_eq!(seen.borrow().iter().collect::<String>(), "ab".to_owned() + "abbaabba");
    }

    #[test]
    fn what_is_prepared_is_not_measured() {
        let measuring = RefCell::new(false);
        let mut contender = Contender::prepared(
            || assert!(!*measuring.borrow()),
            |()| assert!(*measuring.borrow()),
        );
        contender.run(3, &mut |measured| {
            *measuring.borrow_mut() = true;
            measured();
            *measuring.borrow_mut() = false;
        });
    }

    #[test]
    fn every_thread_does_all_operations_with_what_it_prepared_itself() {
        let (made, done) = (AtomicU64::new(0), AtomicU64::new(0));
        let add = |to: &AtomicU64| to.fetch_add(1, Ordering::SeqCst);
        let mut contender = Contender::prepared_on(3, || add(&made), || |_| add(&done));
        contender.run(5, &mut |measured| {
            let before = (made.load(Ordering::SeqCst), done.load(Ordering::SeqCst));
            assert_eq!(before, (15, 0));
            measured();
            assert_eq!(done.load(Ordering::SeqCst), 15);
        });
    }

    #[test]
    fn slower_work_takes_more_of_each_round() {
        let work = |steps: u64| {
            Contender::new(move || (0..steps).fold(1_u64, |sum, step| black_box(sum ^ step)))
        };
        let plan = Plan { rounds: 21, ..Plan::default() };
        let samples = plan.measure(&mut [work(10), work(1_000)]);
        assert!(samples[0].over(&samples[1]).figure().median < 0.5);
    }
}
