//! The data that a caller passes on with a trace (`baggage`, W3C Baggage).

use std::fmt;

use http::HeaderValue;

/// The accepted members of a request's `baggage` (W3C Baggage, section 3.3), which are passed on with
/// its trace.
///
/// Every service on the path reads it and any caller can write it, so the layer accepts only
/// members whose keys the service names. `Debug` shows only the length.
#[derive(Clone, PartialEq, Eq)]
pub struct Baggage(HeaderValue);

impl Baggage {
    /// The most members that are kept. The standard asks for at least 64.
    pub const MAX_MEMBERS: usize = 64;

    /// The most bytes that are kept. The standard asks for at least 8192.
    pub const MAX_LEN: usize = 8192;

    /// Selects the members with one of these keys from the values of all `baggage` fields of a
    /// request. Keys are compared exactly.
    ///
    /// Leaves out malformed members, later members with a key that was already read, and members
    /// beyond the bounds. Returns `None` if no member is left.
    #[must_use]
    pub fn select<'a, K: AsRef<str>>(
        values: impl IntoIterator<Item = &'a HeaderValue>,
        keys: &[K],
    ) -> Option<Self> {
        let mut list = Vec::new();
        let mut kept: Vec<&[u8]> = Vec::new();
        for value in values {
            for member in value.as_bytes().split(|byte| *byte == b',') {
                let member = member.trim_ascii();
                let Some(key) = key_of(member) else { continue };
                let is_wanted = keys.iter().any(|wanted| wanted.as_ref().as_bytes() == key);
                let is_small = list.len() + 1 + member.len() <= Self::MAX_LEN;
                if is_wanted && is_small && !kept.contains(&key) && kept.len() < Self::MAX_MEMBERS {
                    kept.push(key);
                    if !list.is_empty() {
                        list.push(b',');
                    }
                    list.extend_from_slice(member);
                }
            }
        }
        if list.is_empty() {
            return None;
        }
        HeaderValue::from_maybe_shared(bytes::Bytes::from(list)).ok().map(Self)
    }

    /// The members as one header value.
    #[must_use]
    pub fn as_header(&self) -> &HeaderValue {
        &self.0
    }
}

/// The key of a valid member: `key = value`, and perhaps properties after `;`.
fn key_of(member: &[u8]) -> Option<&[u8]> {
    let mut parts = member.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let key = pair(parts.next()?)?;
    parts.all(|property| is_token(property) || pair(property).is_some()).then_some(key)
}

/// The key of `key = value`.
fn pair(text: &[u8]) -> Option<&[u8]> {
    let equals = text.iter().position(|byte| *byte == b'=')?;
    let (key, value) = text.split_at_checked(equals)?;
    let (key, value) = (key.trim_ascii(), value.strip_prefix(b"=")?.trim_ascii());
    let is_value =
        value.iter().all(|byte| matches!(byte, b'!'..=b'~') && !b"\",;\\".contains(byte));
    (is_token(key) && is_value).then_some(key)
}

/// Whether this is a token of RFC 9110, section 5.6.2.
fn is_token(text: &[u8]) -> bool {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(is_token)
}

impl fmt::Debug for Baggage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Baggage").field("len", &self.0.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(lines: &[&str], keys: &[&str]) -> Option<String> {
        let values: Vec<_> =
            lines.iter().map(|line| HeaderValue::from_str(line).unwrap()).collect();
        let baggage = Baggage::select(&values, keys)?;
        Some(baggage.as_header().to_str().unwrap().to_owned())
    }

    #[test]
    fn only_named_members_are_kept() {
        let line = "tenant=acme, user=alice ;secret,plan = gold;a=1;b , tenant=other";
        assert_eq!(select(&[line], &["tenant"]).as_deref(), Some("tenant=acme"));
        assert_eq!(
            select(&[line], &["plan", "tenant"]).as_deref(),
            Some("tenant=acme,plan = gold;a=1;b")
        );
        assert_eq!(select(&["a=1", "tenant=x"], &["tenant"]).as_deref(), Some("tenant=x"));
        assert_eq!(select(&[line], &["Tenant"]), None);
        assert_eq!(select(&[line], &[]), None);
    }

    #[test]
    fn a_malformed_member_is_left_out_and_the_others_stay() {
        for bad in
            ["k", "k=a b", "k=\"q\"", "k=a\\b", "k=1;", "k=1;p=a b", "=1", "k k=1", "k=\u{e9}"]
        {
            let kept = select(&[&format!("{bad},ok=1")], &["k", "ok", ""]);
            assert_eq!(kept.as_deref(), Some("ok=1"), "{bad:?}");
        }
        assert_eq!(select(&["k="], &["k"]).as_deref(), Some("k="));
    }

    #[test]
    fn what_exceeds_the_bounds_is_left_out() {
        let long = format!("a={}", "v".repeat(Baggage::MAX_LEN));
        assert_eq!(select(&[&long, "b=1"], &["a", "b"]).as_deref(), Some("b=1"));
        let keys: Vec<String> = (0..100).map(|n| format!("k{n}")).collect();
        let line: Vec<String> = keys.iter().map(|key| format!("{key}=1")).collect();
        let value = HeaderValue::from_str(&line.join(",")).unwrap();
        let kept = Baggage::select([&value], &keys).unwrap();
        assert_eq!(kept.as_header().to_str().unwrap().split(',').count(), Baggage::MAX_MEMBERS);
    }
}
