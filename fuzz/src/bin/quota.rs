//! Any text as a quota, and any numbers written as one: it is as fast as it says and never faster, and
//! a suggestion is a quota.
#![cfg_attr(fuzzing, no_main)]
#![expect(clippy::expect_used, reason = "a panic is how a target tells what it found")]

use hardpoint_fuzz::Numbers;
use hardpoint_ratelimit::Quota;

hardpoint_fuzz::target!(check);

fn check(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        match text.parse::<Quota>() {
            Ok(quota) => means(&quota, text),
            Err(error) => suggests(&error.to_string(), text),
        }
    }
    written(Numbers::of(data));
}

/// The error names the text and what to write instead.
fn suggests(error: &str, text: &str) {
    let start = format!("`{}` is not a quota; write ", text.escape_debug());
    let advice = error.strip_prefix(&start).expect("the text and what is wrong with it");
    if let Some(suggestion) = advice.strip_prefix('`') {
        let suggestion = suggestion.strip_suffix('`').expect("a quoted suggestion");
        assert!(suggestion.parse::<Quota>().is_ok(), "{suggestion}");
    }
}

/// The text once more, taken apart in another way.
fn means(quota: &Quota, text: &str) {
    let parts: Vec<_> = text.split(['/', ':']).map(str::trim).collect();
    let (cells, period, burst) = match parts.as_slice() {
        [cells, period] => (*cells, *period, *cells),
        [cells, period, burst] => (*cells, *period, *burst),
        _ => panic!("{text}"),
    };
    let unit = period.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let millis: u128 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => panic!("{text}"),
    };
    let number = |text: &str| text.parse::<u128>().expect("a number");
    let nanos = number(period.trim_end_matches(unit)) * millis * 1_000_000;
    assert_eq!(quota.interval().as_nanos(), nanos.div_ceil(number(cells)));
    assert_eq!(u128::from(quota.capacity()), number(burst));
    let usual = format!("{}/{}ms:{}", number(cells), nanos / 1_000_000, number(burst));
    assert_eq!(usual.parse(), Ok(*quota));
}

/// Only its numbers decide whether a text of this shape is a quota.
fn written(mut numbers: Numbers<'_>) {
    let (Some(cells), Some(millis), Some(burst)) =
        (numbers.number(), numbers.number(), numbers.number())
    else {
        return;
    };
    let text = format!("{cells}/{millis}ms:{burst}");
    let counts = 1..=u64::from(u32::MAX);
    let interval = (u128::from(millis) * 1_000_000).checked_div(cells.into()).unwrap_or_default();
    let is_quota = counts.contains(&cells)
        && counts.contains(&burst)
        && millis > 0
        && (interval < Quota::MAX_INTERVAL.as_nanos()
            || u128::from(millis) * 1_000_000
                == Quota::MAX_INTERVAL.as_nanos() * u128::from(cells));
    assert_eq!(text.parse::<Quota>().is_ok(), is_quota, "{text}");
}
