//! The future.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{
    HeaderMap, HeaderName, HeaderValue, Response,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ORIGIN, VARY,
    },
};
use pin_project_lite::pin_project;
use tower_http::cors;

use super::{layer::Rules, service::allowed};

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
        /// tower-http's, and the names to expose.
        Cors { #[pin] future: cors::ResponseFuture<F>, rules: Option<Arc<Rules>> },
        /// An `OPTIONS` request that is not a preflight.
        Options { #[pin] future: F, actual: Actual },
        /// The layer is off.
        Plain { #[pin] future: F },
    }
}

/// The parts of a request that its response needs.
pub(super) struct Actual {
    pub(super) origin: Option<HeaderValue>,
    pub(super) rules: Arc<Rules>,
}

impl<F> Answer<F> {
    pub(super) fn cors(future: cors::ResponseFuture<F>, rules: Option<Arc<Rules>>) -> Self {
        Self::Cors { future, rules }
    }

    pub(super) fn options(future: F, actual: Actual) -> Self {
        Self::Options { future, actual }
    }

    pub(super) fn plain(future: F) -> Self {
        Self::Plain { future }
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
            AnswerProject::Cors { future, rules } => {
                let mut response = ready!(future.poll(cx))?;
                if let Some(rules) = rules {
                    expose(&rules.exposed, response.headers_mut());
                }
                Poll::Ready(Ok(response))
            }
            AnswerProject::Options { future, actual } => {
                let mut response = ready!(future.poll(cx))?;
                actual.add_to(response.headers_mut());
                Poll::Ready(Ok(response))
            }
        }
    }
}

impl Actual {
    /// Adds what tower-http adds to a response that does not answer a preflight.
    fn add_to(&self, headers: &mut HeaderMap) {
        headers.append(VARY, ORIGIN.into());
        if let Some(origin) = allowed(&self.rules, self.origin.as_ref()) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            if self.rules.credentials {
                let yes = HeaderValue::from_static("true");
                headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
            }
        }
        expose(&self.rules.exposed, headers);
    }
}

/// Adds names to those that inner layers expose, if scripts may read the response at all.
fn expose(names: &[HeaderName], headers: &mut HeaderMap) {
    if !headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        return;
    }
    let mut all = String::new();
    let lines = headers.get_all(ACCESS_CONTROL_EXPOSE_HEADERS).iter();
    let inner = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    for name in inner.chain(names.iter().map(HeaderName::as_str)).map(str::trim) {
        let mut present = all.split(", ");
        if !name.is_empty() && !present.any(|present| present.eq_ignore_ascii_case(name)) {
            all.push_str(if all.is_empty() { "" } else { ", " });
            all.push_str(name);
        }
    }
    // Names of headers and commas are a valid value; nothing else was in a value that is text.
    if let Ok(value) = HeaderValue::try_from(all) {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, value);
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
