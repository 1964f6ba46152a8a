//! Where a request carries its token.

use http::{
    HeaderMap, HeaderName,
    header::{AUTHORIZATION, COOKIE, Entry, HeaderValue},
};

/// What a request carries.
pub(crate) enum Credentials<'a> {
    /// A bearer header that holds no token.
    Malformed,
    None,
    Several,
    Token(&'a str),
}

/// Hides values from `Debug`, before anything else is done with them.
pub(super) fn hide(headers: &mut HeaderMap, cookie: Option<&str>) {
    let mut hide = |name: HeaderName| {
        // An entry makes room for itself, which a map without the header should not have to.
        if headers.contains_key(&name)
            && let Entry::Occupied(mut values) = headers.entry(name)
        {
            values.iter_mut().for_each(|value| value.set_sensitive(true));
        }
    };
    hide(AUTHORIZATION);
    if cookie.is_some() {
        hide(COOKIE);
    }
}

/// The token of the header or of the cookie. Two of them leave open which one counts.
pub(crate) fn find<'a>(headers: &'a HeaderMap, cookie: Option<&str>) -> Credentials<'a> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let header = all.next();
    if all.next().is_some() {
        return Credentials::Several;
    }
    let from_header = header.map_or(Credentials::None, bearer);
    let Some(name) = cookie else { return from_header };
    let mut all = cookies(headers).filter(|(own, _)| *own == name).map(|(_, value)| value);
    match (from_header, all.next(), all.next()) {
        (from_header, None, _) => from_header,
        (Credentials::None, Some(value), None) => Credentials::Token(value),
        _ => Credentials::Several,
    }
}

/// The scheme's name knows no case (RFC 9110 §11.1), and spaces separate it. Other schemes are none of
/// ours (§11.6.2).
fn bearer(header: &HeaderValue) -> Credentials<'_> {
    let Some((scheme, rest)) = header.as_bytes().split_at_checked(6) else {
        return Credentials::None;
    };
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Credentials::None;
    }
    match rest.first() {
        Some(b' ') => match std::str::from_utf8(rest).map(|rest| rest.trim_start_matches(' ')) {
            Ok("") | Err(_) => Credentials::Malformed,
            Ok(token) => Credentials::Token(token),
        },
        None | Some(b'\t') => Credentials::Malformed,
        // Another scheme, whose name only begins the same.
        Some(_) => Credentials::None,
    }
}

/// Names and values (RFC 6265 §5.4). A header that is no text has none that could be ours.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='))
}
