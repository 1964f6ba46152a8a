//! Polls without a runtime and detects wake-ups.

use std::{
    pin::pin,
    sync::{Arc, Condvar, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request};
use http_body::Body;
use tower_service::Service;

/// How long a wake-up from another thread may take. Only a broken layer waits for the whole time.
const PATIENCE: Duration = Duration::from_secs(2);

/// A waker that records whether it was woken.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    rung: Mutex<bool>,
    bell: Condvar,
}

impl Alarm {
    pub(super) fn new() -> (Arc<Self>, Waker) {
        let alarm = Arc::new(Self::default());
        (Arc::clone(&alarm), Waker::from(alarm))
    }

    /// Whether the waker was woken since the last call.
    pub(super) fn rang(&self) -> bool {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut rung, _timeout) = self
            .bell
            .wait_timeout_while(rung, PATIENCE, |rung| !*rung)
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *rung)
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.notify_all();
    }
}

/// Drives a future to completion, polling it again only after a wake-up.
pub(super) fn drive<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let (alarm, waker) = Alarm::new();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        assert!(
            alarm.rang(),
            "a future is pending with nothing left to wait for, and was not woken"
        );
    }
}

/// Waits until `service` is ready.
pub(super) fn ready<S, B>(service: &mut S) -> Result<(), S::Error>
where
    S: Service<Request<B>>,
{
    drive(std::future::poll_fn(|cx| service.poll_ready(cx)))
}

/// Waits until `service` is ready, calls it, and waits for the response.
pub(super) fn exchange<S, B>(service: &mut S, request: Request<B>) -> Result<S::Response, S::Error>
where
    S: Service<Request<B>>,
{
    ready(service)?;
    drive(service.call(request))
}

/// The content that a body yielded.
#[derive(Debug)]
pub(super) struct Yielded<E> {
    pub(super) data: Bytes,
    pub(super) trailers: Option<HeaderMap>,
    pub(super) error: Option<E>,
    /// The result of `is_end_stream` after the last frame, before the poll that returns `None`.
    pub(super) ended: bool,
}

/// Reads a body until it ends or fails.
pub(super) fn read<R>(body: R) -> Yielded<R::Error>
where
    R: Body<Data = Bytes>,
{
    let mut body = pin!(body);
    let mut data = BytesMut::new();
    let (mut trailers, mut error, mut ended) = (None, None, body.is_end_stream());
    while let Some(frame) = drive(std::future::poll_fn(|cx| body.as_mut().poll_frame(cx))) {
        ended = body.is_end_stream();
        match frame.map(http_body::Frame::into_data) {
            Ok(Ok(bytes)) => data.extend_from_slice(&bytes),
            Ok(Err(frame)) => trailers = frame.into_trailers().ok(),
            Err(failure) => {
                error = Some(failure);
                break;
            }
        }
    }
    Yielded { data: data.freeze(), trailers, error, ended }
}
