//! What the log does not reveal.

use std::fmt;

use hardpoint_observability::{
    Logs, Redactor,
    redact::{Action, Class},
};
use hardpoint_testkit::leak::LeakScanner;
use proptest::prelude::*;
use serde_json::Value as Json;
use tracing::{Span, error, info, info_span};

use crate::harness::{Harness, capture, get};

const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.dGhlLXNpZ25hdHVyZQ";

fn logged(logs: Logs, log: impl FnOnce()) -> (Vec<Json>, String) {
    let (captured, guard) = capture(logs);
    log();
    drop(guard);
    let text = captured.text();
    let lines = captured.lines();
    (lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect(), text)
}

/// A value that must not even be formatted.
struct Unformatted;

impl fmt::Debug for Unformatted {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("formatted a hidden value")
    }
}

#[test]
fn a_field_with_a_secret_name_is_hidden_whatever_its_type() {
    let (lines, _) = logged(Logs::json("orders"), || {
        info!(password = "hunter2", api_key = ?Unformatted, pin = 1234, token_type = "access", "in");
        let span = info_span!("span", session_token = "canary", user = "alice");
        let _entered = span.enter();
        info!("inside");
    });
    assert_eq!(lines[0]["password"], "[redacted]");
    assert_eq!(lines[0]["api_key"], "[redacted]");
    assert_eq!(lines[0]["pin"], "[redacted]");
    assert_eq!(lines[0]["token_type"], "access");
    assert_eq!(
        (&lines[1]["session_token"], &lines[1]["user"]),
        (&"[redacted]".into(), &"alice".into())
    );
}

#[test]
fn secrets_in_texts_are_found_in_messages_fields_errors_and_spans() {
    let (lines, text) = logged(Logs::json("orders"), || {
        let span =
            info_span!("span", detail = tracing::field::Empty, url = "https://a:b@x.example/");
        let _entered = span.enter();
        Span::current().record("detail", "mail alice@example.com");
        info!(card = 4_111_111_111_111_111_u64, "got {JWT}");
        let error = std::io::Error::other("GET /?token=hunter2 failed");
        error!(error = &error as &dyn std::error::Error, debug = ?["Bearer 8f14e45fceea167a"], "no");
        info!(key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg", "cut off");
    });
    assert_eq!(lines.len(), 3, "every line is an object: {text}");
    let secrets = ["alice@", "a:b@", "4111", JWT, "hunter2", "8f14", "MIIEv"];
    for secret in secrets {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert_eq!(lines[0]["message"], "got [redacted:jwt]");
    assert_eq!(lines[0]["card"], "[redacted]");
    assert_eq!(lines[0]["detail"], "mail [redacted:email]");
    assert_eq!(lines[0]["url"], "https://[redacted:url_credential]@x.example/");
    assert_eq!(lines[1]["error"], "GET /?token=[redacted:credential] failed");
    assert_eq!(lines[2]["key"], "[redacted:private_key]");
}

#[test]
fn lines_for_people_are_redacted_too() {
    let (_, text) = logged(Logs::human(), || {
        info!(password = "hunter2", by = "alice@example.com", "card 4111 1111 1111 1111");
    });
    assert!(text.contains("card [redacted:card]"), "{text}");
    assert!(text.contains("password=[redacted]") && !text.contains("alice"), "{text}");
}

#[test]
fn a_service_decides_what_is_redacted() {
    let redactor = Redactor::new()
        .field("tax_number")
        .show_field("page.token")
        .class(Class::IpAddress, Action::Erase)
        .class(Class::Email, Action::Mask);
    let (lines, _) = logged(Logs::json("orders").redactor(redactor), || {
        info!(
            tax_number = 7,
            "page.token" = "next",
            mail = "alice@example.com",
            "from 203.0.113.7"
        );
    });
    assert_eq!(lines[0]["tax_number"], "[redacted]");
    assert_eq!(lines[0]["page.token"], "next");
    assert_eq!(lines[0]["mail"], "********@example.com");
    assert_eq!(lines[0]["message"], "from [redacted:ip_address]");
    let (lines, _) = logged(Logs::json("orders").redactor(Redactor::dangerous_off()), || {
        info!(password = "hunter2", "alice@example.com");
    });
    assert_eq!(
        (&lines[0]["password"], &lines[0]["message"]),
        (&"hunter2".into(), &"alice@example.com".into())
    );
}

#[tokio::test]
async fn the_access_line_keeps_client_and_subject_and_nothing_else_of_them() {
    use hardpoint_core::{Identity, RequestContext};

    let harness = Harness::new();
    harness.spy.respond(|request| {
        let context = RequestContext::find(&request.extensions).unwrap();
        context.set_identity(Identity::from_subject("alice@example.com"));
        context.note("detail", "wrote to bob@example.com");
        context.note("key", "-----BEGIN PRIVATE KEY-----");
        context.note("last", "shown");
        Ok(http::Response::new(hardpoint_testkit::TestBody::default()))
    });
    let mut request = get("/notes");
    let agent = format!("curl/8 {JWT}");
    request.headers_mut().insert("user-agent", agent.parse().unwrap());
    harness.exchange(request).await.unwrap();
    let line = harness.access();
    assert_eq!(line["subject"], "alice@example.com");
    assert_eq!(line["user_agent"], "curl/8 [redacted:jwt]");
    assert_eq!(line["notes"]["detail"], "wrote to [redacted:email]");
    assert_eq!(line["notes"]["key"], "[redacted:private_key]");
    assert_eq!(line["notes"]["last"], "shown");
    LeakScanner::new(["bob@example.com", JWT]).assert_clean("the log", harness.logs.text());
}

proptest! {
    #[test]
    fn no_text_breaks_a_line(parts in proptest::collection::vec(
        prop_oneof![
            Just("\\"), Just("\""), Just("\u{e9}"), Just("password\":\""), Just("token="), Just("'"),
            Just("alice@example.com"), Just("\u{202e}"), Just("4111111111111111"), Just("["), Just(" "),
            Just("-----BEGIN PRIVATE KEY-----"), Just("{\"pin\":12,"), Just("}"), Just("://a:b@c"),
        ],
        0..20,
    )) {
        let text = parts.concat();
        let (lines, written) = logged(Logs::json("orders"), || {
            info!(text, "{text}");
            info!(target: "hardpoint::access", notes = ?format_args!("{{\"a\":{:?}}}", text), "request");
            info!(target: "hardpoint::access", notes = ?format_args!("{text}"), "request");
        });
        prop_assert_eq!(lines.len(), 3, "{}", written);
    }
}

#[tokio::test]
async fn the_access_line_shows_of_a_person_what_was_asked_for() {
    use hardpoint_core::{ClientResolver, Identity, RequestContext, Time};
    use hardpoint_observability::{RecordLayer, redact::Personal};
    use hardpoint_testkit::spy::Spy;
    use tower::ServiceExt;
    use tower_layer::Layer;

    let line = async |action: Action| {
        let redactor = [Personal::Client, Personal::Subject, Personal::UserAgent]
            .into_iter()
            .fold(Redactor::new(), |redactor, what| redactor.personal(what, action));
        let (captured, _guard) = capture(Logs::json("orders").redactor(redactor));
        let mut request = get("/");
        request.headers_mut().insert("user-agent", "curl/8.5 (canary)".parse().unwrap());
        let context = RequestContext::ensure(request.extensions_mut(), &Time::system());
        let peer = Some("203.0.113.9".parse().unwrap());
        context.set_client(ClientResolver::direct().resolve(peer, request.headers()));
        let context = RequestContext::find(request.extensions()).unwrap();
        context.set_identity(Identity::from_subject("alice"));
        let service = RecordLayer::new().layer(Spy::new().0);
        drop(service.oneshot(request).await.unwrap());
        let line: Json = serde_json::from_str(&captured.lines()[0]).unwrap();
        ["client", "subject", "user_agent"].map(|name| line.get(name).cloned())
    };
    let texts = |texts: [&str; 3]| texts.map(|text| Some(Json::from(text)));
    assert_eq!(line(Action::Keep).await, texts(["203.0.113.9", "alice", "curl/8.5 (canary)"]));
    assert_eq!(line(Action::Mask).await, texts(["203.0.113.0/24", "********", "curl/8.5"]));
    assert_eq!(line(Action::Erase).await, [const { Some(Json::Null) }; 3]);
}
