//! A record layer around a spy, with the log caught.

use std::time::Duration;

use bytes::Bytes;
use hardpoint_core::ManualClock;
use hardpoint_observability::{
    Logs, RecordLayer,
    record::{Record, RecordBody},
};
use hardpoint_testkit::{
    TestBody,
    leak::CapturedLogs,
    spy::{Spy, SpyError, SpyHandle},
};
use http::{Request, Response};
use http_body_util::{BodyExt, Collected};
use serde_json::Value as Json;
use tower::ServiceExt;
use tower_layer::Layer;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt;

/// Catches what this thread logs, for as long as it lives.
pub(crate) struct Harness {
    pub(crate) clock: ManualClock,
    pub(crate) spy: SpyHandle,
    pub(crate) logs: CapturedLogs,
    service: Record<Spy>,
    _guard: DefaultGuard,
}

impl Harness {
    pub(crate) fn new() -> Self {
        Self::with(RecordLayer::new(), "info")
    }

    pub(crate) fn with(layer: RecordLayer, filter: &str) -> Self {
        let clock = ManualClock::default();
        let (logs, guard) = capture(
            Logs::json("orders").version("1.4.2").environment("test").time(&clock).filter(filter),
        );
        let (inner, spy) = Spy::new();
        Self { service: layer.time(&clock).layer(inner), clock, spy, logs, _guard: guard }
    }

    /// Answers everything with this body.
    pub(crate) fn body(&self, body: TestBody) {
        self.spy.respond(move |_| Ok(Response::new(body.clone())));
    }

    pub(crate) fn service(&self) -> Record<Spy> {
        self.service.clone()
    }

    /// Sends a request; the body of the answer is not read yet.
    pub(crate) async fn call(
        &self,
        request: Request<TestBody>,
    ) -> Result<Response<RecordBody<TestBody>>, SpyError> {
        self.service().oneshot(request).await
    }

    /// Sends a request and reads the body of the answer.
    pub(crate) async fn exchange(
        &self,
        request: Request<TestBody>,
    ) -> Result<Collected<Bytes>, SpyError> {
        let answer = self.call(request).await?;
        answer.into_body().collect().await
    }

    pub(crate) fn advance(&self, millis: u64) {
        self.clock.advance(Duration::from_millis(millis));
    }

    /// Every line, as what it says.
    pub(crate) fn lines(&self) -> Vec<Json> {
        let lines = self.logs.lines();
        lines.iter().map(|line| serde_json::from_str(line).expect("a line is an object")).collect()
    }

    /// The one access line. Panics if there is none, or if there are more.
    pub(crate) fn access(&self) -> Json {
        let lines = self.lines();
        let [line] = lines.as_slice() else {
            panic!("one line is expected, not {lines:#?}");
        };
        assert_eq!(line["message"], "request");
        assert_eq!(line["target"], "hardpoint::access");
        line.clone()
    }
}

/// Makes `logs` the log of this thread.
pub(crate) fn capture(logs: Logs) -> (CapturedLogs, DefaultGuard) {
    let captured = CapturedLogs::default();
    let layer = logs.layer(captured.writer()).unwrap();
    let subscriber = tracing_subscriber::registry().with(layer);
    (captured, tracing::subscriber::set_default(subscriber))
}

pub(crate) fn get(uri: &str) -> Request<TestBody> {
    Request::get(uri).body(TestBody::default()).unwrap()
}
