//! What the admin listener answers.

use std::{error::Error, sync::Arc, time::Duration};

use bytes::Bytes;
use hardpoint_core::{Head, Problem, Refusals, Rejection, ResponseBody, Secret};
use http::{Request, Response, StatusCode};
use http_body::Body;
use tokio::{runtime::Handle, time::timeout};
use tracing::{debug, warn};

use super::{
    body::{RequestBody, Uncollected, collect},
    guard,
    routes::{self, NoAnswer, Routes},
};
use crate::{Probes, probe::NoBody};

/// The largest request body of a route.
const MAX_REQUEST: usize = 64 * 1024;

/// How long a client may take to send a request body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The response to any request.
pub(super) type Answer = Response<ResponseBody<NoBody>>;

/// What all connections share.
pub(super) struct Shared {
    pub(super) probes: Probes,
    pub(super) token: Option<Arc<Secret<str>>>,
    pub(super) routes: Option<(Routes, Handle)>,
}

impl Shared {
    /// Answers one request.
    pub(super) async fn answer<B: Body<Data = Bytes>>(&self, request: Request<B>) -> Answer {
        let path = request.uri().path();
        let is_probe = matches!(path, "/livez" | "/readyz" | "/startupz");
        if !is_probe
            && let Some(token) = &self.token
            && let Err(unauthorized) = guard::check(request.headers(), token)
        {
            debug!(target: "hardpoint::health::admin", "admin request without the token");
            return refuse(&request, &unauthorized);
        }
        match &self.routes {
            Some((routes, runtime)) if !is_probe && path != "/health" => {
                forward(routes, runtime, request).await
            }
            _ => self.probes.answer(&request),
        }
    }
}

async fn forward<B: Body<Data = Bytes>>(
    routes: &Routes,
    runtime: &Handle,
    request: Request<B>,
) -> Answer {
    let (head, body) = request.into_parts();
    let facts = Request::from_parts(head.clone(), ());
    let refuse = |status| refuse(&facts, &Problem::from_status(status));
    let body = match timeout(BODY_TIMEOUT, collect(body, MAX_REQUEST)).await {
        Ok(Ok(body)) => body,
        Ok(Err(Uncollected::TooLarge)) => return refuse(StatusCode::PAYLOAD_TOO_LARGE),
        Ok(Err(Uncollected::Failed(_))) => return refuse(StatusCode::BAD_REQUEST),
        Err(_elapsed) => return refuse(StatusCode::REQUEST_TIMEOUT),
    };
    let request = Request::from_parts(head, RequestBody::new(body));
    match routes::call(routes, runtime, request).await {
        Ok(response) => response.map(ResponseBody::full),
        Err(NoAnswer::TimedOut) => refuse(StatusCode::SERVICE_UNAVAILABLE),
        Err(NoAnswer::Failed(error)) => {
            let error: &(dyn Error + 'static) = &*error;
            warn!(
                target: "hardpoint::health::admin",
                error,
                path = facts.uri().path(),
                "admin route failed"
            );
            refuse(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

fn refuse<B>(request: &Request<B>, rejection: &impl Rejection) -> Answer {
    let refusals = Refusals::new();
    refusals.refuse(&refusals.facts(Head::new(request)), rejection)
}
