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

/// The lines of the log: their form, which of them are written, and where to.
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

/// Watches the lines of one [`Logs`] value and its clones.
#[derive(Clone, Debug, Default)]
pub struct LogsHandle {
    dropped: Arc<AtomicU64>,
}

impl Logs {
    /// One JSON object a line. Every line names the `service` that wrote it, and its
    /// [`version`](Self::version) and [`environment`](Self::environment), so that the lines of many
    /// services can be searched together.
    pub fn json(service: impl Into<String>) -> Self {
        let resource = Resource { service: service.into(), version: None, environment: None };
        Self::new(Format::Json, Some(resource))
    }

    /// Lines for people: time, level, target, message, fields. Absent fields are left out.
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

    /// The service's version, usually `env!("CARGO_PKG_VERSION")`. Default: `null`. Lines for people
    /// leave it out.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        if let Some(resource) = &mut self.resource {
            resource.version = Some(version.into());
        }
        self
    }

    /// Where the service runs, such as `prod` or `staging`. Default: `null`. Lines for people leave
    /// it out.
    pub fn environment(mut self, environment: impl Into<String>) -> Self {
        if let Some(resource) = &mut self.resource {
            resource.environment = Some(environment.into());
        }
        self
    }

    /// Which lines are written: a level, or `target=level`, with commas between them
    /// (`info,hyper=warn`); `off` for none. Default: `info`, which has the access lines and no
    /// details. `debug` and `trace` cost a line for many steps of every request, and may show more
    /// of it than you want to keep.
    ///
    /// The ids of the request stay on its lines whatever the filter, since its span is let pass;
    /// `hardpoint::request=off` saves the span's cost and loses the ids.
    ///
    /// It is read when the layer is made: a mistake in it is an error there.
    pub fn filter(mut self, filter: impl Into<String>) -> Self {
        self.filter = filter.into();
        self
    }

    /// The clock that timestamps are read from. Default: the system's.
    pub fn time(mut self, time: impl Into<Time>) -> Self {
        self.time = time.into();
        self
    }

    /// What tells how many lines were lost.
    #[must_use]
    pub fn handle(&self) -> LogsHandle {
        self.handle.clone()
    }

    /// Whether the filter can be read: for a program that reports all mistakes of its
    /// configuration together, before it installs anything.
    ///
    /// # Errors
    /// [`ConfigError`] if it cannot.
    pub fn check(&self) -> Result<(), ConfigError> {
        filter::parse(&self.filter).map(drop)
    }

    /// The layer for a subscriber of your own, with the filter on it. Each line is one call of the
    /// writer's `write`.
    ///
    /// # Errors
    /// [`ConfigError`] if the filter cannot be read.
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

    /// Makes this the log of the whole program, on standard output; in colour if that is a terminal
    /// and the lines are for people.
    ///
    /// ```
    /// use hardpoint_observability::{ConfigError, Logs};
    ///
    /// assert!(Logs::human().init().is_ok());
    /// assert_eq!(Logs::human().init().err(), Some(ConfigError::AlreadyInstalled));
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] if the filter cannot be read, or if the program has a subscriber already.
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
    /// How many lines could not be written so far: a broken pipe, a full disk.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
