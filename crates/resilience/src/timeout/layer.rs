//! The layer.

use std::{sync::Arc, time::Duration};

use hardpoint_core::Time;
use http::HeaderValue;
use tower_layer::Layer;

use super::Timeout;
use crate::{ConfigError, DeadlineHeader, error::Mistakes};

/// Limits how long an outgoing call may take. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct TimeoutLayer {
    settings: Option<Arc<Settings>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(super) limit: Duration,
    pub(super) propagation: Option<Propagation>,
    /// Whether the request carries the deadline inwards.
    pub(super) carries: bool,
    pub(super) time: Time,
}

/// How the destination learns of the deadline.
#[derive(Clone, Debug)]
pub(super) struct Propagation {
    pub(super) header: DeadlineHeader,
    pub(super) margin: Duration,
    /// The value for a call with its full limit, as nearly all calls have.
    pub(super) whole: HeaderValue,
}

impl TimeoutLayer {
    /// Limits each call to `limit`.
    ///
    /// A longer limit keeps callers waiting for a destination that hangs; a limit near the usual
    /// duration turns slowness into failure.
    ///
    /// # Errors
    /// [`ConfigError`] if the limit is 0: every call would fail.
    pub fn new(limit: Duration) -> Result<Self, ConfigError> {
        let mut mistakes = Mistakes::default();
        check_limit(limit, "timeout", &mut mistakes);
        mistakes.into_result()?;
        let settings = Settings { limit, propagation: None, carries: true, time: Time::system() };
        Ok(Self { settings: Some(Arc::new(settings)) })
    }

    /// The layer that limits nothing.
    pub const fn off() -> Self {
        Self { settings: None }
    }

    /// Sends the destination the time that is left, less `margin`, in `header`. Default: nothing is
    /// sent. The margin is the time of the way back: 10 ms within a data centre. With a margin of 0
    /// the destination's answer to its own time-out arrives too late.
    pub fn propagate(self, header: DeadlineHeader, margin: Duration) -> Self {
        self.change(|settings| {
            settings.propagation = Some(Propagation::new(header, margin, settings.limit));
        })
    }

    /// Does not store the deadline in requests, which would allocate. For a layer whose inner
    /// layers do not read it or already know the limit.
    pub(crate) fn without_extension(self) -> Self {
        self.change(|settings| settings.carries = false)
    }

    /// Measures by `time`. Timers follow tokio's clock. Default: the system's clock.
    pub fn time(self, time: impl Into<Time>) -> Self {
        let time = time.into();
        self.change(|settings| settings.time = time)
    }

    /// The settings. `None` if the layer is off.
    pub(crate) const fn settings(&self) -> Option<&Arc<Settings>> {
        self.settings.as_ref()
    }

    fn change(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        if let Some(settings) = &mut self.settings {
            change(Arc::make_mut(settings));
        }
        self
    }
}

/// Finds a limit that can never work.
pub(crate) fn check_limit(limit: Duration, setting: &'static str, mistakes: &mut Mistakes) {
    mistakes.expect(!limit.is_zero(), setting, || {
        "is 0, so every call fails; write the longest time that a call may take".to_owned()
    });
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = Timeout<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Timeout::new(inner, self.settings.clone())
    }
}
