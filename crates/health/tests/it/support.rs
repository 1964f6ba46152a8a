//! What several modules need.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use hardpoint_core::{Event, Readiness, Telemetry, Time};
use hardpoint_health::{Check, Checks, Down, Lifecycle, Probes};
use hardpoint_testkit::clock::TokioClock;
use http::{Request, Response};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tower::ServiceExt;

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

    /// A check of this dependency with the default settings.
    pub(crate) fn check(&self, name: &str) -> Check {
        let dependency = self.clone();
        Check::new(name, move || dependency.ask())
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
            Answer::Hang => std::future::pending().await,
            Answer::Panic => panic!("a check that panics"),
            Answer::Pass => Ok(()),
        }
    }
}

/// A started service with these checks, whose clock is tokio's.
pub(crate) fn started(checks: impl IntoIterator<Item = Check>, seen: &Seen) -> Lifecycle {
    let checks =
        checks.into_iter().fold(Checks::builder(), |builder, check| builder.add_check(check));
    let lifecycle = Lifecycle::builder()
        .checks(checks.build().unwrap())
        .time(Time::custom(TokioClock::new()))
        .telemetry(&seen.telemetry())
        .build()
        .unwrap();
    lifecycle.started();
    lifecycle
}

/// Lets the dependency be asked `times` times in all.
///
/// An answer that is there at once has been taken in by then: the check goes on before whoever
/// waits here is polled.
pub(crate) async fn until_asked(dependency: &Dependency, times: usize) {
    let mut asked = dependency.asked.subscribe();
    let asked = timeout(Duration::from_secs(3_600), asked.wait_for(|asked| asked.len() >= times));
    drop(asked.await.unwrap().unwrap());
}

/// Lets the dependency be asked once more.
pub(crate) async fn until_asked_again(dependency: &Dependency) {
    until_asked(dependency, dependency.times_asked() + 1).await;
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
