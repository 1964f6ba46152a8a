//! The future.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ORIGIN, VARY,
    },
};
use pin_project_lite::pin_project;
use tower_http::cors;
use tower_service::Service;

use super::{layer::Rules, service::NoService};

pin_project! {
    /// The answer to a preflight, or the inner service's response with the headers of CORS.
    pub struct ResponseFuture<F> {
        #[pin]
        answer: Answer<F>,
    }
}

pin_project! {
    #[project = AnswerProject]
    pub(super) enum Answer<F> {
        /// The inner service's response gets headers.
        Actual { #[pin] future: F, actual: Actual },
        /// The layer is off.
        Plain { #[pin] future: F },
        /// tower-http's answer to a preflight.
        Preflight { #[pin] future: cors::ResponseFuture<<NoService as Service<Request<()>>>::Future> },
    }
}

/// The parts of a request that its response needs.
pub(super) struct Actual {
    pub(super) origin: Option<HeaderValue>,
    pub(super) rules: Arc<Rules>,
}

impl<F> Answer<F> {
    pub(super) fn actual(future: F, actual: Actual) -> Self {
        Self::Actual { future, actual }
    }

    pub(super) fn plain(future: F) -> Self {
        Self::Plain { future }
    }

    pub(super) fn preflight(
        future: cors::ResponseFuture<<NoService as Service<Request<()>>>::Future>,
    ) -> Self {
        Self::Preflight { future }
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(answer: Answer<F>) -> Self {
        Self { answer }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Default,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().answer.project() {
            AnswerProject::Plain { future } => future.poll(cx),
            AnswerProject::Actual { future, actual } => {
                let mut response = ready!(future.poll(cx))?;
                actual.add_to(response.headers_mut());
                Poll::Ready(Ok(response))
            }
            AnswerProject::Preflight { future } => {
                let Ok(response) = ready!(future.poll(cx));
                Poll::Ready(Ok(response.map(|()| R::default())))
            }
        }
    }
}

impl Actual {
    /// Adds the headers of CORS to a response that does not answer a preflight.
    fn add_to(&self, headers: &mut HeaderMap) {
        headers.append(VARY, ORIGIN.into());
        if let Some(origin) = self.rules.allowed(self.origin.as_ref()) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            if self.rules.credentials {
                let yes = HeaderValue::from_static("true");
                headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
            }
        }
        expose(&self.rules, headers);
    }
}

/// Adds names to those that inner layers expose, if scripts may read the response at all.
fn expose(rules: &Rules, headers: &mut HeaderMap) {
    if !headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        return;
    }
    let mut lines = headers.get_all(ACCESS_CONTROL_EXPOSE_HEADERS).iter().peekable();
    let value = if lines.peek().is_none() {
        rules.exposed.clone()
    } else {
        let inner = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
        list(inner.chain(rules.names.iter().map(HeaderName::as_str)))
    };
    if let Some(value) = value {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, value);
    }
}

/// A list of names, each once.
pub(super) fn list<'a>(names: impl Iterator<Item = &'a str>) -> Option<HeaderValue> {
    let mut all = String::new();
    for name in names.map(str::trim) {
        let mut present = all.split(", ");
        if !name.is_empty() && !present.any(|present| present.eq_ignore_ascii_case(name)) {
            all.push_str(if all.is_empty() { "" } else { ", " });
            all.push_str(name);
        }
    }
    // Names of headers and commas are a valid value; nothing else was in a value that is text.
    HeaderValue::try_from(all).ok()
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
