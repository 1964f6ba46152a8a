//! The response body of the gRPC health service.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hardpoint_core::GrpcCode;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame};

use super::{message, service::GRPC_STATUS, watch::Watch};

/// A message and its trailers, the stream of a `Watch`, or nothing.
pub struct ResponseBody {
    kind: Kind,
}

enum Kind {
    Ended,
    Message(Bytes),
    /// The status, or `None` for success.
    Trailers(Option<GrpcCode>),
    Watch(Watch),
}

impl ResponseBody {
    /// An empty body: the status is in the head.
    pub(super) const fn empty() -> Self {
        Self { kind: Kind::Ended }
    }

    pub(super) const fn message(message: Bytes) -> Self {
        Self { kind: Kind::Message(message) }
    }

    pub(super) const fn watch(watch: Watch) -> Self {
        Self { kind: Kind::Watch(watch) }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Kind::Watch(watch) = &mut self.kind {
            match ready!(watch.poll_next(cx)) {
                Some(serving) => {
                    let message = message::response(serving);
                    return Poll::Ready(Some(Ok(Frame::data(message))));
                }
                None => self.kind = Kind::Trailers(Some(GrpcCode::Unavailable)),
            }
        }
        Poll::Ready(match std::mem::replace(&mut self.kind, Kind::Ended) {
            Kind::Message(message) => {
                self.kind = Kind::Trailers(None);
                Some(Ok(Frame::data(message)))
            }
            Kind::Trailers(code) => {
                let status = HeaderValue::from(code.map_or(0, |code| code as u16));
                let trailers = HeaderMap::from_iter([(GRPC_STATUS, status)]);
                Some(Ok(Frame::trailers(trailers)))
            }
            Kind::Watch(_) | Kind::Ended => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.kind, Kind::Ended)
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}
