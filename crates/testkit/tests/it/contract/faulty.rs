//! A layer that breaks one law at a time.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use hardpoint_core::{RequestContext, Time};
use hardpoint_testkit::{
    TestBody,
    spy::{Spy, SpyError},
};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tower_layer::{Layer, layer_fn};
use tower_service::Service;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    AddsAHeader,
    AlwaysReady,
    Boxes,
    CallsAClone,
    CallsACloneAndHidesIt,
    ChangesTheError,
    ChangesTheReadyError,
    ChangesTheStatus,
    DropsTheBody,
    DropsTheReadyWaker,
    DropsTrailers,
    EndsEarly,
    ForgetsItsFuture,
    ForgetsTheInner,
    HidesTheEnd,
    HidesTheSize,
    KeepsTheFirstWaker,
    MakesAContext,
    None,
    StashesClones,
    SwallowsBodyErrors,
    /// No fault: a layer that keeps the ready instance has to do it.
    SwapsInAClone,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct FaultyLayer(pub(super) Fault);

impl<S: Clone> Layer<S> for FaultyLayer {
    type Service = Faulty<S>;

    fn layer(&self, inner: S) -> Faulty<S> {
        if self.0 == Fault::ForgetsTheInner {
            std::mem::forget(inner.clone());
        }
        Faulty { inner, fault: self.0, stash: Vec::new() }
    }
}

#[derive(Debug)]
pub(super) struct Faulty<S> {
    inner: S,
    fault: Fault,
    stash: Vec<S>,
}

impl<S: Clone> Clone for Faulty<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), fault: self.fault, stash: Vec::new() }
    }
}

impl<S, B> Service<Request<B>> for Faulty<S>
where
    S: Service<Request<B>, Response = Response<TestBody>, Error = SpyError> + Clone,
    S::Future: Unpin,
{
    type Response = Response<FaultyBody>;
    type Error = SpyError;
    type Future = FaultyFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SpyError>> {
        match self.fault {
            Fault::AlwaysReady => Poll::Ready(Ok(())),
            Fault::DropsTheReadyWaker => {
                self.inner.poll_ready(&mut Context::from_waker(Waker::noop()))
            }
            Fault::ChangesTheReadyError => {
                let ready = self.inner.poll_ready(cx);
                ready.map_err(|_| SpyError::new(99))
            }
            Fault::StashesClones => {
                let mut clone = self.inner.clone();
                let ready = clone.poll_ready(cx);
                self.stash.push(clone);
                ready
            }
            _ => self.inner.poll_ready(cx),
        }
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let inner = match self.fault {
            Fault::CallsAClone => Some(self.inner.clone().call(request)),
            Fault::CallsACloneAndHidesIt => {
                let mut clone = self.inner.clone();
                let call = std::panic::AssertUnwindSafe(|| clone.call(request));
                std::panic::catch_unwind(call).ok()
            }
            Fault::StashesClones => self.stash.pop().map(|mut ready| ready.call(request)),
            Fault::SwapsInAClone => {
                let clone = self.inner.clone();
                let mut ready = std::mem::replace(&mut self.inner, clone);
                Some(ready.call(request))
            }
            Fault::Boxes => {
                std::hint::black_box(Box::new(1));
                Some(self.inner.call(request))
            }
            Fault::MakesAContext => {
                drop(RequestContext::ensure(request.extensions_mut(), &Time::system()));
                Some(self.inner.call(request))
            }
            _ => Some(self.inner.call(request)),
        };
        FaultyFuture { inner, fault: self.fault, first: None }
    }
}

#[derive(Debug)]
pub(super) struct FaultyFuture<F> {
    inner: Option<F>,
    fault: Fault,
    first: Option<Waker>,
}

impl<F> Future for FaultyFuture<F>
where
    F: Future<Output = Result<Response<TestBody>, SpyError>> + Unpin,
{
    type Output = Result<Response<FaultyBody>, SpyError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let fault = self.fault;
        let wrap = |body| FaultyBody { body, fault };
        let first = self.first.get_or_insert_with(|| cx.waker().clone()).clone();
        let waker = match fault {
            Fault::KeepsTheFirstWaker => &first,
            _ => cx.waker(),
        };
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(Ok(Response::new(wrap(TestBody::default()))));
        };
        let Poll::Ready(answer) = Pin::new(inner).poll(&mut Context::from_waker(waker)) else {
            return Poll::Pending;
        };
        let mut answer = answer.map(|response| response.map(wrap));
        match (&mut answer, fault) {
            (Ok(response), Fault::AddsAHeader) => {
                // A name that is not static would be an allocation of the layer's own.
                let name = HeaderName::from_static("x-added");
                response.headers_mut().insert(name, HeaderValue::from_static("1"));
            }
            (Ok(response), Fault::ChangesTheStatus) => *response.status_mut() = StatusCode::OK,
            (Ok(response), Fault::DropsTheBody) => response.body_mut().body = TestBody::default(),
            (Err(error), Fault::ChangesTheError) => *error = SpyError::new(99),
            _ => {}
        }
        Poll::Ready(answer)
    }
}

impl<F> Drop for FaultyFuture<F> {
    fn drop(&mut self) {
        if self.fault == Fault::ForgetsItsFuture {
            std::mem::forget(self.inner.take());
        }
    }
}

#[derive(Debug)]
pub(super) struct FaultyBody {
    body: TestBody,
    fault: Fault,
}

impl Body for FaultyBody {
    type Data = Bytes;
    type Error = SpyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SpyError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        frame.map(|frame| match (frame, self.fault) {
            (Some(Ok(frame)), Fault::DropsTrailers) if frame.is_trailers() => None,
            (Some(Err(_)), Fault::SwallowsBodyErrors) => None,
            (frame, _) => frame,
        })
    }

    fn is_end_stream(&self) -> bool {
        match self.fault {
            Fault::HidesTheEnd => false,
            Fault::EndsEarly => true,
            _ => self.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.fault {
            Fault::HidesTheSize => SizeHint::default(),
            _ => self.body.size_hint(),
        }
    }
}

/// A layer whose call is a task of its own, which nobody ends.
pub(super) fn spawning() -> impl Layer<Spy, Service = Spawning> {
    layer_fn(Spawning)
}

#[derive(Debug)]
pub(super) struct Spawning(Spy);

impl<B> Service<Request<B>> for Spawning {
    type Response = Response<TestBody>;
    type Error = SpyError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<TestBody>, SpyError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SpyError>> {
        Service::<Request<B>>::poll_ready(&mut self.0, cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let task = tokio::spawn(self.0.call(request));
        Box::pin(async { task.await.unwrap_or_else(|_| Err(SpyError::new(99))) })
    }
}

/// A layer that is always ready, and asks a clone of the inner service in its future.
pub(super) fn deferring() -> impl Layer<Spy, Service = Deferring> + Clone + fmt::Debug + Send + Sync
{
    layer_fn(|inner| Deferring(Arc::new(inner)))
}

#[derive(Clone, Debug)]
pub(super) struct Deferring(Arc<Spy>);

impl<B: Send + 'static> Service<Request<B>> for Deferring {
    type Response = Response<TestBody>;
    type Error = SpyError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<TestBody>, SpyError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), SpyError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut clone = Spy::clone(&self.0);
        Box::pin(async move {
            poll_fn(|cx| Service::<Request<B>>::poll_ready(&mut clone, cx)).await?;
            clone.call(request).await
        })
    }
}
