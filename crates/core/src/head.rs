//! A request without its body, as layers look at it.

use std::{fmt, sync::Arc};

use http::{
    Extensions, HeaderMap, Method, Request, Uri,
    header::{CONTENT_TYPE, HeaderName, HeaderValue, TE},
    request::Parts,
};

use crate::{RequestContext, RequestId};

/// A borrowed view of a request's head: all that keys and predicates are computed from.
///
/// `Debug` shows the method and the names of the headers: paths, queries and values may be secret.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Head<'a> {
    /// The method.
    pub method: &'a Method,
    /// The target.
    pub uri: &'a Uri,
    /// The header fields.
    pub headers: &'a HeaderMap,
    /// What other layers and the server attached.
    pub extensions: &'a Extensions,
}

impl<'a> Head<'a> {
    /// The head of `request`.
    #[inline]
    #[must_use]
    pub fn of<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }

    /// The head that was taken from a request.
    #[must_use]
    pub const fn of_parts(parts: &'a Parts) -> Self {
        Self {
            method: &parts.method,
            uri: &parts.uri,
            headers: &parts.headers,
            extensions: &parts.extensions,
        }
    }

    /// The context of the request, if one of our layers has made it.
    #[inline]
    #[must_use]
    pub fn context(&self) -> Option<&'a RequestContext> {
        RequestContext::get(self.extensions).map(AsRef::as_ref)
    }
}

impl fmt::Debug for Head<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("method", self.method)
            .field("headers", &self.headers.keys().map(HeaderName::as_str).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// What rendering a refusal needs to know of the request, kept after the request is gone.
///
/// Keeping it allocates nothing, and the request's id is read when it is needed: one that an inner
/// layer has set later is found too.
#[derive(Clone, Debug, Default)]
pub struct HeadFacts {
    grpc: bool,
    bodyless: bool,
    context: Option<Arc<RequestContext>>,
}

impl HeadFacts {
    /// The facts of a request. One header is looked up, and for a call of gRPC a second one.
    #[must_use]
    pub fn of(head: Head<'_>) -> Self {
        Self {
            grpc: is_grpc(head),
            bodyless: *head.method == Method::HEAD,
            context: RequestContext::get(head.extensions).cloned(),
        }
    }

    /// Whether the caller speaks gRPC and so expects trailers instead of a body.
    #[must_use]
    pub const fn is_grpc(&self) -> bool {
        self.grpc
    }

    /// Whether the request's method is HEAD, so that the answer has no body.
    #[must_use]
    pub const fn is_head(&self) -> bool {
        self.bodyless
    }

    /// The context of the request, if one of our layers had made it.
    #[must_use]
    pub fn context(&self) -> Option<&RequestContext> {
        self.context.as_deref()
    }

    /// The request's id, if it has one by now.
    #[must_use]
    pub fn request_id(&self) -> Option<&RequestId> {
        self.context()?.request_id()
    }
}

/// Whether this is a call of gRPC: a POST that takes trailers, and whose content type is
/// `application/grpc`, alone or followed by `+proto`, `+json`, or parameters. Callers of
/// `application/grpc-web` read a body.
///
/// A refusal of gRPC is a 200, so nothing that a browser or a REST client sends by itself counts.
fn is_grpc(head: Head<'_>) -> bool {
    let kind = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let kind = kind.and_then(|kind| kind.strip_prefix(b"application/grpc"));
    kind.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
        && *head.method == Method::POST
        && head.headers.get(TE).is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grpc(method: Method, content_type: &str, te: &str) -> bool {
        let request = Request::builder().method(method).header(CONTENT_TYPE, content_type);
        let request = request.header(TE, te).body(()).unwrap();
        HeadFacts::of(Head::of(&request)).is_grpc()
    }

    #[test]
    fn grpc_is_told_from_grpc_web_and_json() {
        for (content_type, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;charset=x", true),
            ("application/grpc-web", false),
            ("application/grpc-web+proto", false),
            ("application/grpcx", false),
            ("application/json", false),
            ("", false),
        ] {
            assert_eq!(grpc(Method::POST, content_type, "trailers"), expected, "{content_type}");
        }
    }

    #[test]
    fn a_rest_client_cannot_turn_its_refusal_into_a_200_by_a_header() {
        assert!(!grpc(Method::GET, "application/grpc", "trailers"));
        assert!(!grpc(Method::POST, "application/grpc", ""));
        assert!(!grpc(Method::POST, "application/grpc", "gzip"));
    }

    #[test]
    fn debug_shows_no_value() {
        let request = Request::builder()
            .uri("/canary?canary")
            .header("authorization", "Bearer canary")
            .body(())
            .unwrap();
        let shown = format!("{:?} {:?}", Head::of(&request), HeadFacts::of(Head::of(&request)));
        assert!(!shown.contains("canary"), "{shown}");
    }
}
