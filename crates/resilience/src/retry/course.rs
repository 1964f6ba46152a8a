//! The state that a call keeps for its retries, and the decision after each attempt.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hardpoint_core::{
    Mono,
    event::{CallRetried, RetryStop},
};
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE,
    request::Parts as RequestHead,
};
use http_body::Frame;
use tower_service::Service;

use super::{ReplayBody, builder::Settings, plan::Ended, repeat::mark, replay::Replay};
use crate::{BoxError, Class, Deadline, RetryBudget, RetryHint, Withdrawal};

/// The state that a call keeps for further attempts.
pub(crate) struct Course<B> {
    pub(super) settings: Arc<Settings>,
    budget: RetryBudget,
    head: RequestHead,
    replay: Replay<B>,
    pub(super) attempt: u32,
    repeatable: bool,
    deadline: Option<Mono>,
    /// The withdrawal that pays for the retry waiting or in flight.
    withdrawal: Option<Withdrawal>,
}

/// The decision after an attempt.
#[derive(Clone, Copy)]
pub(super) enum Next {
    /// Return its result.
    Return,
    /// Read the first frame of the response, which decides.
    Peek,
    /// Retry after this delay.
    Retry(Duration),
}

impl<B> Course<B> {
    #[inline]
    pub(super) fn new(
        settings: Arc<Settings>,
        budget: RetryBudget,
        (head, replay): (RequestHead, Replay<B>),
        repeatable: bool,
        deadline: Option<Mono>,
    ) -> Self {
        Self { settings, budget, head, replay, attempt: 1, repeatable, deadline, withdrawal: None }
    }

    /// Whether the trailers decide the response's class: those of a gRPC response whose head has no
    /// status. After the last attempt the class no longer matters.
    fn peeks<R>(&self, response: &Response<R>) -> bool {
        let content_type = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        content_type.is_some_and(|value| value.starts_with(b"application/grpc"))
            && response.status().is_success()
            && !response.headers().contains_key("grpc-status")
            && self.attempt < self.settings.rules.attempts
    }

    pub(super) fn judge_result<R>(&mut self, result: &Result<Response<R>, BoxError>) -> Next {
        match result {
            Ok(response) if self.peeks(response) => Next::Peek,
            Ok(response) => self.judge_head(response.status(), response.headers()),
            Err(error) => {
                let class = self.settings.classifier.classify_error(error.as_ref());
                self.judge(class, None)
            }
        }
    }

    /// Judges a gRPC response by the first frame of its body. A message commits to the response:
    /// the caller may have seen it.
    pub(super) fn judge_first<E>(&mut self, first: Option<&Result<Frame<Bytes>, E>>) -> Next {
        match first {
            Some(Ok(frame)) if let Some(trailers) = frame.trailers_ref() => {
                self.judge_head(StatusCode::OK, trailers)
            }
            _ => self.judge(Class::Success, None),
        }
    }

    fn judge_head(&mut self, status: StatusCode, headers: &HeaderMap) -> Next {
        let class = self.settings.classifier.classify_response(status, headers);
        self.judge(class, Some(headers))
    }

    pub(super) fn judge(&mut self, class: Class, headers: Option<&HeaderMap>) -> Next {
        let settings = &*self.settings;
        let withdrawal = self.withdrawal.take();
        match class {
            Class::Success => {
                self.budget.succeeded(withdrawal);
                return Next::Return;
            }
            // The retry did not leave this process.
            Class::Shed => {
                if let Some(withdrawal) = withdrawal {
                    withdrawal.refund();
                }
            }
            _ => {}
        }
        let hint =
            headers.and_then(|headers| RetryHint::from_headers(headers, settings.time.unix()));
        let ended = Ended {
            class,
            hint,
            attempt: self.attempt,
            repeatable: self.repeatable,
            now: settings.time.now(),
            deadline: self.deadline,
        };
        // First without the body: stopping it breaks the attempt off, which a response that is
        // returned may still need.
        let decided = settings.rules.decide(ended, &self.budget).and_then(|decided| {
            if self.replay.stop() { Ok(decided) } else { Err(RetryStop::Body) }
        });
        if class.is_failure()
            && let Some(telemetry) = settings.telemetry.get()
        {
            let result = decided.as_ref().map(|_| ()).map_err(|stop| *stop);
            telemetry.on(&CallRetried::new(&settings.name, self.attempt, result).into());
        }
        match decided {
            Ok((delay, withdrawal)) => {
                tracing::debug!(
                    target: "hardpoint::resilience::retry",
                    policy = &*settings.name,
                    class = class.as_str(),
                    attempt = self.attempt,
                    delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
                    "attempt failed, retrying"
                );
                self.withdrawal = Some(withdrawal);
                Next::Retry(delay)
            }
            Err(stop) => {
                if class.is_failure() {
                    tracing::debug!(
                        target: "hardpoint::resilience::retry",
                        policy = &*settings.name,
                        class = class.as_str(),
                        attempt = self.attempt,
                        reason = stop.as_str(),
                        "call failed, not retrying"
                    );
                }
                Next::Return
            }
        }
    }

    /// Makes the next attempt. The service is ready.
    pub(super) fn send<S>(&mut self, service: &mut S) -> S::Future
    where
        S: Service<Request<ReplayBody<B>>>,
    {
        self.attempt += 1;
        if let Some(withdrawal) = &mut self.withdrawal {
            withdrawal.sent();
        }
        let last = self.attempt >= self.settings.rules.attempts;
        let mut head = if last { empty_head(&mut self.head) } else { self.head.clone() };
        mark(&mut head, self.attempt, self.settings.attempt_header.as_ref());
        if let Some(deadline) = self.deadline {
            // The attempt may have less time than the first one had.
            head.extensions.insert(Deadline::at(deadline));
        }
        service.call(Request::from_parts(head, self.replay.body()))
    }
}

/// Takes the head for the last attempt and leaves an empty one.
fn empty_head(head: &mut RequestHead) -> RequestHead {
    let (empty, ()) = Request::new(()).into_parts();
    std::mem::replace(head, empty)
}
