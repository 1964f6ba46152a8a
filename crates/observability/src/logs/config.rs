use std::{
    io::{self, IsTerminal},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use hardpoint_core::Time;
use tracing::Subscriber;
use tracing_subscriber::{
    Layer, Registry, fmt::MakeWriter, layer::SubscriberExt, registry::LookupSpan,
};

use super::{
    ConfigError, filter,
    layer::LogLayer,
    line::{Format, Resource},
    sink::Sink,
};

/// The format of the log, its filter, and its output.
///
/// See the [module docs](super).
#[derive(Clone, Debug)]
#[must_use = "nothing is logged until `init` is called or the layer is added to a subscriber"]
pub struct Logs {
    time: Time,
    filter: String,
    format: Format,
    handle: LogsHandle,
    resource: Option<Resource>,
}

/// Observes the lines of one [`Logs`] value and its clones.
#[derive(Clone, Debug, Default)]
pub struct LogsHandle {
    dropped: Arc<AtomicU64>,
}

impl Logs {
    /// Writes one JSON object per line. Every line contains the name of the `service`, its
    /// [`version`](Self::version) and its [`environment`](Self::environment), so that the logs of
    /// many services can be searched together.
    pub fn json(service: impl Into<String>) -> Self {
        let resource = Resource { service: service.into(), version: None, environment: None };
        Self::new(Format::Json, Some(resource))
    }

    /// Writes lines for people: time, level, target, message, fields. Absent fields are omitted.
    pub fn human() -> Self {
        Self::new(Format::Human { colours: false }, None)
    }

    fn new(format: Format, resource: Option<Resource>) -> Self {
        Self {
            time: Time::system(),
            filter: "info".to_owned(),
            format,
            handle: LogsHandle::default(),
            resource,
        }
    }

    /// Sets the service's version, usually `env!("CARGO_PKG_VERSION")`. Default: `null`. Omitted
    /// from lines for people.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        if let Some(resource) = &mut self.resource {
            resource.version = Some(version.into());
        }
        self
    }

    /// Sets where the service runs, such as `prod` or `staging`. Default: `null`. Omitted from
    /// lines for people.
    pub fn environment(mut self, environment: impl Into<String>) -> Self {
        if let Some(resource) = &mut self.resource {
            resource.environment = Some(environment.into());
        }
        self
    }

    /// Sets which lines are written: a comma-separated list of levels and `target=level` pairs
    /// (`info,hyper=warn`), or `off` for none. Default: `info`, which includes the access lines.
    /// `debug` and `trace` write lines for many steps of every request, and may reveal more about
    /// it than you want to keep.
    ///
    /// The filter does not remove a request's ids from its lines, because the request's span always
    /// passes. `hardpoint::request=off` saves the cost of the span and omits the ids.
    ///
    /// The filter is parsed when the layer is made, which returns an error if it is invalid.
    pub fn filter(mut self, filter: impl Into<String>) -> Self {
        self.filter = filter.into();
        self
    }

    /// Sets the clock that timestamps are read from. Default: the system clock.
    pub fn time(mut self, time: impl Into<Time>) -> Self {
        self.time = time.into();
        self
    }

    /// Returns a handle that counts lost lines.
    #[must_use]
    pub fn handle(&self) -> LogsHandle {
        self.handle.clone()
    }

    /// Checks the filter, for a program that reports all configuration mistakes together before it
    /// installs anything.
    ///
    /// # Errors
    /// [`ConfigError`] if the filter is invalid.
    pub fn check(&self) -> Result<(), ConfigError> {
        filter::parse(&self.filter).map(drop)
    }

    /// Creates a layer, with its filter, for your own subscriber. Each line is one call of the
    /// writer's `write`.
    ///
    /// # Errors
    /// [`ConfigError`] if the filter is invalid.
    pub fn layer<S, W>(self, writer: W) -> Result<impl Layer<S> + Send + Sync, ConfigError>
    where
        S: Subscriber + for<'s> LookupSpan<'s>,
        W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    {
        let filter = filter::parse(&self.filter)?;
        let layer = LogLayer {
            time: self.time,
            format: self.format,
            resource: self.resource.map(|resource| resource.encode()).unwrap_or_default(),
            sink: Sink::new(writer, self.handle.dropped),
        };
        Ok(layer.with_filter(filter))
    }

    /// Installs this as the program's global log on standard output. Lines for people are coloured
    /// if standard output is a terminal.
    ///
    /// ```
    /// use hardpoint_observability::{ConfigError, Logs};
    ///
    /// assert!(Logs::human().init().is_ok());
    /// assert_eq!(Logs::human().init().err(), Some(ConfigError::AlreadyInstalled));
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] if the filter is invalid or the program already has a subscriber.
    pub fn init(mut self) -> Result<LogsHandle, ConfigError> {
        if let Format::Human { colours } = &mut self.format {
            *colours = io::stdout().is_terminal();
        }
        let handle = self.handle();
        let subscriber = Registry::default().with(self.layer(io::stdout)?);
        tracing::subscriber::set_global_default(subscriber)
            .map_err(|_| ConfigError::AlreadyInstalled)?;
        Ok(handle)
    }
}

impl LogsHandle {
    /// Returns how many lines could not be written, for example to a broken pipe or a full disk.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
