//! `traceparent` (W3C Trace Context, level 2).

use hardpoint_core::{SpanId, TraceContext, TraceId};

/// The length of version 00: `00-` 32 digits `-` 16 digits `-` 2 digits.
const LEN: usize = 55;

/// Parses the trace from a field's value. Returns `None` unless the whole value is valid.
///
/// Version 00 has exactly 55 bytes. A higher version may continue after another `-`, which is
/// ignored. Version `ff` does not exist. Digits are lower case, and no id is all zero.
pub(crate) fn parse(value: &[u8]) -> Option<TraceContext> {
    let value = value.trim_ascii();
    let (known, rest) = value.split_at_checked(LEN)?;
    let [v1, v2, b'-', ids @ ..] = known else {
        return None;
    };
    let version = byte(*v1, *v2)?;
    let whole = match version {
        0 => rest.is_empty(),
        0xff => false,
        _ => matches!(rest.first(), None | Some(b'-')),
    };
    let (trace, after) = ids.split_at_checked(32)?;
    let (parent, flags) = after.strip_prefix(b"-")?.split_at_checked(16)?;
    let [b'-', f1, f2] = flags else { return None };
    let flags = byte(*f1, *f2)?;
    if !whole {
        return None;
    }
    let parent = SpanId::from_bytes(hex(parent)?)?;
    Some(TraceContext::new(TraceId::from_bytes(hex(trace)?)?, Some(parent), flags))
}

/// The flags that are passed on: sampled, and that the id is random. The others have no meaning yet,
/// so they are sent as zero (level 2, section 3.2.2.5).
pub(crate) const KNOWN_FLAGS: u8 = SAMPLED | RANDOM;

/// The flag of a trace that is recorded.
pub(crate) const SAMPLED: u8 = 1;
/// The flag of a trace whose id is random.
pub(crate) const RANDOM: u8 = 2;

/// Writes version 00 of the field for the children of `span`.
pub(crate) fn write(trace: TraceContext, span: SpanId) -> [u8; LEN] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";

    let (mut trace_id, mut span_id) = ([0; 32], [0; 16]);
    let _digits = (trace.trace_id.encode(&mut trace_id), span.encode(&mut span_id));
    let mut text = *b"00-iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii-ssssssssssssssss-0f";
    text[3..35].copy_from_slice(&trace_id);
    text[36..52].copy_from_slice(&span_id);
    text[LEN - 1] = DIGITS[usize::from(trace.flags & KNOWN_FLAGS)];
    text
}

/// Reads as many bytes from lowercase digits, and no more.
pub(super) fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    for (slot, [high, low]) in bytes.iter_mut().zip(pairs) {
        *slot = byte(*high, *low)?;
    }
    Some(bytes)
}

fn byte(high: u8, low: u8) -> Option<u8> {
    Some((digit(high)? << 4) | digit(low)?)
}

fn digit(char: u8) -> Option<u8> {
    match char {
        b'0'..=b'9' => Some(char - b'0'),
        b'a'..=b'f' => Some(char - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn the_table_of_the_standard() {
        let parent = "00f067aa0ba902b7";
        for (value, accepted) in [
            (format!("00-{TRACE}-{parent}-01"), true),
            (format!("00-{TRACE}-{parent}-00"), true),
            (format!("00-{TRACE}-{parent}-ff"), true),
            (format!(" \t00-{TRACE}-{parent}-01\t "), true),
            (format!("cc-{TRACE}-{parent}-01"), true),
            (format!("cc-{TRACE}-{parent}-01-what-comes"), true),
            (format!("cc-{TRACE}-{parent}-01.what-comes"), false),
            (format!("00-{TRACE}-{parent}-01-"), false),
            (format!("00-{TRACE}-{parent}-01-what-comes"), false),
            (format!("ff-{TRACE}-{parent}-01"), false),
            (format!("0-{TRACE}-{parent}-01"), false),
            (format!("000-{TRACE}-{parent}-01"), false),
            (format!(".0-{TRACE}-{parent}-01"), false),
            (format!("00-{}-{parent}-01", TRACE.to_uppercase()), false),
            (format!("00-{TRACE}-{}-01", parent.to_uppercase()), false),
            (format!("00-{TRACE}-{parent}-0A"), false),
            (format!("00-{TRACE}-{parent}-1"), false),
            (format!("00-{TRACE}-{parent}-001"), false),
            (format!("00-{TRACE}-{parent}-.0"), false),
            (format!("00-{}-{parent}-01", "0".repeat(32)), false),
            (format!("00-{TRACE}-{}-01", "0".repeat(16)), false),
            (format!("00-{}-{parent}-01", &TRACE[1..]), false),
            (format!("00-{TRACE}0-{parent}-01"), false),
            (format!("00-{TRACE}-{}-01", &parent[1..]), false),
            (format!("00-{TRACE}-{parent}0-01"), false),
            (format!("00_{TRACE}_{parent}_01"), false),
            (format!("00-{TRACE}-{parent}-01,00-{TRACE}-{parent}-01"), false),
            (String::new(), false),
        ] {
            let parsed = parse(value.as_bytes()).map(|trace| trace.trace_id.to_string());
            assert_eq!(parsed.as_deref(), accepted.then_some(TRACE), "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(value: Vec<u8>) {
            let _ = parse(&value);
        }

        #[test]
        fn ids_parent_and_flags_survive(
            trace in any::<[u8; 16]>().prop_filter("zero", |id| *id != [0; 16]),
            parent in 1..u64::MAX,
            flags: u8,
        ) {
            let id = TraceId::from_bytes(trace).unwrap();
            let value = format!("00-{id}-{parent:016x}-{flags:02x}");
            let parent = SpanId::from_bytes(parent.to_be_bytes());
            let written = write(TraceContext::new(id, None, flags), parent.unwrap());
            let known = format!("{}{:02x}", &value[..LEN - 2], flags & KNOWN_FLAGS);
            prop_assert_eq!(std::str::from_utf8(&written), Ok(known.as_str()));
            prop_assert_eq!(parse(value.as_bytes()), Some(TraceContext::new(id, parent, flags)));
        }
    }
}
