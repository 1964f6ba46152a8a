//! What several modules need.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hardpoint_core::{Event, Readiness, Telemetry};
use hardpoint_health::{Check, Checks, Down, Lifecycle, Probes};
use http::{Request, Response};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout},
};
use tower::ServiceExt;

/// The period of most checks: short, so that a test of several runs is short, and long enough that
/// no run exceeds it on a loaded machine.
pub(crate) const PERIOD: Duration = Duration::from_millis(250);

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What an observer saw, in words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    pub(crate) fn telemetry(&self) -> Telemetry {
        let seen = Arc::clone(&self.0);
        Telemetry::new(move |event: &Event<'_>| {
            let line = match event {
                Event::CheckChanged(change) => format!("{} {}", change.check, change.healthy),
                Event::ReadinessChanged(change) => change.readiness.as_str().to_owned(),
                other => format!("{other:?}"),
            };
            seen.lock().unwrap().push(line);
        })
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// A dependency whose answers a test chooses, and that notes when it was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dependency {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<watch::Sender<Vec<Instant>>>,
    hanging: Arc<Notify>,
    cancelled: Arc<AtomicUsize>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    Fail(&'static str),
    Hang,
    Panic,
    Pass,
}

impl Dependency {
    /// The next answers; after them it passes.
    pub(crate) fn will(&self, answers: impl IntoIterator<Item = Answer>) {
        self.answers.lock().unwrap().extend(answers);
    }

    pub(crate) fn asked(&self) -> Vec<Instant> {
        self.asked.borrow().clone()
    }

    pub(crate) fn times_asked(&self) -> usize {
        self.asked.borrow().len()
    }

    /// Lets the run that hangs end.
    pub(crate) fn go_on(&self) {
        self.hanging.notify_one();
    }

    /// The number of hanging runs that were dropped.
    pub(crate) fn cancelled(&self) -> usize {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// A check of this dependency that runs every [`PERIOD`].
    pub(crate) fn check(&self, name: &str) -> Check {
        let dependency = self.clone();
        let timeout = PERIOD - Duration::from_millis(1);
        Check::new(name, move || dependency.ask()).every(PERIOD).timeout(timeout)
    }

    pub(crate) fn ask(&self) -> impl Future<Output = Result<(), Down>> + Send + use<> {
        let dependency = self.clone();
        async move { dependency.answer().await }
    }

    async fn answer(&self) -> Result<(), Down> {
        self.asked.send_modify(|asked| asked.push(Instant::now()));
        let answer = self.answers.lock().unwrap().pop_front();
        match answer.unwrap_or(Answer::Pass) {
            Answer::Fail(code) => Err(Down::new(code)),
            Answer::Hang => {
                let mut cancelled = Cancelled(Some(&self.cancelled));
                self.hanging.notified().await;
                cancelled.0 = None;
                Ok(())
            }
            // Without the hook: printing a backtrace would take longer than the check may.
            Answer::Panic => std::panic::resume_unwind(Box::new("a check that panics")),
            Answer::Pass => Ok(()),
        }
    }
}

/// Blocks threads until it is opened, or until a test that holds it ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate {
    open: Arc<(Mutex<bool>, Condvar)>,
    entered: Arc<AtomicUsize>,
}

impl Gate {
    pub(crate) fn pass(&self) {
        self.entered.fetch_add(1, Ordering::SeqCst);
        let (open, opened) = &*self.open;
        drop(opened.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
    }

    pub(crate) fn open(&self) {
        let (open, opened) = &*self.open;
        *open.lock().unwrap() = true;
        opened.notify_all();
    }

    /// Opens the gate at the end of the test, also if that fails: a runtime waits for its blocking
    /// threads.
    pub(crate) fn open_at_the_end(&self) -> OpenOnDrop {
        OpenOnDrop(self.clone())
    }

    pub(crate) fn entered(&self) -> usize {
        self.entered.load(Ordering::SeqCst)
    }
}

pub(crate) struct OpenOnDrop(Gate);

impl Drop for OpenOnDrop {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// Counts on drop.
struct Cancelled<'a>(Option<&'a AtomicUsize>);

impl Drop for Cancelled<'_> {
    fn drop(&mut self) {
        if let Some(count) = self.0 {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A started service with these checks.
pub(crate) fn started(checks: impl IntoIterator<Item = Check>, seen: &Seen) -> Lifecycle {
    let checks =
        checks.into_iter().fold(Checks::builder(), |builder, check| builder.add_check(check));
    let lifecycle = Lifecycle::builder()
        .checks(checks.build().unwrap())
        .telemetry(&seen.telemetry())
        .build()
        .unwrap();
    lifecycle.started();
    lifecycle
}

/// Waits until the dependency was asked `times` times in all. All earlier answers are recorded by
/// then, since a check starts a run after it has recorded the previous one.
pub(crate) async fn until_asked(dependency: &Dependency, times: usize) {
    let mut asked = dependency.asked.subscribe();
    let asked = timeout(PATIENCE, asked.wait_for(|asked| asked.len() >= times));
    drop(asked.await.unwrap().unwrap());
}

/// Waits until the dependency was asked twice more: the answers that it had before are recorded.
pub(crate) async fn until_asked_again(dependency: &Dependency) {
    until_asked(dependency, dependency.times_asked() + 2).await;
}

/// Waits until the full report is as wanted, and returns it.
pub(crate) async fn until(lifecycle: &Lifecycle, wanted: impl Fn(&Value) -> bool) -> Value {
    let look = async {
        loop {
            let report = report(lifecycle).await;
            if wanted(&report) {
                return report;
            }
            // A new report wakes no task.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    match timeout(PATIENCE, look).await {
        Ok(report) => report,
        Err(_) => panic!("still {}", report(lifecycle).await),
    }
}

/// The full report.
pub(crate) async fn report(lifecycle: &Lifecycle) -> Value {
    let request = Request::get("/health").body(()).unwrap();
    let response = Probes::new(lifecycle).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    json(response).await
}

pub(crate) async fn json<B>(response: Response<B>) -> Value
where
    B: http_body::Body<Error: std::fmt::Debug>,
{
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap()
}

pub(crate) fn is_ready(lifecycle: &Lifecycle) -> bool {
    lifecycle.readiness() == Readiness::Ready
}
