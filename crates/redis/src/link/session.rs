//! The time of one connection: commands out, answers in.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use hardpoint_core::event::LinkState;
use redis::aio::MultiplexedConnection;
use tokio::{
    sync::mpsc,
    task::yield_now,
    time::{Instant, sleep_until},
};

use super::{
    Job, Shared,
    flights::Flights,
    watch::{Verdict, Watch},
};
use crate::{
    Error, ErrorKind, Value,
    endpoint::{Connected, ask},
    script,
};

/// Why a connection ended.
pub(super) enum End {
    /// All handles are gone, and every command was answered.
    Closed,
    /// The connection is broken or silent, or its server refuses to serve.
    Lost(Error),
}

/// A command that ended.
struct Landed {
    number: u64,
    job: Job,
    result: Result<Value, Error>,
    /// The connection itself failed.
    broken: bool,
}

/// Sends the commands of the queue and passes their answers on, until the connection ends.
///
/// What is still in flight then is dropped: each job answers for itself.
pub(super) async fn serve(
    shared: &Arc<Shared>,
    connected: Connected,
    queue: &mut mpsc::Receiver<Job>,
) -> End {
    let Connected { connection, mut driver, mut ended, round_trip, .. } = connected;
    let most = usize::try_from(shared.settings.queue.get()).unwrap_or(usize::MAX);
    let mut flights = Flights::default();
    let mut in_flight = FuturesUnordered::new();
    let mut watch = Watch::new(shared.settings.deadline, round_trip, Instant::now());
    let mut open = true;
    // Whether the timer fired once already for what it fires for now.
    let mut confirmed = false;
    let timer = sleep_until(watch.wake(None));
    tokio::pin!(timer);
    enter(shared, &watch);

    loop {
        if !open && in_flight.is_empty() {
            return End::Closed;
        }
        // The timer is only ever moved to an earlier time: moving it for each command would cost
        // more than waking up once in a while to find nothing overdue.
        let wake = watch.wake(flights.oldest());
        if wake < timer.deadline() {
            timer.as_mut().reset(wake);
        }
        tokio::select! {
            biased;
            Some(landed) = in_flight.next() => {
                let Landed { number, job, result, broken } = landed;
                confirmed = false;
                flights.land(number);
                if !broken {
                    let now = Instant::now();
                    let took = now.saturating_duration_since(job.submitted);
                    watch.heard(job.is_probe().then_some(took), now);
                    enter(shared, &watch);
                }
                let lost = match &result {
                    Err(error) if broken || error.is_about_the_server() => Some(error.clone()),
                    _ => None,
                };
                job.answer(result);
                if let Some(error) = lost {
                    return End::Lost(error);
                }
            }
            Some(_) = receive_end(&mut ended) => return End::Lost(Error::unavailable()),
            job = queue.recv(), if open && in_flight.len() < most => match job {
                Some(job) if job.is_overdue() => drop(job),
                Some(job) if watch.is_late() => job.answer(Err(shared.refusal())),
                Some(job) => {
                    let number = flights.depart(Instant::now());
                    in_flight.push(fly(connection.clone(), number, job));
                }
                None => open = false,
            },
            () = &mut timer => {
                let now = Instant::now();
                let due = flights.oldest().is_some_and(|oldest| watch.is_due(oldest, now));
                if due && !confirmed {
                    // This process may have been the one that paused: answers may be in the socket
                    // that the connection's own task reads. They go first.
                    confirmed = true;
                    yield_now().await;
                    timer.as_mut().reset(now + CONFIRM);
                    continue;
                }
                confirmed = false;
                if watch.judge(flights.oldest(), now) == Verdict::Dead {
                    return End::Lost(Error::new(ErrorKind::Timeout));
                }
                enter(shared, &watch);
                if open && watch.probe(now) {
                    let number = flights.depart(now);
                    in_flight.push(fly(connection.clone(), number, Job::probe(shared)));
                }
                timer.as_mut().reset(watch.wake(flights.oldest()).max(now + CONFIRM));
            }
            // The last: what the others have sent goes out in the same poll.
            () = &mut driver => return End::Lost(Error::unavailable()),
        }
    }
}

/// Sends one command. If the server does not have its script, it was not executed: loads the script
/// and sends the command once more, unless its reply has ended meanwhile.
async fn fly(mut connection: MultiplexedConnection, number: u64, mut job: Job) -> Landed {
    job.sent = true;
    let mut result = ask(&mut connection, &job.command).await;
    if let Some(text) = job.script
        && result.as_ref().is_err_and(|error| error.code() == Some("NOSCRIPT"))
        && !job.is_overdue()
    {
        result = match ask(&mut connection, &script::load(text)).await {
            Ok(_) if job.is_overdue() => result,
            Ok(_) => ask(&mut connection, &job.command).await,
            Err(error) => Err(error),
        };
    }
    let broken = result.as_ref().is_err_and(redis::RedisError::is_unrecoverable_error);
    let result = result.map_err(Error::from_wire).and_then(Value::from_wire);
    Landed { number, job, result, broken }
}

/// Notes the state that the connection's answers show.
fn enter(shared: &Shared, watch: &Watch) {
    if watch.is_late() {
        if shared.enter_down(&Error::new(ErrorKind::Timeout)) {
            tracing::warn!(
                target: "hardpoint::redis::link",
                link = shared.settings.name,
                server = %shared.endpoint,
                deadline_ms = shared.settings.deadline.as_millis(),
                "the server does not answer in time; commands fail until it does"
            );
        }
    } else if shared.enter(LinkState::Up) {
        tracing::info!(
            target: "hardpoint::redis::link",
            link = shared.settings.name,
            server = %shared.endpoint,
            "the link is up"
        );
    }
}

/// Waits for the end of the connection, for ever if it cannot tell.
async fn receive_end(ended: &mut mpsc::UnboundedReceiver<redis::PushInfo>) -> Option<()> {
    loop {
        match ended.recv().await {
            Some(push) if push.kind == redis::PushKind::Disconnection => return Some(()),
            Some(_) => {}
            None => return std::future::pending().await,
        }
    }
}

/// How long after the timer an overdue answer may still arrive.
const CONFIRM: std::time::Duration = std::time::Duration::from_millis(1);
