//! The header fields of copies, and those that select one.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, AGE, CONNECTION, CONTENT_LENGTH, ORIGIN,
        PROXY_AUTHENTICATE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VARY,
    },
};

/// The header fields that belong to a connection and not to the response (RFC 9110 §7.6.1), and the
/// age, which is written anew.
const NOT_KEPT: [HeaderName; 9] = [
    AGE,
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// How many request header fields a copy can depend on.
const FIELDS: usize = 4;

/// The request header fields that a copy can depend on. A response that varies by another one is not
/// kept: its values would have to be kept for each call until the response names them.
const SELECTING: [HeaderName; FIELDS] = [ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, ORIGIN];

/// The values of a request by which its response may vary. They share the request's memory.
#[derive(Clone, Debug)]
pub(super) struct Selecting([Value; FIELDS]);

/// The values by which a kept response varies: `None` for a field by which it does not.
#[derive(Clone, Debug, Default)]
pub(super) struct Variant([Option<Option<HeaderValue>>; FIELDS]);

#[derive(Clone, Debug)]
enum Value {
    Absent,
    One(HeaderValue),
    /// A field in more than one line. It matches no kept value.
    Several,
}

impl Selecting {
    pub(super) fn new(headers: &HeaderMap) -> Self {
        Self(SELECTING.map(|name| {
            let mut values = headers.get_all(name).iter();
            match (values.next(), values.next()) {
                (None, _) => Value::Absent,
                (Some(value), None) => Value::One(value.clone()),
                (Some(_), Some(_)) => Value::Several,
            }
        }))
    }

    /// The values by which a response with these headers varies (RFC 9110 §12.5.5). `None` if it
    /// varies by anything else.
    pub(super) fn variant(&self, response: &HeaderMap) -> Option<Variant> {
        let mut variant = Variant::default();
        for field in response.get_all(VARY) {
            for name in
                field.to_str().ok()?.split(',').map(str::trim).filter(|name| !name.is_empty())
            {
                let same = |other: &HeaderName| name.eq_ignore_ascii_case(other.as_str());
                let place = SELECTING.iter().position(same)?;
                let value = match self.0.get(place)? {
                    Value::Absent => None,
                    Value::One(value) => Some(copy_of(value)?),
                    Value::Several => return None,
                };
                *variant.0.get_mut(place)? = Some(value);
            }
        }
        Some(variant)
    }
}

impl Variant {
    /// Whether a request with these values gets this variant.
    pub(super) fn matches(&self, request: &Selecting) -> bool {
        self.0.iter().zip(&request.0).all(|(kept, value)| match (kept, value) {
            (None, _) | (Some(None), Value::Absent) => true,
            (Some(Some(kept)), Value::One(value)) => kept == value,
            _ => false,
        })
    }

    /// The bytes of its values.
    pub(super) fn len(&self) -> usize {
        self.0.iter().flatten().flatten().map(HeaderValue::len).sum()
    }
}

/// The header fields of a copy. They are copied: those of the response share a buffer with other
/// responses of the connection, which a copy must not keep.
pub(super) fn kept(headers: &HeaderMap) -> HeaderMap {
    let named = |name: &HeaderName| {
        let lines = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
        let mut options = lines.flat_map(|line| line.split(','));
        options.any(|option| option.trim().eq_ignore_ascii_case(name.as_str()))
    };
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        if !NOT_KEPT.contains(name)
            && !named(name)
            && let Ok(name) = HeaderName::from_bytes(name.as_str().as_bytes())
            && let Some(value) = copy_of(value)
        {
            kept.append(name, value);
        }
    }
    kept
}

/// The bytes of header fields.
pub(super) fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// The length that the response's `Content-Length` declares.
pub(super) fn promised_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A value with memory of its own. Always `Some`: its bytes come from a value.
fn copy_of(value: &HeaderValue) -> Option<HeaderValue> {
    let mut copy = HeaderValue::from_bytes(value.as_bytes()).ok()?;
    copy.set_sensitive(value.is_sensitive());
    Some(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn fields_of_the_connection_and_the_age_are_not_kept() {
        let response = headers(&[
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("age", "3"),
            ("content-type", "text/plain"),
            ("x-own", "1"),
            ("x-own", "2"),
        ]);
        let expected = headers(&[("content-type", "text/plain"), ("x-own", "1"), ("x-own", "2")]);
        assert_eq!(kept(&response), expected);
    }

    #[test]
    fn a_copy_is_for_requests_with_the_values_that_it_varies_by() {
        let german = Selecting::new(&headers(&[("accept-language", "de"), ("accept", "a/b")]));
        let french = Selecting::new(&headers(&[("accept-language", "fr"), ("accept", "c/d")]));
        let none = Selecting::new(&HeaderMap::new());
        let several = Selecting::new(&headers(&[("accept", "a/b"), ("accept", "c/d")]));
        let vary = |selecting: &Selecting, value| selecting.variant(&headers(&[("vary", value)]));

        let by_language = vary(&german, "Accept-Language").unwrap();
        assert!(by_language.matches(&german) && !by_language.matches(&french));
        assert!(!by_language.matches(&none) && !by_language.matches(&several));
        let absent = vary(&none, "accept-language,, origin").unwrap();
        assert!(absent.matches(&none) && !absent.matches(&german));
        let any = german.variant(&HeaderMap::new()).unwrap();
        assert!([german.clone(), french, none, several.clone()].iter().all(|to| any.matches(to)));

        assert!(vary(&several, "accept").is_none());
        for other in ["*", "x-user", "authorization", "accept, cookie", "\u{e9}"] {
            assert!(vary(&german, other).is_none(), "{other}");
        }
    }
}
