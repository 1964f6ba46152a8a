use std::{
    fmt,
    io::{self, ErrorKind},
    sync::{Arc, Mutex},
};

use hardpoint_core::ManualClock;
use hardpoint_observability::{ConfigError, Logs, RecordLayer};
use hardpoint_testkit::{TestBody, leak::CapturedLogs};
use http::{Request, Response};
use serde_json::{Value as Json, json};
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;
use tracing::{debug, error, info, info_span, subscriber::with_default, warn};
use tracing_subscriber::layer::SubscriberExt;

use crate::harness::{Harness, capture, get};

fn logged(filter: &str, log: impl FnOnce()) -> Vec<Json> {
    let logs = Logs::json("orders")
        .version("1.4.2")
        .environment("test")
        .time(ManualClock::default())
        .filter(filter);
    let (captured, guard) = capture(logs);
    log();
    drop(guard);
    let lines = captured.lines();
    lines.iter().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn human(log: impl FnOnce()) -> String {
    let (captured, guard) = capture(Logs::human().time(ManualClock::default()));
    log();
    drop(guard);
    captured.text()
}

#[test]
fn an_event_is_an_object_with_its_fields() {
    let lines = logged("info", || {
        info!(order = 7, paid = true, ratio = 0.5, name = "x\ny", "shipped {}", 1);
    });
    assert_eq!(
        lines,
        [json!({
            "timestamp": "2027-01-15T08:00:00.000000Z",
            "level": "INFO",
            "message": "shipped 1",
            "target": module_path!(),
            "service": "orders",
            "version": "1.4.2",
            "environment": "test",
            "order": 7,
            "paid": true,
            "ratio": 0.5,
            "name": "x\ny",
        })]
    );
}

#[test]
fn an_event_without_a_message_or_with_a_number_for_one() {
    let lines = logged("info", || {
        info!(order = 7);
        info!(message = 7);
    });
    assert_eq!((&lines[0]["message"], &lines[0]["order"]), (&Json::Null, &json!(7)));
    assert_eq!(lines[1]["message"], "7");
}

#[test]
fn an_option_without_a_value_is_null_for_machines_and_absent_for_people() {
    let none: Option<u64> = None;
    let lines = logged("info", || info!(none, some = Some(1), "said"));
    assert_eq!((lines[0].get("none"), &lines[0]["some"]), (Some(&Json::Null), &json!(1)));
    let text = human(|| info!(none, some = Some(1), "said"));
    assert!(text.ends_with("said some=1\n"), "{text}");
}

#[test]
fn a_span_gives_its_fields_to_what_is_in_it() {
    let lines = logged("info", || {
        let outer = info_span!("outer", a = 1, b = "outer", late = tracing::field::Empty);
        let _outer = outer.enter();
        let inner = info_span!("inner", b = "inner", level = "forged");
        let _inner = inner.enter();
        outer.record("late", 5);
        outer.record("a", 2);
        info!(c = 3, "said");
        info!(a = "own", "said");
        info!(parent: None, "alone");
    });
    let (a, b, c, late) = (&lines[0]["a"], &lines[0]["b"], &lines[0]["c"], &lines[0]["late"]);
    assert_eq!((a, b, c, late), (&json!(2), &json!("inner"), &json!(3), &json!(5)));
    assert_eq!((&lines[0]["level"], &lines[0]["field_level"]), (&json!("INFO"), &json!("forged")));
    assert_eq!(lines[1]["a"], "own");
    assert_eq!((lines[2].get("a"), lines[2].get("b")), (None, None));
}

#[test]
fn two_layers_on_one_subscriber_do_not_meet() {
    let (machine, people) = (CapturedLogs::default(), CapturedLogs::default());
    let subscriber = tracing_subscriber::registry()
        .with(Logs::json("s").version("1").environment("t").layer(machine.writer()).unwrap())
        .with(Logs::human().filter("warn").layer(people.writer()).unwrap());
    with_default(subscriber, || {
        let span = tracing::error_span!("span", a = 1);
        let _entered = span.enter();
        info!("both?");
        warn!("both");
    });
    assert_eq!(machine.lines().len(), 2);
    let people = people.lines();
    assert_eq!(people.len(), 1);
    assert!(people[0].ends_with(": both a=1"), "{people:?}");
}

#[test]
fn the_filter_holds() {
    let said = |filter| {
        let lines = logged(filter, || {
            debug!(target: "hyper::proto", "debug");
            warn!(target: "hyper::proto", "warn");
            debug!("debug");
            info!("info");
            error!("error");
        });
        let said = lines.iter().map(|line| line["message"].as_str().unwrap().to_owned());
        said.collect::<Vec<_>>()
    };
    assert_eq!(said("info"), ["warn", "info", "error"]);
    assert_eq!(said("error, hyper=debug"), ["debug", "warn", "error"]);
    assert_eq!(said("off"), [""; 0]);
}

#[test]
fn a_filter_that_cannot_be_read_is_an_error_with_a_remedy() {
    let layer = |filter: &str| {
        let logs = Logs::human().filter(filter);
        logs.layer::<tracing_subscriber::Registry, _>(io::sink).err()
    };
    assert_eq!(layer("info"), None);
    let error = layer("info,inof").unwrap();
    assert_eq!(
        error,
        ConfigError::Filter { value: "info,inof".into(), directive: "inof".into(), instead: None }
    );
    assert_eq!(
        error.to_string(),
        "invalid directive `inof` in log filter `info,inof`; write a level (off, error, warn, \
         info, debug, trace) or `target=level` (hyper=warn); separate directives with commas"
    );
    assert!(layer("").unwrap().to_string().contains("write a level (info)"));
}

#[tokio::test]
async fn what_a_handler_logs_has_the_ids_whatever_the_filter() {
    for filter in ["info", "warn", "it=warn"] {
        let harness = Harness::with(RecordLayer::new(), filter);
        let service = RecordLayer::new().layer(service_fn(async |_: Request<TestBody>| {
            tokio::task::yield_now().await;
            warn!("low on stock");
            Ok::<_, std::convert::Infallible>(Response::new(TestBody::default()))
        }));
        let answer = service.oneshot(get("/")).await.unwrap();
        let id = answer.headers()["x-request-id"].to_str().unwrap();
        let lines = harness.lines();
        assert_eq!(lines[0]["message"], "low on stock", "{filter}");
        assert_eq!(lines[0]["request_id"], id);
        assert_eq!(lines[0]["trace_id"].as_str().map(str::len), Some(32));
        warn!("outside");
        let lines = harness.lines();
        assert_eq!(lines.last().unwrap().get("request_id"), None);
    }
}

#[test]
fn a_writer_that_fails_is_counted_and_nothing_panics() {
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for logs in [Logs::human(), Logs::json("s").version("1").environment("t")] {
        let handle = logs.handle();
        let subscriber = tracing_subscriber::registry().with(logs.layer(|| Full).unwrap());
        with_default(subscriber, || {
            info!("one");
            error!("two");
        });
        assert_eq!(handle.dropped(), 2);
    }
}

/// Keeps what each call of `write` was given.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<Vec<u8>>>>);

impl io::Write for Calls {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_of_several_threads_do_not_mix() {
    let calls = Calls::default();
    let writer = calls.clone();
    let layer =
        Logs::json("s").version("1").environment("t").layer(move || writer.clone()).unwrap();
    let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let dispatch = dispatch.clone();
            scope.spawn(move || {
                tracing::dispatcher::with_default(&dispatch, || {
                    (0..50).for_each(|number| info!(thread, number, "said"));
                });
            });
        }
    });
    let calls = calls.0.lock().unwrap();
    assert_eq!(calls.len(), 200);
    for call in calls.iter() {
        assert_eq!(call.iter().filter(|byte| **byte == b'\n').count(), 1);
        let line: Json = serde_json::from_slice(call).unwrap();
        assert_eq!(line["message"], "said");
    }
}

#[test]
fn a_value_that_logs_while_it_is_written_does_not_break_its_line() {
    struct Chatty;
    impl fmt::Debug for Chatty {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            info!("from within");
            f.write_str("chatty")
        }
    }
    let lines = logged("info", || {
        info!(value = ?Chatty, "said");
        let span = info_span!("span", value = ?Chatty);
        span.in_scope(|| info!("inside"));
    });
    let said: Vec<_> = lines.iter().filter(|line| line["value"] == "chatty").collect();
    assert_eq!(said.len(), 2, "{lines:#?}");
}

#[test]
fn a_line_for_people_cannot_be_forged() {
    let evil = "x\n2027-01-15 ERROR forged \u{1b}[2J";
    let text = human(|| {
        info!(agent = evil, debug = %evil, "{evil}");
        tracing::info_span!("span", %evil).in_scope(|| info!("said"));
    });
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

/// Accepts everything, and shows it.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn each_queued_layer_of_one_value_writes_to_its_own_output() {
    let (first, second) = (Kept::default(), Kept::default());
    let logs = Logs::json("s");
    let handle = logs.handle();
    let subscriber = tracing_subscriber::registry()
        .with(logs.clone().queued_layer(first.clone()).unwrap())
        .with(logs.queued_layer(second.clone()).unwrap());
    with_default(subscriber, || tracing::info!("once"));
    assert!(handle.flush(std::time::Duration::from_secs(10)));
    for output in [first, second] {
        let text = String::from_utf8(output.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}
