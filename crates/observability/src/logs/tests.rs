use std::{
    collections::HashSet,
    fmt::{self, Write},
    iter,
    time::Duration,
};

use proptest::prelude::*;
use serde_json::Value as Json;

use super::{
    escape::{Cut, Escape, VALUE_MAX},
    line::{Format, Line, Scratch, written_names},
    names::WrittenName,
    resource::Resource,
    value::Value,
};

use crate::redact::Redactor;

const NOON: Duration = Duration::new(1_800_000_000, 1_234_567);

fn line(format: Format, message: Option<&str>, write: impl FnOnce(&mut Line<'_>)) -> String {
    line_of_place(&[], format, message, write)
}

fn line_of_place(
    known: &[WrittenName],
    format: Format,
    message: Option<&str>,
    write: impl FnOnce(&mut Line<'_>),
) -> String {
    let mut scratch = Scratch::default();
    scratch.text.push_str("left over");
    let redactor = Redactor::dangerous_off();
    let resource = match format {
        Format::Json => Resource {
            service: "orders".into(),
            version: Some("1.0".into()),
            environment: Some("prod".into()),
        }
        .encode(),
        Format::Human { .. } => String::new(),
    };
    let head = (NOON, "INFO", "orders::db");
    let mut line = Line::begin(&mut scratch, format, &redactor, head, &resource);
    line.know(known);
    if let Some(message) = message {
        line.message(Value::Text(message));
    }
    write(&mut line);
    line.end();
    scratch.text
}

fn json(write: impl FnOnce(&mut Line<'_>)) -> String {
    line(Format::Json, Some("said"), write)
}

/// Returns the names of a flat object in order. A map would hide duplicates.
fn names(text: &str) -> Vec<String> {
    struct Names;

    impl<'de> serde::de::Visitor<'de> for Names {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A>(self, mut map: A) -> Result<Vec<String>, A::Error>
        where
            A: serde::de::MapAccess<'de>,
        {
            let mut names = Vec::new();
            while let Some((name, _)) = map.next_entry::<String, Json>()? {
                names.push(name);
            }
            Ok(names)
        }
    }

    let mut reader = serde_json::Deserializer::from_str(text);
    serde::Deserializer::deserialize_map(&mut reader, Names).unwrap()
}

#[test]
fn a_line_begins_with_the_seven_in_order() {
    let text = json(|line| line.field("order", Value::U64(7)));
    assert_eq!(
        text,
        "{\"timestamp\":\"2027-01-15T08:00:00.001234Z\",\"level\":\"INFO\",\"message\":\"said\",\
         \"target\":\"orders::db\",\"service\":\"orders\",\"version\":\"1.0\",\
         \"environment\":\"prod\",\"order\":7}\n"
    );
    let silent: Json = serde_json::from_str(&line(Format::Json, None, |_| ())).unwrap();
    assert_eq!(silent["message"], Json::Null);
}

#[test]
fn people_get_one_line_without_absent_fields() {
    let text = line(Format::Human { colours: false }, Some("said"), |line| {
        line.field("method", Value::Text("GET \"x\""));
        line.field("client", Value::Null);
        line.field("ip", Value::Debug(&format_args!("::1")));
    });
    assert_eq!(
        text,
        "2027-01-15T08:00:00.001234Z  INFO orders::db: said method=\"GET \\\"x\\\"\" ip=::1\n"
    );
}

#[test]
fn nobody_forges_a_line_for_people() {
    let evil = "a\n2027 ERROR \u{1b}[2J\r\u{9b}31m\u{202e}\u{2028}\u{0}\u{7f}";
    let text = line(Format::Human { colours: false }, Some(evil), |line| {
        line.field(evil, Value::Text(evil));
        line.field("debug", Value::Debug(&format_args!("{evil}")));
    });
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    assert!(text.trim_end_matches('\n').chars().all(|char| !char.is_control()), "{text:?}");
    assert!(!text.contains(['\u{202e}', '\u{2028}']), "{text:?}");
}

#[test]
fn nobody_forges_a_field_for_people() {
    for (value, expected) in [
        ("bob", "bob"),
        ("10.0.0.1:80", "10.0.0.1:80"),
        ("bob outcome=ok subject=admin", "\"bob outcome=ok subject=admin\""),
        ("a=b", "\"a=b\""),
        ("\"", "\"\\\"\""),
        ("a\tb", "\"a\\tb\""),
        ("a\u{a0}b", "\"a\u{a0}b\""),
        ("", "\"\""),
    ] {
        let text = line(Format::Human { colours: false }, Some("said so"), |line| {
            line.field("subject", Value::Debug(&format_args!("{value}")));
        });
        assert!(text.ends_with(&format!(": said so subject={expected}\n")), "{text}");
    }
}

#[test]
fn every_type_is_valid_json() {
    let io = std::io::Error::other(fmt::Error);
    let text = json(|line| {
        line.field("bool", Value::Bool(true));
        line.field("i64", Value::I64(i64::MIN));
        line.field("u64", Value::U64(u64::MAX));
        line.field("i128", Value::I128(i128::MIN));
        line.field("u128", Value::U128(u128::MAX));
        line.field("f64", Value::F64(1e300));
        line.field("whole", Value::F64(2.0));
        line.field("nan", Value::F64(f64::NAN));
        line.field("infinite", Value::F64(f64::NEG_INFINITY));
        line.field("error", Value::Error(&io));
        line.field("debug", Value::Debug(&"quoted"));
    });
    let parsed: Json = serde_json::from_str(&text).unwrap();
    assert_eq!(parsed["i64"], i64::MIN);
    assert_eq!(parsed["u64"], u64::MAX);
    assert!(text.contains(&format!("\"u128\":{}", u128::MAX)));
    assert!(text.contains(&format!("\"i128\":{}", i128::MIN)));
    assert_eq!((&parsed["f64"], &parsed["whole"]), (&1e300.into(), &2.0.into()));
    assert_eq!((&parsed["nan"], &parsed["infinite"]), (&Json::Null, &Json::Null));
    assert_eq!(parsed["debug"], "\"quoted\"");
}

#[test]
fn an_error_is_written_with_its_causes() {
    #[derive(Debug)]
    struct Outer(std::num::ParseIntError);
    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("cannot read the port")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let outer = Outer("x".parse::<u16>().unwrap_err());
    let parsed: Json =
        serde_json::from_str(&json(|line| line.field("error", Value::Error(&outer)))).unwrap();
    assert_eq!(parsed["error"], "cannot read the port: invalid digit found in string");
}

proptest! {
    #[test]
    fn the_names_decided_for_a_place_are_those_that_a_line_would_decide(
        names in prop::collection::vec(
            prop::sample::select(vec!["a", "field_a", "level", "field_level", "r#type", "odd \"name"]),
            0..8,
        ),
        people: bool,
    ) {
        let format = if people { Format::Human { colours: false } } else { Format::Json };
        let decided = written_names(iter::once("message").chain(names.iter().copied()), format);
        let known = line_of_place(&decided, format, Some("said"), |line| {
            for index in 1..=names.len() {
                line.known_field(index, Value::Text("x"));
            }
            line.inherited("a", Value::Text("of the span"));
        });
        let each = line(format, Some("said"), |line| {
            for name in &names {
                line.field(name, Value::Text("x"));
            }
            line.inherited("a", Value::Text("of the span"));
        });
        prop_assert_eq!(known, each);
    }
}

#[test]
fn no_name_stands_twice() {
    let text = json(|line| {
        line.field("level", Value::Text("forged"));
        line.field("field_level", Value::U64(1));
        line.field("level", Value::U64(2));
        line.field("a", Value::U64(3));
        line.field("a", Value::U64(4));
        line.field("r#type", Value::U64(5));
        line.inherited("a", Value::U64(6));
        line.inherited("outer", Value::U64(7));
        line.inherited("outer", Value::Null);
        line.inherited("target", Value::U64(8));
    });
    assert_eq!(
        names(&text)[7..],
        [
            "field_level",
            "field_field_level",
            "field_field_field_level",
            "a",
            "field_a",
            "type",
            "outer",
            "field_target"
        ]
    );
    let parsed: Json = serde_json::from_str(&text).unwrap();
    assert_eq!((&parsed["level"], &parsed["a"]), (&"INFO".into(), &3.into()));
}

#[test]
fn a_long_value_is_cut_between_characters() {
    let long = "\u{e9}".repeat(VALUE_MAX);
    let mut text = String::new();
    let mut cut = Cut::new(&mut text);
    cut.write_str("a").unwrap();
    cut.write_str(&long).unwrap();
    cut.write_str("more").unwrap();
    assert_eq!(text.len(), VALUE_MAX - 1 + "[cut]".len());
    assert!(text.ends_with("\u{e9}[cut]"));
}

#[test]
fn a_debug_that_fails_does_not_break_the_line() {
    struct Broken;
    impl fmt::Debug for Broken {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("half")?;
            Err(fmt::Error)
        }
    }
    let text = json(|line| line.field("broken", Value::Debug(&Broken)));
    let parsed: Json = serde_json::from_str(&text).unwrap();
    assert_eq!(parsed["broken"], "half");
}

proptest! {
    #[test]
    fn whatever_is_logged_comes_back_out_of_the_json(
        message: String,
        fields in proptest::collection::vec((any::<String>(), any::<String>(), any::<bool>()), 0..8),
    ) {
        let text = line(Format::Json, Some(&message), |line| {
            for (name, value, debug) in &fields {
                if *debug {
                    line.field(name, Value::Debug(&format_args!("{value}")));
                } else {
                    line.field(name, Value::Text(value));
                }
            }
        });
        prop_assert_eq!(text.matches('\n').count(), 1);
        let all = names(&text);
        prop_assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        prop_assert_eq!(all.len(), 7 + fields.len());
        let parsed: Json = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&parsed["message"], &message);
        for (name, (_, value, _)) in all[7..].iter().zip(&fields) {
            prop_assert_eq!(&parsed[name], value);
        }
    }

    #[test]
    fn escaped_text_has_no_control_character(text: String) {
        let mut escaped = String::new();
        Escape { to: &mut escaped, quoted: false }.write_str(&text).unwrap();
        prop_assert!(escaped.chars().all(|char| !char.is_control()));
    }
}
