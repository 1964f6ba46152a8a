//! A dependency that fails on demand, and the route that calls it through a client policy.

use std::{
    error::Error,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use hardpoint::{
    core::{Problem, RequestContext, Telemetry, event::CircuitState},
    health::{Check, Down},
    observability::{
        OutgoingLayer,
        otlp::Otlp,
        outgoing::{AllowedHosts, Outgoing},
    },
    resilience::{
        BoxError, BulkheadFull, CircuitOpen, ClientPolicy, TimedOut, client_policy::GuardedClient,
        retry::ReplayBody,
    },
};
use http::{StatusCode, header::CONTENT_TYPE};
use http_body_util::Empty;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt};
use tracing::Instrument as _;

/// How the upstream behaves.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// It answers.
    Ok,
    /// It answers 503.
    Down,
    /// It answers after two seconds.
    Slow,
    /// It answers 500 to every other request.
    Flaky,
}

/// The upstream, which any deployment would have elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    shared: Arc<Shared>,
    address: SocketAddr,
}

#[derive(Debug, Default)]
struct Shared {
    mode: AtomicU8,
    requests: AtomicUsize,
}

impl Upstream {
    /// Serves it on a free port of this machine.
    pub(crate) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::<Shared>::default();
        let router = Router::new().route("/quote", get(answer)).with_state(Arc::clone(&shared));
        tokio::spawn(axum::serve(listener, router).into_future());
        Ok(Self { shared, address })
    }

    /// The route on the admin listener that changes its mode.
    pub(crate) fn admin_route(&self) -> Router {
        let set = async |State(shared): State<Arc<Shared>>, Json(change): Json<Change>| {
            shared.set(change.mode);
            StatusCode::NO_CONTENT
        };
        let shared = Arc::clone(&self.shared);
        Router::new().route("/upstream", axum::routing::put(set)).with_state(shared)
    }
}

#[derive(Deserialize)]
struct Change {
    mode: Mode,
}

impl Shared {
    const MODES: [Mode; 4] = [Mode::Ok, Mode::Down, Mode::Slow, Mode::Flaky];

    fn set(&self, mode: Mode) {
        let number = (0..).zip(Self::MODES).find(|(_, other)| *other == mode);
        self.mode.store(number.map_or(0, |(number, _)| number), Ordering::Relaxed);
    }

    fn mode(&self) -> Mode {
        let number = usize::from(self.mode.load(Ordering::Relaxed));
        Self::MODES.get(number).copied().unwrap_or(Mode::Ok)
    }
}

async fn answer(State(shared): State<Arc<Shared>>) -> Response {
    let number = shared.requests.fetch_add(1, Ordering::Relaxed);
    match shared.mode() {
        Mode::Ok => {}
        Mode::Down => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Mode::Slow => tokio::time::sleep(Duration::from_secs(2)).await,
        Mode::Flaky if number % 2 == 0 => {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        Mode::Flaky => {}
    }
    Json(json!({ "quote": "Everything fails all the time.", "number": number })).into_response()
}

/// The client of the upstream.
#[derive(Clone, Debug)]
pub(crate) struct Quotes {
    policy: ClientPolicy,
    client: GuardedClient<Outgoing<Client<HttpConnector, ReplayBody<Empty<Bytes>>>>>,
    address: SocketAddr,
}

impl Quotes {
    /// Times are shorter than the defaults, since the upstream is on this machine.
    pub(crate) fn new(
        upstream: &Upstream,
        telemetry: &Telemetry,
        otlp: &Otlp,
    ) -> Result<Self, Box<dyn Error>> {
        let policy = ClientPolicy::internal("quotes")
            .deadline(Duration::from_secs(2))
            .attempt_timeout(Duration::from_millis(500))
            .telemetry(telemetry)
            .build()?;
        let hosts = AllowedHosts::new([upstream.address.ip().to_string()])?;
        let outgoing = OutgoingLayer::new("quotes", hosts).telemetry(telemetry).otlp(otlp);
        let client = outgoing.layer(Client::builder(TokioExecutor::new()).build_http());
        let client = policy.layer().layer(client);
        Ok(Self { policy, client, address: upstream.address })
    }

    /// Reports the circuit. A closed one is the only proof that calls reach the upstream.
    pub(crate) fn check(&self) -> Check {
        let policy = self.policy.clone();
        Check::new("quotes", move || {
            let state = policy.circuit().map(hardpoint::resilience::Circuit::state);
            async move {
                match state {
                    None | Some(CircuitState::Closed) => Ok(()),
                    Some(_) => Err(Down::new("circuit_open")),
                }
            }
        })
        // The circuit decides by itself when it is open: one failure is enough.
        .every(Duration::from_secs(1))
        .timeout(Duration::from_millis(500))
        .fail_after(1)
        .recover_after(1)
    }
}

/// Passes on what the upstream answers.
pub(crate) async fn quote(
    State(quotes): State<Quotes>,
    incoming: Request,
) -> Result<Response, Problem> {
    let mut request = http::Request::get(format!("http://{}/quote", quotes.address))
        .body(Empty::new())
        .map_err(|_| Problem::from_status(StatusCode::INTERNAL_SERVER_ERROR))?;
    // The call continues the caller's trace, ends before its deadline, and is not retried if the
    // caller retries.
    if let Some(context) = RequestContext::find(incoming.extensions()) {
        request.extensions_mut().insert(Arc::clone(context));
    }
    // A span in the trace of the request, if it is exported.
    let span = tracing::info_span!("fetch quote");
    let answer = quotes.client.oneshot(request).instrument(span).await;
    let response = answer.map_err(|error| problem(&error))?;
    if !response.status().is_success() {
        return Err(Problem::from_status(StatusCode::BAD_GATEWAY));
    }
    let json = (CONTENT_TYPE, "application/json");
    Ok(([json], Body::new(response.into_body())).into_response())
}

/// What the client of this service learns of a call that failed.
fn problem(error: &BoxError) -> Problem {
    let unavailable = || {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Problem::new(status, "upstream_unavailable", "A dependency is unavailable")
    };
    let second = Duration::from_secs(1);
    if let Some(open) = error.downcast_ref::<CircuitOpen>() {
        unavailable().retry_after(open.retry_after().unwrap_or(second))
    } else if error.is::<BulkheadFull>() {
        unavailable().retry_after(second)
    } else if error.is::<TimedOut>() {
        Problem::from_status(StatusCode::GATEWAY_TIMEOUT)
    } else {
        Problem::from_status(StatusCode::BAD_GATEWAY)
    }
}
