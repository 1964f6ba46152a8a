//! The layer.

use std::{sync::Arc, time::Duration};

use hardpoint_core::Telemetry;
use tower_layer::Layer;

use super::{Retry, RetryBuilder, builder::Settings};
use crate::{Backoff, RetryBudget};

/// Retries failed calls within a budget. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct RetryLayer {
    settings: Option<Arc<Settings>>,
}

impl RetryLayer {
    /// Starts a policy with the defaults of [`RetryBuilder`], for calls within a data centre.
    pub fn builder() -> RetryBuilder {
        RetryBuilder::new()
    }

    /// Starts a policy for an external API: three attempts, with delays of up to 500 ms and then
    /// 1 s, on 429, 500, 502, 503, 504 and failed connections.
    pub fn external_api() -> RetryBuilder {
        let backoff = Backoff::exponential(Duration::from_millis(500), Backoff::DEFAULT_CAP);
        RetryBuilder::new().backoff(backoff)
    }

    /// Starts a policy that behaves like the AWS SDKs as of 2026: three attempts, delays of up to
    /// 50 ms, or 1 s after throttling, doubling up to 20 s, and the quota of [`RetryBudget::aws`].
    pub fn aws() -> RetryBuilder {
        RetryBuilder::new().budget(&RetryBudget::aws())
    }

    /// The layer that retries nothing.
    pub const fn off() -> Self {
        Self { settings: None }
    }

    /// Reports retries to `telemetry`, unless the policy has an observer already.
    pub fn telemetry(self, telemetry: &Telemetry) -> Self {
        if let Some(settings) = &self.settings {
            telemetry.fill(&settings.telemetry);
        }
        self
    }

    /// The settings, which a hedge shares. `None` if the layer is off.
    pub(crate) const fn settings(&self) -> Option<&Arc<Settings>> {
        self.settings.as_ref()
    }

    pub(super) fn from_settings(settings: Settings) -> Self {
        Self { settings: Some(Arc::new(settings)) }
    }
}

impl<S> Layer<S> for RetryLayer {
    type Service = Retry<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Retry::new(inner, self.settings.clone())
    }
}
