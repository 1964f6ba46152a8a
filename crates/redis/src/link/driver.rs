//! The task behind a link: connects, serves, and connects again.

use std::{collections::hash_map::RandomState, hash::BuildHasher as _, io, sync::Arc};

use hardpoint_core::event::LinkState;
use tokio::{
    runtime::{self, Handle},
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout},
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

/// How long commands still wait for a new connection, and what they fail with after that.
struct Grace {
    until: Instant,
    cause: Error,
}

async fn run(shared: Arc<Shared>, mut queue: mpsc::Receiver<Job>) {
    let mut backoff = Backoff::default();
    let mut grace = None;
    loop {
        let began = Instant::now();
        let attempt = connect(&shared);
        let error = match meanwhile(attempt, &shared, &mut grace, &mut queue).await {
            Some(Ok(connected)) => {
                grace = None;
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
        let pause = if shared.state() == LinkState::Up {
            reconnect(&shared, &error);
            grace = Some(Grace { until: Instant::now() + shared.settings.deadline, cause: error });
            backoff.reset();
            backoff.next(random())
        } else {
            match &mut grace {
                Some(grace) => grace.cause = error,
                None => lose(&shared, &error),
            }
            // What the attempt itself took counts: attempts begin at most 500 ms apart unless the
            // connect timeout is longer.
            backoff.next(random()).saturating_sub(began.elapsed())
        };
        if meanwhile(sleep(pause), &shared, &mut grace, &mut queue).await.is_none() {
            return;
        }
    }
}

/// Makes one attempt to connect.
async fn connect(shared: &Shared) -> Result<Connected, Error> {
    let attempt = shared.endpoint.connect(&shared.settings.scripts);
    let attempt = timeout(shared.settings.connect_timeout, attempt).await;
    attempt.unwrap_or_else(|_| Err(Error::new(ErrorKind::Timeout)))
}

/// Waits for `work`. Meanwhile commands wait in the queue as long as the link is connecting: until the
/// first attempt has ended, and until the end of the grace after a connection was lost. After that
/// they are refused. `None` if all handles are gone.
async fn meanwhile<W: Future>(
    work: W,
    shared: &Shared,
    grace: &mut Option<Grace>,
    queue: &mut mpsc::Receiver<Job>,
) -> Option<W::Output> {
    tokio::pin!(work);
    loop {
        let waits = shared.state() == LinkState::Connecting;
        let until = grace.as_ref().map_or_else(Instant::now, |grace| grace.until);
        tokio::select! {
            biased;
            done = &mut work => return Some(done),
            () = sleep_until(until), if grace.is_some() => {
                if let Some(grace) = grace.take() {
                    lose(shared, &grace.cause);
                }
            }
            job = queue.recv(), if !waits => job?.answer(Err(shared.refusal())),
        }
    }
}

/// Marks the link as connecting again, and logs it once.
fn reconnect(shared: &Shared, error: &Error) {
    shared.enter(LinkState::Connecting);
    let cause = std::error::Error::source(error).map(tracing::field::display);
    tracing::warn!(
        target: "hardpoint::redis::link",
        link = shared.settings.name,
        server = %shared.endpoint,
        kind = error.kind().as_str(),
        cause,
        deadline_ms = shared.settings.deadline.as_millis(),
        "the connection is lost; commands wait one deadline for a new one"
    );
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
