//! The layers around a plain hyper service, with an accept loop of its own.
//!
//! It serves on `LISTEN` (`127.0.0.1:3000`). The loop supplies what a framework would, the peer and
//! the route. `hardpoint::health::serve::Server` replaces it: that limits slow clients and drains.

use std::{convert::Infallible, error::Error, process::ExitCode};

use bytes::Bytes;
use hardpoint::{
    Stack,
    core::{ClientResolver, Peer, Route},
    edge::{BodyLimitLayer, CatchPanicLayer, ClientLayer, ProblemLayer, SecurityHeadersLayer},
    observability::{Logs, RecordLayer},
    ratelimit::{Policy, Quota, RateLimitLayer, key},
    secrets::{self, Environment},
};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tower::{ServiceExt, service_fn};

/// The routes of the service. A path that is not among them has no route.
const ROUTES: [&str; 2] = ["/", "/echo"];

async fn answer<B: Body>(request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::from("hello"));
    match request.uri().path() {
        "/" => {}
        "/echo" => match request.into_body().collect().await {
            Ok(body) => *response.body_mut() = Full::from(body.to_bytes()),
            // The body limit makes it a 413.
            Err(_) => *response.status_mut() = StatusCode::BAD_REQUEST,
        },
        _ => *response.status_mut() = StatusCode::NOT_FOUND,
    }
    Ok(response)
}

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run().await;
    secrets::explain(&*error)
}

async fn run() -> Result<Infallible, Box<dyn Error>> {
    let _logs = Logs::json("hyper-minimal").init()?;
    let environment = Environment::from_process();
    let listener =
        TcpListener::bind(environment.get("LISTEN")?.unwrap_or("127.0.0.1:3000")).await?;
    let client = key::client_network(ClientResolver::direct());
    let stack = Stack::new()
        .layer(ClientLayer::new(ClientResolver::direct()))
        .layer(RecordLayer::new())
        .layer(SecurityHeadersLayer::default())
        .layer(ProblemLayer::new())
        .layer(CatchPanicLayer::new())
        .layer(RateLimitLayer::new(Policy::new("client", Quota::per_minute(60), client))?)
        .layer(BodyLimitLayer::new(1024));
    let service = stack.service(service_fn(answer));
    tracing::info!(address = %listener.local_addr()?, "listening");
    loop {
        let (stream, address) = listener.accept().await?;
        let service = service.clone().map_request(move |mut request: Request<_>| {
            let route = ROUTES.into_iter().find(|route| *route == request.uri().path());
            let extensions = request.extensions_mut();
            extensions.insert(Peer::new(address));
            route.map(|route| extensions.insert(Route::from_static(route)));
            request
        });
        let (io, service) = (TokioIo::new(stream), TowerToHyperService::new(service));
        let builder = Builder::new(TokioExecutor::new());
        tokio::spawn(async move { builder.serve_connection(io, service).await });
    }
}
