//! The token that a request carries, where there is no doubt about it. Pure.

use http::HeaderMap;

use crate::bearer::credentials::{self, Credentials};

/// The token that an [`AuthLayer`](crate::AuthLayer) would verify. All else is its to refuse.
pub(super) fn token<'a>(headers: &'a HeaderMap, cookie: Option<&str>) -> Option<&'a str> {
    match credentials::find(headers, cookie) {
        Credentials::Token(token) => Some(token),
        Credentials::Malformed | Credentials::None | Credentials::Several => None,
    }
}

#[cfg(test)]
mod tests {
    use http::{
        HeaderValue,
        header::{AUTHORIZATION, COOKIE},
    };

    use super::*;

    #[test]
    fn the_token_is_found_where_there_is_one() {
        for (authorization, cookies, expected) in [
            (&["Bearer a"][..], &[][..], Some("a")),
            (&["bEARER   a"], &["x=b"], Some("a")),
            (&["Bearer a"], &["t=b"], None),
            (&["Bearer"], &["t=b"], None),
            (&["Basic a"], &["t=b"], Some("b")),
            (&["Bearers a"], &["t=b"], Some("b")),
            (&["Basic a"], &[], None),
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
