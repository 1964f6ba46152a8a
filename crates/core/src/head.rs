//! A request without its body, as layers look at it.

use std::sync::Arc;

use http::{
    Extensions, HeaderMap, Method, Request, Uri,
    header::{CONTENT_TYPE, HeaderValue},
    request::Parts,
};

use crate::{RequestContext, RequestId};

/// A borrowed view of a request's head: all that keys and predicates are computed from.
#[derive(Clone, Copy, Debug)]
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
    #[must_use]
    pub fn context(&self) -> Option<&'a RequestContext> {
        RequestContext::get(self.extensions).map(AsRef::as_ref)
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
    /// The facts of a request. One header is looked up.
    #[must_use]
    pub fn of(head: Head<'_>) -> Self {
        Self {
            grpc: head.headers.get(CONTENT_TYPE).is_some_and(is_grpc),
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

/// `application/grpc`, alone or followed by `+proto`, `+json`, or parameters; not
/// `application/grpc-web`, whose callers read a body.
fn is_grpc(content_type: &HeaderValue) -> bool {
    content_type
        .as_bytes()
        .strip_prefix(b"application/grpc")
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_is_told_from_grpc_web_and_json() {
        for (content_type, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;charset=x", true),
            ("application/grpc-web", false),
            ("application/grpc-web+proto", false),
            ("application/json", false),
            ("", false),
        ] {
            let request = Request::builder().header(CONTENT_TYPE, content_type).body(()).unwrap();
            assert_eq!(HeadFacts::of(Head::of(&request)).is_grpc(), expected, "{content_type}");
        }
    }
}
