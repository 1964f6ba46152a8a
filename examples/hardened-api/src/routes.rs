//! The public router and the stack of layers around it.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use hardpoint::{
    Stack,
    auth::{AuthLayer, KeySet, PasswordHasher, TokenIssuer, TokenVerifier},
    edge::{
        BodyLimitLayer, ClientLayer, PanicLayer, ProblemLayer, SecurityHeadersLayer,
        axum::ProblemResponse, problem::of_status,
    },
    health::{DrainLayer, Lifecycle, ProbeLayer},
    observability::RecordLayer,
    ratelimit::{
        ConfigError, Draft, Headers, OnMissingKey, Policy, Quota, RateLimitLayer, RateLimiter,
        filter, key,
    },
};
use http::{StatusCode, header::CACHE_CONTROL};
use serde_json::Value;

use crate::{
    accounts::{self, Accounts},
    notes::{self, Notes},
    session,
    settings::{Keys, Settings},
};

const ISSUER: &str = "https://hardened-api.example";
const AUDIENCE: &str = "hardened-api";
const JWKS: &str = "/.well-known/jwks.json";
const SIGN_UP: &str = "/api/v1/accounts";
const LOG_IN: &str = "/api/v1/session";
const MAX_BODY: u64 = 64 * 1024;

/// The state shared by the handlers.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) notes: Arc<Notes>,
    pub(crate) passwords: PasswordHasher,
    pub(crate) issuer: TokenIssuer,
    jwks: Arc<Value>,
}

impl App {
    /// Returns the application and the verifier of its own tokens.
    pub(crate) fn new(
        keys: &Keys,
        accounts: Arc<Accounts>,
    ) -> Result<(Self, TokenVerifier), hardpoint::auth::KeySetError> {
        let mut all = vec![keys.signing.verifying_key()];
        all.extend(keys.previous.iter().cloned());
        let set = KeySet::new(all)?;
        let app = Self {
            accounts,
            notes: Arc::default(),
            passwords: PasswordHasher::new(),
            jwks: Arc::new(set.to_jwks()),
            issuer: TokenIssuer::new(Arc::clone(&keys.signing), ISSUER, AUDIENCE),
        };
        Ok((app, TokenVerifier::new(set, ISSUER, AUDIENCE)))
    }
}

/// The complete service.
pub(crate) fn router(
    app: App,
    verifier: TokenVerifier,
    settings: &Settings,
    lifecycle: &Lifecycle,
) -> Result<Router, ConfigError> {
    let outer = Stack::new()
        .probes(ProbeLayer::new(lifecycle))
        .drain(DrainLayer::new(lifecycle))
        .client(ClientLayer::new(settings.resolver.clone()))
        .record(RecordLayer::new())
        .security_headers(SecurityHeadersLayer::default())
        .problem(ProblemLayer::new())
        .catch_panic(PanicLayer::new());
    let inner = Stack::new()
        .rate_limit_by_address(by_address(settings)?)
        .authenticate(AuthLayer::new(verifier).optional())
        .rate_limit_by_subject(by_subject(settings)?)
        .body_limit(BodyLimitLayer::new(MAX_BODY).with_axum_body());
    // Services that verify tokens may fetch the keys without a limit. Serving them must therefore
    // not involve cryptography.
    let keys = Router::new().route(JWKS, get(jwks)).with_state(app.clone());
    let api = Router::new()
        .route(SIGN_UP, post(accounts::sign_up))
        .route(LOG_IN, post(session::log_in).delete(not_built))
        .route("/api/v1/session/refresh", post(not_built))
        .route("/api/v1/sessions", any(not_built))
        .route("/api/v1/sessions/{id}", any(not_built))
        .route("/api/v1/me", get(session::me))
        .route("/api/v1/ping", get(session::ping))
        .route("/api/v1/notes", get(notes::list).post(notes::add))
        .route("/api/v1/quote", get(not_built))
        .with_state(app)
        .layer(inner);
    Ok(api.merge(keys).layer(outer))
}

/// Limits every client address, and more strictly clients that probe which addresses have an
/// account or guess passwords.
fn by_address(settings: &Settings) -> Result<RateLimitLayer, ConfigError> {
    let Some(quota) = settings.rate_limit else { return Ok(RateLimitLayer::off()) };
    let client = || key::client_network(settings.resolver.clone());
    let sign_up = Policy::new("sign-up", Quota::per_second(1).burst(100), client())
        .when(filter::route(SIGN_UP));
    let log_in = Policy::new("log-in", Quota::per_minute(10).burst(100), client())
        .when(filter::route(LOG_IN))
        .charge_on(|response| response.status == StatusCode::UNAUTHORIZED);
    Ok(RateLimiter::builder()
        .policy(Policy::new("client", quota, client()))
        .policy(sign_up)
        .policy(log_in)
        .headers(Headers::ietf(Draft::V11).expose())
        .build()?
        .layer())
}

fn by_subject(settings: &Settings) -> Result<RateLimitLayer, ConfigError> {
    let Some(quota) = settings.subject_rate_limit else { return Ok(RateLimitLayer::off()) };
    let policy = Policy::new("subject", quota, key::subject()).on_missing_key(OnMissingKey::Skip);
    RateLimitLayer::new(policy)
}

async fn jwks(State(app): State<App>) -> Response {
    let fresh = (CACHE_CONTROL, "public, max-age=300");
    ([fresh], Json(Value::clone(&app.jwks))).into_response()
}

/// For routes that are not built yet.
pub(crate) async fn not_built() -> ProblemResponse {
    ProblemResponse(of_status(StatusCode::NOT_IMPLEMENTED))
}
