//! What axum has of its own: where it keeps the peer's address, its body, and its way to respond.

use std::{
    error::Error,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use ::axum::{
    body::Body,
    extract::connect_info::{ConnectInfo, MockConnectInfo},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use hardpoint_core::{HeadFacts, Problem, Rejection, ResponseBody, refuse};
use http::Extensions;

use crate::{
    BodyLimitLayer,
    body_limit::{InnerBody, LimitedBody},
    status::Refusal,
};

/// A [`Problem`] as a handler's response.
///
/// [`ProblemLayer`](crate::ProblemLayer) renders it, with the id of the request and, for a gRPC
/// caller, as trailers. Without that layer it is `application/problem+json` all the same.
///
/// ```
/// use axum::{Json, extract::Path};
/// use hardpoint_edge::{axum::ProblemResponse, problem};
/// use http::StatusCode;
///
/// async fn note(Path(id): Path<u64>) -> Result<Json<String>, ProblemResponse> {
///     if id != 1 {
///         return Err(problem::of_status(StatusCode::NOT_FOUND).into());
///     }
///     Ok(Json("buy milk".to_owned()))
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ProblemResponse(pub Problem);

impl From<Problem> for ProblemResponse {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for ProblemResponse {
    fn into_response(self) -> Response {
        let rejection = Refusal::new(self.0.clone());
        let response = refuse(&HeadFacts::default(), &rejection);
        let mut response = response.map(|body: ResponseBody<Body>| Body::new(body));
        response.extensions_mut().insert(self.0);
        response
    }
}

/// A handler's refusal: any [`Rejection`], with its headers, its code for gRPC callers and its
/// outcome. Otherwise it is as [`ProblemResponse`].
///
/// ```
/// use hardpoint_core::{GrpcCode, Problem, Rejection};
/// use hardpoint_edge::axum::RejectionResponse;
/// use http::StatusCode;
/// use std::{error::Error, fmt};
///
/// #[derive(Debug)]
/// struct OutOfStock;
///
/// impl fmt::Display for OutOfStock {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
///         f.write_str("nothing is left")
///     }
/// }
///
/// impl Error for OutOfStock {}
///
/// impl Rejection for OutOfStock {
///     fn problem(&self) -> Problem {
///         Problem::new(StatusCode::CONFLICT, "out_of_stock", "Nothing is left")
///     }
///
///     fn grpc_code(&self) -> GrpcCode {
///         GrpcCode::ResourceExhausted
///     }
/// }
///
/// async fn order() -> Result<&'static str, RejectionResponse> {
///     Err(OutOfStock)?
/// }
/// # let _ = order;
/// ```
#[derive(Clone, Debug)]
pub struct RejectionResponse(Arc<dyn Rejection>);

impl<R: Rejection> From<R> for RejectionResponse {
    fn from(rejection: R) -> Self {
        Self(Arc::new(rejection))
    }
}

impl IntoResponse for RejectionResponse {
    fn into_response(self) -> Response {
        let response = refuse(&HeadFacts::default(), self.0.as_ref());
        let mut response = response.map(|body: ResponseBody<Body>| Body::new(body));
        response.extensions_mut().insert(self.0);
        response
    }
}

/// The inner service takes axum's [`Body`]: see [`BodyLimitLayer::with_axum_body`].
#[derive(Clone, Copy, Debug, Default)]
pub struct AsAxumBody;

impl<B> InnerBody<B> for AsAxumBody
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Body = Body;

    /// `Body::new` gives a body that is axum's already back as it is.
    fn inner_body(body: LimitedBody<B>) -> Body {
        if body.is_known_to_fit() { Body::new(body.into_inner()) } else { Body::new(body) }
    }
}

impl BodyLimitLayer {
    /// Hands axum's own [`Body`] to the inner service, so that middleware fits that takes no other.
    ///
    /// A body whose length is known is handed on untouched; any other is boxed once, as axum boxes
    /// every body that is not its own.
    ///
    /// ```
    /// use axum::{Router, body::Body, extract::Request, routing::post};
    /// use hardpoint_edge::BodyLimitLayer;
    /// use tower::ServiceBuilder;
    ///
    /// let app: Router = Router::new().route("/", post(|body: String| async { body })).layer(
    ///     ServiceBuilder::new()
    ///         .layer(BodyLimitLayer::new(64 * 1024).with_axum_body())
    ///         .map_request(|request: Request<Body>| request),
    /// );
    /// ```
    pub const fn with_axum_body(self) -> BodyLimitLayer<AsAxumBody> {
        self.with_inner_body()
    }
}

/// The peer's address, where axum keeps it.
pub(crate) fn connect_info(extensions: &Extensions) -> Option<IpAddr> {
    let address = match extensions.get::<ConnectInfo<SocketAddr>>() {
        Some(ConnectInfo(address)) => address,
        None => &extensions.get::<MockConnectInfo<SocketAddr>>()?.0,
    };
    Some(address.ip().to_canonical())
}
