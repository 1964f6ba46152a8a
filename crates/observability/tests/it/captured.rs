//! What a test captures, and which forms of a secret it finds.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hardpoint_observability::{Logs, Redactor, test::Capture};
use serde_json::json;
use tracing::{Span, debug, error_span, field::Empty, info, info_span, trace};

/// With everything in it that some form writes differently.
const CANARY: &str = "s3cr\u{e9}t \"q\"\\+/?\u{1}end";

/// The message of the panic, or `None` if the capture holds no secret.
fn found(captured: &Capture) -> Option<String> {
    let search = || captured.assert_no_secret(["not in there", CANARY]);
    let panic = catch_unwind(AssertUnwindSafe(search)).err()?;
    Some(panic.downcast_ref::<String>().unwrap().clone())
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn a_secret_is_found_in_each_of_six_forms() {
    use base64::{
        Engine,
        engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
    };

    let hex: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
    for (form, text) in [
        ("plain text", CANARY.to_owned()),
        ("base64", STANDARD.encode(format!("user:{CANARY}"))),
        ("base64", URL_SAFE_NO_PAD.encode(CANARY)),
        ("hexadecimal", hex),
        ("plain text", percent(CANARY)),
        ("plain text", json!({ "password": CANARY }).to_string()),
    ] {
        let captured =
            Capture::with(Logs::json("test").redactor(Redactor::dangerous_off())).unwrap();
        info!("nothing");
        assert_eq!(found(&captured), None);
        info!(text, "leaked");
        assert_eq!(found(&captured), Some(format!("the log holds canary 1 as {form}")), "{text}");
    }
}

#[test]
fn a_secret_in_a_span_without_events_is_found_too() {
    let captured = Capture::with(Logs::json("test").redactor(Redactor::dangerous_off())).unwrap();
    drop(error_span!("quiet", note = CANARY));
    assert_eq!(found(&captured).unwrap(), "a span holds canary 1 as plain text");
}

#[test]
fn lines_and_ended_spans_are_captured_until_it_is_dropped() {
    let captured = Capture::start();
    {
        let outer = info_span!("outer", late = Empty, password = "hunter2");
        let _outer = outer.enter();
        let inner = info_span!(target: "elsewhere", "inner", n = 1, big = 1_u128 << 70, f = 0.5);
        inner.in_scope(|| trace!("deep"));
        Span::current().record("late", true);
        debug!("said");
    }
    let open = info_span!("open");
    let lines = captured.lines();
    let messages: Vec<_> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(messages, ["deep", "said"]);
    let spans = captured.spans();
    let [inner, outer] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!((inner.name, inner.target, inner.parent), ("inner", "elsewhere", Some("outer")));
    let big = (1_u128 << 70).to_string();
    assert_eq!(json!(inner.fields), json!({ "n": 1, "big": big, "f": 0.5 }));
    assert_eq!((outer.name, outer.parent), ("outer", None));
    assert_eq!(json!(outer.fields), json!({ "late": true, "password": "[redacted]" }));
    drop(open);

    let before = captured.text();
    let dispatch = captured.dispatch();
    let thread = std::thread::spawn(move || {
        info!("not captured");
        tracing::dispatcher::with_default(&dispatch, || info!("captured"));
    });
    thread.join().unwrap();
    let after = captured.text();
    let added = after.strip_prefix(&before).unwrap();
    assert!(added.contains("\"captured\"") && added.lines().count() == 1, "{added}");
    drop(captured);
    let next = Capture::start();
    info!("next");
    assert_eq!(next.lines().len(), 1);
}

#[test]
fn a_wrong_filter_is_an_error() {
    assert!(Capture::with(Logs::json("test").filter("orders-api=info")).is_err());
}
