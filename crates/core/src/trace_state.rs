//! The entries that tracing systems add to a trace (`tracestate`, W3C Trace Context).

use std::fmt;

use http::HeaderValue;

/// The entries that tracing systems added to a trace: the list in `tracestate` (W3C Trace Context
/// level 2, section 3.3), which belongs to a [`TraceContext`](crate::TraceContext) and is passed on
/// with it.
///
/// `Debug` shows only the length: the values belong to others.
#[derive(Clone, PartialEq, Eq)]
pub struct TraceState(HeaderValue);

impl TraceState {
    /// The most members of a list. The standard allows no more.
    pub const MAX_MEMBERS: usize = 32;

    /// The longest list, in bytes. The standard asks for at least 512.
    pub const MAX_LEN: usize = 4096;

    /// Reads the values of all `tracestate` fields of a request, in their order.
    ///
    /// The list is valid only as a whole. Returns `None` if it has no member, or if any of the
    /// following hold:
    /// 1. A key is not 1 to 256 bytes of `a-z 0-9 _ - * / @`, or begins with another byte than a
    ///    letter or a digit.
    /// 2. A value is not 1 to 256 visible bytes without `,` and `=`. Spaces may be inside.
    /// 3. The list has more than [`MAX_MEMBERS`](Self::MAX_MEMBERS) members, or more than
    ///    [`MAX_LEN`](Self::MAX_LEN) bytes.
    ///
    /// Empty members, spaces and tabs around members, and a second member with the same key are left
    /// out.
    #[must_use]
    pub fn from_headers<'a>(values: impl IntoIterator<Item = &'a HeaderValue>) -> Option<Self> {
        let mut list = Vec::new();
        let mut keys: Vec<&[u8]> = Vec::new();
        for value in values {
            for member in value.as_bytes().split(|byte| *byte == b',') {
                let member = trim(member);
                if member.is_empty() {
                    continue;
                }
                let key = key_of(member)?;
                if keys.contains(&key) {
                    continue;
                }
                keys.push(key);
                if keys.len() > Self::MAX_MEMBERS {
                    return None;
                }
                if !list.is_empty() {
                    list.push(b',');
                }
                list.extend_from_slice(member);
                if list.len() > Self::MAX_LEN {
                    return None;
                }
            }
        }
        if list.is_empty() {
            return None;
        }
        HeaderValue::from_maybe_shared(bytes::Bytes::from(list)).ok().map(Self)
    }

    /// The list as one header value.
    #[must_use]
    pub fn as_header(&self) -> &HeaderValue {
        &self.0
    }
}

/// The key of a valid member.
fn key_of(member: &[u8]) -> Option<&[u8]> {
    let equals = member.iter().position(|byte| *byte == b'=')?;
    let (key, value) = member.split_at_checked(equals)?;
    let value = value.strip_prefix(b"=")?;
    let is_key = key.len() <= 256
        && matches!(key.first(), Some(b'a'..=b'z' | b'0'..=b'9'))
        && key.iter().all(
            |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@'),
        );
    // Trailing spaces were trimmed with the member; leading ones are a part of the value.
    let is_value = (1..=256).contains(&value.len())
        && value.iter().all(|byte| matches!(byte, b' '..=b'~') && *byte != b'=');
    (is_key && is_value).then_some(key)
}

/// Without optional white space (RFC 9110, section 5.6.3).
fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

impl fmt::Debug for TraceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceState").field("len", &self.0.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(lines: &[&str]) -> Option<String> {
        let values: Vec<_> =
            lines.iter().map(|line| HeaderValue::from_str(line).unwrap()).collect();
        let state = TraceState::from_headers(&values)?;
        Some(state.as_header().to_str().unwrap().to_owned())
    }

    #[test]
    fn a_valid_list_is_joined_in_its_order() {
        let all = "abcdefghijklmnopqrstuvwxyz0123456789_-*/@";
        let value: String = (' '..='~').filter(|c| *c != ',' && *c != '=').collect();
        for (lines, expected) in [
            (vec!["foo=1"], "foo=1"),
            (vec!["foo=1,bar=2"], "foo=1,bar=2"),
            (vec!["foo=1,bar=2", "rojo=1,congo=2", "baz=3"], "foo=1,bar=2,rojo=1,congo=2,baz=3"),
            (vec!["foo=1", ""], "foo=1"),
            (vec!["", "foo=1"], "foo=1"),
            (vec![",, foo=1 \t, \t bar=2,\t"], "foo=1,bar=2"),
            (vec!["\t foo=1 \t"], "foo=1"),
            (vec!["0a=1"], "0a=1"),
            (vec!["foo=1,foo=2,bar=3", "foo=4"], "foo=1,bar=3"),
            (vec!["foo@=1,foo@@bar=1,a@b@c=2"], "foo@=1,foo@@bar=1,a@b@c=2"),
            (vec!["foo= 1"], "foo= 1"),
            (vec![&format!("{all}={value}")], &format!("{all}={value}")),
            (vec![&format!("{}=1", "z".repeat(256))], &format!("{}=1", "z".repeat(256))),
        ] {
            assert_eq!(read(&lines).as_deref(), Some(expected), "{lines:?}");
        }
    }

    #[test]
    fn a_list_with_one_bad_member_is_discarded() {
        for bad in [
            "",
            " ",
            ",",
            "foo",
            "foo=",
            "=1",
            "foo =1",
            "FOO=1",
            "foo.bar=1",
            "@foo=1",
            "-a=1",
            "_a=1",
            "foo=a=b",
            "foo=bar\u{e9}",
        ] {
            assert_eq!(read(&[bad]), None, "{bad:?}");
            if !bad.trim_matches([' ', ',']).is_empty() {
                assert_eq!(read(&["good=1", bad]), None, "{bad:?}");
            }
        }
        assert_eq!(read(&[&format!("{}=1", "z".repeat(257))]), None);
        assert_eq!(read(&[&format!("a={}", "z".repeat(257))]), None);
    }

    #[test]
    fn a_list_has_at_most_32_members_and_4096_bytes() {
        let members =
            |count: u32| (0..count).map(|n| format!("k{n}=1")).collect::<Vec<_>>().join(",");
        assert!(read(&[&members(32)]).is_some());
        assert_eq!(read(&[&members(33)]), None);
        let long = |count: u32| {
            let member = |n| format!("k{n}={}", "v".repeat(250));
            (0..count).map(member).collect::<Vec<_>>().join(",")
        };
        assert!(read(&[&long(16)]).is_some());
        assert_eq!(read(&[&long(17)]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic_and_a_result_is_read_again(
            values in prop::collection::vec(prop::collection::vec(b' '..=b'~', 0..60), 0..4),
        ) {
            let values: Vec<_> =
                values.iter().map(|value| HeaderValue::from_bytes(value).unwrap()).collect();
            if let Some(state) = TraceState::from_headers(&values) {
                prop_assert_eq!(TraceState::from_headers([state.as_header()]), Some(state));
            }
        }
    }
}
