//! What a record reads from a request and its response.

use std::{borrow::Cow, net::IpAddr};

use hardpoint_core::{Client, Replacement, RequestContext};
use http::{HeaderMap, HeaderValue, Method, Request, header::CONTENT_LENGTH};
use http_body::Body;

/// The longest prefix of a user agent that is logged, in bytes.
const USER_AGENT_MAX: usize = 256;

/// Returns the methods of RFC 9110 and `PATCH` as they are. A client may send any other word.
pub(crate) fn method(method: &Method) -> &'static str {
    match method.as_str() {
        "CONNECT" => "CONNECT",
        "DELETE" => "DELETE",
        "GET" => "GET",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        "PATCH" => "PATCH",
        "POST" => "POST",
        "PUT" => "PUT",
        "TRACE" => "TRACE",
        _ => "_OTHER",
    }
}

/// Returns the server's note that it replaces the response. The server makes one only after a
/// request body that was too slow, so a request without a body needs no look-up.
pub(super) fn replacement<B: Body>(request: &Request<B>) -> Option<Replacement> {
    let has_body = !request.body().is_end_stream();
    has_body.then(|| Replacement::find(request.extensions()).cloned()).flatten()
}

/// Returns the size of a body if it is known before the body is read.
pub(super) fn size(body: &impl Body, headers: &HeaderMap) -> Option<u64> {
    let told = || headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
    body.size_hint().exact().or_else(told)
}

/// Returns the address of the client, if it is known.
pub(super) fn address(context: &RequestContext) -> Option<IpAddr> {
    context.client().and_then(Client::ip)
}

/// Returns the logged prefix of a user agent. Bytes that are not UTF-8 become U+FFFD.
pub(super) fn beginning(value: &HeaderValue) -> Cow<'_, str> {
    let bytes = value.as_bytes();
    let bytes = bytes.get(..USER_AGENT_MAX).unwrap_or(bytes);
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Into::into)
}
