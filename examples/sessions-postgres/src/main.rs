//! Log-in, refresh and log-out on sessions in PostgreSQL.
//!
//! `DATABASE_URL`, `ROOT_SECRET` (`openssl rand -base64 32`), `ACCOUNT` and `PASSWORD` are required;
//! `LISTEN` defaults to `127.0.0.1:3000`. The one account and the generated signing key keep the
//! example short: a service has a table of accounts, and one signing key for all its instances.

mod routes;

use std::{collections::HashMap, error::Error, io::Write, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    routing::{get, post},
};
use hardpoint_auth::{
    AttemptStore, AuthLayer, KeySet, LoginGuard, PasswordClient, PasswordHasher, SessionIssuer,
    SigningKey, TokenIssuer, TokenVerifier, session::RootSecret,
};
use hardpoint_core::{ClientResolver, Secret};
use hardpoint_edge::ClientLayer;
use sessions_postgres::{PostgresSessions, create_schema};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

const ISSUER: &str = "https://sessions-postgres.example";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let env: HashMap<String, String> = std::env::vars().collect();
    let set = |name: &str| env.get(name).ok_or_else(|| format!("set {name}"));
    let options = set("DATABASE_URL")?.parse::<PgConnectOptions>()?;
    let options = options.options([("statement_timeout", "2s")]);
    let pool = PgPoolOptions::new().max_connections(10).connect_with(options).await?;
    create_schema(&pool).await?;
    let store = PostgresSessions::builder(pool).start()?;

    let key = SigningKey::generate()?;
    let keys = KeySet::new([key.verifying_key()])?;
    let tokens = TokenIssuer::builder(key).issuer(ISSUER).audience("api").build()?;
    let root = RootSecret::new(Secret::from(set("ROOT_SECRET")?.as_bytes()))?;
    let verifier = TokenVerifier::builder().issuer(ISSUER, keys).audience("api");
    let verifier = verifier.revocation(store.revocations()).build()?;
    let sessions = SessionIssuer::builder(tokens, &root, store).build()?;

    let passwords = PasswordHasher::new();
    let hash = passwords.hash(PasswordClient::service(), Secret::from(set("PASSWORD")?.as_str()));
    let hash = hash.await?;
    let account = Arc::new((set("ACCOUNT")?.clone(), hash));
    // Counts of one instance: several share them on Redis.
    let guard = LoginGuard::builder(AttemptStore::memory(), &root).build()?;
    let app = Router::new()
        .route("/session", get(routes::subject).delete(routes::log_out))
        .route_layer(AuthLayer::new(verifier))
        .route("/session", post(routes::log_in))
        .route("/session/refresh", post(routes::refresh))
        // Behind a proxy: ClientResolver::new(its networks, ..).
        .layer(ClientLayer::new(ClientResolver::direct()))
        .with_state(routes::App { account, guard, passwords, sessions });
    let address = env.get("LISTEN").map_or("127.0.0.1:3000", String::as_str);
    let listener = tokio::net::TcpListener::bind(address).await?;
    writeln!(std::io::stdout(), "listening on {}", listener.local_addr()?)?;
    // The hasher is fair between clients and the guard counts by network: both need the peer's address.
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, app).await?)
}
