//! The response as a policy judges it.

use hardpoint_core::Refused;
use http::{Extensions, HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};

/// What [`Policy::charge_on`](crate::Policy::charge_on) judges: a response without its body.
///
/// A refusal of an inner layer or of a handler is judged by its own status, not by the one on the
/// wire: a 401 that is rendered for gRPC, with status 200, is a 401.
///
/// A gRPC response ends with its status. If the head has a `grpc-status` it is judged at once. If
/// the head has none and its content type is `application/grpc`, the response is judged by its
/// trailers, when the body ends.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ResponseHead<'a> {
    /// The status of the refusal if there is one, else the response's.
    pub status: StatusCode,
    /// The code in `grpc-status`, in the head or in the trailers.
    pub grpc_status: Option<u16>,
    /// The header fields, or the trailers if the response is judged by them.
    pub headers: &'a HeaderMap,
    /// What the handler and inner layers attached.
    pub extensions: &'a Extensions,
}

impl<'a> ResponseHead<'a> {
    pub(crate) fn new<B>(response: &'a Response<B>) -> Self {
        Self::from_parts(response.status(), response.headers(), response.extensions())
    }

    pub(crate) fn from_parts(
        status: StatusCode,
        headers: &'a HeaderMap,
        extensions: &'a Extensions,
    ) -> Self {
        let refused = extensions.get::<Refused>();
        Self {
            status: refused.map_or(status, |refused| refused.status()),
            grpc_status: grpc_status(headers),
            headers,
            extensions,
        }
    }

    /// Whether the trailers judge the response.
    pub(crate) fn is_judged_later(&self) -> bool {
        self.grpc_status.is_none()
            && self.extensions.get::<Refused>().is_none()
            && !self.headers.contains_key("grpc-status")
            && self.headers.get(CONTENT_TYPE).is_some_and(is_grpc)
    }
}

fn grpc_status(headers: &HeaderMap) -> Option<u16> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

/// `application/grpc`, also with a suffix (`+proto`) or parameters. Not `application/grpc-web`,
/// whose trailers are in the body.
fn is_grpc(content_type: &HeaderValue) -> bool {
    let rest = content_type.as_bytes().strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_grpc_content_types_are_judged_by_trailers() {
        for (value, later) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc; charset=utf-8", true),
            ("application/grpc-web", false),
            ("application/json", false),
        ] {
            let mut response = Response::new(());
            response.headers_mut().insert(CONTENT_TYPE, value.parse().unwrap());
            assert_eq!(ResponseHead::new(&response).is_judged_later(), later, "{value}");
            response.headers_mut().insert("grpc-status", "7".parse().unwrap());
            assert!(!ResponseHead::new(&response).is_judged_later(), "{value}");
            assert_eq!(ResponseHead::new(&response).grpc_status, Some(7));
        }
    }
}
