//! The servers of this program: only axum, and axum with the layers that are popular for each task.

use std::{
    env, fs,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
    serve::ListenerExt,
};
use axum_prometheus::PrometheusMetricLayer;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{
        AUTHORIZATION, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_governor::{GovernorLayer, governor::GovernorConfigBuilder};
use tower_http::{
    ServiceBuilderExt,
    catch_panic::CatchPanicLayer,
    request_id::MakeRequestUuid,
    set_header::SetResponseHeaderLayer,
    timeout::TimeoutLayer,
    trace::{DefaultMakeSpan, DefaultOnResponse, TraceLayer},
};
use tracing::Level;

use crate::{
    BoxError,
    tokens::{AUDIENCE, ISSUER},
};

/// `stack serve KIND KEY`, with the address in `LISTEN`.
pub(crate) fn serve(kind: &str, key: &Path) -> Result<(), BoxError> {
    let address: SocketAddr = env::var("LISTEN")?.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // axum-prometheus starts a task.
    let _entered = runtime.enter();
    let ping = Router::new().route("/api/v1/ping", get(async || "pong"));
    let router = match kind {
        "bare" => ping,
        "same bytes" => same_bytes(ping, &fs::read_to_string(env::var("HEADERS")?)?)?,
        "peers" => popular(ping, Verifier::new(key, None)?),
        "peers + cache" => {
            let cache = Cache::builder().max_capacity(100_000);
            let cache = cache.time_to_live(Duration::from_secs(60)).build();
            popular(ping, Verifier::new(key, Some(cache))?)
        }
        _ => return Err("no such server".into()),
    };
    runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener: TcpListener = socket.listen(4096)?;
        let listener = listener.tap_io(|stream| {
            let _set = stream.set_nodelay(true);
        });
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, service).await?;
        Ok(())
    })
}

/// As many bytes as ours sends, added by one layer that does nothing else.
fn same_bytes(router: Router, headers: &str) -> Result<Router, BoxError> {
    let mut added = HeaderMap::new();
    for line in headers.lines() {
        let (name, value) = line.split_once(':').ok_or("a header has a colon")?;
        added.append(HeaderName::try_from(name)?, HeaderValue::try_from(value.trim())?);
    }
    let added = Arc::new(added);
    Ok(router.layer(tower::util::MapResponseLayer::new(move |mut response: Response| {
        let headers = response.headers_mut();
        headers.reserve(added.len());
        for (name, value) in added.iter() {
            headers.append(name.clone(), value.clone());
        }
        response
    })))
}

/// What the token says, as both servers read it.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Claims {
    sub: String,
    exp: u64,
    scope: String,
}

/// jsonwebtoken as its documentation sets it up; with a cache, tokens are looked up first.
#[derive(Clone)]
struct Verifier {
    key: Arc<DecodingKey>,
    validation: Arc<Validation>,
    cache: Option<Cache<String, Arc<Claims>>>,
}

impl Verifier {
    fn new(key: &Path, cache: Option<Cache<String, Arc<Claims>>>) -> Result<Self, BoxError> {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let key = Arc::new(DecodingKey::from_rsa_pem(&fs::read(key)?)?);
        Ok(Self { key, validation: Arc::new(validation), cache })
    }

    fn verify(&self, token: &str) -> Option<Arc<Claims>> {
        if let Some(claims) = self.cache.as_ref().and_then(|cache| cache.get(token)) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
            return (now < claims.exp).then_some(claims);
        }
        let claims = decode::<Claims>(token, &self.key, &self.validation).ok()?.claims;
        let claims = Arc::new(claims);
        if let Some(cache) = &self.cache {
            cache.insert(token.to_owned(), Arc::clone(&claims));
        }
        Some(claims)
    }
}

async fn authenticate(
    State(verifier): State<Verifier>,
    mut request: Request,
    next: Next,
) -> Response {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header.and_then(|header| header.strip_prefix("Bearer "));
    match token.and_then(|token| verifier.verify(token)) {
        Some(claims) => {
            request.extensions_mut().insert(claims);
            next.run(request).await
        }
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}

fn popular(router: Router, verifier: Verifier) -> Router {
    tracing_subscriber::fmt().json().with_writer(std::io::sink).with_max_level(Level::INFO).init();
    let mut limit = GovernorConfigBuilder::default();
    let limit = limit.per_nanosecond(1).burst_size(1_000_000).use_headers().finish();
    let limit = GovernorLayer::new(limit.expect("neither is zero"));
    let (metrics, _handle) = PrometheusMetricLayer::pair();
    let header = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
    };
    let trace = TraceLayer::new_for_http()
        .make_span_with(DefaultMakeSpan::new().level(Level::INFO))
        .on_response(DefaultOnResponse::new().level(Level::INFO));
    let around = ServiceBuilder::new()
        .set_x_request_id(MakeRequestUuid)
        .layer(trace)
        .propagate_x_request_id()
        .layer(header(STRICT_TRANSPORT_SECURITY, "max-age=31536000"))
        .layer(header(X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(CONTENT_SECURITY_POLICY, "default-src 'none'"))
        .layer(header(REFERRER_POLICY, "no-referrer"))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_secs(30)))
        .layer(CatchPanicLayer::new());
    router
        .layer(middleware::from_fn_with_state(verifier, authenticate))
        .layer(limit)
        .layer(metrics)
        .layer(around)
}
