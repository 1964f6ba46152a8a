//! The first attempt's duration.

use std::{sync::Arc, time::Duration};

use hardpoint_core::Mono;
use http::Response;

use super::{builder::Settings, pace::Pace, race};
use crate::{BoxError, Class, RetryHint};

/// Measures the first attempt of a call, and records it once.
///
/// An answer is recorded as it is. A failure that is not a time-out shows nothing about how long
/// answers take. A call that was given up, because it timed out, because the hedge answered, or
/// because its caller dropped it, is recorded with the time until then, if that is at least the
/// current delay.
pub(super) struct Watch {
    settings: Arc<Settings>,
    pace: Pace,
    started: Mono,
    is_open: bool,
}

impl Watch {
    pub(super) fn new(settings: Arc<Settings>, pace: Pace) -> Self {
        let started = settings.time.now();
        Self { settings, pace, started, is_open: true }
    }

    pub(super) const fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    pub(super) const fn started(&self) -> Mono {
        self.started
    }

    /// The time after which a hedge is due.
    pub(super) fn delay(&self) -> Option<Duration> {
        self.pace.delay()
    }

    /// Records that the first attempt has ended, and returns its class.
    pub(super) fn ended<R>(&mut self, result: &Result<Response<R>, BoxError>) -> Class {
        let class = self.classify(result);
        if class == Class::TimedOut {
            self.give_up();
        } else {
            self.is_open = false;
            if race::is_answer(class) {
                let now = self.settings.time.now();
                self.pace.record(now.saturating_since(self.started), now);
            }
        }
        class
    }

    pub(super) fn classify<R>(&self, result: &Result<Response<R>, BoxError>) -> Class {
        let classifier = &self.settings.classifier;
        match result {
            Ok(response) => classifier.classify_response(response.status(), response.headers()),
            Err(error) => classifier.classify_error(&**error),
        }
    }

    /// The delay that a failure asks for.
    pub(super) fn hint<R>(&self, result: &Result<Response<R>, BoxError>) -> Option<RetryHint> {
        let headers = result.as_ref().ok()?.headers();
        RetryHint::from_headers(headers, self.settings.time.unix())
    }

    fn give_up(&mut self) {
        self.is_open = false;
        let now = self.settings.time.now();
        self.pace.record_at_least(now.saturating_since(self.started), now);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.is_open {
            self.give_up();
        }
    }
}
