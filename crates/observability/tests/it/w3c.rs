//! The cases of the W3C's test suite for Trace Context level 2, each named after its test.

use http::HeaderMap;

pub(crate) const TRACE: &str = "12345678901234567890123456789012";
pub(crate) const PARENT: &str = "1234567890123456";

/// Whether a case sends this trace. Some cases send two.
pub(crate) fn was_sent(trace: &str) -> bool {
    trace == TRACE || trace == "12345678901234567890123456789011"
}

/// `propagates_random_flag`: flags as they are sent to a service, and as it passes them on.
pub(crate) const FLAGS: [(&str, u8); 6] =
    [("00", 0), ("01", 1), ("02", 2), ("03", 3), ("ff", 3), ("fc", 0)];

/// A test, the headers that it sends, and whether the service continues the trace.
type Parent = (&'static str, Vec<(&'static str, String)>, bool);

pub(crate) fn parents() -> Vec<Parent> {
    let valid = format!("00-{TRACE}-{PARENT}-01");
    let future = format!("cc-{TRACE}-{PARENT}-01");
    let changed = |from: &str, to: &str| valid.replacen(from, to, 1);
    vec![
        ("both_traceparent_and_tracestate_missing", vec![], false),
        ("traceparent_included_tracestate_missing", vec![("traceparent", valid.clone())], true),
        (
            "traceparent_duplicated",
            vec![("traceparent", changed("9012-", "9011-")), ("traceparent", valid.clone())],
            false,
        ),
        ("traceparent_header_name", vec![("trace-parent", valid.clone())], false),
        ("traceparent_header_name", vec![("trace.parent", valid.clone())], false),
        ("traceparent_header_name_valid_casing", vec![("TraceParent", valid.clone())], true),
        ("traceparent_header_name_valid_casing", vec![("TRACEPARENT", valid.clone())], true),
        ("traceparent_version_0x00", vec![("traceparent", format!("{valid}."))], false),
        ("traceparent_version_0x00", vec![("traceparent", format!("{valid}-what-comes"))], false),
        ("traceparent_version_0xcc", vec![("traceparent", future.clone())], true),
        ("traceparent_version_0xcc", vec![("traceparent", format!("{future}-what-comes"))], true),
        ("traceparent_version_0xcc", vec![("traceparent", format!("{future}.what-comes"))], false),
        ("traceparent_version_0xff", vec![("traceparent", changed("00-", "ff-"))], false),
        (
            "traceparent_version_illegal_characters",
            vec![("traceparent", changed("00-", ".0-"))],
            false,
        ),
        (
            "traceparent_version_illegal_characters",
            vec![("traceparent", changed("00-", "0.-"))],
            false,
        ),
        ("traceparent_version_too_long", vec![("traceparent", changed("00-", "000-"))], false),
        ("traceparent_version_too_long", vec![("traceparent", changed("00-", "0000-"))], false),
        ("traceparent_version_too_short", vec![("traceparent", changed("00-", "0-"))], false),
        (
            "traceparent_trace_id_all_zero",
            vec![("traceparent", changed(TRACE, &"0".repeat(32)))],
            false,
        ),
        (
            "traceparent_trace_id_illegal_characters",
            vec![("traceparent", changed("-12", "-.2"))],
            false,
        ),
        (
            "traceparent_trace_id_illegal_characters",
            vec![("traceparent", changed("12-", "1.-"))],
            false,
        ),
        ("traceparent_trace_id_too_long", vec![("traceparent", changed("12-", "123-"))], false),
        ("traceparent_trace_id_too_short", vec![("traceparent", changed("12-", "1-"))], false),
        (
            "traceparent_parent_id_all_zero",
            vec![("traceparent", changed(&format!("-{PARENT}-"), "-0000000000000000-"))],
            false,
        ),
        (
            "traceparent_parent_id_illegal_characters",
            vec![("traceparent", changed("56-01", "5.-01"))],
            false,
        ),
        (
            "traceparent_parent_id_too_long",
            vec![("traceparent", changed("56-01", "567-01"))],
            false,
        ),
        ("traceparent_parent_id_too_short", vec![("traceparent", changed("56-01", "5-01"))], false),
        (
            "traceparent_trace_flags_illegal_characters",
            vec![("traceparent", changed("-01", "-.0"))],
            false,
        ),
        (
            "traceparent_trace_flags_illegal_characters",
            vec![("traceparent", changed("-01", "-0."))],
            false,
        ),
        ("traceparent_trace_flags_too_long", vec![("traceparent", changed("-01", "-001"))], false),
        ("traceparent_trace_flags_too_short", vec![("traceparent", changed("-01", "-1"))], false),
        ("traceparent_ows_handling", vec![("traceparent", format!(" {valid}"))], true),
        ("traceparent_ows_handling", vec![("traceparent", format!("\t{valid}"))], true),
        ("traceparent_ows_handling", vec![("traceparent", format!("{valid} "))], true),
        ("traceparent_ows_handling", vec![("traceparent", format!("\t {valid} \t"))], true),
    ]
}

/// A test, the lines of `tracestate` that it sends, and what the service passes on.
type State = (&'static str, Vec<String>, Option<String>);

pub(crate) fn states() -> Vec<State> {
    let many = |from: usize, to: usize| {
        (from..=to).map(|n| format!("bar{n:02}={n:02}")).collect::<Vec<_>>().join(",")
    };
    let long = |length: usize| format!("{}=1", "z".repeat(length));
    vec![
        ("included", vec!["foo=1,bar=2".to_owned()], Some("foo=1,bar=2".to_owned())),
        ("empty_header", vec![String::new()], None),
        ("empty_header", vec!["foo=1".into(), String::new()], Some("foo=1".into())),
        ("empty_header", vec![String::new(), "foo=1".into()], Some("foo=1".into())),
        (
            "multiple_headers_different_keys",
            vec!["foo=1,bar=2".into(), "rojo=1,congo=2".into(), "baz=3".into()],
            Some("foo=1,bar=2,rojo=1,congo=2,baz=3".into()),
        ),
        ("duplicated_keys", vec!["foo=1,foo=1".into()], Some("foo=1".into())),
        ("duplicated_keys", vec!["foo=1".into(), "foo=2".into()], Some("foo=1".into())),
        (
            "ows_handling",
            vec!["foo=1 \t , \t bar=2, \t baz=3".into()],
            Some("foo=1,bar=2,baz=3".into()),
        ),
        ("ows_handling", vec!["\t foo=1 \t".into()], Some("foo=1".into())),
        ("key_illegal_characters", vec!["foo =1".into()], None),
        ("key_illegal_characters", vec!["FOO=1".into()], None),
        ("key_illegal_characters", vec!["foo.bar=1".into()], None),
        ("key_illegal_vendor_format", vec!["foo@=1,bar=2".into()], Some("foo@=1,bar=2".into())),
        ("key_illegal_vendor_format", vec!["@foo=1,bar=2".into()], None),
        (
            "key_illegal_vendor_format",
            vec!["foo@@bar=1,bar=2".into()],
            Some("foo@@bar=1,bar=2".into()),
        ),
        ("member_count_limit", vec![many(1, 20), many(21, 32)], Some(many(1, 32))),
        ("member_count_limit", vec![many(1, 20), many(21, 33)], None),
        ("key_length_limit", vec!["foo=1".into(), long(256)], Some(format!("foo=1,{}", long(256)))),
        ("key_length_limit", vec!["foo=1".into(), long(257)], None),
        ("value_illegal_characters", vec!["foo=bar=baz".into()], None),
        ("value_illegal_characters", vec!["foo=,bar=3".into()], None),
    ]
}

/// The trace id, the parent id and the flags of a valid `traceparent` that appears once.
pub(crate) fn trace(headers: &HeaderMap) -> (String, String, u8) {
    let values: Vec<_> = headers.get_all("traceparent").iter().collect();
    let [value] = values.as_slice() else { panic!("{values:?}") };
    let parts: Vec<_> = value.to_str().unwrap().split('-').collect();
    let ["00", trace, parent, flags] = parts.as_slice() else { panic!("{parts:?}") };
    for (part, length) in [(trace, 32), (parent, 16), (flags, 2)] {
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        assert!(part.len() == length && part.bytes().all(is_hex), "{parts:?}");
    }
    assert!(
        !trace.trim_matches('0').is_empty() && !parent.trim_matches('0').is_empty(),
        "{parts:?}"
    );
    ((*trace).to_owned(), (*parent).to_owned(), u8::from_str_radix(flags, 16).unwrap())
}

pub(crate) fn state(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all("tracestate").iter();
    let value = values.next().map(|value| value.to_str().unwrap());
    assert!(values.next().is_none());
    value
}
