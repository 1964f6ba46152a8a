//! The token that a request carries, where there is no doubt about it. Pure.

use http::{
    HeaderMap,
    header::{AUTHORIZATION, COOKIE},
};

/// The token of the one `Authorization` header, or without one that of the one cookie of this name.
/// All else is the verifier's to refuse.
pub(super) fn token<'a>(headers: &'a HeaderMap, cookie: Option<&str>) -> Option<&'a str> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    match (all.next(), all.next(), cookie) {
        (Some(header), None, _) => {
            let (scheme, rest) = header.as_bytes().split_at_checked(7)?;
            let rest = std::str::from_utf8(rest).ok()?;
            scheme.eq_ignore_ascii_case(b"bearer ").then(|| rest.trim_start_matches(' '))
        }
        (None, _, Some(name)) => {
            let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
            let pairs = texts.flat_map(|text| text.split(';'));
            let mut own = pairs.filter_map(|pair| {
                let (own, value) = pair.trim().split_once('=')?;
                (own == name).then_some(value)
            });
            own.next().filter(|_| own.next().is_none())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_token_is_found_where_there_is_one() {
        for (authorization, cookies, expected) in [
            (&["Bearer a"][..], &[][..], Some("a")),
            (&["bEARER   a"], &["t=b"], Some("a")),
            (&["Basic a"], &["t=b"], None),
            (&["Bearer a", "Bearer a"], &["t=b"], None),
            (&[], &["x=1; t=b"], Some("b")),
            (&[], &["x=1", "t=b"], Some("b")),
            (&[], &["t=b; t=b"], None),
            (&[], &["t=b", "t=c"], None),
            (&[], &["tt=b"], None),
            (&["Bearer"], &[], None),
            (&[], &[], None),
        ] {
            let mut headers = HeaderMap::new();
            for value in authorization {
                headers.append(AUTHORIZATION, HeaderValue::from_static(value));
            }
            for value in cookies {
                headers.append(COOKIE, HeaderValue::from_static(value));
            }
            assert_eq!(token(&headers, Some("t")), expected, "{authorization:?} {cookies:?}");
            if authorization.is_empty() {
                assert_eq!(token(&headers, None), None);
            }
        }
    }
}
