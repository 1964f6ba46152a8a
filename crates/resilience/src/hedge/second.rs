//! The second attempt.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hardpoint_core::{Mono, event::HedgeResult};
use http::{Request, Response, request::Parts as RequestHead};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{builder::Settings, race::Other};
use crate::{
    BoxError, Deadline, RetryBudget, Withdrawal,
    retry::{Replay, ReplayBody, mark},
    sleep::LazySleep,
};

/// The parts that are kept for the second attempt.
pub(super) struct Course<S, B> {
    pub(super) service: S,
    pub(super) head: RequestHead,
    pub(super) replay: Replay<B>,
    pub(super) budget: RetryBudget,
    pub(super) deadline: Option<Mono>,
}

pin_project! {
    /// The second attempt. It exists from the start of the first.
    pub(super) struct Second<S, B>
    where
        S: Service<Request<ReplayBody<B>>>,
    {
        #[pin]
        stage: Stage<S::Future>,
        #[pin]
        due: LazySleep,
        // None once the attempt was sent, or will not be.
        course: Option<Course<S, B>>,
        // The failure of the attempt that ended first. It is returned if the other attempt fails too.
        failed: Option<Result<S::Response, BoxError>>,
        // After the attempt, so that a dropped one has ended when it is reported.
        bet: Option<Bet>,
    }
}

pin_project! {
    #[project = StageProject]
    enum Stage<F> {
        // The first attempt may still be fast enough.
        Waiting,
        // Paid for, but the service is not yet ready for it.
        Readying,
        InFlight { #[pin] future: F },
        Failed,
        // Not sent, or refused by a policy of this process.
        Absent,
    }
}

/// A hedge that was paid for. If it is dropped unsent, it is refunded; if it is dropped in flight,
/// it is reported.
struct Bet {
    settings: Arc<Settings>,
    withdrawal: Withdrawal,
    in_flight: bool,
}

impl<S, B> Second<S, B>
where
    S: Service<Request<ReplayBody<B>>>,
{
    pub(super) fn new(delay: Duration, course: Course<S, B>) -> Self {
        let due = LazySleep::new(delay);
        Self { stage: Stage::Waiting, due, course: Some(course), failed: None, bet: None }
    }

    /// Its state, as the first attempt sees it.
    pub(super) const fn state(&self) -> Other {
        match self.stage {
            Stage::Waiting | Stage::Readying | Stage::Absent => Other::Absent,
            Stage::InFlight { .. } => Other::InFlight,
            Stage::Failed => Other::Failed,
        }
    }

    /// Keeps the failure of the first attempt.
    pub(super) fn keep(self: Pin<&mut Self>, failed: Result<S::Response, BoxError>) {
        *self.project().failed = Some(failed);
    }

    /// The failure that was kept.
    pub(super) fn take_failed(self: Pin<&mut Self>) -> Option<Result<S::Response, BoxError>> {
        self.project().failed.take()
    }

    /// Drops the attempt, which has failed, and keeps its failure.
    pub(super) fn fail(self: Pin<&mut Self>, failed: Result<S::Response, BoxError>) {
        let mut this = self.project();
        this.stage.set(Stage::Failed);
        *this.failed = Some(failed);
    }

    /// Drops the attempt, which a policy of this process refused: it was not sent. Returns the
    /// failure of the first attempt, if that has ended.
    pub(super) fn refuse(self: Pin<&mut Self>) -> Option<Result<S::Response, BoxError>> {
        let mut this = self.project();
        this.stage.set(Stage::Absent);
        if let Some(mut bet) = this.bet.take() {
            bet.report(HedgeResult::Shed);
            bet.withdrawal.unsend();
        }
        this.failed.take()
    }

    /// Reports how the call ended, if the attempt was sent.
    pub(super) fn report(self: Pin<&mut Self>, result: HedgeResult) {
        if let Some(bet) = self.project().bet {
            bet.report(result);
        }
    }

    /// Sends the attempt when it is due. Ready when it has ended.
    pub(super) fn poll<R>(
        self: Pin<&mut Self>,
        settings: &Arc<Settings>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<R>, BoxError>>
    where
        S: Service<Request<ReplayBody<B>>, Response = Response<R>>,
        S::Error: Into<BoxError>,
        B: Body<Data = Bytes>,
    {
        let mut this = self.project();
        loop {
            match this.stage.as_mut().project() {
                StageProject::Waiting => {
                    ready!(this.due.as_mut().poll(cx));
                    // `Waiting` and `Readying` have a course.
                    let Some(course) = this.course.as_ref() else { return Poll::Pending };
                    match course.withdraw() {
                        Ok(withdrawal) => {
                            let settings = Arc::clone(settings);
                            *this.bet = Some(Bet { settings, withdrawal, in_flight: false });
                            this.stage.set(Stage::Readying);
                        }
                        Err(reason) => {
                            settings.report(reason);
                            *this.course = None;
                            this.stage.set(Stage::Absent);
                        }
                    }
                }
                StageProject::Readying => {
                    let Some(course) = this.course.as_mut() else { return Poll::Pending };
                    let ready = ready!(course.service.poll_ready(cx));
                    let (Some(course), Some(bet)) = (this.course.take(), this.bet.as_mut()) else {
                        return Poll::Pending;
                    };
                    if ready.is_err() {
                        // The first attempt goes on. The unsent hedge is refunded.
                        *this.bet = None;
                        this.stage.set(Stage::Absent);
                        return Poll::Pending;
                    }
                    bet.withdrawal.sent();
                    bet.in_flight = true;
                    this.stage.set(Stage::InFlight { future: course.send(settings) });
                }
                StageProject::InFlight { future } => return future.poll(cx).map_err(Into::into),
                StageProject::Failed | StageProject::Absent => return Poll::Pending,
            }
        }
    }
}

impl<S, B> Course<S, B>
where
    S: Service<Request<ReplayBody<B>>>,
    B: Body<Data = Bytes>,
{
    /// Pays for the attempt, if it can be sent.
    fn withdraw(&self) -> Result<Withdrawal, HedgeResult> {
        if !self.replay.is_whole() {
            return Err(HedgeResult::Body);
        }
        // Last, because it is the only step that changes something.
        self.budget.withdraw_earned().ok_or(HedgeResult::Budget)
    }

    /// Makes the attempt. The service is ready.
    fn send(self, settings: &Settings) -> S::Future {
        let Self { mut service, mut head, replay, deadline, .. } = self;
        mark(&mut head, 2, settings.attempt_header.as_ref());
        if let Some(deadline) = deadline {
            // The attempt has less time than the first one had.
            head.extensions.insert(Deadline::at(deadline));
        }
        service.call(Request::from_parts(head, replay.body()))
    }
}

impl Bet {
    fn report(&mut self, result: HedgeResult) {
        if std::mem::take(&mut self.in_flight) {
            self.settings.report(result);
        }
    }
}

impl Drop for Bet {
    fn drop(&mut self) {
        self.report(HedgeResult::Cancelled);
    }
}
