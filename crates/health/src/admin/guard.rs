//! The bearer token of the admin listener.

use std::{error::Error, fmt};

use hardpoint_core::{Problem, Rejection, Secret};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{AUTHORIZATION, WWW_AUTHENTICATE},
};

/// A request without the token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unauthorized;

impl fmt::Display for Unauthorized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request does not carry the token of the admin listener")
    }
}

impl Error for Unauthorized {}

impl Rejection for Unauthorized {
    fn problem(&self) -> Problem {
        Problem::from_status(StatusCode::UNAUTHORIZED)
    }

    fn headers(&self, headers: &mut HeaderMap) {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
}

/// Checks that the request carries `token` in its only `Authorization` header.
pub(super) fn check(headers: &HeaderMap, token: &Secret<str>) -> Result<(), Unauthorized> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(Unauthorized) };
    let Some((scheme, given)) = value.as_bytes().split_at_checked("bearer ".len()) else {
        return Err(Unauthorized);
    };
    if scheme.eq_ignore_ascii_case(b"bearer ") && token.ct_eq(given) {
        Ok(())
    } else {
        Err(Unauthorized)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_in_one_header_passes() {
        let token = Secret::<str>::from("s3cret");
        let pass = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_static(value));
            }
            check(&headers, &token).is_ok()
        };
        for good in ["Bearer s3cret", "bearer s3cret", "BEARER s3cret"] {
            assert!(pass(&[good]), "{good}");
        }
        let bad = [
            "Bearer",
            "Bearer ",
            "Bearer s3cre",
            "Bearer s3cret ",
            "Bearer  s3cret",
            "s3cret",
            "Basic s3cret",
            "Bearers3cret",
            "Bearer S3CRET",
            "Bearer s3crets",
            "",
        ];
        for bad in bad {
            assert!(!pass(&[bad]), "{bad}");
        }
        assert!(!pass(&[]));
        assert!(!pass(&["Bearer s3cret", "Bearer s3cret"]));
    }
}
