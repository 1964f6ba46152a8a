//! The part of a query that the access line shows. Pure: it depends only on the texts.

use std::borrow::Cow;

use http::Uri;

/// The longest query that is logged, in bytes.
const QUERY_MAX: usize = 256;

/// Replaces the parameters that the line does not show.
const HIDDEN: &str = "[redacted]";

/// What is shown of a request's query, if parameters are to be shown.
pub(super) fn of(uri: &Uri, names: Option<&[Cow<'static, str>]>) -> Option<Box<str>> {
    shown(uri.query()?, names?)
}

/// Returns the parameters with these names, decoded. All others together are one `[redacted]`: their
/// names come from the client as well. `None` if the query is empty.
fn shown(query: &str, names: &[Cow<'static, str>]) -> Option<Box<str>> {
    let mut text = String::new();
    let mut hides = false;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name);
        if !names.contains(&name) || text.len() >= QUERY_MAX {
            hides = true;
            continue;
        }
        separate(&mut text);
        text.push_str(&name);
        text.push('=');
        text.push_str(&decode(value));
    }
    if text.len() > QUERY_MAX {
        text.truncate(text.floor_char_boundary(QUERY_MAX));
        text.push('…');
    }
    if hides {
        separate(&mut text);
        text.push_str(HIDDEN);
    }
    (!text.is_empty()).then(|| text.into())
}

fn separate(text: &mut String) {
    if !text.is_empty() {
        text.push('&');
    }
}

/// Decodes `%2B` and `+`, because the log finds secrets in plain text. Bytes that are not UTF-8
/// become U+FFFD.
fn decode(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        decoded.push(match (byte, tail) {
            (b'+', _) => b' ',
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    rest = after;
                    high << 4 | low
                }
                _ => b'%',
            },
            (byte, _) => *byte,
        });
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

/// The value of a hexadecimal digit.
fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [Cow<'static, str>; 2] = [Cow::Borrowed("page"), Cow::Borrowed("sort by")];

    #[test]
    fn only_named_parameters_are_shown_and_the_others_leave_one_mark() {
        for (query, expected) in [
            ("", None),
            ("&&", None),
            ("page=2", Some("page=2")),
            ("page", Some("page=")),
            ("page=2&page=3", Some("page=2&page=3")),
            ("sort+by=a%26b&page=1", Some("sort by=a&b&page=1")),
            ("sort%20by=%c3%A9%zz%4", Some("sort by=é%zz%4")),
            ("page=%ff", Some("page=\u{fffd}")),
            ("secret", Some("[redacted]")),
            ("a=1&page=2&token=x", Some("page=2&[redacted]")),
            ("PAGE=2", Some("[redacted]")),
        ] {
            assert_eq!(shown(query, &NAMES).as_deref(), expected, "{query}");
        }
    }

    #[test]
    fn a_long_query_is_cut() {
        let long = format!("page={}é&page=2", "x".repeat(QUERY_MAX - 6));
        let text = shown(&long, &NAMES).unwrap();
        assert_eq!(text.len(), QUERY_MAX - 1 + "…&[redacted]".len(), "{text}");
        assert!(text.ends_with("x…&[redacted]"), "{text}");
    }
}
