//! Which responses become problems, and which of their parts are kept.

use std::{error::Error, sync::Arc, task::Context};

use bytes::Bytes;
use hardpoint_core::{HeadFacts, Outcome, Problem, Refusals, Refused, Rejection, ResponseBody};
use http::{
    HeaderMap, HeaderName, HeaderValue, Response,
    header::{
        ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE,
        CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_TYPE, ETAG, LAST_MODIFIED, RETRY_AFTER, TRAILER,
        TRANSFER_ENCODING,
    },
    response::Parts,
};
use http_body::Body;
use tracing::Level;

use super::reason;

/// Headers that describe the body. `Content-Range` is not included: in a 416 it carries the
/// complete length.
static OF_THE_BODY: [HeaderName; 13] = [
    ACCEPT_RANGES,
    HeaderName::from_static("content-digest"),
    CONTENT_DISPOSITION,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_LENGTH,
    CONTENT_LOCATION,
    CONTENT_TYPE,
    ETAG,
    LAST_MODIFIED,
    HeaderName::from_static("repr-digest"),
    TRAILER,
    TRANSFER_ENCODING,
];

/// Header fields of a refusal that have one value.
static SINGLE: [HeaderName; 4] = [CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER];

/// Everything needed to render a problem.
pub(super) struct Render {
    pub(super) refusals: Refusals,
    pub(super) facts: HeadFacts,
    /// Whether clients get the texts of rejections.
    pub(super) explain: bool,
}

impl Render {
    /// Returns the response unchanged, or the problem that replaces it.
    pub(super) fn replace<B>(
        &self,
        mut response: Response<B>,
        cx: &mut Context<'_>,
    ) -> Response<ResponseBody<B>>
    where
        B: Body<Data = Bytes>,
    {
        let left = response.extensions_mut().remove::<Arc<dyn Rejection>>();
        let problem = response.extensions_mut().remove::<Problem>();
        let refused = match (left, problem) {
            (Some(rejection), _) => {
                let refused = self.refusals.refuse(&self.facts, &*rejection);
                log(&*rejection, refused.extensions().get());
                refused
            }
            (None, Some(problem)) => self.refusals.refuse(&self.facts, &problem),
            (None, None) if says_nothing(&self.facts, &response) => {
                return self.replace_text(response, cx);
            }
            (None, None) => return response.map(ResponseBody::inner),
        };
        let (parts, _replaced) = response.into_parts();
        merge(parts, refused)
    }

    /// Replaces an error whose body adds nothing for programs. If it rejects the request, its text is
    /// the reason.
    fn replace_text<B>(
        &self,
        response: Response<B>,
        cx: &mut Context<'_>,
    ) -> Response<ResponseBody<B>>
    where
        B: Body<Data = Bytes>,
    {
        let (parts, body) = response.into_parts();
        let mut problem = Problem::from_status(parts.status);
        let is_logged = tracing::enabled!(target: "hardpoint::edge::problem", Level::DEBUG);
        if parts.status.is_client_error()
            && (self.explain || is_logged)
            && let Some(reason) = reason::read(body, cx)
        {
            tracing::debug!(
                target: "hardpoint::edge::problem",
                code = problem.code(),
                reason = reason::without_values(&reason),
                "request rejected"
            );
            if self.explain {
                problem = problem.detail(reason);
            }
        }
        merge(parts, self.refusals.refuse(&self.facts, &problem))
    }
}

/// The rendered refusal, with the header fields of the response that it replaces.
fn merge<B>(mut parts: Parts, refused: Response<ResponseBody<B>>) -> Response<ResponseBody<B>> {
    let (rendered, body) = refused.into_parts();
    for name in &OF_THE_BODY {
        parts.headers.remove(name);
    }
    put(&mut parts.headers, &rendered.headers);
    parts.status = rendered.status;
    parts.extensions.extend(rendered.extensions);
    Response::from_parts(parts, body)
}

/// Logs the cause of a handler's rejection, which the client does not learn.
fn log(rejection: &dyn Rejection, refused: Option<&Refused>) {
    let error: &dyn Error = rejection;
    let code = refused.map(|refused| refused.code());
    if refused.is_some_and(|refused| refused.outcome() == Outcome::Failed) {
        tracing::error!(target: "hardpoint::edge::problem", code, error, "handler failed");
    } else {
        tracing::debug!(target: "hardpoint::edge::problem", code, error, "handler refused");
    }
}

/// Adds the header fields of a rendered refusal.
///
/// Fields with one value replace the response's. Lines of all others, such as `Set-Cookie`,
/// `WWW-Authenticate` and `Vary`, are added to the lines of inner layers, unless the rejection was
/// rendered before and they are present.
fn put(headers: &mut HeaderMap, rendered: &HeaderMap) {
    for (name, value) in rendered {
        let present = headers.get_all(name).iter().any(|line| line == value);
        if SINGLE.contains(name) || name.as_str().starts_with("grpc-") {
            headers.insert(name, value.clone());
        } else if !present {
            headers.append(name, value.clone());
        }
    }
}

/// Returns `true` for an error whose body adds nothing to its status.
fn says_nothing<B: Body>(facts: &HeadFacts, response: &Response<B>) -> bool {
    let status = response.status();
    let error = status.is_client_error() || status.is_server_error();
    if !error || response.extensions().get::<Refused>().is_some() {
        return false;
    }
    match response.headers().get(CONTENT_TYPE) {
        None => true,
        Some(kind) if is_plain_text(kind) => true,
        Some(kind) if kind.as_bytes().starts_with(b"application/grpc") => false,
        Some(_) => !facts.is_head() && is_empty(response.body()),
    }
}

fn is_plain_text(content_type: &HeaderValue) -> bool {
    content_type
        .as_bytes()
        .split(|&byte| byte == b';')
        .next()
        .is_some_and(|kind| kind.trim_ascii().eq_ignore_ascii_case(b"text/plain"))
}

fn is_empty(body: &impl Body) -> bool {
    body.is_end_stream() || body.size_hint().exact() == Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_told_whatever_its_parameters() {
        for (content_type, expected) in [
            ("text/plain", true),
            ("text/plain; charset=utf-8", true),
            ("Text/Plain ;charset=utf-8", true),
            ("text/plainer", false),
            ("text/html", false),
            ("application/json", false),
            ("", false),
        ] {
            let value = HeaderValue::from_static(content_type);
            assert_eq!(is_plain_text(&value), expected, "{content_type}");
        }
    }
}
