//! Rejections as axum responses.

use std::sync::Arc;

use ::axum::{
    body::Body,
    response::{IntoResponse, Response},
};

use crate::{HeadFacts, Problem, Refusals, Rejection};

/// A handler's or an extractor's refusal: any [`Rejection`], with its header fields.
///
/// The response is `application/problem+json` and carries the rejection in its extensions. An outer
/// problem layer renders it again, with the request's id and the service's [`Refusals`].
///
/// ```
/// use axum::{Json, extract::Path};
/// use hardpoint_core::{Problem, axum::RejectionResponse};
/// use http::StatusCode;
///
/// async fn note(Path(id): Path<u64>) -> Result<Json<String>, RejectionResponse> {
///     if id != 1 {
///         return Err(Problem::from_status(StatusCode::NOT_FOUND).into());
///     }
///     Ok(Json("buy milk".to_owned()))
/// }
/// # let _ = note;
/// ```
///
/// A [`Problem`] is also a response: `Result<Json<String>, Problem>` works the same way.
#[derive(Clone, Debug)]
pub struct RejectionResponse(Arc<dyn Rejection>);

impl<R: Rejection> From<R> for RejectionResponse {
    fn from(rejection: R) -> Self {
        Self(Arc::new(rejection))
    }
}

impl IntoResponse for RejectionResponse {
    fn into_response(self) -> Response {
        let response = Refusals::new().refuse::<Body>(&HeadFacts::default(), &*self.0);
        let mut response = response.map(Body::new);
        response.extensions_mut().insert(self.0);
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        RejectionResponse::from(self).into_response()
    }
}
