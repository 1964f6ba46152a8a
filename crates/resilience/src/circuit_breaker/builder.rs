//! Building circuits.

use std::{borrow::Cow, sync::Arc, time::Duration};

use hardpoint_core::{KeyExtractor, Telemetry, Time};

use super::{Circuit, Circuits, circuit::Settings, rules::Rules, state::RAMP_FLOOR_MAX};
use crate::{Classifier, ConfigError, Jitter, error::Mistakes, keyed};

/// The longest window, wait and ramp.
const HOUR: Duration = Duration::from_hours(1);
/// The shortest window: its buckets are at least a millisecond.
const SHORTEST_WINDOW: Duration = Duration::from_millis(16);

/// Builds a [`Circuit`], or [`Circuits`] that share its settings.
///
/// # Defaults
///
/// | setting | default |
/// |---|---|
/// | [`consecutive_failures`](Self::consecutive_failures) | 5 |
/// | [`failure_rate`](Self::failure_rate) | 0.5 |
/// | [`slow_rate`](Self::slow_rate) | 0.8 |
/// | [`min_calls`](Self::min_calls) | 20 |
/// | [`window`](Self::window) | 10 seconds |
/// | [`trial_calls`](Self::trial_calls) | 3, all of which must succeed |
/// | [`open_for`](Self::open_for) | 1 second, doubling up to 60 seconds |
/// | [`retry_after_at_most`](Self::retry_after_at_most) | 5 minutes |
/// | [`ramp`](Self::ramp) | 10 seconds |
/// | [`classifier`](Self::classifier) | [`Classifier::new`] |
/// | [`time`](Self::time) | the system's clock |
/// | [`jitter`](Self::jitter) | a random seed |
/// | [`telemetry`](Self::telemetry) | none |
#[derive(Clone, Debug)]
#[must_use]
pub struct CircuitBuilder {
    name: Cow<'static, str>,
    slow_after: Duration,
    consecutive: Option<u32>,
    failure_rate: Option<f64>,
    slow_rate: Option<f64>,
    min_calls: u32,
    window: Duration,
    trial_calls: u32,
    trial_successes: Option<u32>,
    open_for: (Duration, Duration),
    retry_after_at_most: Duration,
    ramp: Duration,
    classifier: Classifier,
    time: Time,
    jitter: Jitter,
    telemetry: Telemetry,
}

impl CircuitBuilder {
    pub(super) fn new(name: Cow<'static, str>, slow_after: Duration) -> Self {
        Self {
            name,
            slow_after,
            consecutive: Some(5),
            failure_rate: Some(0.5),
            slow_rate: Some(0.8),
            min_calls: 20,
            window: Duration::from_secs(10),
            trial_calls: 3,
            trial_successes: None,
            open_for: (Duration::from_secs(1), Duration::from_secs(60)),
            retry_after_at_most: Duration::from_secs(300),
            ramp: Duration::from_secs(10),
            classifier: Classifier::new(),
            time: Time::system(),
            jitter: Jitter::new(),
            telemetry: Telemetry::none(),
        }
    }

    /// The failures in a row that open the circuit; `None` turns this trigger off. Default: 5, so a
    /// destination that is down costs five calls. More of them let more calls fail first. 0 is a
    /// mistake. Throttled calls (429) count in the failure rate, but not here.
    pub fn consecutive_failures(mut self, failures: impl Into<Option<u32>>) -> Self {
        self.consecutive = failures.into();
        self
    }

    /// The share of failed calls in the window that opens the circuit, above 0 and up to 1; `None`
    /// turns this trigger off. Default: 0.5. A smaller share opens the circuit for smaller outages,
    /// and refuses calls that would have succeeded.
    pub fn failure_rate(mut self, share: impl Into<Option<f64>>) -> Self {
        self.failure_rate = share.into();
        self
    }

    /// The share of slow calls in the window that opens the circuit, above 0 and up to 1; `None`
    /// turns this trigger off. Default: 0.8: a destination that is only slow still works, so nearly
    /// all of its calls have to be slow.
    pub fn slow_rate(mut self, share: impl Into<Option<f64>>) -> Self {
        self.slow_rate = share.into();
        self
    }

    /// The calls that the window must hold before a rate opens the circuit. Default: 20; among fewer
    /// calls a share is chance. 0 is a mistake.
    pub fn min_calls(mut self, calls: u32) -> Self {
        self.min_calls = calls;
        self
    }

    /// The time that the rates look back, 16 milliseconds to an hour. Default: 10 seconds. A longer
    /// window notices an outage later, at the same memory and cost.
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// The calls that a half-open circuit passes to try the destination, 1 to 255. Default: 3. Each
    /// one may fail for a caller.
    pub fn trial_calls(mut self, calls: u32) -> Self {
        self.trial_calls = calls;
        self
    }

    /// The trial calls that must succeed before the circuit closes. Default: all. The circuit opens
    /// again as soon as so many can no longer succeed.
    pub fn trial_successes(mut self, calls: u32) -> Self {
        self.trial_successes = Some(calls);
        self
    }

    /// The time that the circuit stays open: `first`, doubled each time that it opens again before a
    /// ramp has ended, at most `at_most`, which is up to an hour. A random fifth is subtracted, so
    /// that instances do not try the destination together. Default: 1 and 60 seconds.
    pub fn open_for(mut self, first: Duration, at_most: Duration) -> Self {
        self.open_for = (first, at_most);
        self
    }

    /// The longest time that the circuit stays open because the destination asked for it in
    /// `Retry-After`, up to an hour. Default: 5 minutes. A longer request is cut to this. 0 ignores
    /// all of them.
    pub fn retry_after_at_most(mut self, at_most: Duration) -> Self {
        self.retry_after_at_most = at_most;
        self
    }

    /// The time over which a circuit that has closed passes a growing share of the calls, in ten
    /// steps from 10 to 100 percent; up to an hour. Default: 10 seconds, which lets a cold
    /// destination fill its pools and caches. [`min_calls`](Self::min_calls) calls of each step pass
    /// in any case, so a caller with little traffic does not notice the ramp. 0 passes all calls at
    /// once.
    pub fn ramp(mut self, ramp: Duration) -> Self {
        self.ramp = ramp;
        self
    }

    /// Classifies responses and errors. Default: by status, gRPC status, and kind of error.
    pub fn classifier(mut self, classifier: Classifier) -> Self {
        self.classifier = classifier;
        self
    }

    /// Reads the time from `time`. Default: the system's clock.
    pub fn time(mut self, time: impl Into<Time>) -> Self {
        self.time = time.into();
        self
    }

    /// Draws random numbers from `jitter`. Default: a random seed.
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// Reports changes and refusals to `telemetry`. Default: none.
    pub fn telemetry(mut self, telemetry: &Telemetry) -> Self {
        self.telemetry = telemetry.clone();
        self
    }

    /// Builds one circuit, for all calls together.
    ///
    /// # Errors
    /// [`ConfigError`] with all settings that can never work.
    pub fn build(self) -> Result<Circuit, ConfigError> {
        self.mistakes().into_result()?;
        Ok(Circuit::from_settings(&Arc::new(self.settings())))
    }

    /// Builds a circuit for each key of a request, such as its [host](crate::key::host), with at
    /// most `max_keys` of them.
    ///
    /// # Errors
    /// [`ConfigError`] with all settings that can never work.
    pub fn build_keyed(
        self,
        key: impl KeyExtractor,
        max_keys: usize,
    ) -> Result<Circuits, ConfigError> {
        let mut mistakes = self.mistakes();
        keyed::check_max_keys("circuit.max_keys", max_keys, &mut mistakes);
        mistakes.into_result()?;
        Ok(Circuits::new(Arc::new(self.settings()), Arc::new(key), max_keys))
    }

    /// The settings that can never work.
    pub(crate) fn mistakes(&self) -> Mistakes {
        let mut mistakes = Mistakes::default();
        let mut expect = |valid, setting, problem: &dyn Fn() -> String| {
            mistakes.expect(valid, setting, problem);
        };
        let Self { slow_after, window, trial_calls, ramp, retry_after_at_most, .. } = self;
        expect(!self.name.is_empty() && self.name.len() <= 64, "circuit.name", &|| {
            format!("has {} bytes; write a name of 1 to 64 bytes", self.name.len())
        });
        expect(!slow_after.is_zero() && *slow_after <= HOUR, "circuit.slow_after", &|| {
            format!(
                "is {slow_after:?}; write the time after which a call is slow, up to an hour, such \
                 as 1 s"
            )
        });
        let triggers =
            [self.consecutive.is_some(), self.failure_rate.is_some(), self.slow_rate.is_some()];
        expect(triggers.contains(&true), "circuit.failure_rate", &|| {
            "is off, as are consecutive_failures and slow_rate, so the circuit never opens; set at \
             least one of them"
                .to_owned()
        });
        expect(self.consecutive != Some(0), "circuit.consecutive_failures", &|| {
            "is 0; write at least 1, or None to turn it off".to_owned()
        });
        for (setting, rate) in
            [("circuit.failure_rate", self.failure_rate), ("circuit.slow_rate", self.slow_rate)]
        {
            let valid = rate.is_none_or(|rate| rate > 0.0 && rate <= 1.0);
            expect(valid, setting, &|| {
                let rate = rate.unwrap_or_default();
                format!("is {rate}; write a share above 0 and up to 1, or None to turn it off")
            });
        }
        expect(self.min_calls > 0, "circuit.min_calls", &|| "is 0; write at least 1".to_owned());
        expect((SHORTEST_WINDOW..=HOUR).contains(window), "circuit.window", &|| {
            format!("is {window:?}; write 16 ms to an hour")
        });
        expect((1..=255).contains(trial_calls), "circuit.trial_calls", &|| {
            if *trial_calls == 0 {
                "is 0, so an open circuit never closes; write 1 to 255".to_owned()
            } else {
                format!("is {trial_calls}; write 1 to 255")
            }
        });
        let successes = self.trial_successes.unwrap_or(*trial_calls);
        let possible = successes <= *trial_calls && (successes > 0 || *trial_calls == 0);
        expect(possible, "circuit.trial_successes", &|| {
            format!("is {successes} of {trial_calls} trial calls; write 1 to {trial_calls}")
        });
        let (first, at_most) = self.open_for;
        expect(first >= Duration::from_millis(1), "circuit.open_for", &|| {
            format!("is {first:?}, so the circuit is never open; write at least 1 ms")
        });
        expect(at_most >= first && at_most <= HOUR, "circuit.open_for", &|| {
            format!("grows from {first:?} to {at_most:?}; write a limit of {first:?} to an hour")
        });
        expect(*retry_after_at_most <= HOUR, "circuit.retry_after_at_most", &|| {
            format!("is {retry_after_at_most:?}; write at most an hour")
        });
        expect(*ramp <= HOUR, "circuit.ramp", &|| format!("is {ramp:?}; write at most an hour"));
        mistakes
    }

    fn settings(self) -> Settings {
        let small = |count: u32| u8::try_from(count).unwrap_or(u8::MAX);
        let rules = Rules {
            consecutive: self.consecutive,
            failure_rate: self.failure_rate.map(Rules::millionths),
            slow_rate: self.slow_rate.map(Rules::millionths),
            slow_after: self.slow_after,
            slow_nanos: u64::try_from(self.slow_after.as_nanos()).unwrap_or(u64::MAX),
            min_calls: self.min_calls,
            trial_calls: small(self.trial_calls),
            trial_successes: small(self.trial_successes.unwrap_or(self.trial_calls)),
            open_for: self.open_for.0,
            open_at_most: self.open_for.1,
            retry_after_at_most: self.retry_after_at_most,
            ramp_millis: u64::try_from(self.ramp.as_millis()).unwrap_or(u64::MAX),
            ramp_floor: u16::try_from(self.min_calls).unwrap_or(u16::MAX).min(RAMP_FLOOR_MAX),
        };
        Settings::new(
            self.name.into(),
            (rules, self.window),
            self.classifier,
            (self.time, self.jitter),
            &self.telemetry,
        )
    }
}
