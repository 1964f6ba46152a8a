//! Setting up an issuer.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use hardpoint_core::Telemetry;

use super::{AfterGrace, Rotation, SessionIssuer, issuer::Inner};
use crate::ConfigError;

/// Sets up a [`SessionIssuer`].
///
/// Defaults: a grace of 10 s, an idle time of 7 days, an absolute lifetime of 90 days,
/// [`AfterGrace::Strict`], 100 sessions per subject.
#[derive(Debug)]
#[must_use]
pub struct SessionIssuerBuilder {
    pub(super) inner: Inner,
}

impl SessionIssuerBuilder {
    /// How long after a rotation the previous refresh token is still answered, with the same
    /// successor. Default: 10 s, the time that a browser's tabs and a retry after a lost response
    /// need. The most is a minute.
    ///
    /// A thief who presents a token within the grace of its owner's refresh gets the same successor
    /// and is not noticed. With 0 each token is answered once, and a client that loses a response
    /// has to log in again.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.inner.rotation.grace = grace;
        self
    }

    /// What the previous refresh token means after the grace. Default: [`AfterGrace::Strict`].
    pub fn after_grace(mut self, after_grace: AfterGrace) -> Self {
        self.inner.rotation.after_grace = after_grace;
        self
    }

    /// How long a session lives without being refreshed. Default: 7 days, so that a weekly user
    /// stays logged in. A stolen device that is not used is logged out after this time. It must not
    /// be shorter than the access tokens' lifetime.
    pub fn idle(mut self, idle: Duration) -> Self {
        self.inner.rotation.idle = idle;
        self
    }

    /// How long a session lives in any case. Default: 90 days. Afterwards the subject proves again
    /// who it is. Access tokens that were minted before the end live on until they expire.
    pub fn absolute(mut self, absolute: Duration) -> Self {
        self.inner.absolute = absolute;
        self
    }

    /// How many sessions a subject may have. Default: 100. A further log-in ends those that were not
    /// used for the longest time. Each takes up to 1 KB in the store.
    pub fn max_sessions(mut self, max_sessions: NonZeroU32) -> Self {
        self.inner.max_sessions = max_sessions;
        self
    }

    /// Reports refreshes and reuse to this observer. Default: to none.
    pub fn telemetry(mut self, telemetry: &Telemetry) -> Self {
        self.inner.telemetry = telemetry.clone();
        self
    }

    /// The issuer.
    ///
    /// # Errors
    /// [`ConfigError::Session`] if the grace is longer than a minute, or a lifetime is shorter than
    /// what it contains.
    pub fn build(self) -> Result<SessionIssuer, ConfigError> {
        let Inner { rotation, absolute, tokens, .. } = &self.inner;
        if rotation.grace > Rotation::MAX_GRACE {
            return Err(ConfigError::Session(
                "the grace is longer than a minute, in which a thief would go unnoticed; write at \
                 most 60s",
            ));
        }
        if rotation.idle < tokens.lifetime().max(rotation.grace) {
            return Err(ConfigError::Session(
                "the idle time is shorter than the lifetime of access tokens or than the grace, so \
                 sessions would end while they are used; write a longer one",
            ));
        }
        if *absolute < rotation.idle {
            return Err(ConfigError::Session(
                "the absolute lifetime is shorter than the idle time, which would have no effect; \
                 write a longer one",
            ));
        }
        Ok(SessionIssuer { inner: Arc::new(self.inner) })
    }
}
