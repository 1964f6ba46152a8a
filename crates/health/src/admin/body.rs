//! The request body that admin routes receive.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

/// The body of a request to an admin route, read completely before the route is called.
#[derive(Clone, Debug, Default)]
pub struct RequestBody {
    bytes: Bytes,
}

impl RequestBody {
    pub(super) const fn new(bytes: Bytes) -> Self {
        Self { bytes }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = std::mem::take(&mut self.bytes);
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        // No buffer is larger than a u64.
        SizeHint::with_exact(u64::try_from(self.bytes.len()).unwrap_or(u64::MAX))
    }
}

/// Why a body could not be collected.
#[derive(Debug)]
pub(super) enum Uncollected<E> {
    Failed(E),
    TooLarge,
}

/// Collects the data of a body of at most `limit` bytes. Trailers are dropped.
pub(super) async fn collect<B: Body<Data = Bytes>>(
    body: B,
    limit: usize,
) -> Result<Bytes, Uncollected<B::Error>> {
    let mut body = std::pin::pin!(body);
    let mut collected = BytesMut::new();
    while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let frame = frame.map_err(Uncollected::Failed)?;
        if let Ok(data) = frame.into_data() {
            if data.len() > limit - collected.len() {
                return Err(Uncollected::TooLarge);
            }
            collected.extend_from_slice(&data);
        }
    }
    Ok(collected.freeze())
}
