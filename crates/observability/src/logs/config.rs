use std::{
    fmt,
    io::{self, IsTerminal},
    panic::Location,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hardpoint_core::Time;
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_log::{AsLog, LogTracer};
use tracing_subscriber::{
    Layer, Registry, fmt::MakeWriter, layer::SubscriberExt, registry::LookupSpan,
};

use super::{
    ConfigError,
    change::Filters,
    export::RecordSink,
    filter,
    layer::LogLayer,
    line::{Format, Line, Scratch},
    panics,
    queue::{Lines, Queue},
    resource::Resource,
    roles::Places,
    sink::Sink,
    value::Value,
};
use crate::redact::{self, Redactor};

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
    queue_bytes: usize,
    redactor: Redactor,
    export: Option<Arc<dyn RecordSink>>,
}

/// Observes and flushes the lines of one [`Logs`] value and its clones.
#[derive(Clone, Default)]
pub struct LogsHandle {
    dropped: Arc<AtomicU64>,
    queues: Arc<Mutex<Vec<Arc<Queue>>>>,
    filters: Arc<Filters>,
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
            queue_bytes: 8 << 20,
            redactor: Redactor::new(),
            export: None,
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

    /// The service attributes that each line contains, named by the semantic conventions.
    #[cfg(feature = "opentelemetry_0_33")]
    pub(crate) fn service(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.resource.iter().flat_map(Resource::attributes)
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

    /// Sets how many bytes of lines may wait for the output of [`init`](Self::init) and
    /// [`queued_layer`](Self::queued_layer). Default: 8 MiB, about 28,000 access lines.
    ///
    /// A larger queue costs memory only while the output is slower than the service, and bridges
    /// longer stalls. Lines that do not fit are dropped and counted. An eighth of the queue is
    /// reserved for warnings and errors. At 0 every line is dropped.
    pub fn queue_bytes(mut self, bytes: usize) -> Self {
        self.queue_bytes = bytes;
        self
    }

    /// Sets what is kept out of the lines. Default: [`Redactor::new`], which hides fields with secret
    /// names, and credentials, keys, numbers of cards and accounts, and e-mail addresses in texts.
    ///
    /// A clean text costs a search of each of its bytes. The fields `client` and `subject` of the
    /// access line are exempt, because they are what the line is about.
    pub fn redactor(mut self, redactor: Redactor) -> Self {
        self.redactor = redactor;
        self
    }

    /// Passes every event that is written to this sink as well.
    #[cfg(feature = "otlp")]
    pub(crate) fn export_to(mut self, sink: Arc<dyn RecordSink>) -> Self {
        self.export = Some(sink);
        self
    }

    /// Returns a handle that counts lost lines and flushes the queue.
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

    /// Creates a layer, with its filter, for your own subscriber. The thread that logs a line
    /// writes it, in one call of the writer's `write`, and blocks if the writer blocks. To avoid
    /// that, use [`queued_layer`](Self::queued_layer).
    ///
    /// # Errors
    /// [`ConfigError`] if the filter is invalid.
    pub fn layer<S, W>(self, writer: W) -> Result<impl Layer<S> + Send + Sync, ConfigError>
    where
        S: Subscriber + for<'s> LookupSpan<'s>,
        W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    {
        let filter = self.handle.filters.add(&self.filter)?;
        let resource = self.encoded_resource();
        let layer = LogLayer {
            time: self.time,
            format: self.format,
            resource,
            redactor: self.redactor,
            places: Places::new(),
            sink: Sink::new(writer, self.handle.dropped),
            export: self.export,
        };
        Ok(layer.with_filter(filter))
    }

    /// Creates a layer, with its filter, for your own subscriber. A dedicated thread writes the
    /// lines to `output`, so requests do not wait for it.
    ///
    /// # Errors
    /// [`ConfigError`] if the filter is invalid or the thread cannot be started.
    pub fn queued_layer<S>(
        self,
        output: impl io::Write + Send + 'static,
    ) -> Result<impl Layer<S> + Send + Sync, ConfigError>
    where
        S: Subscriber + for<'s> LookupSpan<'s>,
    {
        self.check()?;
        let (time, format) = (self.time.clone(), self.format);
        let resource = self.encoded_resource();
        let report = move |lost: u64, text: &mut String| {
            let mut scratch = Scratch::default();
            let head = (time.unix(), "WARN", "hardpoint::observability::logs");
            let off = &redact::OFF;
            let mut line = Line::begin(&mut scratch, format, off, head, &resource);
            line.message(Value::Clean("log lines dropped"));
            line.field("dropped", Value::U64(lost));
            line.end();
            text.push_str(&scratch.text);
        };
        let dropped = Arc::clone(&self.handle.dropped);
        let queue = Queue::start(self.queue_bytes, dropped, output, Box::new(report))
            .map_err(|error| ConfigError::Thread { kind: error.kind() })?;
        self.handle.queues().push(Arc::clone(&queue));
        queue.flush_at_end_of_thread();
        self.layer(Lines(queue))
    }

    /// Installs this as the program's global log on standard output, through a
    /// [queue](Self::queued_layer). Lines for people are coloured if standard output is a terminal.
    ///
    /// Records of the `log` crate are logged too, under their own targets, and each panic as one line of
    /// level `error` with its message and place, redacted like any other. In JSON it replaces the text
    /// on standard error, unless `RUST_BACKTRACE` is set.
    ///
    /// Call it on the main thread: lines are then kept when `main` returns or calls
    /// `process::exit`.
    ///
    /// ```
    /// use hardpoint_observability::{ConfigError, Logs};
    ///
    /// assert!(Logs::human().init().is_ok());
    /// // The error names the line of the first call.
    /// assert!(matches!(Logs::human().init(), Err(ConfigError::AlreadyInstalled { .. })));
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] if the filter is invalid, the program already has a subscriber, or the
    /// queue's thread cannot be started.
    #[track_caller]
    pub fn init(mut self) -> Result<LogsHandle, ConfigError> {
        if let Format::Human { colours } = &mut self.format {
            *colours = io::stdout().is_terminal();
        }
        self.init_to(standard_output())
    }

    /// Like [`init`](Self::init), with another output than standard output, such as a
    /// [`LogFile`](super::LogFile). Lines for people are not coloured.
    ///
    /// # Errors
    /// As [`init`](Self::init).
    #[track_caller]
    pub fn init_to(
        self,
        output: impl io::Write + Send + 'static,
    ) -> Result<LogsHandle, ConfigError> {
        static INSTALLED: OnceLock<&Location<'_>> = OnceLock::new();

        let caller = Location::caller();
        let handle = self.handle();
        let (format, level) = (self.format, filter::parse(&self.filter)?.max_level_hint());
        let subscriber = Registry::default().with(self.queued_layer(output)?);
        tracing::subscriber::set_global_default(subscriber).map_err(|_| {
            let place = INSTALLED.get().map(|place| (*place).to_string());
            ConfigError::AlreadyInstalled { place }
        })?;
        // Only the first call arrives here.
        let _first = INSTALLED.set(caller);
        // A program may have a logger of its own, which then keeps the records.
        let level = level.unwrap_or(LevelFilter::TRACE).as_log();
        if LogTracer::builder().with_max_level(level).init().is_ok() {
            handle.filters.own_log();
        }
        panics::log(format == Format::Json);
        Ok(handle)
    }

    fn encoded_resource(&self) -> String {
        self.resource.as_ref().map(Resource::encode).unwrap_or_default()
    }
}

impl LogsHandle {
    /// Returns how many lines were lost: those that could not be written, for example to a broken
    /// pipe or a full disk, and those that did not fit into the queue.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Blocks until every line logged before this call is written or counted as lost, for at most
    /// `within` for each queue. Returns `false` if the time ran out. Without a queue, returns `true`
    /// immediately.
    ///
    /// Call it last, before a process that ends in any other way than by returning from `main`.
    #[must_use = "`false` means that lines are still waiting"]
    pub fn flush(&self, within: Duration) -> bool {
        let queues = self.queues().clone();
        // Every queue is flushed, also after one that is not.
        let late = queues.iter().filter(|queue| !queue.flush(within)).count();
        late == 0
    }

    /// Replaces the filter while the program runs, in all layers of this [`Logs`] value and its clones.
    /// It costs a line nothing: tracing asks once for each place in the code.
    ///
    /// # Errors
    /// [`ConfigError`] if the filter is invalid; the current one then stays.
    pub fn set_filter(&self, filter: &str) -> Result<(), ConfigError> {
        self.filters.set(filter, None)?;
        tracing::info!(target: "hardpoint::observability::logs", filter, "log filter changed");
        Ok(())
    }

    /// Replaces the filter for some time, after which the configured one returns: for a closer look
    /// at a running service that ends by itself. Another change replaces this one.
    ///
    /// # Errors
    /// [`ConfigError`] if the filter is invalid, or the thread that waits cannot be started; the
    /// current filter then stays.
    pub fn set_filter_for(&self, filter: &str, within: Duration) -> Result<(), ConfigError> {
        self.filters.set(filter, Some(within))?;
        tracing::info!(
            target: "hardpoint::observability::logs",
            filter,
            seconds = within.as_secs(),
            "log filter changed for some time"
        );
        Ok(())
    }

    fn queues(&self) -> MutexGuard<'_, Vec<Arc<Queue>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LogsHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogsHandle").field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}

/// Standard output without the buffer of [`io::stdout`], which would hold back a part of a line
/// that the output did not accept.
#[cfg(unix)]
fn standard_output() -> Box<dyn io::Write + Send> {
    use std::{fs::File, os::fd::AsFd};

    match io::stdout().as_fd().try_clone_to_owned() {
        Ok(descriptor) => Box::new(File::from(descriptor)),
        // No descriptor is left, or standard output is closed: then writing to it fails as well.
        Err(_) => Box::new(io::stdout()),
    }
}

#[cfg(not(unix))]
fn standard_output() -> Box<dyn io::Write + Send> {
    Box::new(io::stdout())
}
