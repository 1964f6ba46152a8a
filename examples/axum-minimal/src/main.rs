//! An axum service behind one stack: public and protected routes, a secret, a drain.
//!
//! `JWT_KEYS_FILE=keys.pem cargo run -p axum-minimal` serves on `LISTEN` (`127.0.0.1:3000`). The file
//! has the public keys of the issuer `https://id.example`. Without it, the program prints what is
//! missing and exits with 78.

use std::{convert::Infallible, error::Error, process::ExitCode};

use axum::{Router, routing::get};
use hardpoint::{
    Stack,
    auth::{AuthLayer, KeySet, TokenVerifier, VerifyingKey, axum::Authenticated},
    core::ClientResolver,
    edge::{BodyLimitLayer, CatchPanicLayer, ClientLayer, ProblemLayer, SecurityHeadersLayer},
    health::{DrainLayer, Lifecycle, ProbeLayer, serve::Server},
    observability::{Logs, RecordLayer},
    ratelimit::{Policy, Quota, RateLimitLayer, key},
    secrets::{self, Environment, Secrets, Spec},
};

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run().await;
    secrets::explain(&*error)
}

async fn run() -> Result<Infallible, Box<dyn Error>> {
    let environment = Environment::from_process();
    let listen = environment.get("LISTEN")?.unwrap_or("127.0.0.1:3000");
    let secrets = Secrets::loader(&environment).add_spec(Spec::pem("JWT_KEYS")).load()?;
    let pem = secrets.text("JWT_KEYS").ok_or("it was required")?;
    let keys = KeySet::new(VerifyingKey::all_from_pem(pem.expose())?)?;
    let verifier =
        TokenVerifier::builder().issuer("https://id.example", keys).audience("api").build()?;

    let logs = Logs::json("axum-minimal").init()?;
    let lifecycle = Lifecycle::builder().flush_logs(move |within| logs.flush(within)).build()?;
    let clients = ClientResolver::direct(); // behind a proxy: ClientResolver::new(its networks, ..)
    let quota = Quota::per_second(200).burst(400);
    let per_client = Policy::new("client", quota, key::client_network(clients.clone()));
    let outer = Stack::new()
        .layer(ProbeLayer::new(&lifecycle))
        .layer(DrainLayer::new(&lifecycle))
        .layer(ClientLayer::new(clients))
        .layer(RecordLayer::new())
        .layer(SecurityHeadersLayer::default())
        .layer(ProblemLayer::new())
        .layer(CatchPanicLayer::new())
        .layer(RateLimitLayer::new(per_client)?);
    let protected = outer
        .inner()
        .layer(AuthLayer::new(verifier))
        .layer(BodyLimitLayer::new(64 * 1024).with_axum_body());

    let protected = Router::new()
        .route("/me", get(async |user: Authenticated| user.subject().to_owned()))
        .route("/panic", get(async || -> &'static str { panic!("a mistake in a handler") }))
        .route_layer(protected);
    // Unknown paths get a 404: they are outside of the authentication, and inside of the limits.
    let app = Router::new().route("/", get(async || "hello")).merge(protected).layer(outer);

    let server = Server::bind(listen).await?;
    tracing::info!(address = %server.local_addr()?, "listening");
    lifecycle.started();
    server.service(app).run(&lifecycle).await
}
