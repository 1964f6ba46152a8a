//! Writes labels as both text formats require. Pure.

use super::Bounds;

/// Appends a label. An empty value is the same as no label.
pub(super) fn label(text: &mut String, name: &str, value: &str) {
    if value.is_empty() {
        return;
    }
    if !text.is_empty() {
        text.push(',');
    }
    text.push_str(name);
    text.push_str("=\"");
    escape(value, text);
    text.push('"');
}

/// Encodes the label of each bucket, the one without a bound last.
///
/// Whole numbers are written as in OpenMetrics (`1.0`), also in the older format: a series keeps its
/// name when the scraper changes the format.
pub(super) fn bounds(bounds: &Bounds) -> Vec<String> {
    let finite = bounds.as_slice().iter().map(|bound| format!("le=\"{bound:?}\""));
    finite.chain(["le=\"+Inf\"".to_owned()]).collect()
}

/// Escapes a label's value as both formats require.
fn escape(value: &str, text: &mut String) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}
