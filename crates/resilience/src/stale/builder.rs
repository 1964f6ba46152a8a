//! Building [`StaleCopies`].

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use hardpoint_core::{KeyExtractor, Telemetry, Time};
use http::HeaderName;

use super::{StaleCopies, shared::Settings};
use crate::{Classifier, ConfigError, error::Mistakes};

/// The highest `max_age`. Older responses belong in a store.
const WEEK: Duration = Duration::from_hours(7 * 24);

/// Builds [`StaleCopies`].
///
/// # Defaults
///
/// | setting | default |
/// |---|---|
/// | [`max_age`](Self::max_age) | 1 h |
/// | [`max_body`](Self::max_body) | 64 KiB |
/// | [`max_bytes`](Self::max_bytes) | 16 MiB |
/// | [`max_entries`](Self::max_entries) | 1,000 |
/// | [`callers`](Self::callers) | only requests whose headers are all neutral have copies, kept apart by identity |
/// | [`neutral_header`](Self::neutral_header) | see there |
/// | [`classifier`](Self::classifier) | [`Classifier::new`] |
/// | [`time`](Self::time) | the system's clock |
/// | [`telemetry`](Self::telemetry) | none |
#[must_use]
pub struct StaleCopiesBuilder {
    settings: Settings,
    telemetry: Telemetry,
}

impl StaleCopiesBuilder {
    pub(super) fn new(name: Cow<'static, str>) -> Self {
        let settings = Settings {
            name,
            max_entries: 1_000,
            max_bytes: 16 * 1024 * 1024,
            max_body: 64 * 1024,
            max_age: Duration::from_hours(1),
            neutral: Vec::new(),
            callers: None,
            classifier: Classifier::new(),
            time: Time::system(),
            telemetry: OnceLock::new(),
        };
        Self { settings, telemetry: Telemetry::none() }
    }

    /// Sets the maximum age of a copy that is served. Default: 1 hour, which covers most outages;
    /// users prefer prices of an hour ago to none. A response can only shorten it.
    /// [`build`](Self::build) rejects 0 and more than a week.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.settings.max_age = age;
        self
    }

    /// Sets the longest body that is kept, in bytes. Default: 64 KiB. Each response that is being
    /// read can take as much memory, and that of its head and key. With 0, only responses without a
    /// body are kept.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.settings.max_body = bytes;
        self
    }

    /// Sets the memory of all copies, in bytes. Default: 16 MiB. Responses that are being read take at
    /// most as much again, with their heads and keys; one that does not fit is not kept. Less than one
    /// body and its head (1 KiB) is a mistake.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_bytes = bytes;
        self
    }

    /// Sets the maximum number of copies. Default: 1,000. Older ones make room for new ones.
    /// [`build`](Self::build) rejects 0.
    pub fn max_entries(mut self, copies: usize) -> Self {
        self.settings.max_entries = copies;
        self
    }

    /// Adds a request header that does not identify a caller. Requests with it share copies, so the
    /// response must not depend on its value, unless it names it in `Vary`. Ignored if
    /// [`callers`](Self::callers) is set.
    ///
    /// Without `callers`, a request has copies only if each of its headers is neutral. By default
    /// those are `Accept`, `Accept-Charset`, `Accept-Encoding`, `Accept-Language`, `Cache-Control`,
    /// `Connection`, `Content-Length`, `Content-Type`, `grpc-timeout`, `Host`, `If-Modified-Since`,
    /// `If-None-Match`, `TE`, `traceparent`, `tracestate`, `User-Agent`, `X-Amzn-Trace-Id`,
    /// `X-Correlation-Id`, `X-Request-Id` and `X-Retry-Attempt`: any other header may identify a
    /// caller. `baggage` and `Origin` are not neutral.
    pub fn neutral_header(mut self, name: HeaderName) -> Self {
        self.settings.neutral.push(name);
        self
    }

    /// Sets what distinguishes callers whose responses differ, such as a user or a tenant. Each key
    /// has copies of its own; a request for which `key` fails has none.
    ///
    /// By default a request with a header that is not [neutral](Self::neutral_header) or is marked
    /// as sensitive, or with user information in its target, has no copies, and the
    /// [identity](hardpoint_core::Identity) in its context is its caller. `callers` replaces these
    /// rules: requests with the same key, method, scheme, host and target share a copy, even if their
    /// other headers and their identities differ. The layer then guarantees that a copy never
    /// reaches another key, and `key` is responsible for the rest: it must include everything that
    /// the response depends on and `Vary` does not name. Set it if callers are distinguished by a
    /// header, or if all of them may share one response:
    ///
    /// ```
    /// use hardpoint_core::{Head, Key, KeyMissing};
    /// use hardpoint_resilience::StaleCopies;
    ///
    /// // The credentials are this service's own, and the responses are the same for everyone.
    /// fn everyone(_head: Head<'_>) -> Result<Key<'_>, KeyMissing> {
    ///     Ok(Key::borrowed(b""))
    /// }
    /// let copies = StaleCopies::builder("rates").callers(everyone).build()?;
    /// # Ok::<(), hardpoint_resilience::ConfigError>(())
    /// ```
    pub fn callers(mut self, key: impl KeyExtractor) -> Self {
        self.settings.callers = Some(Arc::new(key));
        self
    }

    /// Sets which responses are failures. Default: [`Classifier::new`].
    pub fn classifier(mut self, classifier: Classifier) -> Self {
        self.settings.classifier = classifier;
        self
    }

    /// Measures ages by `time`. Default: the system's clock.
    pub fn time(mut self, time: impl Into<Time>) -> Self {
        self.settings.time = time.into();
        self
    }

    /// Reports look-ups of copies to `telemetry`. Default: none.
    pub fn telemetry(mut self, telemetry: &Telemetry) -> Self {
        self.telemetry = telemetry.clone();
        self
    }

    /// Builds the copies.
    ///
    /// # Errors
    /// [`ConfigError`] with every setting that can never work.
    pub fn build(self) -> Result<StaleCopies, ConfigError> {
        let mut mistakes = Mistakes::default();
        let Settings { name, max_entries, max_bytes, max_body, max_age, .. } = &self.settings;
        mistakes.expect(!name.is_empty() && name.len() <= 64, "stale.name", || {
            format!("has {} bytes; write a name of 1 to 64 bytes", name.len())
        });
        mistakes.expect(!max_age.is_zero() && *max_age <= WEEK, "stale.max_age", || {
            format!("is {max_age:?}; write more than 0 s and at most a week, such as 1 h")
        });
        let least = max_body.saturating_add(1_024);
        mistakes.expect(*max_bytes >= least, "stale.max_bytes", || {
            format!(
                "is {max_bytes}, which no copy with a body of `stale.max_body` fits into; write at \
                 least {least}"
            )
        });
        mistakes.expect(*max_entries > 0, "stale.max_entries", || {
            "is 0, so nothing is ever kept; write at least 1".to_owned()
        });
        mistakes.into_result()?;
        self.telemetry.fill(&self.settings.telemetry);
        Ok(StaleCopies::from_settings(self.settings))
    }
}

impl fmt::Debug for StaleCopiesBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { name, max_entries, max_bytes, max_body, max_age, .. } = &self.settings;
        f.debug_struct("StaleCopiesBuilder")
            .field("name", name)
            .field("max_entries", max_entries)
            .field("max_bytes", max_bytes)
            .field("max_body", max_body)
            .field("max_age", max_age)
            .finish_non_exhaustive()
    }
}
