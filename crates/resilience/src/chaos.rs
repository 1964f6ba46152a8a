//! Injects faults in the tests of an application: delays, errors, hangs and resets.
//!
//! A policy that was never tried under failure is a guess. This layer takes the place of the failing
//! destination, inside of the policies under test.
//!
//! ```
//! use bytes::Bytes;
//! use hardpoint_resilience::{ChaosLayer, ClientPolicy, Jitter, retry::ReplayBody};
//! use http::{Request, Response, StatusCode};
//! use http_body_util::{Empty, Full};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let api = service_fn(|_: Request<ReplayBody<Full<Bytes>>>| async {
//!     Ok::<_, std::io::Error>(Response::new(Empty::<Bytes>::new()))
//! });
//! let chaos = ChaosLayer::new(Jitter::seeded(7)).status(0.3, StatusCode::BAD_GATEWAY);
//! let policy = ClientPolicy::internal("api").build()?;
//! let client = policy.layer().layer(chaos.layer(api));
//!
//! let request = Request::get("/").body(Full::default())?;
//! assert!(client.oneshot(request).await.is_ok());
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. Each setting has a share of the calls, from 0 to 1. The faults are drawn in the order latency,
//!    hang, reset, status; a call that is hung, reset or answered does not reach the inner service.
//! 2. A hang never ends. A reset is an [`io::Error`] of the kind `ConnectionReset`.
//! 3. The sequence of faults follows from the seed of the [`Jitter`], if calls come one by one.
//!
//! # Sharing
//! All services made from one layer draw from one sequence.
//!
//! # Cancellation
//! Dropping the future drops the inner future, a delay, or a hang.
//!
//! # Deployment caveats
//! - For tests. In production it does what its name promises.
//!
//! # Where to put this layer
//! Innermost: in the place of the network.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hardpoint_core::ResponseBody;
use http::{Request, Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{BoxError, Jitter, sleep::LazySleep};

/// Injects faults. See the [module docs](self).
#[derive(Clone, Debug)]
#[must_use]
pub struct ChaosLayer {
    faults: Option<Faults>,
}

#[derive(Clone, Debug)]
struct Faults {
    jitter: Jitter,
    latency: (f64, Duration),
    hang: f64,
    reset: f64,
    status: (f64, StatusCode),
}

impl ChaosLayer {
    /// Injects nothing yet, and draws from `jitter`.
    pub const fn new(jitter: Jitter) -> Self {
        let status = (0.0, StatusCode::SERVICE_UNAVAILABLE);
        let latency = (0.0, Duration::ZERO);
        Self { faults: Some(Faults { jitter, latency, hang: 0.0, reset: 0.0, status }) }
    }

    /// The layer that injects nothing.
    pub const fn off() -> Self {
        Self { faults: None }
    }

    /// Delays a share of the calls, each by up to `at_most`. Default: none.
    pub const fn latency(mut self, share: f64, at_most: Duration) -> Self {
        if let Some(faults) = &mut self.faults {
            faults.latency = (share, at_most);
        }
        self
    }

    /// Never answers a share of the calls. Default: none.
    pub const fn hang(mut self, share: f64) -> Self {
        if let Some(faults) = &mut self.faults {
            faults.hang = share;
        }
        self
    }

    /// Fails a share of the calls with a reset connection. Default: none.
    pub const fn reset(mut self, share: f64) -> Self {
        if let Some(faults) = &mut self.faults {
            faults.reset = share;
        }
        self
    }

    /// Answers a share of the calls with `status` and without a body. Default: none.
    pub const fn status(mut self, share: f64, status: StatusCode) -> Self {
        if let Some(faults) = &mut self.faults {
            faults.status = (share, status);
        }
        self
    }
}

impl<S> Layer<S> for ChaosLayer {
    type Service = Chaos<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Chaos { inner, faults: self.faults.clone() }
    }
}

impl Faults {
    /// Draws whether a share of the calls includes this one.
    fn hits(&self, share: f64) -> bool {
        // A millionth is finer than any test can tell.
        let drawn = self.jitter.up_to(Duration::from_secs(1)).as_secs_f64();
        drawn < share
    }

    fn draw(&self) -> (Duration, Option<Fault>) {
        let (share, at_most) = self.latency;
        let delay = if self.hits(share) { self.jitter.up_to(at_most) } else { Duration::ZERO };
        let fault = if self.hits(self.hang) {
            Some(Fault::Hang)
        } else if self.hits(self.reset) {
            Some(Fault::Reset)
        } else if self.hits(self.status.0) {
            Some(Fault::Status(self.status.1))
        } else {
            None
        };
        (delay, fault)
    }
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Hang,
    Reset,
    Status(StatusCode),
}

/// Injects faults. See the [module docs](self).
#[derive(Clone, Debug)]
pub struct Chaos<S> {
    inner: S,
    faults: Option<Faults>,
}

impl<S> Chaos<S> {
    hardpoint_core::inner_accessors!();
}

impl<S, B, R> Service<Request<B>> for Chaos<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (delay, fault) = self.faults.as_ref().map_or((Duration::ZERO, None), Faults::draw);
        let call = match fault {
            None => Call::Inner { inner: self.inner.call(request) },
            Some(fault) => Call::Fault { fault },
        };
        ResponseFuture { delay: (!delay.is_zero()).then(|| LazySleep::new(delay)), call }
    }
}

pin_project! {
    /// The inner service's response, late, or a fault.
    pub struct ResponseFuture<F> {
        #[pin]
        delay: Option<LazySleep>,
        #[pin]
        call: Call<F>,
    }
}

pin_project! {
    #[project = CallProject]
    enum Call<F> {
        Inner { #[pin] inner: F },
        Fault { fault: Fault },
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<ResponseBody<R>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(delay) = this.delay.as_mut().as_pin_mut() {
            ready!(delay.poll(cx));
            this.delay.set(None);
        }
        match this.call.project() {
            CallProject::Inner { inner } => {
                let response = ready!(inner.poll(cx)).map_err(Into::into)?;
                Poll::Ready(Ok(response.map(ResponseBody::inner)))
            }
            // Never woken: a hang ends when the caller drops it.
            CallProject::Fault { fault: Fault::Hang } => Poll::Pending,
            CallProject::Fault { fault: Fault::Reset } => {
                Poll::Ready(Err(io::Error::from(io::ErrorKind::ConnectionReset).into()))
            }
            CallProject::Fault { fault: Fault::Status(status) } => {
                let mut response = Response::new(ResponseBody::empty());
                *response.status_mut() = *status;
                Poll::Ready(Ok(response))
            }
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = match &self.call {
            Call::Inner { .. } => None,
            Call::Fault { fault } => Some(fault),
        };
        f.debug_struct("ResponseFuture").field("fault", &fault).finish_non_exhaustive()
    }
}
