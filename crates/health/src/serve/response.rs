//! The response to a request: its future and its body.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
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
                    this.step.set(Step::Called { future });
                }
                StepProject::Called { future } => {
                    let response = ready!(future.poll(cx));
                    break match this.exchange {
                        // Also instead of an error: it came from the body.
                        Some(exchange) if !exchange.respond() => {
                            exchange.state().refused().note(Cause::Body);
                            // Before the replaced response is dropped, which writes its line.
                            exchange.note_replacement();
                            Refusal::BodyTimeout.render()
                        }
                        _ => response.map_err(Into::into)?.map(hardpoint_core::ResponseBody::inner),
                    };
                }
                StepProject::Refusing { refusal } => break refusal.render(),
            }
        };
        let exchange = this.exchange.take();
        let http2 = !*this.http1;
        let mut response = response;
        let mut leave = false;
        if let Some(exchange) = &exchange {
            leave = *this.http1 && exchange.state().is_draining();
        }
        if leave && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let last = if http2 { Last::Unsplit } else { Last::Whole };
        Poll::Ready(Ok(response.map(|inner| ResponseBody { inner, exchange, last })))
    }
}

pin_project! {
    /// The service's body. Its request is in flight until the body ends, fails or is dropped.
    ///
    /// HTTP/1 gets it unchanged. On HTTP/2, the last frame is passed on in two parts: hyper hands a
    /// frame to h2 whole as soon as the client grants one byte, and would drop the body with its
    /// last frame. It takes the second part only when the client's window covers the first, so the
    /// request stays in flight until then, and the limit of a stalled write applies.
    pub(super) struct ResponseBody<B> {
        #[pin]
        inner: hardpoint_core::ResponseBody<B>,
        exchange: Option<Exchange>,
        last: Last,
    }
}

/// The last frame of a response body.
#[derive(Debug)]
enum Last {
    /// It is passed on as it is.
    Whole,
    /// It has not come yet.
    Unsplit,
    /// Its second part, which is still to be passed on.
    Part(Bytes),
}

impl Last {
    /// A rest that is not longer than this keeps no more memory than the idle connection itself, so
    /// that the idle time-out bounds it well enough.
    const LEAST: usize = 1024;

    /// Takes the second part off `frame`, which is the last one.
    fn split(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        match frame.into_data() {
            Ok(mut data) if data.len() > Self::LEAST => {
                *self = Self::Part(data.split_off(data.len() - 1));
                Frame::data(data)
            }
            Ok(data) => Frame::data(data),
            Err(frame) => frame,
        }
    }
}

impl<B: Body<Data = Bytes>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        if let Last::Part(part) = this.last {
            let part = std::mem::take(part);
            *this.last = Last::Whole;
            return Poll::Ready(Some(Ok(Frame::data(part))));
        }
        let mut polled = this.inner.as_mut().poll_frame(cx);
        match (&polled, this.exchange.as_mut()) {
            // hyper asks again as soon as the client has room for more.
            (Poll::Ready(Some(Ok(_))), Some(exchange)) => exchange.set_unread(true),
            (Poll::Ready(Some(Ok(_))) | Poll::Pending, None) => {}
            (Poll::Ready(_), _) => *this.exchange = None,
            (Poll::Pending, Some(exchange)) => exchange.set_unread(false),
        }
        if matches!(this.last, Last::Unsplit) && this.inner.is_end_stream() {
            polled =
                polled.map(|frame| frame.map(|frame| frame.map(|frame| this.last.split(frame))));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        !matches!(self.last, Last::Part(_)) && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.last {
            // The inner body has ended.
            Last::Part(part) => SizeHint::with_exact(part.len() as u64),
            Last::Whole | Last::Unsplit => self.inner.size_hint(),
        }
    }
}
