//! The text with which a framework or a handler refused a request.

use std::{
    pin::pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Body;

/// More is cut off: a longer text is a page and no reason.
const MAX_LEN: usize = 1024;
/// Texts come in one frame.
const MAX_FRAMES: usize = 16;

/// Reads the text of a body, as far as it is there: a body that is not ready is not a text that
/// an extractor wrote. `None` if nothing is there.
pub(super) fn read<B>(body: B, cx: &mut Context<'_>) -> Option<String>
where
    B: Body<Data = Bytes>,
{
    let mut body = pin!(body);
    let mut text = Vec::new();
    for _ in 0..MAX_FRAMES {
        let Poll::Ready(Some(Ok(frame))) = body.as_mut().poll_frame(cx) else { break };
        let Ok(data) = frame.into_data() else { break };
        let room = MAX_LEN - text.len();
        text.extend_from_slice(data.get(..room).unwrap_or(&data));
        if text.len() == MAX_LEN {
            break;
        }
    }
    let text = String::from_utf8_lossy(&text);
    let one_line: Vec<_> =
        text.split(|character: char| character.is_control()).map(str::trim).collect();
    let one_line = one_line.join(" ");
    (!one_line.trim().is_empty()).then(|| one_line.trim().to_owned())
}

/// The text without the values that a client sent, which may be secret or personal: serde and axum
/// quote them.
pub(super) fn without_values(text: &str) -> String {
    // What serde writes before a value in backticks, and axum before a part of the path.
    const BEFORE_VALUE: [&str; 7] = [
        "integer ",
        "boolean ",
        "floating point ",
        "character ",
        "unknown variant ",
        "Cannot parse ",
        "value ",
    ];

    // A name with a quote, which serde does not escape, makes it uncertain what is quoted.
    if text.matches('"').count() % 2 == 1 {
        let start = text.find('"').unwrap_or(text.len());
        return format!("{}[value]", text.get(..start).unwrap_or_default());
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(['"', '`']) {
        let (before, quoted) = rest.split_at(start);
        clean.push_str(before);
        let is_string = quoted.starts_with('"');
        let is_value = is_string || BEFORE_VALUE.iter().any(|word| clean.ends_with(word));
        let Some(length) = end(quoted, is_string) else {
            // An open quote: the text was cut off.
            clean.push_str(if is_value { "[value]" } else { quoted });
            return clean;
        };
        let (quoted, after) = quoted.split_at(length);
        clean.push_str(if is_value { "[value]" } else { quoted });
        rest = after;
    }
    clean.push_str(rest);
    clean
}

/// The length of the quoted text at the beginning, with both quotes.
fn end(quoted: &str, is_string: bool) -> Option<usize> {
    let quote = if is_string { '"' } else { '`' };
    let mut escaped = false;
    for (index, character) in quoted.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' if is_string => escaped = true,
            _ if character == quote => return Some(index + character.len_utf8()),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fields_stay_and_values_do_not() {
        for (text, expected) in [
            ("missing field `text` at line 1 column 9", "missing field `text` at line 1 column 9"),
            ("unknown field `txt`, expected `text`", "unknown field `txt`, expected `text`"),
            (
                r#"password: invalid type: string "hunter2", expected u32 at line 1"#,
                "password: invalid type: string [value], expected u32 at line 1",
            ),
            (
                r#"invalid type: string "a \"quoted\" secret", expected u32"#,
                "invalid type: string [value], expected u32",
            ),
            (
                "pin: invalid type: integer `4711`, expected a string",
                "pin: invalid type: integer [value], expected a string",
            ),
            (
                "invalid value: floating point `1.5`, expected u8",
                "invalid value: floating point [value], expected u8",
            ),
            (
                "unknown variant `alice`, expected `read` or `write`",
                "unknown variant [value], expected `read` or `write`",
            ),
            (
                "Invalid URL: Cannot parse `alice` to a `u64`",
                "Invalid URL: Cannot parse [value] to a `u64`",
            ),
            (
                r#"Cannot parse `id` with value `"alice"` to a `u64`"#,
                "Cannot parse [value] with value [value] to a `u64`",
            ),
            (r#"invalid type: string "cut o"#, "invalid type: string [value]"),
            (r#"a"b: invalid type: string "hunter2", expected u32"#, "a[value]"),
            ("expected `a", "expected `a"),
            ("", ""),
        ] {
            assert_eq!(without_values(text), expected);
        }
    }
}
