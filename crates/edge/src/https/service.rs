//! The service.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use hardpoint_core::{Head, Problem, ResponseBody, ResponseFuture, Scheme};
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{CACHE_CONTROL, LOCATION},
};
use http_body::Body;
use tower_service::Service;

use super::{layer::Shared, location::location};

/// Sends clients that use plain HTTP to https. See the [module docs](super).
#[derive(Clone, Debug)]
pub struct RequireHttps<S> {
    inner: S,
    shared: Option<Arc<Shared>>,
}

impl<S> RequireHttps<S> {
    pub(super) fn new(inner: S, shared: Option<Arc<Shared>>) -> Self {
        Self { inner, shared }
    }

    hardpoint_core::inner_accessors!();
}

impl<S, B, R> Service<Request<B>> for RequireHttps<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let plain = self.shared.as_ref().and_then(|shared| shared.answer(Head::new(&request)));
        match plain {
            Some(response) => ResponseFuture::refuse(response),
            None => ResponseFuture::forward(self.inner.call(request)),
        }
    }
}

impl Shared {
    /// The response to a request over plain HTTP.
    fn answer<R>(&self, head: Head<'_>) -> Option<Response<ResponseBody<R>>> {
        let client = head.context()?.client()?;
        if client.known_scheme()? == Scheme::Https {
            return None;
        }
        let path = head.uri.path_and_query();
        let to = location(&self.hosts, &self.credentials, head, client.host(), path);
        Some(match to {
            Some(to) => redirect(to),
            None => self.refusals.refuse(&self.refusals.facts(head), &https_required()),
        })
    }
}

fn redirect<R>(to: HeaderValue) -> Response<ResponseBody<R>> {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(LOCATION, to);
    // A shared cache that ignores the scheme would redirect https clients in a loop.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn https_required() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "https_required", "Use https").detail(
        "This request came over plain HTTP. Send it over https. If it had a credential, replace the \
         credential: others may have read it.",
    )
}
