//! Which format a scraper gets.

use http::{HeaderMap, header::ACCEPT};

use super::Format;

/// Chooses the format by the `Accept` fields (RFC 9110, section 12.5.1): OpenMetrics if the scraper
/// names it with a weight that is not lower than that of text, else text. A scraper that accepts
/// neither gets text, which the RFC allows and a person can read.
pub(in crate::metrics) fn negotiate(headers: &HeaderMap) -> Format {
    let (mut open, mut text) = (0, 0);
    // A range that names text beats one that merely includes it.
    let mut included = 0;
    let fields = headers.get_all(ACCEPT).iter().filter_map(|field| field.to_str().ok());
    for range in fields.flat_map(|field| field.split(',')) {
        let (media, weight) = parse(range);
        match media {
            Media::OpenMetrics => open = open.max(weight),
            Media::Text => text = text.max(weight),
            Media::Includes => included = included.max(weight),
            Media::Other => {}
        }
    }
    let text = if text > 0 { text } else { included };
    if open > 0 && open >= text { Format::OpenMetrics } else { Format::Text }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Media {
    OpenMetrics,
    Text,
    /// `text/*` or `*/*`.
    Includes,
    Other,
}

/// Parses a media range. The weight is in thousandths.
fn parse(range: &str) -> (Media, u16) {
    let mut parts = range.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let (mut version, mut weight) = (None, 1000);
    for parameter in parts {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim().trim_matches('"');
        if name.trim().eq_ignore_ascii_case("q") {
            weight = thousandths(value);
        } else if name.trim().eq_ignore_ascii_case("version") {
            version = Some(value);
        }
    }
    let is = |media: &str, versions: &[&str]| {
        name.eq_ignore_ascii_case(media)
            && version.is_none_or(|version| versions.contains(&version))
    };
    let media = if is("application/openmetrics-text", &["1.0.0"]) {
        Media::OpenMetrics
    } else if is("text/plain", &["0.0.4"]) {
        Media::Text
    } else if name == "*/*" || name.eq_ignore_ascii_case("text/*") {
        Media::Includes
    } else {
        Media::Other
    };
    (media, weight)
}

/// Parses a weight (`0.75`). One that is malformed counts as 0: the range was not meant to be
/// preferred.
fn thousandths(value: &str) -> u16 {
    let weight: f32 = value.parse().unwrap_or(0.0);
    // In the range of the type, so the conversion only drops a fraction.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
    let weight = (weight.clamp(0.0, 1.0) * 1000.0).round() as u16;
    weight
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn accept(fields: &[&str]) -> Format {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(ACCEPT, HeaderValue::from_str(field).unwrap());
        }
        negotiate(&headers)
    }

    #[test]
    fn the_heaviest_format_wins() {
        use Format::{OpenMetrics, Text};

        for (fields, format) in [
            (&[][..], Text),
            (&["*/*"], Text),
            (&["text/html,*/*;q=0.1"], Text),
            (&["application/json"], Text),
            (&["text/plain"], Text),
            (&["application/openmetrics-text"], OpenMetrics),
            (&["Application/OpenMetrics-Text; Version=1.0.0"], OpenMetrics),
            (&["application/openmetrics-text;version=\"1.0.0\""], OpenMetrics),
            (&["application/openmetrics-text;version=0.0.1"], Text),
            (&["application/openmetrics-text;q=0, text/plain"], Text),
            (&["application/openmetrics-text;q=0.5,text/plain;q=0.6"], Text),
            (&["application/openmetrics-text;q=0.6,text/plain;q=0.5"], OpenMetrics),
            (&["application/openmetrics-text;q=0.6,*/*;q=0.7"], Text),
            (&["text/plain;q=0.5", "application/openmetrics-text"], OpenMetrics),
            (&["application/openmetrics-text;q=nan"], Text),
            // Prometheus 2.42 and 3.
            (
                &["application/openmetrics-text;version=1.0.0,application/openmetrics-text;\
                   version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"],
                OpenMetrics,
            ),
            (
                &["application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                   application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;\
                   escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"],
                OpenMetrics,
            ),
        ] {
            assert_eq!(accept(fields), format, "{fields:?}");
        }
    }

    proptest! {
        #[test]
        fn any_field_gets_an_answer(field in "[ -~]*") {
            accept(&[&field]);
        }
    }
}
