//! What `docs/observability.md` says of peers, each claim run beside what ours does. A claim that
//! stops being true, because a newer version of the peer mended it, fails here and goes from the
//! page.

#![expect(clippy::expect_used, reason = "a test panics where it fails")]

use std::{
    convert::Infallible,
    fs,
    io::{self, Write},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hardpoint::{
    core::{ManualClock, test::json_line},
    observability::{Logs, RecordLayer, logs::LogFile, test::Capture},
};
use hardpoint_bench_harness::exchange::now;
use http::{HeaderMap, Request, Response};
use http_body_util::Empty;
use opentelemetry::{propagation::TextMapPropagator, trace::TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tower_http::{
    request_id::{MakeRequestUuid, SetRequestIdLayer},
    trace::{DefaultMakeSpan, DefaultOnResponse, TraceLayer},
};
use tower_layer::Layer;
use tower_service::Service;
use tracing::{Level, info, info_span};
use tracing_appender::rolling::{RollingFileAppender, Rotation};

type Body = Empty<bytes::Bytes>;

/// What the JSON of tracing-subscriber writes, with its fields at the top or not.
fn theirs(flatten: bool, log: impl FnOnce()) -> Vec<String> {
    let written = Written::default();
    let subscriber = tracing_subscriber::fmt().json().flatten_event(flatten);
    let subscriber = subscriber.with_writer(written.clone()).with_max_level(Level::TRACE).finish();
    tracing::subscriber::with_default(subscriber, log);
    written.text().lines().map(str::to_owned).collect()
}

/// What ours writes.
fn ours(log: impl FnOnce()) -> Vec<String> {
    let captured = Capture::start();
    log();
    captured.text().lines().map(str::to_owned).collect()
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> tracing_subscriber::fmt::MakeWriter<'w> for Written {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

/// A service that answers with an empty body, and sees the request's headers.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<HeaderMap>>);

impl Service<Request<Body>> for Seen {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = request.headers().clone();
        std::future::ready(Ok(Response::new(Body::new())))
    }
}

fn pass<S: Service<Request<Body>, Error = Infallible>>(mut service: S, request: Request<Body>) {
    drop(now(service.call(request)).expect("a service that cannot fail"));
}

#[test]
fn tracing_subscribers_json_has_names_twice() {
    let twice = || info!(order = 1, order = 2, "shipped");
    let lines = theirs(false, twice);
    let error = json_line(&lines[0]).expect_err("two orders").to_string();
    assert!(error.contains("`order` appears twice"), "{error}");
    let line = json_line(&ours(twice)[0]).expect("unique names");
    assert_eq!((&line["order"], &line["field_order"]), (&1.into(), &2.into()));
}

#[test]
fn a_field_forges_the_level_of_tracing_subscribers_flat_json() {
    let forge = || info!(level = "ERROR", timestamp = "never", "shipped");
    let line = &theirs(true, forge)[0];
    assert_eq!(line.matches("\"level\":").count(), 2, "{line}");
    let line = json_line(&ours(forge)[0]).expect("unique names");
    assert_eq!((&line["level"], &line["field_level"]), (&"INFO".into(), &"ERROR".into()));
}

#[test]
fn tracing_subscribers_json_hides_no_secret() {
    let log = || {
        let span = info_span!("log-in", password = "correct-horse-battery");
        span.in_scope(|| info!("Authorization: Bearer battery-staple-correct"));
    };
    let theirs = theirs(false, log).join("\n");
    let ours = ours(log).join("\n");
    for secret in ["correct-horse-battery", "battery-staple-correct"] {
        assert!(theirs.contains(secret), "{theirs}");
        assert!(!ours.contains(secret), "{ours}");
    }
}

#[test]
fn tracing_subscribers_json_writes_bidirectional_controls_as_they_are() {
    let log = || info!(user = "gnp.\u{202e}exe", "upload");
    assert!(theirs(false, log)[0].contains('\u{202e}'));
    assert!(!ours(log)[0].contains('\u{202e}'));
}

#[test]
fn tower_http_takes_any_request_id_from_anybody() {
    let request = || {
        let id = format!("<script>{}", "x".repeat(4_000));
        let request = Request::get("/").header("x-request-id", id);
        request.body(Body::new()).expect("a path")
    };
    let (seen, ours) = (Seen::default(), Seen::default());
    pass(SetRequestIdLayer::x_request_id(MakeRequestUuid).layer(seen.clone()), request());
    pass(RecordLayer::new().layer(ours.clone()), request());
    let id = |seen: &Seen| {
        let headers = seen.0.lock().unwrap_or_else(PoisonError::into_inner);
        headers["x-request-id"].to_str().expect("text").to_owned()
    };
    assert_eq!(id(&seen).len(), 4_008);
    assert_eq!(id(&ours).len(), 36);
}

#[test]
fn tower_http_logs_the_query_with_its_secrets_and_one_line_at_the_head() {
    let request = || Request::get("/reset?token=correct-horse").body(Body::new()).expect("a path");
    let lines = theirs(false, || {
        let layer = TraceLayer::new_for_http()
            .make_span_with(DefaultMakeSpan::new().level(Level::INFO))
            .on_response(DefaultOnResponse::new().level(Level::INFO));
        pass(layer.layer(Seen::default()), request());
    });
    assert!(lines[0].contains("correct-horse"), "{lines:?}");
    let lines = ours(|| pass(RecordLayer::new().layer(Seen::default()), request()));
    assert!(lines.len() == 1 && !lines[0].contains("correct-horse"), "{lines:?}");
}

#[test]
fn opentelemetrys_propagator_reads_what_level_2_forbids() {
    const TRACE: &str = "12345678901234567890123456789012";
    let valid = format!("00-{TRACE}-1234567890123456-01");
    let forbidden = [
        // Other characters than lowercase hexadecimal digits, and numbers with a sign.
        format!("00-{}-1234567890123456-01", TRACE.replace('1', "A")),
        format!("00-+{}-1234567890123456-01", &TRACE[1..]),
        // Of another length.
        format!("00-{}-1234567890123456-01", &TRACE[1..]),
        format!("00-{TRACE}-234567890123456-01"),
    ];
    let propagator = TraceContextPropagator::new();
    let continued = |value: &str| {
        let carrier = [("traceparent".to_owned(), value.to_owned())];
        let carrier: std::collections::HashMap<_, _> = carrier.into();
        propagator.extract(&carrier).span().span_context().is_valid()
    };
    assert!(continued(&valid));
    let read = forbidden.iter().filter(|value| continued(value)).count();
    assert!(read >= 3, "{read} of {}", forbidden.len());

    for value in &forbidden {
        let seen = Seen::default();
        let request = Request::get("/").header("traceparent", value).body(Body::new());
        pass(RecordLayer::new().accept_ids().layer(seen.clone()), request.expect("a path"));
        let headers = seen.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(!headers.contains_key("traceparent"), "{value}");
    }
}

/// A directory of one test.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let name = format!("hardpoint-claims-{}-{test}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _absent = fs::remove_dir_all(&path);
        fs::create_dir(&path).expect("a directory");
        Self(path)
    }

    fn files(&self) -> usize {
        fs::read_dir(&self.0).expect("a directory").count()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _absent = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_file_of_tracing_appender_grows_without_a_bound_until_its_period_ends() {
    let line = [b'x'; 1 << 16];
    let folder = Folder::new("size");
    let mut peer = RollingFileAppender::new(Rotation::DAILY, &folder.0, "orders.log");
    for _ in 0..64 {
        peer.write_all(&line).expect("a disk");
    }
    // Unless midnight has just passed.
    assert!(folder.files() <= 2);

    let folder = Folder::new("size-ours");
    let file = LogFile::new(folder.0.join("orders.log")).max_bytes(1 << 20).keep(1);
    let mut ours = file.open().expect("a file");
    for _ in 0..64 {
        ours.write_all(&line).expect("a disk");
        ours.write_all(b"\n").expect("a disk");
    }
    assert_eq!(folder.files(), 2);
    let sizes = fs::read_dir(&folder.0).expect("a directory");
    let sizes = sizes.map(|file| file.expect("a file").metadata().expect("a file").len());
    assert!(sizes.sum::<u64>() <= 2 << 20);
}

#[test]
fn a_file_of_tracing_appender_that_was_removed_stays_lost() {
    let folder = Folder::new("removed");
    let mut peer = RollingFileAppender::new(Rotation::NEVER, &folder.0, "orders.log");
    let clock = ManualClock::default();
    let own = Folder::new("removed-ours");
    let mut ours = LogFile::new(own.0.join("orders.log")).time(&clock).open().expect("a file");
    for path in [folder.0.join("orders.log"), own.0.join("orders.log")] {
        fs::remove_file(path).expect("the file");
    }
    clock.advance(Duration::from_secs(1));
    for output in [&mut peer as &mut dyn Write, &mut ours] {
        output.write_all(b"after\n").expect("a file, if only without a name");
    }
    assert_eq!((folder.files(), own.files()), (0, 1));
}

#[test]
fn tracing_appender_loses_lines_without_a_line_about_it() {
    /// Waits until the test lets it go on.
    struct Slow(Arc<Mutex<()>>, Written);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            drop(self.0.lock().unwrap_or_else(PoisonError::into_inner));
            self.1.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let flood = || (0..1_000).for_each(|number| info!(number, "flood"));
    let (gate, written) = (Arc::new(Mutex::new(())), Written::default());
    let closed = gate.lock().unwrap_or_else(PoisonError::into_inner);
    let (peer, guard) = tracing_appender::non_blocking::NonBlockingBuilder::default()
        .buffered_lines_limit(10)
        .finish(Slow(Arc::clone(&gate), written.clone()));
    let subscriber = tracing_subscriber::fmt().json().with_writer(peer).finish();
    tracing::subscriber::with_default(subscriber, flood);
    drop(closed);
    // It waits for the rest.
    drop(guard);
    let lines = written.text();
    assert!(lines.lines().count() < 20 && !lines.contains("drop"), "{lines}");

    let written = Written::default();
    let closed = gate.lock().unwrap_or_else(PoisonError::into_inner);
    let logs = Logs::json("orders").queue_bytes(4_096);
    let handle = logs.handle();
    let layer = logs.queued_layer(Slow(Arc::clone(&gate), written.clone())).expect("a thread");
    let subscriber = tracing_subscriber::layer::SubscriberExt::with(
        tracing_subscriber::Registry::default(),
        layer,
    );
    tracing::subscriber::with_default(subscriber, || {
        flood();
        drop(closed);
        assert!(handle.flush(Duration::from_secs(20)));
        // The report is the line after the next round.
        assert!(handle.flush(Duration::from_secs(20)));
    });
    let lines = written.text();
    let report = lines.lines().find(|line| line.contains("log lines dropped")).expect("a report");
    let dropped = json_line(report).expect("an object")["dropped"].as_u64();
    assert!(dropped.is_some_and(|dropped| dropped > 900), "{report}");
}
