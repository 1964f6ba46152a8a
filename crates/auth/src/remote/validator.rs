//! Validators: how a server learns which response is held (RFC 9110 §8.8). Pure.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{DATE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED},
};

/// The longest tag that is kept: it is sent with each request.
const LONGEST_TAG: usize = 256;
/// The form of a date in a header field (RFC 9110 §5.6.7).
const DATE_FORM: &[u8] = b"aaa, 00 aaa 0000 00:00:00 GMT";

/// The validator of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Validator {
    /// When it was last modified, if it has no tag.
    LastModified(HeaderValue),
    /// Its entity tag.
    Tag(HeaderValue),
}

impl Validator {
    /// The validator of a response with these header fields, if it has a usable one.
    ///
    /// A response that was modified in the second in which it was sent may change again in that second,
    /// so its date is useless (§8.8.2.2).
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        if headers.contains_key(ETAG) {
            return only(headers, ETAG).filter(|tag| is_tag(tag)).cloned().map(Self::Tag);
        }
        let date = only(headers, LAST_MODIFIED).filter(|date| is_date(date))?;
        (headers.get(DATE) != Some(date)).then(|| Self::LastModified(date.clone()))
    }

    /// Makes a request conditional on another response than this one (§13.1.2, §13.1.3).
    pub(super) fn ask(&self, headers: &mut HeaderMap) {
        match self {
            Self::LastModified(date) => headers.insert(IF_MODIFIED_SINCE, date.clone()),
            Self::Tag(tag) => headers.insert(IF_NONE_MATCH, tag.clone()),
        };
    }

    /// Whether a 304 with these header fields is about this response (RFC 9111 §4.3.4). Many servers
    /// send no validator with it.
    pub(super) fn fits(&self, headers: &HeaderMap) -> bool {
        let has_tag = headers.contains_key(ETAG);
        match self {
            Self::LastModified(own) => {
                !has_tag && headers.get_all(LAST_MODIFIED).iter().all(|date| date == own)
            }
            // Weakly: compression makes tags weak, and a 304 has no body.
            Self::Tag(own) => {
                let is_own = |tag| opaque(tag) == opaque(own);
                !has_tag || only(headers, ETAG).is_some_and(is_own)
            }
        }
    }
}

/// The value of a field that occurs once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&HeaderValue> {
    let mut all = headers.get_all(name).iter();
    all.next().filter(|_| all.next().is_none())
}

/// The tag without the mark of a weak one.
fn opaque(tag: &HeaderValue) -> &[u8] {
    let tag = tag.as_bytes();
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// RFC 9110 §8.8.3, without the bytes beyond ASCII that it lets pass for the sake of old servers.
fn is_tag(tag: &HeaderValue) -> bool {
    let quoted = opaque(tag).strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    let visible = |byte: &u8| byte.is_ascii_graphic() && *byte != b'"';
    tag.len() <= LONGEST_TAG && quoted.is_some_and(|text| text.iter().all(visible))
}

fn is_date(date: &HeaderValue) -> bool {
    let is_like = |(byte, form): (&u8, &u8)| match form {
        b'a' => byte.is_ascii_alphabetic(),
        b'0' => byte.is_ascii_digit(),
        _ => byte == form,
    };
    date.len() == DATE_FORM.len() && date.as_bytes().iter().zip(DATE_FORM).all(is_like)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MONDAY: &str = "Mon, 02 Nov 2026 08:49:37 GMT";
    const TUESDAY: &str = "Tue, 03 Nov 2026 08:49:37 GMT";

    fn headers(all: &[(HeaderName, &str)]) -> HeaderMap {
        let value = |text: &str| HeaderValue::from_bytes(text.as_bytes()).unwrap();
        all.iter().map(|(name, text)| (name.clone(), value(text))).collect()
    }

    fn tag(text: &str) -> Option<Validator> {
        Validator::of(&headers(&[(ETAG, text)]))
    }

    #[test]
    fn a_tag_is_quoted_visible_and_short() {
        let long = |length: usize| format!("\"{}\"", "a".repeat(length - 2));
        for text in ["\"\"", "\"a\"", "W/\"a\"", "\"!#~\\\"", &long(LONGEST_TAG)] {
            assert_eq!(tag(text), Some(Validator::Tag(text.parse().unwrap())), "{text}");
        }
        for text in [
            "",
            "a",
            "\"",
            "W/",
            "W/a",
            "w/\"a\"",
            "*",
            "\"a",
            "a\"",
            "\"a b\"",
            "\"a\"\"",
            "\"a\", \"b\"",
            "\"\u{e4}\"",
            &long(LONGEST_TAG + 1),
        ] {
            assert_eq!(tag(text), None, "{text}");
        }
        assert_eq!(Validator::of(&headers(&[(ETAG, "\"a\""), (ETAG, "\"a\"")])), None);
    }

    #[test]
    fn a_date_counts_without_a_tag_and_if_it_lies_before_the_answer() {
        let date = |text: &str| Some(Validator::LastModified(text.parse().unwrap()));
        for (all, expected) in [
            (&[(LAST_MODIFIED, MONDAY)][..], date(MONDAY)),
            (&[(LAST_MODIFIED, MONDAY), (DATE, TUESDAY)], date(MONDAY)),
            (&[(LAST_MODIFIED, MONDAY), (DATE, MONDAY)], None),
            (&[(LAST_MODIFIED, MONDAY), (LAST_MODIFIED, TUESDAY)], None),
            (&[(LAST_MODIFIED, "Monday, 02-Nov-26 08:49:37 GMT")], None),
            (&[(LAST_MODIFIED, "Mon, 02 Nov 2026 08:49:37 CET")], None),
            (&[(LAST_MODIFIED, "")], None),
            (
                &[(LAST_MODIFIED, MONDAY), (ETAG, "\"a\"")],
                Some(Validator::Tag("\"a\"".parse().unwrap())),
            ),
            (&[(LAST_MODIFIED, MONDAY), (ETAG, "a")], None),
            (&[], None),
        ] {
            assert_eq!(Validator::of(&headers(all)), expected, "{all:?}");
        }
    }

    #[test]
    fn a_304_is_about_what_was_asked_for_unless_it_says_otherwise() {
        let [by_tag, by_weak] = ["\"a\"", "W/\"a\""].map(|text| tag(text).unwrap());
        let by_date = Validator::LastModified(MONDAY.parse().unwrap());
        for (own, all, fits) in [
            (&by_tag, &[][..], true),
            (&by_tag, &[(ETAG, "\"a\"")], true),
            (&by_tag, &[(ETAG, "W/\"a\"")], true),
            (&by_weak, &[(ETAG, "\"a\"")], true),
            (&by_tag, &[(LAST_MODIFIED, MONDAY)], true),
            (&by_tag, &[(ETAG, "\"b\"")], false),
            (&by_tag, &[(ETAG, "a")], false),
            (&by_tag, &[(ETAG, "\"a\""), (ETAG, "\"b\"")], false),
            (&by_date, &[], true),
            (&by_date, &[(LAST_MODIFIED, MONDAY)], true),
            (&by_date, &[(LAST_MODIFIED, TUESDAY)], false),
            (&by_date, &[(ETAG, "\"a\"")], false),
        ] {
            assert_eq!(own.fits(&headers(all)), fits, "{own:?} {all:?}");
        }
    }

    #[test]
    fn one_header_is_sent() {
        for (own, expected) in [
            (tag("\"a\"").unwrap(), headers(&[(IF_NONE_MATCH, "\"a\"")])),
            (
                Validator::LastModified(MONDAY.parse().unwrap()),
                headers(&[(IF_MODIFIED_SINCE, MONDAY)]),
            ),
        ] {
            let mut headers = HeaderMap::new();
            own.ask(&mut headers);
            assert_eq!(headers, expected);
        }
    }

    proptest! {
        #[test]
        fn what_is_sent_is_short_and_can_be_seen(text in "[ -~]{0,300}", quoted in any::<bool>()) {
            let text = if quoted { format!("\"{text}\"") } else { text };
            if let Some(Validator::Tag(tag)) = tag(text.trim()) {
                prop_assert!(tag.len() <= LONGEST_TAG);
                prop_assert!(tag.as_bytes().iter().all(u8::is_ascii_graphic));
            }
        }
    }
}
