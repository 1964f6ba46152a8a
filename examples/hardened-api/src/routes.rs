//! The public router and the stack of layers around it.

use std::{error::Error, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use hardpoint::{
    Stack,
    auth::{
        ApiKeyStore, ApiKeys, AuthLayer, KeySet, LoginGuard, PasswordHasher, PasswordPolicy,
        RevocationPolicy, SessionIssuer, SessionStore, TokenCache, TokenIssuer, TokenVerifier,
    },
    core::{Problem, Telemetry},
    edge::{
        BodyLimitLayer, CatchPanicLayer, ClientLayer, CorsLayer, ProblemLayer,
        SecurityHeadersLayer, cors,
    },
    health::{DrainLayer, Lifecycle, ProbeLayer},
    observability::{
        MetricsBuilder, RecordLayer,
        metrics::{Counter, Unit},
        otlp::Otlp,
    },
    ratelimit::{
        ConfigError, Draft, Headers, OnFailure, OnMissingKey, Policy, RateLimitLayer, RateLimiter,
        RateLimiterBuilder, SubjectRateLimitLayer, filter, key,
    },
    resilience::DeadlineLayer,
};
use http::{StatusCode, header::CACHE_CONTROL};
use serde_json::Value;

use crate::{
    accounts::{self, Accounts},
    api_keys, lockout,
    mail::Mail,
    notes::{self, Notes},
    passwords,
    quote::{self, Quotes},
    recovery, session,
    settings::{Env, Settings},
    stores::Server,
};

pub(crate) const ISSUER: &str = "https://hardened-api.example";
const AUDIENCE: &str = "hardened-api";
const JWKS: &str = "/.well-known/jwks.json";
const SIGN_UP: &str = "/api/v1/accounts";
const LOG_IN: &str = "/api/v1/session";
const MAX_BODY: u64 = 64 * 1024;
/// Longer than a log-in waits for the password hasher.
const MAX_TIME: Duration = Duration::from_secs(30);

/// The state shared by the handlers.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) notes: Arc<Notes>,
    pub(crate) passwords: PasswordHasher,
    pub(crate) policy: PasswordPolicy,
    pub(crate) guard: LoginGuard,
    pub(crate) mail: Mail,
    pub(crate) sessions: SessionIssuer,
    pub(crate) api_keys: ApiKeys,
    pub(crate) notes_added: Counter,
    jwks: Value,
}

impl App {
    /// Returns the application and the verifier of its own tokens.
    pub(crate) fn new(
        settings: &Settings,
        accounts: Arc<Accounts>,
        mail: Mail,
        server: Option<&Server>,
        telemetry: &Telemetry,
        metrics: &mut MetricsBuilder,
    ) -> Result<(Arc<Self>, TokenVerifier), Box<dyn Error>> {
        let keys = &settings.keys;
        let mut all = vec![keys.signing.verifying_key()];
        all.extend(keys.previous.iter().cloned());
        let set = KeySet::new(all)?;
        let tokens = TokenIssuer::builder(Arc::clone(&keys.signing));
        let tokens = tokens.issuer(ISSUER).audience(AUDIENCE).build()?;
        let store = match server {
            Some(server) => server.sessions()?,
            None => SessionStore::memory(),
        };
        let api_keys = server.map_or_else(ApiKeyStore::memory, Server::api_keys);
        let revocations = store.revocations();
        let sessions = SessionIssuer::builder(tokens, &settings.root.secret, store)
            .grace(settings.refresh_grace)
            .telemetry(telemetry);
        let app = Self {
            accounts,
            notes: Arc::new(Notes::new(server)),
            passwords: passwords::hasher(settings, telemetry),
            policy: passwords::policy(),
            guard: lockout::guard(settings, server, telemetry)?,
            mail,
            notes_added: metrics.counter("notes_added_total", Unit::NONE, "Notes that were added."),
            jwks: set.to_jwks(),
            sessions: sessions.build()?,
            api_keys: ApiKeys::builder("hardened", api_keys).build()?,
        };
        let verifier = TokenVerifier::builder()
            .issuer(ISSUER, set)
            .audience(AUDIENCE)
            .cache(TokenCache::new())
            .revocation(revocations)
            .unknown_revocation(RevocationPolicy::AskStore)
            .build()?;
        Ok((Arc::new(app), verifier))
    }
}

/// The observers of requests.
pub(crate) struct Seen<'a> {
    pub(crate) lifecycle: &'a Lifecycle,
    pub(crate) telemetry: &'a Telemetry,
    pub(crate) otlp: &'a Otlp,
}

/// A setting samples the successful requests; every failure has a line.
fn record(settings: &Settings) -> RecordLayer {
    RecordLayer::new().correlation_id().one_success_in(settings.log.one_success_in.get())
}

/// Returns the whole service.
///
/// The outer stack is around everything: probes are answered in it, and every other path, also one
/// that no route matches, is limited by address. The inner stack is around the routes that read a
/// token.
pub(crate) fn router(
    app: Arc<App>,
    quotes: Quotes,
    verifier: TokenVerifier,
    settings: &Settings,
    server: Option<&Server>,
    Seen { lifecycle, telemetry, otlp }: Seen<'_>,
) -> Result<Router, Box<dyn Error>> {
    let outer = Stack::new()
        .telemetry(telemetry)
        .layer(ProbeLayer::new(lifecycle))
        .layer(DrainLayer::new(lifecycle))
        .layer(ClientLayer::new(settings.resolver.clone()))
        .layer(record(settings).otlp(otlp))
        .layer(SecurityHeadersLayer::default())
        .layer(settings.https.clone())
        .layer(cors(settings)?)
        .layer(ProblemLayer::new().explain(settings.env == Env::Dev))
        .layer(CatchPanicLayer::new())
        .layer(DeadlineLayer::new(MAX_TIME)?)
        .layer(by_address(settings, server)?);
    let inner = outer
        .inner()
        .layer(AuthLayer::new(verifier).add_authenticator(app.api_keys.clone()).optional())
        .layer(by_subject(settings, server)?)
        .layer(BodyLimitLayer::new(MAX_BODY).with_axum_body());
    let keys = Router::new().route(JWKS, get(jwks)).with_state(Arc::clone(&app));
    let api = Router::new()
        .route(SIGN_UP, post(accounts::sign_up))
        .route(LOG_IN, post(session::log_in).delete(session::log_out))
        .route("/api/v1/session/refresh", post(session::refresh))
        .route("/api/v1/sessions", get(session::list).delete(session::end_all))
        .route("/api/v1/sessions/{id}", delete(session::end_one))
        .route("/api/v1/api-keys", get(api_keys::list).post(api_keys::add))
        .route("/api/v1/api-keys/{id}", delete(api_keys::end))
        .route("/api/v1/api-keys/{id}/rotate", post(api_keys::rotate))
        .route("/api/v1/accounts/confirm", post(recovery::activate))
        .route("/api/v1/password/reset", post(recovery::ask_reset))
        .route("/api/v1/password/reset/confirm", post(recovery::reset))
        .route("/api/v1/magic-link", post(recovery::ask_magic_link))
        .route("/api/v1/magic-link/confirm", post(recovery::enter))
        .route("/api/v1/me", get(session::me))
        .route("/api/v1/ping", get(session::ping))
        .route("/api/v1/notes", get(notes::list).post(notes::add))
        .route("/api/v1/notes/{id}", get(notes::one).delete(notes::remove))
        .with_state(app)
        .route("/api/v1/quote", get(quote::quote).with_state(quotes))
        .layer(inner);
    // An unknown path gets its 404 without a token: the fallback is outside of authentication, and
    // inside the limits.
    Ok(Router::new().merge(api).merge(keys).fallback(unknown).layer(outer))
}

/// Lets the configured origins read responses. None are configured by default.
fn cors(settings: &Settings) -> Result<CorsLayer, cors::ConfigError> {
    if settings.cors_origins.is_empty() {
        return Ok(CorsLayer::off());
    }
    let builder = CorsLayer::builder(settings.cors_origins.iter().cloned());
    if settings.env == Env::Dev { builder.insecure_origins() } else { builder }.build()
}

/// Limits each client address, and more strictly sign-up, which tells whether an account exists. That
/// limit stays on when the general one is off. The guard limits log-ins.
fn by_address(settings: &Settings, server: Option<&Server>) -> Result<RateLimitLayer, ConfigError> {
    let client = || key::client_network(settings.resolver.clone());
    let sign_up = Policy::new("sign-up", settings.sign_up_rate_limit, client())
        .when(filter::route(SIGN_UP))
        .on_failure(OnFailure::LocalThenDeny { share: 0.25 });
    let mut limits = RateLimiter::builder();
    if let Some(quota) = settings.rate_limit {
        limits = limits.policy(Policy::new("client", quota, client()));
    }
    let headers = Headers::ietf(Draft::V11).expose();
    let limits = limits.policy(sign_up).headers(headers);
    shared(limits, server).build()?.layer()
}

fn by_subject(
    settings: &Settings,
    server: Option<&Server>,
) -> Result<SubjectRateLimitLayer, ConfigError> {
    let Some(quota) = settings.subject_rate_limit else { return Ok(SubjectRateLimitLayer::off()) };
    let policy = Policy::new("subject", quota, key::subject()).on_missing_key(OnMissingKey::Skip);
    shared(RateLimiter::builder().policy(policy), server).build()?.by_subject()
}

/// Moves limits to the server that instances share, if there is one.
fn shared(limits: RateLimiterBuilder, server: Option<&Server>) -> RateLimiterBuilder {
    match server {
        Some(server) => server.limits(limits),
        None => limits,
    }
}

/// Answers for a path that no route matches.
async fn unknown() -> Problem {
    Problem::from_status(StatusCode::NOT_FOUND)
}

async fn jwks(State(app): State<Arc<App>>) -> Response {
    let fresh = (CACHE_CONTROL, "public, max-age=300");
    ([fresh], Json(&app.jwks)).into_response()
}
