//! Observes the service's runtime from the admin thread.
//!
//! Every 100 ms a task is spawned on the runtime. It does nothing, and that it runs proves that a
//! worker runs. The spawn also wakes a parked worker, which then polls the I/O driver: without it,
//! a single blocked worker can stop all timers and sockets of a runtime, because the worker that
//! drives them is the blocked one and the others sleep on.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use hardpoint_core::Time;
use tokio::runtime::{Handle, RuntimeMetrics};

pub(crate) use self::judge::Pulse;
use self::judge::{Judge, PERIOD, Sample};
use crate::board::Board;

mod judge;

/// The state of the latest ping.
#[derive(Debug, Default)]
struct Ping(AtomicU8);

impl Ping {
    const ANSWERED: u8 = 0;
    const SENT: u8 = 1;
    /// The runtime dropped the ping without running it: it is shutting down.
    const LOST: u8 = 2;

    fn state(&self) -> u8 {
        self.0.load(Ordering::Acquire)
    }

    /// Sends a ping. One at a time: a runtime that is stalled for an hour must not find an hour of
    /// pings.
    fn send(self: &Arc<Self>, runtime: &Handle) {
        self.0.store(Self::SENT, Ordering::Release);
        let answer = Answer { ping: Arc::clone(self), with: Self::LOST };
        runtime.spawn(async move {
            let mut answer = answer;
            answer.with = Self::ANSWERED;
        });
    }
}

/// Answers a ping when it is dropped.
struct Answer {
    ping: Arc<Ping>,
    with: u8,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.ping.0.store(self.with, Ordering::Release);
    }
}

/// Observes `runtime` until it shuts down, and keeps its pulse on the board.
pub(crate) async fn observe(runtime: Handle, board: Arc<Board>) {
    let (clock, metrics) = (Time::system(), runtime.metrics());
    let (mut judge, ping) = (Judge::default(), Arc::new(Ping::default()));
    loop {
        let answered = match ping.state() {
            Ping::ANSWERED => {
                ping.send(&runtime);
                true
            }
            Ping::SENT => false,
            _ => break,
        };
        board.set_pulse(judge.look(clock.now(), answered, samples(&metrics)));
        tokio::time::sleep(PERIOD).await;
    }
    board.set_pulse(Pulse::Beating);
}

#[cfg(target_has_atomic = "64")]
fn samples(metrics: &RuntimeMetrics) -> impl Iterator<Item = Sample> {
    (0..metrics.num_workers()).map(|worker| Sample {
        busy: metrics.worker_total_busy_duration(worker),
        parks: metrics.worker_park_unpark_count(worker),
    })
}

/// Tokio keeps these counters only on platforms with 64-bit atomics. Elsewhere a stall is still
/// noticed, a single blocked worker is not.
#[cfg(not(target_has_atomic = "64"))]
fn samples(_: &RuntimeMetrics) -> impl Iterator<Item = Sample> {
    std::iter::empty()
}
