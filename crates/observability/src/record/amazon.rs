//! `X-Amzn-Trace-Id`, the trace header of AWS's load balancers and X-Ray.

use hardpoint_core::{SpanId, TraceContext, TraceId};

use super::traceparent::hex;

/// The flag of a trace that is recorded.
const SAMPLED: u8 = 1;

/// Reads `Root=1-67891233-abcdef012345678912345678;Parent=53995c3f42cd8ad8;Sampled=1`.
///
/// The fields come in any order, and unknown ones are ignored. `Root` is required; a trace without
/// `Parent` begins here, and one without a decision (`Sampled=?`, or none) is sampled.
pub(super) fn parse(value: &[u8]) -> Option<TraceContext> {
    let (mut root, mut parent, mut sampled) = (None, None, true);
    for field in value.split(|byte| *byte == b';') {
        match field.trim_ascii() {
            [b'R', b'o', b'o', b't', b'=', id @ ..] => {
                if root.is_some() {
                    return None;
                }
                root = Some(root_of(id)?);
            }
            [b'P', b'a', b'r', b'e', b'n', b't', b'=', id @ ..] => {
                parent = Some(SpanId::from_bytes(hex(id)?)?);
            }
            b"Sampled=0" => sampled = false,
            _ => {}
        }
    }
    // The first four bytes are a time.
    Some(TraceContext::new(root?, parent, if sampled { SAMPLED } else { 0 }))
}

/// The same id as in `traceparent`: a version, 8 digits of seconds, 24 random digits.
fn root_of(id: &[u8]) -> Option<TraceId> {
    let (seconds, rest) = id.strip_prefix(b"1-")?.split_at_checked(8)?;
    let digits = [seconds, rest.strip_prefix(b"-")?].concat();
    TraceId::from_bytes(hex(&digits)?)
}

/// Writes the header for a call of `span`.
pub(crate) fn write(trace: TraceContext, span: SpanId) -> String {
    let id = trace.trace_id.to_string();
    let (seconds, random) = id.split_at(8);
    let sampled = u8::from(trace.is_sampled());
    format!("Root=1-{seconds}-{random};Parent={span};Sampled={sampled}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_balancers_header_is_read() {
        let root = "Root=1-67891233-abcdef012345678912345678";
        let id = "67891233abcdef012345678912345678";
        let parent = "53995c3f42cd8ad8";
        for (value, expected) in [
            (root.to_owned(), Some((None, true))),
            (format!("{root};Parent={parent};Sampled=1"), Some((Some(parent), true))),
            (format!("{root};Parent={parent};Sampled=0"), Some((Some(parent), false))),
            (format!("{root};Sampled=?"), Some((None, true))),
            (format!("Self=1-67891234-12456789abcdef012345678;{root}"), Some((None, true))),
            (
                format!("Sampled=0 ; Parent={parent} ; {root} ;Lineage=a:1"),
                Some((Some(parent), false)),
            ),
            (format!("{root};{root}"), None),
            (format!("{root}0"), None),
            (root.to_uppercase(), None),
            (format!("{root};Parent=0000000000000000"), None),
            (format!("{root};Parent=53995C3F42CD8AD8"), None),
            ("Root=1-00000000-000000000000000000000000".to_owned(), None),
            ("Root=2-67891233-abcdef012345678912345678".to_owned(), None),
            ("Root=1-67891233abcdef012345678912345678".to_owned(), None),
            ("Self=1-67891233-abcdef012345678912345678".to_owned(), None),
            (String::new(), None),
        ] {
            let read = parse(value.as_bytes());
            let seen =
                read.map(|trace| (trace.parent_id.map(|id| id.to_string()), trace.is_sampled()));
            let expected = expected.map(|(parent, sampled)| (parent.map(str::to_owned), sampled));
            assert_eq!(seen, expected, "{value}");
            assert!(read.is_none_or(|trace| trace.trace_id.to_string() == id), "{value}");
        }
    }

    #[test]
    fn a_trace_survives_the_round() {
        let id = TraceId::from_bytes(*b"0123456789abcdef").unwrap();
        let span = SpanId::from_bytes(*b"01234567").unwrap();
        for flags in [0, SAMPLED] {
            let text = write(TraceContext::new(id, None, flags | 2), span);
            assert_eq!(parse(text.as_bytes()), Some(TraceContext::new(id, Some(span), flags)));
        }
    }
}
