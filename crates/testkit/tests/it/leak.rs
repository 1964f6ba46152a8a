//! What a scanner has to find, and what it must not take for a leak.

use std::io::Write;

use base64::{Engine, engine::general_purpose};
use hardpoint_testkit::leak::{CapturedLogs, LeakScanner};

/// With everything in it that some encoding writes differently.
const CANARY: &str = "s3cr\u{e9}t \"q\"\\+/?\u{1}end";

fn finds(text: impl AsRef<[u8]>) -> bool {
    let leaks = LeakScanner::new(["not in there", CANARY]).scan("output", text);
    leaks.iter().any(|leak| leak.to_string().starts_with("output holds canary 1 as"))
}

#[test]
fn plain_and_escaped_text_is_found() {
    let json = serde_json::json!({ "password": CANARY }).to_string();
    let in_json_in_a_log = serde_json::json!({ "body": json }).to_string();
    for (form, text) in [
        ("plain", format!("before {CANARY} after")),
        ("Debug", format!("{:?}", Some(CANARY))),
        ("Debug of Debug", format!("{:?}", format!("{CANARY:?}"))),
        ("JSON", json.clone()),
        ("JSON in JSON", in_json_in_a_log),
        ("ASCII JSON", json.replace('\u{e9}', "\\u00e9").replace('/', "\\/")),
        ("escape_ascii", CANARY.as_bytes().escape_ascii().to_string()),
    ] {
        assert!(finds(&text), "{form}: {text}");
    }
}

#[test]
fn percent_encoding_is_found_however_much_of_it_is_encoded() {
    let encode = |plain: fn(u8) -> bool, upper: bool| {
        let encoded = CANARY.bytes().map(|byte| match byte {
            byte if plain(byte) => char::from(byte).to_string(),
            byte if upper => format!("%{byte:02X}"),
            byte => format!("%{byte:02x}"),
        });
        encoded.collect::<String>()
    };
    for upper in [false, true] {
        assert!(finds(encode(|byte| byte.is_ascii_alphanumeric(), upper)));
        assert!(finds(encode(|byte| byte.is_ascii_graphic() && byte != b'%', upper)));
        assert!(finds(encode(|_| false, upper)));
    }
    let form = encode(|byte| byte.is_ascii_alphanumeric() || byte == b' ', true);
    assert!(finds(form.replace(' ', "+")));
}

#[test]
fn base64_is_found_at_every_offset_in_both_alphabets() {
    for before in ["", "u", "us", "use", "user:"] {
        for after in ["", "x", "xy", "xyz"] {
            let text = format!("{before}{CANARY}{after}");
            for engine in [
                general_purpose::STANDARD,
                general_purpose::URL_SAFE,
                general_purpose::STANDARD_NO_PAD,
            ] {
                assert!(finds(engine.encode(&text)), "{text}");
            }
        }
    }
}

#[test]
fn bytes_as_numbers_are_found() {
    let bytes = CANARY.as_bytes();
    assert!(finds(format!("{bytes:?}")));
    assert!(finds(format!("{bytes:#?}")));
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(finds(&hex));
    assert!(finds(hex.to_uppercase()));
}

#[test]
fn what_holds_no_canary_is_clean() {
    let scanner = LeakScanner::new([CANARY]);
    scanner.assert_clean("nothing", "");
    scanner.assert_clean("redacted", "Secret([redacted]) \\u00 \\x %e %zz \\u{110000} \\");
    scanner.assert_clean("a part", CANARY.get(..7).unwrap_or_default());
}

#[test]
fn a_finding_does_not_show_the_canary() {
    let scanner = LeakScanner::new([CANARY]);
    let found = super::contract::broken(|| scanner.assert_clean("a line", CANARY));
    assert_eq!(found, "a line holds canary 0 as plain text");
    assert!(!finds(format!("{scanner:?} {found}")));
}

#[test]
fn captured_logs_are_shared_by_all_writers() {
    let logs = CapturedLogs::default();
    let make = logs.writer();
    assert!(writeln!(make(), "first").is_ok());
    assert!(writeln!(make(), "second").is_ok());
    assert_eq!(logs.lines(), ["first", "second"]);
    assert_eq!(logs.bytes(), b"first\nsecond\n");
    logs.clear();
    assert_eq!(logs.text(), "");
}

#[cfg(target_os = "linux")]
mod memory {
    use std::hint::black_box;

    use hardpoint_testkit::leak::{mask, memory_contains, unmask};

    #[test]
    fn a_live_value_is_found_on_the_heap_and_on_the_stack() {
        const HEAP: [u8; 32] = mask(*b"heap canary 92b1c07e5fd34a68 hea");
        const STACK: [u8; 32] = mask(*b"stack canary e07d41c9a25b8f36 st");
        assert!(!memory_contains(&HEAP));
        let value: Vec<u8> = unmask(&HEAP).collect();
        assert!(memory_contains(&HEAP));
        drop(black_box(value));

        assert!(!memory_contains(&STACK));
        let mut value = [0; 32];
        value.iter_mut().zip(unmask(&STACK)).for_each(|(to, from)| *to = from);
        assert!(memory_contains(black_box(&STACK)));
        black_box(&value);
    }

    #[test]
    fn a_value_that_was_freed_without_wiping_is_found_and_a_wiped_one_is_not() {
        const FREED: [u8; 48] = mask(*b"freed canary 5d0f83be7a1946c2 freed canary 5d0f8");
        const WIPED: [u8; 48] = mask(*b"wiped canary c81e57a3f0269bd4 wiped canary c81e5");
        // A size that the search itself does not ask for: it would write over what was freed.
        let with_space_before = |masked: &'static [u8]| {
            let mut value = Vec::with_capacity(600);
            value.resize(300, 0);
            value.extend(unmask(masked));
            value
        };
        drop(black_box(with_space_before(&FREED)));
        assert!(memory_contains(&FREED));

        let mut value = with_space_before(&WIPED);
        assert!(memory_contains(&WIPED));
        value.fill(0);
        drop(black_box(value));
        assert!(!memory_contains(&WIPED));
    }

    #[test]
    fn a_value_across_the_border_of_two_reads_is_found() {
        const ACROSS: [u8; 32] = mask(*b"border canary 3fa8d60b1c72e495 b");
        let mut large = vec![0_u8; 1 << 18];
        for start in [0, 4096, 1 << 16, (1 << 17) - 16, (1 << 18) - 32] {
            large.fill(0);
            assert!(!memory_contains(&ACROSS), "before {start}");
            let target = large.iter_mut().skip(start);
            target.zip(unmask(&ACROSS)).for_each(|(to, from)| *to = from);
            assert!(memory_contains(&ACROSS), "at {start}");
        }
        black_box(large);
    }
}
