//! Where a request carries its credential.

use http::{
    HeaderMap, HeaderName,
    header::{AUTHORIZATION, COOKIE, Entry, HeaderValue},
};

use crate::AuthRejection;

/// What a credential came with: the cookie, a header field of an authenticator, or a scheme.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier<'a> {
    Cookie,
    Header(&'a HeaderName),
    Scheme(&'a [u8]),
}

/// Hides values from `Debug`.
pub(super) fn hide(headers: &mut HeaderMap, name: &HeaderName) {
    // An entry reserves room, which a map without the field need not do.
    if headers.contains_key(name)
        && let Entry::Occupied(mut values) = headers.entry(name)
    {
        values.iter_mut().for_each(|value| value.set_sensitive(true));
    }
}

/// The only credential in `Authorization` with a known scheme, in the cookie, and in the fields of
/// authenticators. Two are an error: they leave open which one counts.
pub(super) fn find<'a>(
    headers: &'a HeaderMap,
    is_known: impl Fn(&[u8]) -> bool,
    cookie: Option<&str>,
    fields: impl Iterator<Item = &'a HeaderName>,
) -> Result<Option<(&'a str, Carrier<'a>)>, AuthRejection> {
    let (mut found, mut count) = (None, 0_usize);
    let mut add = |text, carrier| {
        found = Some((text, carrier));
        count += 1;
    };
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    if let Some(line) = lines.next() {
        if lines.next().is_some() {
            return Err(AuthRejection::InvalidRequest);
        }
        let (scheme, text) = split(line);
        if is_known(scheme) {
            add(text, Carrier::Scheme(scheme));
        } else if text.split(',').skip(1).any(|part| is_known(scheme_of(part).as_bytes())) {
            // A proxy joined a line of another scheme with one of a known scheme.
            return Err(AuthRejection::InvalidRequest);
        }
    }
    if let Some(cookie) = cookie {
        let values = cookies(headers).filter(|(name, _)| *name == cookie);
        values.for_each(|(_, value)| add(value, Carrier::Cookie));
    }
    for field in fields {
        for value in headers.get_all(field) {
            let text = std::str::from_utf8(value.as_bytes()).unwrap_or_default();
            add(text, Carrier::Header(field));
        }
    }
    if count > 1 { Err(AuthRejection::InvalidRequest) } else { Ok(found) }
}

/// The scheme, and the credential behind at least one space (RFC 9110 §11.4); the credential is
/// empty if it is missing, separated by a tab, or not UTF-8.
fn split(line: &HeaderValue) -> (&[u8], &str) {
    let line = line.as_bytes();
    let end = line.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(line.len());
    let (scheme, rest) = line.split_at_checked(end).unwrap_or_default();
    let text = match rest {
        [b' ', text @ ..] => std::str::from_utf8(text).unwrap_or_default(),
        _ => "",
    };
    (scheme, text.trim_start_matches(' '))
}

/// The first word of an element of a list.
fn scheme_of(element: &str) -> &str {
    element.trim_start().split([' ', '\t']).next().unwrap_or_default()
}

/// Whether the credentials behind a scheme are those of several lines, which a proxy joined (RFC 9110
/// §5.3). Those of one line are a token, or a list of parameters in which no further scheme begins
/// (§11.4).
pub(super) fn is_joined(text: &str) -> bool {
    let is_parameter = |part: &str| {
        part.split_once('=').is_some_and(|(name, value)| {
            !name.trim().contains(' ') && !value.trim_matches('=').is_empty()
        })
    };
    text.contains(',') && !text.split(',').all(is_parameter)
}

/// Names and values (RFC 6265 §5.4). A field that is not text has no credential.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_lines_are_told_from_one_list_of_parameters() {
        for joined in
            ["t,Bearer t", "t, Bearer t", "t,t", "a=,Bearer b=", "t,", "realm=\"x\", Basic dDp0"]
        {
            assert!(is_joined(joined), "{joined}");
        }
        for one in ["t", "dGVzdA==", "", "username=\"a\", realm=\"b\", nc=1"] {
            assert!(!is_joined(one), "{one}");
        }
    }
}
