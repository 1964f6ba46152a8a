//! The requests that a server refuses itself.

use std::{error::Error, fmt};

use hardpoint_core::{HeadFacts, Problem, Refusals, Rejection, ResponseBody};
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode, Version,
    header::{CONNECTION, HOST},
};

/// A request that no layer sees, or whose response the server replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The client sent the body too slowly.
    BodyTimeout,
    /// An HTTP/1.1 request has no `Host` field, or more than one (RFC 9112 section 3.2).
    Host,
}

/// Whether a request lacks the one `Host` field that HTTP/1.1 asks for.
pub(super) fn lacks_host<B>(request: &Request<B>) -> bool {
    if request.version() != Version::HTTP_11 {
        return false;
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    hosts.next().is_none() || hosts.next().is_some()
}

impl Refusal {
    /// The response to the client. It has neither an id nor a route: no layer has seen the request,
    /// or its response is replaced.
    pub(super) fn render<B>(self) -> Response<ResponseBody<B>> {
        Refusals::new().refuse(&HeadFacts::default(), &self)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BodyTimeout => "the client sent the request body too slowly",
            Self::Host => "an HTTP/1.1 request needs exactly one `Host` field",
        })
    }
}

impl Error for Refusal {}

impl Rejection for Refusal {
    fn problem(&self) -> Problem {
        match self {
            Self::BodyTimeout => Problem::from_status(StatusCode::REQUEST_TIMEOUT),
            Self::Host => Problem::from_status(StatusCode::BAD_REQUEST)
                .detail("an HTTP/1.1 request needs exactly one Host field"),
        }
    }

    fn headers(&self, headers: &mut HeaderMap) {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_1_1_needs_exactly_one_host() {
        for (version, hosts, lacks) in [
            (Version::HTTP_11, 0, true),
            (Version::HTTP_11, 1, false),
            (Version::HTTP_11, 2, true),
            (Version::HTTP_10, 0, false),
            (Version::HTTP_10, 2, false),
            (Version::HTTP_2, 0, false),
        ] {
            let mut request = Request::builder().version(version);
            for _ in 0..hosts {
                request = request.header(HOST, "x");
            }
            assert_eq!(lacks_host(&request.body(()).unwrap()), lacks, "{version:?} {hosts}");
        }
    }
}
