//! A request through the whole stack, in process: beside the popular layers, and one layer at a time.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        LazyLock, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo, routing::get};
use hardpoint::{
    Stack,
    auth::{Algorithm, AuthLayer, SessionStore, TokenCache, TokenVerifier},
    core::{ClientResolver, Telemetry},
    edge::{BodyLimitLayer, CatchPanicLayer, ClientLayer, ProblemLayer, SecurityHeadersLayer},
    health::{DrainLayer, Lifecycle, ProbeLayer},
    observability::{Logs, Metrics, RecordLayer},
    ratelimit::{
        Draft, Headers, OnMissingKey, Policy, Quota, RateLimitLayer, RateLimiter,
        SubjectRateLimitLayer, key,
    },
};
use hardpoint_bench_harness::{
    exchange::exchange,
    keys,
    load::Pattern,
    measure::{Contender, Plan},
    report::{Contest, Goal},
    tokens::{AUDIENCE, ISSUER, TokenSet},
};
use hardpoint_resilience::DeadlineLayer;
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{ACCEPT, AUTHORIZATION, HOST, USER_AGENT},
};
use jsonwebtoken::{DecodingKey, jwk::Jwk};
use tokio::runtime::Runtime;
use tower::{ServiceExt, util::BoxCloneSyncService};
use tower_layer::Layer;
use tower_service::Service;
use tracing::{Dispatch, dispatcher};
use tracing_subscriber::{Registry, layer::SubscriberExt};

use crate::{Named, popular};

/// How many clients take turns, each with a token of its own.
const CLIENTS: u32 = 64;
const PATH: &str = "/api/v1/ping";
const MAX_BODY: u64 = 64 * 1024;
const MAX_TIME: Duration = Duration::from_secs(30);

pub(crate) fn contests() -> Vec<Named> {
    vec![
        ("known tokens / the popular layers and moka", || known(1)),
        ("new tokens / the popular layers", new),
    ]
}

/// What the [guard](crate::guard) measures.
pub(crate) fn guarded() -> Vec<Named> {
    vec![
        ("whole stack / the popular layers and moka", || known(1)),
        ("whole stack, 2 threads / the popular layers and moka", || known(2)),
    ]
}

/// One layer at a time, from the handler outwards: each step beside the one before.
pub(crate) fn steps() -> Vec<Named> {
    vec![
        ("body limit", || step(1)),
        ("limit by subject", || step(2)),
        ("authentication, known tokens", || step(3)),
        ("limit by address, with headers", || step(4)),
        ("deadline", || step(5)),
        ("panics", || step(6)),
        ("problems", || step(7)),
        ("security headers", || step(8)),
        ("record with its line", || step(9)),
        ("client address", || step(10)),
        ("drain", || step(11)),
        ("probes", || step(12)),
    ]
}

/// Tokens that both sides have seen.
fn known(threads: usize) -> Contest<'static> {
    let _entered = runtime().enter();
    let (ours, peer) = both(ping());
    contest(threads, ours, peer)
}

/// So many clients, each with an address of its own.
pub(crate) fn by_clients(clients: u32) -> Contest<'static> {
    const DRAWS: usize = 1 << 18;

    let order = Pattern::Uniform.draw(clients, DRAWS, 1);
    let _entered = runtime().enter();
    let (mut ours, mut peer) = both(ping());
    for client in 0..clients {
        for service in [&mut ours, &mut peer] {
            assert_eq!(exchange(service, request_of(PATH, client)), StatusCode::OK);
        }
    }
    let draw = |order: Vec<u32>| {
        let mut next = order.into_iter().cycle();
        move || request_of(PATH, next.next().unwrap_or_default())
    };
    let (theirs, order) = (draw(order.clone()), draw(order));
    Contest::new(prepared(order, ours, our_log()), prepared(theirs, peer, popular::log()))
        .plan(Plan::prepared())
}

/// So many routes, each asked in turn.
pub(crate) fn by_routes(routes: u32) -> Contest<'static> {
    let path = |route: u32| format!("/api/v1/things-{route}/{{id}}");
    let router = (0..routes)
        .fold(Router::new(), |router, route| router.route(&path(route), get(async || "pong")));
    let _entered = runtime().enter();
    let (ours, peer) = both(router);
    let turns = || {
        let mut route = 0;
        move || {
            route = (route + 1) % routes;
            request_of(&format!("/api/v1/things-{route}/7"), route)
        }
    };
    Contest::new(prepared(turns(), ours, our_log()), prepared(turns(), peer, popular::log()))
        .plan(Plan::prepared())
}

/// So many threads at once.
pub(crate) fn by_threads(threads: usize) -> Contest<'static> {
    known(threads)
}

/// The same router inside of our layers and of the popular ones.
fn both(router: Router) -> (Router, Router) {
    let known = verifier().cache(TokenCache::new()).build().expect("an issuer");
    (around(router.clone(), known), popular::around(router, peer().cached()))
}

/// Tokens that neither side remembers.
fn new() -> Contest<'static> {
    let _entered = runtime().enter();
    let ours = around(ping(), verifier().build().expect("an issuer"));
    contest(1, ours, popular::around(ping(), peer())).goal(Goal::Ratio(0.5))
}

fn contest(threads: usize, ours: Router, peer: Router) -> Contest<'static> {
    let plan = match threads {
        1 => Plan::prepared(),
        _ => Plan { rounds: 101, most: 2048, sample: Duration::from_millis(4), ..Plan::prepared() },
    };
    Contest::new(through(threads, ours, our_log()), through(threads, peer, popular::log()))
        .plan(plan)
}

fn step(number: usize) -> Contest<'static> {
    let _entered = runtime().enter();
    let ours = through(1, layers(number), our_log());
    Contest::new(ours, through(1, layers(number - 1), our_log())).plan(Plan::prepared())
}

fn through<S, B>(threads: usize, service: S, log: Dispatch) -> Contender<'static>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Sync + 'static,
    S::Future: Send,
    B: http_body::Body,
{
    if threads == 1 {
        return prepared(request, service, log);
    }
    Contender::prepared_on(threads, request, move || {
        // For as long as the thread measures: timers belong to a runtime, lines to a log.
        let within = (dispatcher::set_default(&log), runtime().enter());
        let mut service = service.clone();
        move |request| {
            let _within = &within;
            assert_eq!(exchange(&mut service, request), StatusCode::OK);
        }
    })
}

fn prepared<S, B>(
    request: impl FnMut() -> Request<Body> + 'static,
    mut service: S,
    log: Dispatch,
) -> Contender<'static>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + 'static,
    B: http_body::Body,
{
    let operation = move |request| assert_eq!(exchange(&mut service, request), StatusCode::OK);
    Contender::prepared(request, operation).within(move |run| {
        // Timers belong to a runtime, lines to a log.
        let _entered = runtime().enter();
        dispatcher::with_default(&log, run);
    })
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();

    RUNTIME.get_or_init(|| {
        let builder =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build();
        builder.expect("a runtime")
    })
}

fn our_log() -> Dispatch {
    let logs = Logs::json("orders").version("1.4.2").environment("bench").layer(io::sink);
    Dispatch::new(Registry::default().with(logs.expect("the filter is `info`")))
}

static TOKENS: LazyLock<TokenSet> =
    LazyLock::new(|| TokenSet::generate(Algorithm::Rs256, CLIENTS as usize));

/// One of a client, the next one's turn after it.
fn request() -> Request<Body> {
    static NEXT: AtomicU32 = AtomicU32::new(0);

    request_of(PATH, NEXT.fetch_add(1, Ordering::Relaxed) % CLIENTS)
}

fn request_of(path: &str, client: u32) -> Request<Body> {
    static BEARERS: LazyLock<Vec<HeaderValue>> = LazyLock::new(|| {
        let bearer = |token: &str| HeaderValue::try_from(format!("Bearer {token}"));
        TOKENS.tokens.iter().map(|token| bearer(token.expose()).expect("ASCII")).collect()
    });

    let mut request = Request::get(path).body(Body::empty()).expect("a path");
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_static("127.0.0.1"));
    headers.insert(USER_AGENT, HeaderValue::from_static("load/1.0"));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(AUTHORIZATION, BEARERS[(client % CLIENTS) as usize].clone());
    let address = SocketAddr::from((keys::address(client), 40_000));
    request.extensions_mut().insert(ConnectInfo(address));
    request
}

fn ping() -> Router {
    Router::new().route(PATH, get(async || "pong"))
}

fn peer() -> popular::Verifier {
    let jwk: Jwk = serde_json::from_value(TOKENS.key.to_jwk()).expect("a key is a JWK");
    popular::Verifier::new(DecodingKey::from_jwk(&jwk).expect("a key is a JWK"), ISSUER, AUDIENCE)
}

fn verifier() -> hardpoint::auth::TokenVerifierBuilder {
    TOKENS.builder().revocation(SessionStore::memory().revocations())
}

/// A quota above what the benchmark sends.
const fn quota() -> Quota {
    Quota::per_second(1_000).burst(1_000_000)
}

fn by_address() -> RateLimitLayer {
    let policy = Policy::new("client", quota(), key::client_network(ClientResolver::direct()));
    let limiter = RateLimiter::builder().policy(policy).headers(Headers::ietf(Draft::V11)).build();
    limiter.and_then(|limiter| limiter.layer()).expect("one policy by address")
}

fn by_subject() -> SubjectRateLimitLayer {
    let policy = Policy::new("subject", quota(), key::subject()).on_missing_key(OnMissingKey::Skip);
    let limiter = RateLimiter::builder().policy(policy).build();
    limiter.and_then(|limiter| limiter.by_subject()).expect("one policy by subject")
}

/// The stack of the example, with its metrics.
fn around(router: Router, verifier: TokenVerifier) -> Router {
    let mut metrics = Metrics::builder();
    let telemetry: Telemetry = metrics.telemetry();
    let lifecycle = Lifecycle::builder().build().expect("the defaults fit");
    let outer = Stack::new()
        .telemetry(&telemetry)
        .layer(ProbeLayer::new(&lifecycle))
        .layer(DrainLayer::new(&lifecycle))
        .layer(ClientLayer::new(ClientResolver::direct()))
        .layer(RecordLayer::new())
        .layer(SecurityHeadersLayer::default())
        .layer(ProblemLayer::new())
        .layer(CatchPanicLayer::new())
        .layer(DeadlineLayer::new(MAX_TIME).expect("half a minute"))
        .layer(by_address());
    let inner = outer
        .inner()
        .layer(AuthLayer::new(verifier))
        .layer(by_subject())
        .layer(BodyLimitLayer::new(MAX_BODY).with_axum_body());
    // The layers write to these metrics for as long as the program runs.
    std::mem::forget(metrics);
    router.layer(inner).layer(outer)
}

type Boxed = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

fn boxed<S, B>(service: S) -> Boxed
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    B: http_body::Body<Data = bytes::Bytes, Error: Into<axum::BoxError>> + Send + 'static,
{
    BoxCloneSyncService::new(service.map_response(|response| response.map(Body::new)))
}

/// Returns the handler inside `count` layers, boxed once for any number of them.
fn layers(count: usize) -> Boxed {
    let service = ping();
    if count == 0 {
        return boxed(service);
    }
    let service = BodyLimitLayer::new(MAX_BODY).with_axum_body().layer(service);
    if count == 1 {
        return boxed(service);
    }
    let service = by_subject().layer(service);
    if count == 2 {
        return boxed(service);
    }
    let known = verifier().cache(TokenCache::new()).build().expect("an issuer");
    let service = AuthLayer::new(known).layer(service);
    if count == 3 {
        return boxed(service);
    }
    let service = by_address().layer(service);
    if count == 4 {
        return boxed(service);
    }
    let service = DeadlineLayer::new(MAX_TIME).expect("half a minute").layer(service);
    if count == 5 {
        return boxed(service);
    }
    let service = CatchPanicLayer::new().layer(service);
    if count == 6 {
        return boxed(service);
    }
    let service = ProblemLayer::new().layer(service);
    if count == 7 {
        return boxed(service);
    }
    let service = SecurityHeadersLayer::default().layer(service);
    if count == 8 {
        return boxed(service);
    }
    let service = RecordLayer::new().layer(service);
    if count == 9 {
        return boxed(service);
    }
    let service = ClientLayer::new(ClientResolver::direct()).layer(service);
    if count == 10 {
        return boxed(service);
    }
    let lifecycle = Lifecycle::builder().build().expect("the defaults fit");
    let service = DrainLayer::new(&lifecycle).layer(service);
    if count == 11 {
        return boxed(service);
    }
    boxed(ProbeLayer::new(&lifecycle).layer(service))
}
