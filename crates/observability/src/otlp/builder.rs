use std::{
    env, fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use hardpoint_core::Time;
use tokio::sync::watch;
use uuid::Builder as Uuid;

use super::{
    counts::Signal,
    deliver::Delivery,
    error::{ConfigError, StartError},
    exporter::{self, Control, Done, Parts, Points, Records},
    handle::{Otlp, Shared, ThreadHandle},
    queue::Queue,
    resource::Envelope,
    settings::{self, Settings, Target},
    transport::Transport,
};
use crate::{Redactor, record::random};

/// Configures an [`Otlp`] exporter.
///
/// # Defaults
/// | setting | default |
/// |---|---|
/// | [`queue_bytes`](Self::queue_bytes) | 8 MiB for each signal |
/// | [`batch_bytes`](Self::batch_bytes) | 512 KiB |
/// | [`retry_for`](Self::retry_for) | 1 min |
/// | [`redactor`](Self::redactor) | [`Redactor::new`] |
/// | [`span_targets`](Self::span_targets) | none |
/// | [`time`](Self::time) | the system clock |
///
/// The other settings come from [variables](super#variables).
#[must_use = "nothing is exported until `start` is called"]
pub struct OtlpBuilder {
    settings: Settings,
    queue_bytes: usize,
    batch_bytes: usize,
    retry_for: Duration,
    redactor: Redactor,
    span_targets: Vec<String>,
    time: Time,
}

impl OtlpBuilder {
    /// Reads the variables of a snapshot of the environment, or of your own configuration. Ignores
    /// variables that do not begin with `OTEL_`. If the variables name neither an endpoint nor an
    /// exporter, the exporter [is off](Self::is_on).
    ///
    /// The files that variables name are read now.
    ///
    /// # Errors
    /// [`ConfigError`] lists every variable that is unknown, malformed or not supported, and the
    /// text to write instead.
    pub fn from_variables<N, V>(
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, ConfigError>
    where
        N: AsRef<str>,
        V: AsRef<str>,
    {
        Ok(Self {
            settings: settings::read(variables)?,
            queue_bytes: 8 << 20,
            batch_bytes: 512 << 10,
            retry_for: Duration::from_secs(60),
            redactor: Redactor::new(),
            span_targets: Vec::new(),
            time: Time::system(),
        })
    }

    /// Like [`from_variables`](Self::from_variables), with the variables of this process. Invalid
    /// UTF-8 in a value is replaced with U+FFFD.
    ///
    /// # Errors
    /// As [`from_variables`](Self::from_variables).
    pub fn from_process() -> Result<Self, ConfigError> {
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        Self::from_variables(env::vars_os().map(|(name, value)| (text(name), text(value))))
    }

    /// Whether any signal is exported.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.settings.is_on()
    }

    /// Sets the attribute `service.name`, unless a variable sets it. Default: `unknown_service`.
    pub fn service(self, name: &str) -> Self {
        self.attribute("service.name", name)
    }

    /// Sets the attribute `service.version`, unless a variable sets it. Default: none.
    pub fn version(self, version: &str) -> Self {
        self.attribute("service.version", version)
    }

    /// Sets the attribute `deployment.environment.name`, such as `prod`, unless a variable sets it.
    /// Default: none.
    pub fn environment(self, environment: &str) -> Self {
        self.attribute("deployment.environment.name", environment)
    }

    /// Sets another attribute of the service, unless `OTEL_RESOURCE_ATTRIBUTES` sets it.
    pub fn attribute(mut self, key: &str, value: &str) -> Self {
        self.settings.resource.set_default(key, value);
        self
    }

    /// Sets how many bytes of encoded records of one signal may wait or be in flight. Default: 8 MiB,
    /// about 25,000 spans or log records.
    ///
    /// A larger queue costs memory only while the collector is slower than the service, and bridges
    /// longer stalls. Records that do not fit are dropped and counted. At 0 every record is dropped.
    pub const fn queue_bytes(mut self, bytes: usize) -> Self {
        self.queue_bytes = bytes;
        self
    }

    /// Sets the size of a request at which it is sent without waiting for more. Default: 512 KiB,
    /// an eighth of what collectors accept. A record that is larger is dropped and counted.
    pub const fn batch_bytes(mut self, bytes: usize) -> Self {
        self.batch_bytes = bytes;
        self
    }

    /// Sets how long a request is retried before its records are dropped. Default: 1 min, so that a
    /// restart of the collector loses nothing while the queue has room.
    ///
    /// Later records wait meanwhile. At 0 no request is retried.
    pub const fn retry_for(mut self, time: Duration) -> Self {
        self.retry_for = time;
        self
    }

    /// Sets the redactor for the paths and user agents of spans. Default: [`Redactor::new`]. Log
    /// records are redacted by [`Logs::redactor`](crate::Logs::redactor).
    pub fn redactor(mut self, redactor: Redactor) -> Self {
        self.redactor = redactor;
        self
    }

    /// Exports the spans of `tracing` whose target is one of these or below one, such as `orders` for
    /// `orders::store`, inside sampled requests. Default: none, only the requests' own.
    ///
    /// A span is exported only if the filter of the [`Logs`](crate::Logs) that export to this
    /// exporter lets it pass. Each span costs its encoding, about 150 bytes plus its fields, which
    /// are redacted like those of log lines. A span in which an error was logged is an error.
    pub fn span_targets<T: Into<String>>(mut self, targets: impl IntoIterator<Item = T>) -> Self {
        self.span_targets = targets.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the clock that timestamps of metrics are read from. Default: the system clock. Timers
    /// always use real time.
    pub fn time(mut self, time: impl Into<Time>) -> Self {
        self.time = time.into();
        self
    }

    /// Starts the exporter's thread. It does not wait for the collector. If no signal is exported,
    /// no thread starts, and the handle does nothing.
    ///
    /// # Errors
    /// [`StartError`] if the thread cannot be started, or TLS has no certificate authorities.
    pub fn start(mut self) -> Result<Otlp, StartError> {
        if !self.is_on() {
            return Ok(Otlp::off());
        }
        self.complete_resource();
        let envelope = Envelope::new(&self.settings.resource);
        let sampler = self.settings.sampler;
        let (control, control_receiver) = watch::channel(Control::default());
        let (ended, ended_receiver) = watch::channel(false);
        let metrics = Arc::new(OnceLock::new());
        let mut queues = [const { None }; Signal::ALL.len()];
        let mut done: Vec<Done> = Vec::new();
        let runtime = exporter::start(|| {
            let mut open = |signal: Signal, target: Target| {
                let queue = Queue::new(self.queue_bytes, self.batch_bytes);
                if let Some(slot) = queues.get_mut(signal as usize) {
                    *slot = Some(Arc::clone(&queue));
                }
                let (done_sender, receiver) = watch::channel(0);
                done.push(receiver);
                let delivery = Delivery {
                    signal,
                    envelope: envelope.clone(),
                    transport: Transport::new(target, self.time.clone())?,
                    retry_for: self.retry_for,
                    control: control_receiver.clone(),
                    failing: false,
                };
                Ok((queue, delivery, done_sender))
            };
            let mut records = Vec::new();
            let settings = self.settings;
            for (signal, target, delay) in [
                (Signal::Logs, settings.logs, settings.logs_delay),
                (Signal::Traces, settings.traces, settings.traces_delay),
            ] {
                if let Some(target) = target {
                    let (queue, delivery, done) = open(signal, target)?;
                    records.push(Records { queue, delivery, delay, done });
                }
            }
            let mut points = None;
            if let Some(target) = settings.metrics {
                let (queue, mut delivery, done) = open(Signal::Metrics, target)?;
                let interval = settings.metrics_interval;
                // The next export contains these values or later ones.
                delivery.retry_for = delivery.retry_for.min(interval);
                let (metrics, time) = (Arc::clone(&metrics), self.time.clone());
                let start = time.unix();
                points = Some(Points { queue, delivery, interval, done, metrics, time, start });
            }
            Ok(Parts { records, points, control: control_receiver.clone(), ended })
        })?;
        Ok(Otlp::new(Shared {
            thread: Some(ThreadHandle { runtime, control, done, ended: ended_receiver }),
            queues,
            metrics,
            sampler,
            redactor: self.redactor,
            span_targets: self.span_targets,
        }))
    }

    fn complete_resource(&mut self) {
        let resource = &mut self.settings.resource;
        resource.set_default("service.name", "unknown_service");
        let instance = Uuid::from_random_bytes(random::bytes()).into_uuid();
        resource.set_default("service.instance.id", instance.to_string());
        resource.set_default("telemetry.sdk.language", "rust");
        resource.set_default("telemetry.sdk.name", "hardpoint");
        resource.set_default("telemetry.sdk.version", env!("CARGO_PKG_VERSION"));
    }
}

impl fmt::Debug for OtlpBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpBuilder")
            .field("logs", &self.settings.logs)
            .field("metrics", &self.settings.metrics)
            .field("traces", &self.settings.traces)
            .field("queue_bytes", &self.queue_bytes)
            .finish_non_exhaustive()
    }
}
