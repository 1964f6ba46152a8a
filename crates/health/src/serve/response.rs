//! The response to a request: its future and its body.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hardpoint_core::{HeadFacts, Refusals};
use http::{HeaderValue, Request, Response, StatusCode, header::CONNECTION};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{BoxError, refused::Cause, rejection::Refusal, request::RequestBody, state::Exchange};

pin_project! {
    /// Calls the service once it is ready, and resolves to its response.
    pub(super) struct Responding<S>
    where
        S: Service<Request<RequestBody>>,
    {
        #[pin]
        step: Step<S, S::Future>,
        // Taken with the response.
        exchange: Option<Exchange>,
        // HTTP/1 has a header field that asks the client to leave.
        http1: bool,
    }
}

pin_project! {
    #[project = StepProject]
    #[project_replace = StepReplace]
    enum Step<S, F> {
        // The service may not be ready yet.
        Readying { service: S, request: Option<Request<RequestBody>> },
        Called { #[pin] future: F },
        // The server refuses the request.
        Refusing { refusal: Refusal },
    }
}

impl<S> Responding<S>
where
    S: Service<Request<RequestBody>>,
{
    pub(super) fn call(
        service: S,
        request: Request<RequestBody>,
        exchange: Exchange,
        http1: bool,
    ) -> Self {
        let step = Step::Readying { service, request: Some(request) };
        Self { step, exchange: Some(exchange), http1 }
    }

    pub(super) const fn refuse(refusal: Refusal, exchange: Exchange) -> Self {
        Self { step: Step::Refusing { refusal }, exchange: Some(exchange), http1: true }
    }
}

impl<S, B> Future for Responding<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<Response<ResponseBody<B>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let response = loop {
            match this.step.as_mut().project() {
                StepProject::Readying { service, request } => {
                    if let Err(error) = ready!(service.poll_ready(cx)) {
                        return Poll::Ready(Err(error.into()));
                    }
                    let Some(request) = request.take() else {
                        // The step changes as soon as the request is taken.
                        return Poll::Pending;
                    };
                    let future = service.call(request);
                    this.step.as_mut().project_replace(Step::Called { future });
                }
                StepProject::Called { future } => {
                    let response = ready!(future.poll(cx));
                    break match this.exchange {
                        // Also instead of an error: it came from the body.
                        Some(exchange) if exchange.was_too_slow() => {
                            exchange.state().refused().note(Cause::Body);
                            refuse(Refusal::BodyTimeout)
                        }
                        _ => response.map_err(Into::into)?.map(hardpoint_core::ResponseBody::inner),
                    };
                }
                StepProject::Refusing { refusal } => break refuse(*refusal),
            }
        };
        let exchange = this.exchange.take();
        let mut response = response;
        let mut leave = false;
        if let Some(exchange) = &exchange {
            exchange.respond();
            leave = *this.http1 && exchange.state().is_draining();
        }
        if leave && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(Ok(response.map(|inner| ResponseBody { inner, exchange })))
    }
}

fn refuse<B>(refusal: Refusal) -> Response<hardpoint_core::ResponseBody<B>> {
    // No layer has seen the request, so it has no id, and its route is not known.
    Refusals::new().refuse(&HeadFacts::default(), &refusal)
}

pin_project! {
    /// The service's body, unchanged. Its request is in flight until the body ends, fails or is
    /// dropped.
    pub(super) struct ResponseBody<B> {
        #[pin]
        inner: hardpoint_core::ResponseBody<B>,
        exchange: Option<Exchange>,
    }
}

impl<B: Body<Data = Bytes>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let polled = this.inner.poll_frame(cx);
        match (&polled, this.exchange) {
            // hyper asks again as soon as the client has room for more.
            (Poll::Ready(Some(Ok(_))), Some(exchange)) => exchange.set_unread(true),
            (Poll::Ready(_), exchange) => *exchange = None,
            (Poll::Pending, Some(exchange)) => exchange.set_unread(false),
            (Poll::Pending, None) => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
