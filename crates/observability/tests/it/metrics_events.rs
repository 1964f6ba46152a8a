//! The contract of names and labels: every kind of event is in the golden file.

use std::{fs, path::Path, time::Duration};

use hardpoint_core::{
    Event, Readiness, Scheme,
    event::{
        ApiKeyErrorKind, ApiKeyVerified, AttemptLane, AttemptResult, CallEnded, CallGuard,
        CallHedged, CallRefused, CallRetried, CheckChanged, CircuitChanged, CircuitState, Decider,
        DeliveryResult, Ending, HedgeResult, KeySetChanged, KeySetFetchFailed, KeySetKeySkipped,
        KeySetState, KeySetStateChanged, Limited, LinkAnswered, LinkChanged, LinkState,
        LoginAttempted, MessageDelivered, NearLimit, OneTimeResult, OneTimeTokenUsed,
        PasswordChecked, PasswordResult, ReadinessChanged, RefreshErrorKind, RefreshResult,
        RequestEnded, RequestStarted, RetryStop, SessionRefreshed, SessionReused, SettlementsLost,
        StaleCopyResult, StaleCopySought, StoreErrorKind, StoreFailed, StoreKind, TokenVerified,
        VerifyErrorKind,
    },
};
use hardpoint_observability::{Logs, Metrics};
use hardpoint_testkit::contract::allocations_in;

use crate::metrics::scrape;

/// One event of every kind that core has. A new kind is added here and shows in the golden file.
pub(crate) fn events() -> Vec<Event<'static>> {
    let mut ended = RequestEnded::new("GET", Scheme::Https, Ending::Ok, Duration::from_millis(20));
    ended.route = Some("/notes/{id}");
    ended.status = Some(200);
    ended.bytes_in = Some(10);
    ended.bytes_out = 20;
    let mut called = CallEnded::new("quotes", "GET", Ending::Ok, Duration::from_millis(3));
    called.status = Some(200);
    let cancelled = CallEnded::new("quotes", "POST", Ending::Cancelled, Duration::from_secs(1));
    vec![
        ApiKeyVerified::new(Ok(())).into(),
        ApiKeyVerified::new(Err(ApiKeyErrorKind::Unknown)).into(),
        called.into(),
        cancelled.into(),
        CallHedged::new("quotes", HedgeResult::Hedge).into(),
        CallHedged::new("quotes", HedgeResult::Budget).into(),
        CallRefused::new("quotes", CallGuard::Bulkhead).into(),
        CallRetried::new("quotes", 1, Ok(())).into(),
        CallRetried::new("quotes", 2, Err(RetryStop::Budget)).into(),
        CheckChanged::new("database", false).into(),
        CircuitChanged::new("quotes", CircuitState::Open).into(),
        KeySetChanged::new("issuer", 2, 1).into(),
        KeySetFetchFailed::new("issuer", RefreshErrorKind::Timeout).into(),
        KeySetKeySkipped::new("issuer", 0, Some("chosen-by-the-issuer"), "algorithm").into(),
        KeySetStateChanged::new("issuer", KeySetState::Stale).into(),
        Limited::new("client", true, true).into(),
        Limited::new("client", false, true).into(),
        Limited::new("trial", false, false).into(),
        LinkAnswered::new("redis", Ok(()), Duration::from_micros(200)).into(),
        LinkAnswered::new("redis", Err(StoreErrorKind::Timeout), Duration::from_millis(50)).into(),
        LinkChanged::new("redis", LinkState::Up).into(),
        LoginAttempted::new(AttemptResult::Denied, AttemptLane::Network).by(Decider::Store).into(),
        MessageDelivered::new(DeliveryResult::Sent).into(),
        NearLimit::new("client", 3).into(),
        OneTimeTokenUsed::new("password_reset", OneTimeResult::Void).into(),
        PasswordChecked::new(PasswordResult::Shed).into(),
        ReadinessChanged::new(Readiness::Ready).into(),
        RequestStarted::new("GET", Scheme::Https).into(),
        ended.into(),
        RequestStarted::new("POST", Scheme::Http).into(),
        SessionRefreshed::new(RefreshResult::Rotated).into(),
        SessionReused::new(1, Duration::from_secs(5), Some(false), None).into(),
        SettlementsLost::new(StoreKind::RateLimit, 4).into(),
        StaleCopySought::new("quotes", StaleCopyResult::Served).into(),
        StoreFailed::new(StoreKind::Revocation, StoreErrorKind::Unavailable).into(),
        TokenVerified::new(Ok(())).into(),
        TokenVerified::new(Err(VerifyErrorKind::Expired)).into(),
    ]
}

#[test]
fn names_and_labels_are_those_of_the_golden_file() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/metrics.golden");
    let mut builder = Metrics::builder();
    let telemetry = builder.telemetry();
    builder.logs(&Logs::json("orders").handle());
    let metrics = builder.build().unwrap();
    events().iter().for_each(|event| telemetry.on(event));
    let text = scrape(&metrics);
    if std::env::var_os("HARDPOINT_BLESS").is_some() {
        fs::write(&golden, &text).unwrap();
    }
    let expected = fs::read_to_string(&golden).unwrap();
    assert!(
        text == expected,
        "names and labels are a contract; if the change is meant, run with HARDPOINT_BLESS=1 and \
         note it in the changelog\n{text}"
    );
}

#[test]
fn every_metric_of_the_layers_reports() {
    let mut builder = Metrics::builder();
    let telemetry = builder.telemetry();
    let metrics = builder.build().unwrap();
    events().iter().for_each(|event| telemetry.on(event));
    let text = scrape(&metrics);
    let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    for name in names {
        let samples = text.lines().filter(|line| !line.starts_with('#') && line.starts_with(name));
        assert!(samples.count() > 0, "{name} has no event of its own in this test");
    }
}

#[test]
fn an_event_whose_series_is_known_allocates_nothing() {
    let mut builder = Metrics::builder();
    let telemetry = builder.telemetry();
    let events = events();
    events.iter().for_each(|event| telemetry.on(event));
    for event in &events {
        assert_eq!(allocations_in(|| telemetry.on(event)), 0, "{event:?}");
    }
}

#[test]
fn the_module_docs_list_every_metric_of_the_layers() {
    let docs = include_str!("../../src/metrics/mod.rs");
    let golden = include_str!("metrics.golden");
    for name in golden.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        assert!(docs.contains(&format!("`{name}`")), "{name} is not in the docs");
    }
}
