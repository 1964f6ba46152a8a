//! How long a response is fresh. Pure.

use std::time::Duration;

use http::{
    HeaderMap,
    header::{AGE, CACHE_CONTROL},
};

/// The shortest time between two fetches, which a server cannot shorten.
pub(super) const SHORTEST: Duration = Duration::from_secs(5 * 60);
/// The longest time between two fetches: a withdrawn key must disappear.
pub(super) const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// The lifetime if the server sends none.
pub(super) const DEFAULT: Duration = Duration::from_secs(60 * 60);

/// How long a response with this `max-age` and `Age` is fresh: the rest of it, within [`SHORTEST`]
/// and [`LONGEST`]; [`DEFAULT`] if the server sends neither.
pub(super) fn lifetime(max_age: Option<Duration>, age: Duration) -> Duration {
    max_age.map_or(DEFAULT, |max_age| max_age.saturating_sub(age).clamp(SHORTEST, LONGEST))
}

/// The greatest age that the header fields allow: 0 if the response may not be cached.
pub(super) fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers.get_all(CACHE_CONTROL).into_iter();
    let texts = lines.filter_map(|line| line.to_str().ok());
    let mut max_age = None;
    for directive in texts.flat_map(|text| text.split(',')).map(str::trim) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
            return Some(Duration::ZERO);
        }
        if name.eq_ignore_ascii_case("max-age") {
            // The first counts (RFC 9111 §4.2.1); one that is not a number means stale.
            max_age = max_age.or(Some(seconds(value.trim_matches('"'))));
        }
    }
    max_age
}

/// The age of a response when it was received.
pub(super) fn age(headers: &HeaderMap) -> Duration {
    headers.get(AGE).and_then(|age| age.to_str().ok()).map_or(Duration::ZERO, seconds)
}

/// A number of seconds; 0 if it is not one, and a long time if it is too large.
fn seconds(text: &str) -> Duration {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits {
        return Duration::ZERO;
    }
    Duration::from_secs(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn of(cache_control: &[&str], age: Option<&str>) -> Duration {
        let mut headers = HeaderMap::new();
        for line in cache_control {
            headers.append(CACHE_CONTROL, HeaderValue::from_str(line).unwrap());
        }
        if let Some(age) = age {
            headers.insert(AGE, HeaderValue::from_str(age).unwrap());
        }
        lifetime(max_age(&headers), super::age(&headers))
    }

    #[test]
    fn the_servers_word_counts_within_bounds() {
        let seconds = Duration::from_secs;
        for (lines, age, expected) in [
            (&[][..], None, DEFAULT),
            (&["public"], None, DEFAULT),
            (&["public, max-age=19800, must-revalidate"], None, seconds(19_800)),
            (&["public", "MAX-AGE=\"900\""], None, seconds(900)),
            (&["max-age=900, max-age=4000"], None, seconds(900)),
            (&["max-age=900"], Some("300"), seconds(600)),
            (&["max-age=900"], Some("x"), seconds(900)),
            (&["max-age=0"], None, SHORTEST),
            (&["max-age=-5"], None, SHORTEST),
            (&["max-age="], None, SHORTEST),
            (&["max-age=900, no-cache"], None, SHORTEST),
            (&["no-store"], None, SHORTEST),
            (&["max-age=99999999999999999999999"], None, LONGEST),
            (&["s-maxage=900"], None, DEFAULT),
        ] {
            assert_eq!(of(lines, age), expected, "{lines:?} {age:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_leaves_the_bounds(line in "[ -~]{0,60}", age in "[ -~]{0,20}") {
            let lifetime = of(&[line.trim()], Some(age.trim()));
            prop_assert!((SHORTEST..=LONGEST).contains(&lifetime));
        }
    }
}
