//! Which body the inner service takes.

use super::LimitedBody;

/// Which type of body the inner service takes for requests whose body is a `B`.
///
/// [`AsLimited`] serves every service that is generic over bodies. A service that takes one type of
/// body alone has an implementation that makes it:
///
/// ```
/// use std::pin::Pin;
///
/// use bytes::Bytes;
/// use hardpoint_edge::{BodyLimitLayer, body_limit::{InnerBody, LimitedBody, LimitedBodyError}};
/// use http_body::Body;
///
/// type BoxedBody = Pin<Box<dyn Body<Data = Bytes, Error = LimitedBodyError> + Send>>;
///
/// struct AsBoxed;
///
/// impl<B> InnerBody<B> for AsBoxed
/// where
///     B: Body<Data = Bytes> + Send + 'static,
///     B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
/// {
///     type Body = BoxedBody;
///
///     fn inner_body(body: LimitedBody<B>) -> BoxedBody {
///         Box::pin(body)
///     }
/// }
///
/// let layer = BodyLimitLayer::new(64 * 1024).with_inner_body::<AsBoxed>();
/// ```
pub trait InnerBody<B> {
    /// The type that the inner service takes.
    type Body;

    /// Makes the inner service's body. One that [is known to fit](LimitedBody::is_known_to_fit) may
    /// be taken out; any other must be read through the limit, or there is none.
    fn inner_body(body: LimitedBody<B>) -> Self::Body;
}

/// The inner service takes the [`LimitedBody`] itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsLimited;

impl<B> InnerBody<B> for AsLimited {
    type Body = LimitedBody<B>;

    fn inner_body(body: LimitedBody<B>) -> LimitedBody<B> {
        body
    }
}
