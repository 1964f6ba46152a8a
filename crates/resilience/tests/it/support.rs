//! What several modules use.

use std::task::{Context, Poll};

use bytes::Bytes;
use hardpoint_resilience::BoxError;
use hardpoint_testkit::spy::SpyError;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use tower::{Layer, Service, util::MapErr};

/// A layer whose services return the spy's errors unboxed, as the contract expects them.
#[derive(Clone, Debug)]
pub(crate) struct Unboxed<L>(pub(crate) L);

impl<S, L: Layer<S>> Layer<S> for Unboxed<L> {
    type Service = MapErr<L::Service, fn(BoxError) -> SpyError>;

    fn layer(&self, inner: S) -> Self::Service {
        MapErr::new(self.0.layer(inner), unbox)
    }
}

fn unbox(error: BoxError) -> SpyError {
    match error.downcast() {
        Ok(error) => *error,
        Err(other) => panic!("not an error of the spy: {other}"),
    }
}

pub(crate) fn get<B: Default>(path: &str) -> Request<B> {
    Request::get(path).body(B::default()).unwrap()
}

pub(crate) fn post<B: Default>(path: &str) -> Request<B> {
    Request::post(path).body(B::default()).unwrap()
}

pub(crate) fn status<B: Default>(code: u16) -> Response<B> {
    let mut response = Response::new(B::default());
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}

/// A whole body.
pub(crate) async fn read<B>(body: B) -> (Bytes, Option<HeaderMap>)
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let collected = body.collect().await.unwrap();
    let trailers = collected.trailers().cloned();
    (collected.to_bytes(), trailers)
}

/// Waits until the service is ready, then calls it, without waiting for the response.
pub(crate) async fn start<S, Req>(service: &mut S, request: Req) -> S::Future
where
    S: Service<Req>,
    S::Error: std::fmt::Debug,
{
    std::future::poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
    service.call(request)
}

/// Polls once.
pub(crate) fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(std::task::Waker::noop()))
}
