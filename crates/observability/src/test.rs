//! What one test logs, and a search for secrets in it.
//!
//! A secret reaches a log by an accident that no reader of the code sees: a `Debug` that was derived,
//! an error that quotes its input. A test that gives secrets to the service and searches the output
//! for them sees it.
//!
//! ```
//! use hardpoint_observability::{RecordLayer, test::Capture};
//! # use http::{Request, Response};
//! # use http_body_util::Empty;
//! # use tower::{BoxError, Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! # type Body = Empty<bytes::Bytes>;
//! let captured = Capture::start();
//! let service = RecordLayer::new().layer(service_fn(async |request: Request<Body>| {
//!     let key = request.headers()["x-api-key"].to_str()?;
//!     tracing::info!(key.length = key.len(), "customer found");
//!     Ok::<_, BoxError>(Response::new(Body::new()))
//! }));
//! let request = Request::get("/?session=correct-horse").header("x-api-key", "battery-staple");
//! service.oneshot(request.body(Body::new())?).await?;
//!
//! let lines = captured.lines();
//! assert_eq!((&lines[0]["key.length"], &lines[1]["message"]), (&14.into(), &"request".into()));
//! assert_eq!(captured.spans()[0].name, "request");
//! captured.assert_no_secret(["correct-horse", "battery-staple"]);
//! # Ok(())
//! # }
//! ```
//!
//! A search of output that is not a log, such as a response or what a program printed, takes a
//! [`LeakScanner`].

use std::{
    fmt,
    io::{self, Write},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use serde_json::{Map, Value};
use tracing::{Dispatch, subscriber::DefaultGuard};
use tracing_subscriber::{Registry, layer::SubscriberExt};

pub use crate::logs::captured::CapturedSpan;
use crate::{ConfigError, Logs, logs::captured::Spans};
#[doc(no_inline)]
pub use hardpoint_core::test::{Leak, LeakScanner, json_line};

/// The log of the current thread, from the start of the capture until it is dropped.
///
/// A test with a runtime of one thread (`#[tokio::test]`) captures all its tasks. A thread that the
/// test starts, or a task of a runtime with several threads, logs into it with
/// [`dispatch`](Self::dispatch).
pub struct Capture {
    /// Ends the capture when it is dropped.
    _guard: DefaultGuard,
    log: Log,
    spans: Spans,
    dispatch: Dispatch,
}

impl Capture {
    /// Captures events and spans of all levels as JSON, redacted as in a service.
    #[must_use = "it captures until it is dropped"]
    pub fn start() -> Self {
        match Self::with(Logs::json("test").filter("trace")) {
            Ok(capture) => capture,
            Err(_) => unreachable!("`trace` is a valid filter"),
        }
    }

    /// Captures what this configuration writes, such as the service's own.
    ///
    /// # Errors
    /// [`ConfigError`] if its filter is invalid.
    pub fn with(logs: Logs) -> Result<Self, ConfigError> {
        // With one subscriber, tracing remembers for all threads whether it wants an event. With
        // two, it asks the one of the thread.
        static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Registry::default()));
        LazyLock::force(&SECOND);
        let (log, spans) = (Log::default(), Spans::default());
        let writer = log.clone();
        let layer = logs.layer(move || writer.clone())?;
        let dispatch = Dispatch::new(Registry::default().with(layer).with(spans.clone()));
        let guard = tracing::dispatcher::set_default(&dispatch);
        Ok(Self { _guard: guard, log, spans, dispatch })
    }

    /// The log so far.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.log.bytes()).into_owned()
    }

    /// The lines so far.
    ///
    /// # Panics
    /// If a line is not [one JSON object with unique names](json_line): the capture writes lines for
    /// people, or the line was forged.
    #[track_caller]
    #[must_use]
    pub fn lines(&self) -> Vec<Map<String, Value>> {
        let text = self.text();
        let read = |line| json_line(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        text.lines().map(read).collect()
    }

    /// The spans that have ended so far, in this order, of those that the filter lets through.
    #[must_use]
    pub fn spans(&self) -> Vec<CapturedSpan> {
        self.spans.all()
    }

    /// The subscriber, for other threads:
    /// `tracing::dispatcher::with_default(&captured.dispatch(), || ..)`, or
    /// `future.with_subscriber(captured.dispatch())`.
    #[must_use]
    pub fn dispatch(&self) -> Dispatch {
        self.dispatch.clone()
    }

    /// Asserts that neither the log nor a span contains one of these texts, in plain, in base64 or
    /// base64url at any offset, in hexadecimal, percent-encoded, or escaped as in JSON.
    ///
    /// # Panics
    /// If one contains it; the message names its index and its form. Also without texts, or if one
    /// is shorter than eight bytes.
    #[track_caller]
    pub fn assert_no_secret<I>(&self, canaries: I)
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        let scanner = LeakScanner::new(canaries);
        scanner.assert_clean("the log", self.log.bytes());
        scanner.assert_clean("a span", format!("{:?}", self.spans()));
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture").field("bytes", &self.log.bytes().len()).finish_non_exhaustive()
    }
}

/// Everything that was written.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn bytes(&self) -> Vec<u8> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
