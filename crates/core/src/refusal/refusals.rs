//! Renders refusals.

use std::{borrow::Cow, fmt, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderValue, Response,
    header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER},
};

use super::{Refused, Rejection, grpc::trailers_only};
use crate::{Head, HeadFacts, Problem, RequestId, ResponseBody};

/// How a service renders its refusals: a cloneable handle that all layers of a stack share.
///
/// `Stack::refusals` gives it to every layer. A layer that is used without a stack has a `refusals`
/// setter. The default renders `application/problem+json` (RFC 9457) for every request.
///
/// # A service's own error envelope
///
/// ```
/// use bytes::Bytes;
/// use hardpoint_core::{Head, HeadFacts, Problem, Refusal, Refusals, ResponseBody};
/// use http::{Request, Response, StatusCode};
///
/// let refusals = Refusals::new().renderer(|refusal: &Refusal<'_>| {
///     let problem = refusal.problem();
///     let body = serde_json::json!({ "error": { "code": problem.code() } }).to_string();
///     let mut response = Response::new(Bytes::from(body));
///     *response.status_mut() = problem.status();
///     response
/// });
/// let request = Request::new(());
/// let facts = refusals.facts(Head::new(&request));
/// let problem = Problem::from_status(StatusCode::NOT_FOUND);
/// let response: Response<ResponseBody<http_body_util::Empty<Bytes>>> =
///     refusals.refuse(&facts, &problem);
/// assert_eq!(response.status(), StatusCode::NOT_FOUND);
/// ```
///
/// # Semantics
/// 1. A renderer, if set, makes the status, header fields and body. A status below 400 is replaced
///    by the problem's, because a refusal must never look like a success.
/// 2. Without a renderer, the body is the problem as JSON. The response to HEAD has the length that
///    the response to GET would have, and no body.
/// 3. `Cache-Control: no-store`, `Retry-After` and the header fields of the [`Rejection`] are added
///    afterwards, so a renderer cannot remove them.
/// 4. Requests of a gRPC service get a trailers-only response instead: status 200, `grpc-status`,
///    `grpc-message`, and a `RetryInfo` in `grpc-status-details-bin` if the problem has a retry
///    delay. The service declares its gRPC requests with [`grpc`](Self::grpc) or
///    [`grpc_under`](Self::grpc_under); the client's headers have no influence.
#[derive(Clone, Default)]
pub struct Refusals {
    settings: Option<Arc<Settings>>,
    is_set: bool,
}

#[derive(Clone, Default)]
struct Settings {
    renderer: Option<Arc<dyn Renderer>>,
    grpc: bool,
    grpc_prefixes: Vec<Cow<'static, str>>,
}

impl Refusals {
    /// Renders every refusal as a JSON problem.
    #[must_use]
    pub const fn new() -> Self {
        Self { settings: None, is_set: true }
    }

    /// Renders every refusal as a JSON problem, and gives way to settings from outside: the initial
    /// value of a layer, which a stack replaces with its own.
    #[must_use]
    pub const fn unset() -> Self {
        Self { settings: None, is_set: false }
    }

    /// Renders every refusal with `renderer`, except those for gRPC.
    #[must_use]
    pub fn renderer(self, renderer: impl Renderer) -> Self {
        self.change(|settings| settings.renderer = Some(Arc::new(renderer)))
    }

    /// Renders every refusal for gRPC. For a service, or a part of a router, that serves only gRPC.
    #[must_use]
    pub fn grpc(self) -> Self {
        self.change(|settings| settings.grpc = true)
    }

    /// Renders refusals for gRPC if the request's path starts with `prefix`, such as
    /// `/routeguide.RouteGuide/`. For a port that serves both. May be called several times.
    #[must_use]
    pub fn grpc_under(self, prefix: impl Into<Cow<'static, str>>) -> Self {
        self.change(|settings| settings.grpc_prefixes.push(prefix.into()))
    }

    /// Returns these settings, or those of `other` if these are [unset](Self::unset).
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        if self.is_set { self } else { other.clone() }
    }

    /// Collects the facts about a request that rendering needs. Does not allocate.
    #[must_use]
    pub fn facts(&self, head: Head<'_>) -> HeadFacts {
        let grpc = self.settings.as_ref().is_some_and(|settings| settings.is_grpc(head.uri.path()));
        HeadFacts::new(head, grpc)
    }

    /// Renders a refusal of the request with these facts.
    #[must_use]
    pub fn refuse<B>(
        &self,
        facts: &HeadFacts,
        rejection: &dyn Rejection,
    ) -> Response<ResponseBody<B>> {
        let mut problem = rejection.problem();
        let renderer = self.settings.as_ref().and_then(|settings| settings.renderer.as_deref());
        let mut response = match renderer {
            _ if facts.is_grpc() => trailers_only(&problem),
            Some(renderer) => rendered(facts, &problem, renderer),
            None => json(facts, &problem),
        };
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = problem.retry_after_seconds() {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        rejection.headers(headers);
        let extensions = response.extensions_mut();
        extensions.insert(Refused {
            status: problem.status(),
            code: problem.code(),
            outcome: problem.outcome_or_default(),
        });
        if let Some(challenge) = problem.take_challenge() {
            extensions.insert(challenge);
        }
        response
    }

    fn change(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(self.settings.get_or_insert_default()));
        self.is_set = true;
        self
    }
}

impl Settings {
    fn is_grpc(&self, path: &str) -> bool {
        self.grpc || self.grpc_prefixes.iter().any(|prefix| path.starts_with(&**prefix))
    }
}

impl fmt::Debug for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = self.settings.as_deref();
        f.debug_struct("Refusals")
            .field("renderer", &settings.is_some_and(|settings| settings.renderer.is_some()))
            .field("grpc", &settings.is_some_and(|settings| settings.grpc))
            .finish_non_exhaustive()
    }
}

/// Renders the response to a refused request.
///
/// Implemented for closures `Fn(&Refusal<'_>) -> Response<Bytes>`.
pub trait Renderer: Send + Sync + 'static {
    /// Renders the response. [`Refusals`] lists the header fields that are added to it.
    fn render(&self, refusal: &Refusal<'_>) -> Response<Bytes>;
}

impl<F> Renderer for F
where
    F: Fn(&Refusal<'_>) -> Response<Bytes> + Send + Sync + 'static,
{
    fn render(&self, refusal: &Refusal<'_>) -> Response<Bytes> {
        self(refusal)
    }
}

/// The refusal that a [`Renderer`] renders.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    problem: &'a Problem,
    request_id: Option<&'a RequestId>,
}

impl<'a> Refusal<'a> {
    /// The problem that the client receives.
    #[must_use]
    pub fn problem(&self) -> &'a Problem {
        self.problem
    }

    /// The request's id.
    #[must_use]
    pub fn request_id(&self) -> Option<&'a RequestId> {
        self.request_id
    }
}

fn rendered<B>(
    facts: &HeadFacts,
    problem: &Problem,
    renderer: &dyn Renderer,
) -> Response<ResponseBody<B>> {
    let mut response = renderer.render(&Refusal { problem, request_id: facts.request_id() });
    if !response.status().is_client_error() && !response.status().is_server_error() {
        *response.status_mut() = problem.status();
    }
    finish(facts, response)
}

fn json<B>(facts: &HeadFacts, problem: &Problem) -> Response<ResponseBody<B>> {
    let body = problem.to_json(facts.request_id().map(RequestId::as_str));
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = problem.status();
    let content_type = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    finish(facts, response)
}

/// Sends only the length in response to HEAD, because not every server drops the body.
fn finish<B>(facts: &HeadFacts, mut response: Response<Bytes>) -> Response<ResponseBody<B>> {
    if !facts.is_head() {
        return response.map(ResponseBody::full);
    }
    let length = response.body().len();
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    response.map(|_body| ResponseBody::empty())
}
