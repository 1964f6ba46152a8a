//! A request without its body.

use std::{fmt, sync::Arc};

use http::{Extensions, HeaderMap, HeaderName, Method, Request, Uri, request::Parts};

use crate::{RequestContext, RequestId};

/// A borrowed view of a request's head, from which keys and filters are computed.
///
/// `Debug` shows only the method and the header names, because paths, queries and values may be
/// secret.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Head<'a> {
    /// The method.
    pub method: &'a Method,
    /// The target.
    pub uri: &'a Uri,
    /// The header fields.
    pub headers: &'a HeaderMap,
    /// The values that the server and other layers attached.
    pub extensions: &'a Extensions,
}

impl<'a> Head<'a> {
    /// The head of `request`.
    #[inline]
    #[must_use]
    pub fn new<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }

    /// The head of the request with these parts.
    #[must_use]
    pub fn from_parts(parts: &'a Parts) -> Self {
        Self {
            method: &parts.method,
            uri: &parts.uri,
            headers: &parts.headers,
            extensions: &parts.extensions,
        }
    }

    /// The context of the request, if a layer created it.
    #[inline]
    #[must_use]
    pub fn context(&self) -> Option<&'a RequestContext> {
        RequestContext::find(self.extensions).map(AsRef::as_ref)
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

/// The facts about a request that rendering a refusal needs. They outlive the request.
///
/// [`Refusals::facts`](crate::Refusals::facts) collects them without allocating. The request id is
/// read when a refusal is rendered, so an id that an inner layer sets later is also found.
#[derive(Clone, Debug, Default)]
pub struct HeadFacts {
    pub(crate) grpc: bool,
    head_only: bool,
    context: Option<Arc<RequestContext>>,
}

impl HeadFacts {
    pub(crate) fn new(head: Head<'_>, grpc: bool) -> Self {
        Self {
            grpc,
            head_only: *head.method == Method::HEAD,
            context: RequestContext::find(head.extensions).cloned(),
        }
    }

    /// Whether the service renders refusals of this request for gRPC.
    #[must_use]
    pub fn is_grpc(&self) -> bool {
        self.grpc
    }

    /// Whether the request's method is HEAD, so the response has no body.
    #[must_use]
    pub fn is_head(&self) -> bool {
        self.head_only
    }

    /// The context of the request, if a layer created it before the facts were collected.
    #[must_use]
    pub fn context(&self) -> Option<&RequestContext> {
        self.context.as_deref()
    }

    /// The request's id, if a layer has set it.
    #[must_use]
    pub fn request_id(&self) -> Option<&RequestId> {
        self.context()?.request_id()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_value() {
        let request = Request::builder()
            .uri("/canary?canary")
            .header("authorization", "Bearer canary")
            .body(())
            .unwrap();
        let head = Head::new(&request);
        let shown = format!("{head:?} {:?}", HeadFacts::new(head, false));
        assert!(!shown.contains("canary"), "{shown}");
    }
}
