//! The layer.

use std::{sync::Arc, time::Duration};

use hardpoint_core::{Place, Refusals, StackLayer, Time, TrustedProxies};
use http::HeaderName;
use tower_layer::Layer;

use super::{DeadlineHeader, EnforceDeadline};
use crate::{ConfigError, error::Mistakes, retry::ATTEMPT_HEADER};

/// Ends requests at their deadline. See the [module docs](super).
///
/// # Defaults
///
/// | setting | default |
/// |---|---|
/// | [`trusted_callers`](Self::trusted_callers) | none: no header is read |
/// | [`add_header`](Self::add_header) | `grpc-timeout` |
/// | [`attempt_header`](Self::attempt_header) | `x-retry-attempt` |
/// | [`time`](Self::time) | the system's clock |
#[derive(Clone, Debug)]
#[must_use]
pub struct DeadlineLayer {
    settings: Option<Arc<Settings>>,
    refusals: Refusals,
}

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) limit: Duration,
    pub(super) trusted: TrustedProxies,
    pub(super) headers: Vec<DeadlineHeader>,
    pub(super) attempt_header: HeaderName,
    pub(super) time: Time,
}

impl DeadlineLayer {
    /// Ends every request after `limit`, or earlier if its caller waits less.
    ///
    /// The limit should be a little below the time after which the callers give up. A longer one
    /// lets slow requests occupy memory and connections for longer.
    ///
    /// # Errors
    /// [`ConfigError`] if the limit is 0: every request would be refused.
    pub fn new(limit: Duration) -> Result<Self, ConfigError> {
        let mut mistakes = Mistakes::default();
        mistakes.expect(!limit.is_zero(), "deadline", || {
            "is 0, so every request is refused; write the time that callers wait, or use \
             `DeadlineLayer::off()`"
                .to_owned()
        });
        mistakes.into_result()?;
        let settings = Settings {
            limit,
            trusted: TrustedProxies::none(),
            headers: vec![DeadlineHeader::grpc()],
            attempt_header: ATTEMPT_HEADER,
            time: Time::system(),
        };
        Ok(Self { settings: Some(Arc::new(settings)), refusals: Refusals::unset() })
    }

    /// The layer that sets no deadline and reads no header.
    pub const fn off() -> Self {
        Self { settings: None, refusals: Refusals::unset() }
    }

    /// Reads the headers of peers in these networks. Default: none. A header can only shorten the
    /// time and suppress retries, so it is not dangerous to trust a caller that lies about itself;
    /// one that lies about others (a proxy that forwards any client's headers) makes their requests
    /// fail.
    pub fn trusted_callers(self, networks: TrustedProxies) -> Self {
        self.change(|settings| settings.trusted = networks)
    }

    /// Also reads this header, after those added before. Default: only `grpc-timeout`.
    pub fn add_header(self, header: DeadlineHeader) -> Self {
        self.change(|settings| settings.headers.push(header))
    }

    /// Sets the header with the attempt number. Default: `x-retry-attempt`, which
    /// [`RetryLayer`](crate::RetryLayer) sends.
    pub fn attempt_header(self, name: HeaderName) -> Self {
        self.change(|settings| settings.attempt_header = name)
    }

    /// Measures by `time`. Timers follow tokio's clock. Default: the system's clock.
    pub fn time(self, time: impl Into<Time>) -> Self {
        let time = time.into();
        self.change(|settings| settings.time = time)
    }

    /// Sets how refusals are rendered. Default: as problems, or as configured on the stack.
    pub fn refusals(self, refusals: &Refusals) -> Self {
        Self { refusals: refusals.clone(), ..self }
    }

    fn change(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        if let Some(settings) = &mut self.settings {
            change(Arc::make_mut(settings));
        }
        self
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = EnforceDeadline<S>;

    fn layer(&self, inner: S) -> Self::Service {
        EnforceDeadline::new(inner, self.settings.clone(), self.refusals.clone())
    }
}

impl StackLayer for DeadlineLayer {
    const PLACE: Place = Place::DEADLINE;

    fn refusals(self, refusals: &Refusals) -> Self {
        let refusals = self.refusals.or(refusals);
        Self { refusals, settings: self.settings }
    }
}
