//! The destination: one queue, in order of arrival.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hardpoint_resilience::{DeadlineHeader, retry::ReplayBody};
use http::{Request, Response, StatusCode};
use http_body_util::{Empty, Full};
use tokio::time::{Instant, sleep_until};
use tower::Service;

use crate::{RECOVERY, TRIGGER, report::Log};

/// The time that one request takes.
const SERVICE: Duration = Duration::from_millis(1);

/// How much longer a request takes while the destination is degraded to 30 %.
const DEGRADED: f64 = 1.0 / 0.3;

#[derive(Clone)]
pub(crate) struct Destination {
    log: Arc<Log>,
    started: Instant,
    /// When the last request in the queue will be done.
    free_at: Arc<Mutex<Instant>>,
    honours_deadlines: bool,
}

impl Destination {
    pub(crate) fn new(log: &Arc<Log>, honours_deadlines: bool) -> Self {
        let started = Instant::now();
        let free_at = Arc::new(Mutex::new(started));
        Self { log: Arc::clone(log), started, free_at, honours_deadlines }
    }

    /// Appends a request to the queue and returns when it is done, and whether it was served.
    fn enqueue(&self, patience: Option<Duration>) -> (Instant, bool) {
        let now = Instant::now();
        let mut free_at = self.free_at.lock().unwrap();
        let begins = now.max(*free_at);
        if self.honours_deadlines && patience.is_some_and(|patience| begins > now + patience) {
            // It will be skipped when its turn comes, at no cost.
            return (begins, false);
        }
        let since = begins - self.started;
        let degraded = (TRIGGER..RECOVERY).contains(&since);
        let takes = if degraded { SERVICE.mul_f64(DEGRADED) } else { SERVICE };
        *free_at = begins + takes;
        (*free_at, true)
    }
}

type Answer = Result<Response<Empty<Bytes>>, Infallible>;

impl Service<Request<ReplayBody<Full<Bytes>>>> for Destination {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReplayBody<Full<Bytes>>>) -> Self::Future {
        self.log.offered();
        let (done, served) = self.enqueue(DeadlineHeader::grpc().read(request.headers()));
        Box::pin(async move {
            sleep_until(done).await;
            let mut response = Response::new(Empty::new());
            if !served {
                *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
            }
            Ok(response)
        })
    }
}
