//! The thread that starts runs and judges them. It never calls a check: the [`Pool`] does.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    io,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use hardpoint_core::{Mono, Time};
use tokio::runtime::Handle;
use tracing::{Dispatch, subscriber::NoSubscriber, warn};

use super::{
    Down,
    config::Run,
    plan::{Plan, Step},
    pool::{Done, Message, Pool, STUCK_AFTER},
};
use crate::board::Board;

/// The supervisor looks at the checks at least this often.
const LOOKS_EVERY: Duration = Duration::from_secs(60);

/// Runs checks until it is dropped.
#[derive(Debug)]
pub(crate) struct Runner {
    supervisor: mpsc::Sender<Message>,
}

/// The inputs of a check's runs.
pub(crate) struct Task {
    pub(super) run: Run,
    pub(super) every: Duration,
    pub(super) timeout: Duration,
    pub(super) cancel_at_timeout: bool,
}

impl Runner {
    /// Starts the checks of `board`, one task for each. Their futures run in the context of
    /// `runtime`, on threads of their own.
    ///
    /// # Errors
    /// The thread of the supervisor cannot be started.
    pub(crate) fn start(board: &Arc<Board>, tasks: Vec<Task>, runtime: Handle) -> io::Result<Self> {
        let (supervisor, messages) = mpsc::channel();
        // Schedules follow the real clock, even if the ages in the report follow another one.
        let clock = Time::system();
        let now = clock.now();
        let plan = |task: &Task| Plan::new(task.every, task.timeout, now, random());
        let watched = tasks
            .iter()
            .map(|task| Watched { plan: plan(task), cancel_at_timeout: task.cancel_at_timeout })
            .collect();
        let dispatch = scoped_dispatch();
        let pool = Pool::new(
            tasks.into_iter().map(|task| task.run).collect(),
            runtime,
            dispatch.clone(),
            clock.clone(),
            supervisor.clone(),
        );
        let mut supervising =
            Supervisor { board: Arc::clone(board), watched, pool, clock, warned_of_threads: false };
        thread::Builder::new().name("hardpoint-checks".to_owned()).spawn(move || {
            let _dispatch = dispatch.as_ref().map(tracing::dispatcher::set_default);
            supervising.run(&messages);
        })?;
        Ok(Self { supervisor })
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // The supervisor may have ended with a panic of an observer.
        drop(self.supervisor.send(Message::Stop));
    }
}

struct Supervisor {
    board: Arc<Board>,
    /// In the order of the board.
    watched: Vec<Watched>,
    pool: Pool,
    clock: Time,
    warned_of_threads: bool,
}

struct Watched {
    plan: Plan,
    cancel_at_timeout: bool,
}

impl Supervisor {
    fn run(&mut self, messages: &mpsc::Receiver<Message>) {
        loop {
            let now = self.clock.now();
            let wait = self.look(now).saturating_since(now).min(LOOKS_EVERY);
            match messages.recv_timeout(wait) {
                Ok(Message::Done(done)) => self.ended(done),
                Ok(Message::Stop) | Err(mpsc::RecvTimeoutError::Disconnected) => return,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Takes all steps that are due and returns the instant of the next look.
    fn look(&mut self, now: Mono) -> Mono {
        let mut wake = now.saturating_add(LOOKS_EVERY);
        for (check, Watched { plan, cancel_at_timeout }) in self.watched.iter_mut().enumerate() {
            if self.board.is_skipped(check) {
                plan.skip(now, random());
            }
            while let Some(step) = plan.step(now, random()) {
                match step {
                    Step::Start => self.pool.start(check),
                    Step::Overdue if *cancel_at_timeout => self.pool.cancel(check),
                    Step::Overdue | Step::StillOverdue => {}
                }
                if step != Step::Start {
                    let age = plan.age(now).unwrap_or_default();
                    self.board.overdue(check, age);
                }
            }
            wake = wake.min(plan.wake());
            if plan.age(now).is_some() {
                // Its thread may be blocked by another check.
                wake = wake.min(now.saturating_add(STUCK_AFTER));
            }
        }
        if let Err(error) = self.pool.relieve()
            && !self.warned_of_threads
        {
            self.warned_of_threads = true;
            let error: &(dyn std::error::Error + 'static) = &error;
            warn!(
                target: "hardpoint::health::check",
                error,
                "cannot start a thread for checks, trying again"
            );
        }
        wake
    }

    fn ended(&mut self, Done { check, at, result }: Done) {
        let Some(watched) = self.watched.get_mut(check) else { return };
        let Some(ended) = watched.plan.ended(at) else { return };
        match result {
            _ if ended.counted => self.board.overdue_ended(check),
            _ if ended.late => self.board.record(check, Err(timeout()), ended.took),
            Some(result) => self.board.record(check, result, ended.took),
            // Cancelled, which only happens after the timeout.
            None => {}
        }
    }
}

/// The failure of a run that exceeded its timeout.
pub(crate) const fn timeout() -> Down {
    Down::new("timeout")
}

/// Returns random bits. `RandomState` is good enough to spread the runs, and it cannot fail.
fn random() -> u64 {
    RandomState::new().hash_one(())
}

/// The log subscriber of this thread, if there is one yet. Threads that the lifecycle starts log
/// where the code that builds it logs.
pub(crate) fn scoped_dispatch() -> Option<Dispatch> {
    tracing::dispatcher::get_default(|dispatch| {
        (!dispatch.is::<NoSubscriber>()).then(|| dispatch.clone())
    })
}
