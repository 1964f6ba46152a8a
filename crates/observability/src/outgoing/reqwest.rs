//! reqwest's client as a service, for [`OutgoingLayer`](super::OutgoingLayer) and other layers.
//!
//! ```no_run
//! use hardpoint_core::RequestContext;
//! use hardpoint_observability::outgoing::{AllowedHosts, OutgoingLayer, reqwest::ReqwestClient};
//! use http::Request;
//! use std::sync::Arc;
//! use tower::{BoxError, Layer, ServiceExt};
//!
//! # async fn handler(context: Arc<RequestContext>) -> Result<(), BoxError> {
//! let reqwest = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
//! let hosts = AllowedHosts::new(["inventory.internal"])?;
//! let client = OutgoingLayer::new("inventory", hosts).layer(ReqwestClient::new(reqwest.clone()));
//!
//! // A request that reqwest built belongs to the incoming one whose context it carries.
//! let call = reqwest.get("https://inventory.internal/items").header("accept", "text/plain");
//! let mut call = Request::<reqwest::Body>::try_from(call.build()?)?;
//! call.extensions_mut().insert(context);
//! let response = client.oneshot(call).await?;
//! let text = reqwest::Response::from(response).text().await?;
//! # drop(text);
//! # Ok(())
//! # }
//! ```
//!
//! # Deployment caveats
//! reqwest follows redirects inside of the layer, and sends the ids to the new host too. Turn them off,
//! as above, unless the called service is trusted with its redirects.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use reqwest::{Body, Client, Error};
use tower_service::Service;

/// reqwest's client as a service that takes and returns the types of `http`.
///
/// Retries, circuit breakers and time-outs around it then work as around any other client. It is
/// always ready.
#[derive(Clone, Debug)]
pub struct ReqwestClient {
    inner: Client,
}

impl ReqwestClient {
    /// Sends with this client.
    #[must_use]
    pub const fn new(client: Client) -> Self {
        Self { inner: client }
    }
}

impl<B: Into<Body>> Service<Request<B>> for ReqwestClient {
    type Response = Response<Body>;
    /// Also for a URI that reqwest does not accept, such as a path without a host.
    type Error = Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Service::<reqwest::Request>::poll_ready(&mut self.inner, cx)
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        match reqwest::Request::try_from(request.map(Into::into)) {
            Ok(request) => ResponseFuture { sent: Some(self.inner.call(request)), refused: None },
            Err(error) => ResponseFuture { sent: None, refused: Some(error) },
        }
    }
}

pin_project! {
    /// The future of [`ReqwestClient`].
    pub struct ResponseFuture {
        #[pin]
        sent: Option<<Client as Service<reqwest::Request>>::Future>,
        refused: Option<Error>,
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<Body>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match (this.sent.as_pin_mut(), this.refused.take()) {
            (Some(sent), _) => Poll::Ready(ready!(sent.poll(cx)).map(Into::into)),
            (None, Some(error)) => Poll::Ready(Err(error)),
            // It has returned its error before.
            (None, None) => Poll::Pending,
        }
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
