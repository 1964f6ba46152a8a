//! The layers that are popular for each task of the whole stack, set up as their documentation says.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use axum_prometheus::PrometheusMetricLayer;
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{
        AUTHORIZATION, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, get_current_timestamp};
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
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
use tracing::{Dispatch, Level};

/// A log in JSON that goes nowhere.
#[must_use]
pub fn log() -> Dispatch {
    let log = tracing_subscriber::fmt().json().with_writer(std::io::sink);
    Dispatch::new(log.with_max_level(Level::INFO).finish())
}

/// What the token says, as both sides read it.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Claims {
    sub: String,
    exp: u64,
    scope: String,
}

/// jsonwebtoken for RS256. With a cache, tokens are looked up first.
#[derive(Clone)]
pub struct Verifier {
    key: Arc<DecodingKey>,
    validation: Arc<Validation>,
    cache: Option<Cache<String, Arc<Claims>>>,
}

impl Verifier {
    /// Accepts tokens of this key, issuer and audience.
    #[must_use]
    pub fn new(key: DecodingKey, issuer: &str, audience: &str) -> Self {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        Self { key: Arc::new(key), validation: Arc::new(validation), cache: None }
    }

    /// Remembers tokens for a minute.
    #[must_use]
    pub fn cached(mut self) -> Self {
        let cache = Cache::builder().max_capacity(100_000);
        self.cache = Some(cache.time_to_live(Duration::from_secs(60)).build());
        self
    }

    fn verify(&self, token: &str) -> Option<Arc<Claims>> {
        if let Some(claims) = self.cache.as_ref().and_then(|cache| cache.get(token)) {
            return (get_current_timestamp() < claims.exp).then_some(claims);
        }
        let claims = decode::<Claims>(token, &self.key, &self.validation).ok()?.claims;
        let claims = Arc::new(claims);
        if let Some(cache) = &self.cache {
            cache.insert(token.to_owned(), Arc::clone(&claims));
        }
        Some(claims)
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
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

/// The router inside of all of them. Limits are never reached. Metrics start a task, which takes a
/// runtime.
pub fn around(router: Router, verifier: Verifier) -> Router {
    let mut limit = GovernorConfigBuilder::default();
    let limit = limit.per_millisecond(1).burst_size(1_000_000).use_headers().finish();
    let limit = GovernorLayer::new(limit.expect("neither is zero"));
    // Its recorder is the program's, so there is one of it.
    static METRICS: std::sync::LazyLock<PrometheusMetricLayer<'static>> =
        std::sync::LazyLock::new(|| PrometheusMetricLayer::pair().0);
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
        .layer(METRICS.clone())
        .layer(around)
}
