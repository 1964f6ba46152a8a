//! What the tests share: a link that comes up, and load that notes how each command ended.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hardpoint_core::{Event, Telemetry};
use hardpoint_redis::{Error, ErrorKind, LinkState, Redis, Script};
use tokio::{
    sync::{mpsc, watch},
    task::{JoinSet, yield_now},
    time::{Instant, timeout},
};

/// How long an event may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The deadline of links under test: longer than the default, since the machine may be busy.
pub(crate) const DEADLINE: Duration = Duration::from_millis(100);

/// Waits until the link is up.
pub(crate) async fn up(redis: &Redis) {
    timeout(PATIENCE, redis.up()).await.expect("the link comes up");
}

/// A link to `url` that is up.
pub(crate) async fn link(url: impl AsRef<str>) -> Redis {
    let redis = Redis::builder(url).deadline(DEADLINE).build().expect("the settings are usable");
    up(&redis).await;
    redis
}

/// A handle that reports the states of a link, and where they arrive.
pub(crate) fn states() -> (Telemetry, mpsc::UnboundedReceiver<LinkState>) {
    let (sender, states) = mpsc::unbounded_channel();
    let telemetry = Telemetry::new(move |event: &Event<'_>| {
        if let Event::LinkChanged(changed) = event {
            // An error means that the test has ended.
            let _sent = sender.send(changed.state);
        }
    });
    (telemetry, states)
}

/// Waits for the next change of state.
pub(crate) async fn next(states: &mut mpsc::UnboundedReceiver<LinkState>) -> LinkState {
    timeout(PATIENCE, states.recv()).await.expect("the state changes").expect("the link lives")
}

/// The script of the load: it charges one key, as a limiter does.
pub(crate) fn charge() -> Script {
    Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])")
}

/// The key of the load.
pub(crate) const KEY: &str = "charged";

/// The end of one command of the load.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) began: Instant,
    pub(crate) took: Duration,
    /// The link refused it at once.
    pub(crate) refused: bool,
    pub(crate) result: Result<(), Error>,
}

/// Tasks that charge the key without pause, one command each at a time.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<Vec<Ended>>,
    failed: watch::Sender<u64>,
    charged: watch::Sender<u64>,
}

impl Load {
    pub(crate) fn start(redis: &Redis, tasks: usize) -> Self {
        let mut load = Self {
            stop: Arc::default(),
            tasks: JoinSet::new(),
            failed: watch::Sender::default(),
            charged: watch::Sender::default(),
        };
        for _ in 0..tasks {
            let (redis, script) = (redis.clone(), charge());
            let (stop, failed, charged) =
                (load.stop.clone(), load.failed.clone(), load.charged.clone());
            load.tasks.spawn(async move {
                let mut ended = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    let reply = redis.run(&script, [KEY], [1_i64]);
                    let refused = reply.refused().is_some();
                    let result = reply.await.map(|_| ());
                    let count = if result.is_ok() { &charged } else { &failed };
                    count.send_modify(|count| *count += 1);
                    let took = began.elapsed();
                    if refused {
                        // A refusal takes microseconds: let other tasks work.
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    ended.push(Ended { began, took, refused, result });
                    yield_now().await;
                }
                ended
            });
        }
        load
    }

    /// Waits until `more` further commands have succeeded.
    pub(crate) async fn charges(&self, more: u64) {
        Self::wait(&self.charged, more, "commands succeed").await;
    }

    /// Waits until `more` further commands have failed.
    pub(crate) async fn failures(&self, more: u64) {
        Self::wait(&self.failed, more, "commands fail").await;
    }

    async fn wait(count: &watch::Sender<u64>, more: u64, what: &str) {
        let mut count = count.subscribe();
        let goal = *count.borrow() + more;
        let reached = timeout(PATIENCE, count.wait_for(|count| *count >= goal)).await;
        assert!(reached.is_ok(), "{more} more {what}");
    }

    /// Stops and returns how every command ended, in the order in which they began. A command that
    /// hangs, or a task that panicked, fails the test.
    pub(crate) async fn stop(mut self) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        let mut ended = Vec::new();
        let joined = timeout(PATIENCE, async {
            while let Some(task) = self.tasks.join_next().await {
                ended.extend(task.expect("no task panics"));
            }
        });
        joined.await.expect("no command hangs");
        ended.sort_by_key(|command| command.began);
        Report { ended }
    }
}

/// How the commands of a load ended.
pub(crate) struct Report {
    pub(crate) ended: Vec<Ended>,
}

impl Report {
    pub(crate) fn succeeded(&self) -> u64 {
        self.ended.iter().filter(|command| command.result.is_ok()).count() as u64
    }

    /// The commands that failed although the server may have executed them.
    pub(crate) fn unknown(&self) -> u64 {
        let unknown =
            |command: &&Ended| command.result.as_ref().is_err_and(Error::may_have_executed);
        self.ended.iter().filter(unknown).count() as u64
    }

    /// The time from `since` to the first success of a command that began after it.
    pub(crate) fn first_success_after(&self, since: Instant) -> Duration {
        let first = self
            .ended
            .iter()
            .filter(|c| c.began >= since && c.result.is_ok())
            .map(|c| c.began + c.took)
            .min();
        first.expect("a command succeeds").duration_since(since)
    }

    /// Asserts what a fault may cost, from its cause to its end: only commands that began within one
    /// deadline of the cause wait, each at most two deadlines; all others are refused at once.
    /// Returns the number of those that waited and the longest wait.
    ///
    /// One more deadline is for a busy machine, and so are failures outside of the fault.
    pub(crate) fn assert_bounded(&self, caused: Instant, ended: Instant) -> (usize, Duration) {
        let during = |c: &&Ended| c.began + DEADLINE >= caused && c.began <= ended;
        let mut failures = self.ended.iter().filter(during).filter(|c| c.result.is_err());
        assert!(failures.clone().next().is_some(), "the fault fails a command");
        let late = failures.clone().find(|c| !c.refused && c.began > caused + 2 * DEADLINE);
        assert!(late.is_none(), "a command waited that began late: {late:?}");
        let waited = failures.clone().filter(|command| !command.refused).count();
        let longest = failures.clone().map(|command| command.took).max().unwrap_or_default();
        assert!(longest <= 2 * DEADLINE, "a command waited for {longest:?}");
        let kinds = [ErrorKind::Timeout, ErrorKind::Unavailable];
        assert!(failures.all(|c| kinds.contains(&c.result.as_ref().unwrap_err().kind())));
        (waited, longest)
    }
}
