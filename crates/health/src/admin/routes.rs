//! Routes for operators: a service of the application, called on the application's runtime.

use std::{error::Error, future::poll_fn, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::{
    runtime::Handle,
    task::{AbortHandle, JoinError},
    time::{error::Elapsed, timeout},
};
use tower_service::Service;

use super::body::{RequestBody, Uncollected, collect};

/// How long a route may take. Prometheus gives up after as long by default.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The largest response body. The metrics of a large service are a few MiB.
const MAX_RESPONSE: usize = 16 * 1024 * 1024;

type BoxError = Box<dyn Error + Send + Sync>;
type Answer = Pin<Box<dyn Future<Output = Result<Response<Bytes>, BoxError>> + Send>>;

/// The application's service behind a virtual call.
pub(super) type Routes = Arc<dyn Fn(Request<RequestBody>) -> Answer + Send + Sync>;

/// Why a route has no answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// The route failed, panicked, or its response is too large.
    Failed(BoxError),
    /// The route took too long, or the runtime does not run.
    TimedOut,
}

impl From<Elapsed> for NoAnswer {
    fn from(_: Elapsed) -> Self {
        Self::TimedOut
    }
}

impl From<JoinError> for NoAnswer {
    fn from(error: JoinError) -> Self {
        Self::Failed(error.into())
    }
}

/// Erases the type of `service`.
pub(super) fn erase<S, B>(service: S) -> Routes
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data = Bytes> + Send,
    B::Error: Into<BoxError>,
{
    Arc::new(move |request| {
        let mut service = service.clone();
        Box::pin(async move {
            poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into)?;
            let response = service.call(request).await.map_err(Into::into)?;
            let (head, body) = response.into_parts();
            let bytes = collect(body, MAX_RESPONSE).await.map_err(|error| match error {
                Uncollected::Failed(error) => error.into(),
                Uncollected::TooLarge => "the response body is larger than 16 MiB".into(),
            })?;
            Ok(Response::from_parts(head, bytes))
        })
    })
}

/// Calls `routes` on `runtime`. Dropping the future drops the call.
pub(super) async fn call(
    routes: &Routes,
    runtime: &Handle,
    request: Request<RequestBody>,
) -> Result<Response<Bytes>, NoAnswer> {
    let routes = Arc::clone(routes);
    // The closure runs foreign code too, so it is called over there.
    let task = runtime.spawn(async move { routes(request).await });
    let _abort = AbortOnDrop(task.abort_handle());
    timeout(TIMEOUT, task).await??.map_err(NoAnswer::Failed)
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
