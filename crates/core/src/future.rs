//! The response future of a layer that forwards or refuses a request.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;

use crate::ResponseBody;

pin_project! {
    /// Resolves to the inner service's response, or immediately to a refusal.
    ///
    /// Dropping it drops the inner future and has no other effect.
    pub struct ResponseFuture<F, B> {
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    #[project = StateProject]
    enum State<F, B> {
        Forward { #[pin] inner: F },
        Refuse { response: Option<Response<ResponseBody<B>>> },
    }
}

impl<F, B> ResponseFuture<F, B> {
    /// Creates a future that forwards the output of `inner`.
    #[must_use]
    pub const fn forward(inner: F) -> Self {
        Self { state: State::Forward { inner } }
    }

    /// Creates a future that resolves to `response` immediately.
    #[must_use]
    pub const fn refuse(response: Response<ResponseBody<B>>) -> Self {
        Self { state: State::Refuse { response: Some(response) } }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProject::Forward { inner } => {
                let response = ready!(inner.poll(cx))?;
                Poll::Ready(Ok(response.map(ResponseBody::inner)))
            }
            // The response is absent only if the caller polls again after `Ready`, which it must
            // not do.
            StateProject::Refuse { response } => {
                response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(response)))
            }
        }
    }
}

impl<F, B> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Forward { .. } => "forward",
            State::Refuse { .. } => "refuse",
        };
        f.debug_tuple("ResponseFuture").field(&state).finish()
    }
}
