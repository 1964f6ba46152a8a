//! Which requests may be sent twice, and which are a repetition already.

use std::sync::Arc;

use hardpoint_core::{Head, RequestContext};
use http::{HeaderName, Method, header::HeaderMap, request::Parts as RequestHead};

/// The header with the number of the attempt, which a retry sends.
pub(crate) const ATTEMPT_HEADER: HeaderName = HeaderName::from_static("x-retry-attempt");

/// Declares further requests that may be sent twice.
pub(crate) type IsRepeatable = Arc<dyn Fn(Head<'_>) -> bool + Send + Sync>;

/// Marks an attempt above the first, in the extensions of its request: layers further in add no
/// attempts to it. The header is for the destination, and may be turned off.
#[derive(Clone, Copy)]
struct Repetition;

/// Whether the request may be sent twice: RFC 9110 §9.2.2, the key that the destination uses to
/// recognise the repetition, or the policy's own declaration.
pub(crate) fn is_repeatable(head: Head<'_>, declared: Option<&IsRepeatable>) -> bool {
    let idempotent = matches!(
        *head.method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    );
    idempotent
        || head.headers.get("idempotency-key").is_some_and(|key| !key.is_empty())
        || declared.is_some_and(|repeatable| repeatable(head))
}

/// Whether the caller of this process retries, so that this process should not.
pub(crate) fn caller_retries(head: Head<'_>) -> bool {
    head.context().and_then(RequestContext::attempt).is_some_and(|attempt| attempt > 1)
}

/// Whether a layer further out repeats the request already.
pub(crate) fn is_repetition(head: Head<'_>) -> bool {
    head.extensions.get::<Repetition>().is_some()
}

/// Marks a request as this attempt of its call, for the layers further in and for the destination.
pub(crate) fn mark(head: &mut RequestHead, attempt: u32, header: Option<&HeaderName>) {
    head.extensions.insert(Repetition);
    write(&mut head.headers, attempt, header);
}

/// Passes on that the caller retries: the hops further in must not retry either.
pub(crate) fn mark_inner_hop(head: &mut RequestHead, header: Option<&HeaderName>) {
    let attempt = Head::from_parts(head).context().and_then(RequestContext::attempt);
    if let Some(attempt @ 2..) = attempt {
        write(&mut head.headers, attempt, header);
    }
}

fn write(headers: &mut HeaderMap, attempt: u32, header: Option<&HeaderName>) {
    if let Some(name) = header {
        headers.insert(name, attempt.into());
    }
}
