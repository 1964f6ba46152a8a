//! One request through a service, in process and without a runtime.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use tower_service::Service;

/// The innermost service: answers everything with `pong`, at once and without allocating.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pong;

impl<B> Service<Request<B>> for Pong {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<B>) -> Self::Future {
        ready(Ok(Response::new(Full::new(Bytes::from_static(b"pong")))))
    }
}

/// The output of a future that has nothing to wait for. Inlined, because an `.await` polls a future
/// where it is: moving it here first costs 12 ns.
#[inline(always)]
pub fn now<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nothing in a benchmark in process has to be waited for"),
    }
}

/// Sends a request through a service and reads the body of the answer, as a server does.
pub fn exchange<S, A, B>(service: &mut S, request: Request<A>) -> StatusCode
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Error: std::fmt::Debug,
    B: Body,
{
    let ready = service.poll_ready(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(ready, Poll::Ready(Ok(()))), "a service in a benchmark is always ready");
    // Polled where it is, as by `.await`: a future that is passed on is copied first.
    let future = pin!(service.call(request));
    let Poll::Ready(response) = future.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("nothing in a benchmark in process has to be waited for");
    };
    let (parts, body) = response.expect("a service in a benchmark answers").into_parts();
    let mut body = pin!(body);
    while !body.is_end_stream() {
        let frame = body.as_mut().poll_frame(&mut Context::from_waker(Waker::noop()));
        match frame {
            Poll::Ready(Some(Ok(_))) => {}
            Poll::Ready(None) => break,
            _ => panic!("the body of a benchmark's answer is there"),
        }
    }
    parts.status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_is_answered_at_once() {
        assert_eq!(exchange(&mut Pong, Request::new(())), StatusCode::OK);
    }
}
