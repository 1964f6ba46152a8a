//! The layer.

use std::{sync::Arc, time::Duration};

use hardpoint_core::Telemetry;
use tower_layer::Layer;

use super::{Hedge, HedgeBuilder, builder::Settings, pace::Paces};

/// Sends a second attempt when the first is slow. See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use]
pub struct HedgeLayer {
    settings: Option<Arc<Settings>>,
}

impl HedgeLayer {
    /// Starts a policy with the defaults of [`HedgeBuilder`].
    pub fn builder() -> HedgeBuilder {
        HedgeBuilder::new()
    }

    /// The layer that hedges nothing.
    pub const fn off() -> Self {
        Self { settings: None }
    }

    pub(super) fn from_settings(settings: Settings) -> Self {
        Self { settings: Some(Arc::new(settings)) }
    }

    /// Reports hedges to `telemetry`, unless the policy has an observer already.
    pub fn telemetry(self, telemetry: &Telemetry) -> Self {
        if let Some(settings) = &self.settings {
            settings.report_to(telemetry);
        }
        self
    }

    /// The time after which a hedge is due at present. `None` if the layer is off, has seen too few
    /// calls, or measures by key.
    #[must_use]
    pub fn delay(&self) -> Option<Duration> {
        match &self.settings.as_ref()?.paces {
            Paces::Keyed(_) => None,
            Paces::One(pace) => pace.delay(),
        }
    }

    pub(crate) fn hedging<S>(&self, inner: S) -> super::service::Hedging<S> {
        super::service::Hedging::new(inner, self.settings.clone())
    }
}

impl<S> Layer<S> for HedgeLayer {
    type Service = Hedge<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Hedge::new(self.hedging(inner))
    }
}
