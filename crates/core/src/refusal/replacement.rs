//! Refusals that a server sends in place of a response.

use std::sync::{Arc, OnceLock};

use http::{Extensions, Response};
use http_body::Body;

use super::Refused;

/// Where a server notes that it sends a refusal of its own in place of the service's response.
///
/// A server that can do so, for example after a request body that arrived too slowly, inserts one
/// into the extensions of each request. A layer that records responses keeps a clone and reads it
/// when the service's response is dropped: the client has not received that response.
///
/// All clones share their content. It is written once.
#[derive(Clone, Debug, Default)]
pub struct Replacement {
    sent: Arc<OnceLock<(Refused, Option<u64>)>>,
}

impl Replacement {
    /// Returns the request's replacement if the server inserted one.
    #[must_use]
    pub fn find(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// Notes the server's response. Returns `false` if it is not a refusal, or if one is noted
    /// already.
    pub fn set<B: Body>(&self, response: &Response<B>) -> bool {
        let refused = response.extensions().get::<Refused>();
        let bytes = response.body().size_hint().exact();
        refused.is_some_and(|refused| self.sent.set((*refused, bytes)).is_ok())
    }

    /// The refusal that the server sends, if it sends one.
    #[must_use]
    pub fn refused(&self) -> Option<Refused> {
        self.sent.get().map(|(refused, _)| *refused)
    }

    /// The length of the refusal's body, if it is known.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        self.sent.get().and_then(|(_, bytes)| *bytes)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;

    use super::*;
    use crate::{HeadFacts, Problem, Refusals, ResponseBody};

    /// A body without a length, which nothing reads.
    struct NoBody;

    impl Body for NoBody {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            std::task::Poll::Ready(None)
        }
    }

    fn refusal(status: StatusCode) -> Response<ResponseBody<NoBody>> {
        Refusals::new().refuse(&HeadFacts::default(), &Problem::from_status(status))
    }

    #[test]
    fn the_first_refusal_is_kept_by_all_clones() {
        let replacement = Replacement::default();
        let twin = replacement.clone();
        assert!(!replacement.set(&Response::new(NoBody)), "a response that is not a refusal");
        assert_eq!((twin.refused(), twin.bytes()), (None, None));
        let sent = refusal(StatusCode::REQUEST_TIMEOUT);
        assert!(replacement.set(&sent));
        assert!(!replacement.set(&refusal(StatusCode::BAD_REQUEST)));
        assert_eq!(twin.refused().map(Refused::status), Some(StatusCode::REQUEST_TIMEOUT));
        assert_eq!(twin.bytes(), sent.body().size_hint().exact());
        assert!(twin.bytes() > Some(0));
    }
}
