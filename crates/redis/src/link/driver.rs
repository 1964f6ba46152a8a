//! The task behind a link: connects, serves, and connects again.

use std::{
    collections::hash_map::RandomState, hash::BuildHasher as _, io, sync::Arc, time::Duration,
};

use hardpoint_core::event::LinkState;
use tokio::{
    runtime::{self, Handle},
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use super::{
    Job, Shared,
    backoff::Backoff,
    nest::Nest,
    session::{End, serve},
};
use crate::{ConfigError, Error, ErrorKind, endpoint::Connected};

/// Starts the task: in the current runtime, or on a thread of its own. It ends when the last sender
/// of the queue is dropped.
pub(crate) fn start(shared: &Arc<Shared>) -> Result<mpsc::Sender<Job>, ConfigError> {
    let most = usize::try_from(shared.settings.queue.get()).unwrap_or(usize::MAX);
    let (sender, queue) = mpsc::channel(most);
    let task = run(Arc::clone(shared), queue);
    if let Ok(runtime) = Handle::try_current() {
        // The task ends with its queue: there is nothing to wait for.
        drop(runtime.spawn(task));
        return Ok(sender);
    }
    let failed = |error: io::Error| ConfigError::Thread { kind: error.kind() };
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let thread = std::thread::Builder::new().name("hardpoint-redis".into());
    drop(thread.spawn(move || runtime.block_on(task)).map_err(failed)?);
    Ok(sender)
}

async fn run(shared: Arc<Shared>, mut queue: mpsc::Receiver<Job>) {
    let mut backoff = Backoff::default();
    loop {
        let began = Instant::now();
        let error = match connect(&shared, &mut queue).await {
            Some(Ok(connected)) => {
                shared.note_memory(connected.memory.clone());
                shared.note_cluster(connected.is_cluster);
                match Nest::new(serve(&shared, connected, &mut queue)).await {
                    End::Closed => return,
                    End::Lost(error) => error,
                }
            }
            Some(Err(error)) => error,
            None => return,
        };
        let served = shared.state() == LinkState::Up;
        lose(&shared, &error);
        if served {
            backoff.reset();
        }
        // What the attempt itself took counts: attempts begin at most 500 ms apart unless the
        // connect timeout is longer.
        let pause = backoff.next(random()).saturating_sub(if served {
            Duration::ZERO
        } else {
            began.elapsed()
        });
        if !refuse_for(pause, &shared, &mut queue).await {
            return;
        }
    }
}

/// Makes one attempt to connect. Before the first has ended, commands wait for it in the queue;
/// later they are refused. `None` if all handles are gone.
async fn connect(
    shared: &Shared,
    queue: &mut mpsc::Receiver<Job>,
) -> Option<Result<Connected, Error>> {
    let attempt =
        timeout(shared.settings.connect_timeout, shared.endpoint.connect(&shared.settings.scripts));
    tokio::pin!(attempt);
    let waits = shared.state() == LinkState::Connecting;
    loop {
        tokio::select! {
            biased;
            connected = &mut attempt => {
                return Some(connected.unwrap_or_else(|_| Err(Error::new(ErrorKind::Timeout))));
            }
            job = queue.recv(), if !waits => job?.answer(Err(shared.refusal())),
        }
    }
}

/// Refuses commands for a while. Returns `false` if all handles are gone.
async fn refuse_for(pause: Duration, shared: &Shared, queue: &mut mpsc::Receiver<Job>) -> bool {
    let pause = sleep(pause);
    tokio::pin!(pause);
    loop {
        tokio::select! {
            biased;
            job = queue.recv() => match job {
                Some(job) => job.answer(Err(shared.refusal())),
                None => return false,
            },
            () = &mut pause => return true,
        }
    }
}

/// Marks the link as down, and logs it once.
fn lose(shared: &Shared, error: &Error) {
    if !shared.enter_down(error) {
        return;
    }
    let cause = std::error::Error::source(error).map(tracing::field::display);
    tracing::warn!(
        target: "hardpoint::redis::link",
        link = shared.settings.name,
        server = %shared.endpoint,
        kind = error.kind().as_str(),
        cause,
        "the link is down; it tries to connect until it succeeds"
    );
}

/// Random bits. `RandomState` is good enough to spread attempts, and it cannot fail.
fn random() -> u64 {
    RandomState::new().hash_one(())
}
