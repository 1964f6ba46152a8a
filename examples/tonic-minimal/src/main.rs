//! A gRPC service of tonic behind one stack: tokens, limits by method, health, a drain.
//!
//! `JWT_KEYS_FILE=keys.pem cargo run -p tonic-minimal` serves on `LISTEN` (`127.0.0.1:50051`). The
//! file has the public keys of the issuer `https://id.example`.

use std::{convert::Infallible, error::Error, process::ExitCode};

use hardpoint::{
    Stack,
    auth::{AuthLayer, KeySet, TokenVerifier, VerifyingKey},
    core::{ClientResolver, Refusals, RequestContext},
    edge::{CatchPanicLayer, ClientLayer},
    health::{DrainLayer, GrpcHealth, Lifecycle, serve::Server},
    observability::{Logs, RecordLayer},
    ratelimit::{Policy, Quota, RateLimitLayer, filter, key},
    secrets::{self, Environment, Secrets, Spec},
};
use tonic::{
    Request, Response, Status, async_trait,
    service::{LayerExt, Routes},
};
use tonic_minimal::{
    Greeting, Name,
    greeter_server::{Greeter, GreeterServer},
};

const GREET: &str = "/hello.v1.Greeter/Greet";

struct Service;

#[async_trait]
impl Greeter for Service {
    async fn greet(&self, request: Request<Name>) -> Result<Response<Greeting>, Status> {
        let context = request.extensions().get::<std::sync::Arc<RequestContext>>();
        let caller = context.and_then(|context| context.subject()).unwrap_or("nobody").to_owned();
        match request.into_inner().name.as_str() {
            "" => Err(Status::invalid_argument("whom?")),
            "database" => Err(Status::internal("the database is down")),
            name => Ok(Response::new(Greeting { text: format!("{caller} greets {name}") })),
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run().await;
    secrets::explain(&*error)
}

async fn run() -> Result<Infallible, Box<dyn Error>> {
    let environment = Environment::from_process();
    let secrets = Secrets::loader(&environment).add_spec(Spec::pem("JWT_KEYS")).load()?;
    let pem = secrets.text("JWT_KEYS").ok_or("it was required")?;
    let keys = KeySet::new(VerifyingKey::all_from_pem(pem.expose())?)?;
    let verifier =
        TokenVerifier::builder().issuer("https://id.example", keys).audience("greeter").build()?;
    let logs = Logs::json("tonic-minimal").init()?;
    let lifecycle = Lifecycle::builder().flush_logs(move |within| logs.flush(within)).build()?;
    let client = key::client_network(ClientResolver::direct());
    let greetings = Policy::new("greet", Quota::per_minute(5), client).when(filter::route(GREET));
    let outer = Stack::new()
        .refusals(&Refusals::new().grpc())
        .layer(DrainLayer::new(&lifecycle))
        .layer(ClientLayer::new(ClientResolver::direct()))
        .layer(RecordLayer::new().grpc_methods([GREET]))
        .layer(CatchPanicLayer::new())
        .layer(RateLimitLayer::new(greetings)?);
    let protected = outer.inner().layer(AuthLayer::new(verifier));
    let greeter = protected.named_layer(GreeterServer::new(Service));
    let routes = Routes::new(GrpcHealth::new(&lifecycle)).add_service(greeter);
    let server = Server::bind(environment.get("LISTEN")?.unwrap_or("127.0.0.1:50051")).await?;
    tracing::info!(address = %server.local_addr()?, "listening");
    lifecycle.started();
    server.service(outer.service(routes)).run(&lifecycle).await
}
