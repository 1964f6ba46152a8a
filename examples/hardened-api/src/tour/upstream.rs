//! A dependency that fails, and recovers.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    Failure,
    client::{Client, Reply},
    server::{Secrets, Server},
};

const QUOTE: &str = "/api/v1/quote";

/// How long the circuit may take to change, many times what it takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Plays the scene on an instance of its own, in development: only there can the upstream be
/// switched. Returns what it showed.
pub(super) async fn play() -> Result<Vec<String>, Failure> {
    let development = [("HARDPOINT_ENV", "dev"), ("HARDPOINT_RATE_LIMIT", "off")];
    let server = Server::start(&Secrets::generate()?, &development).await?;
    let (client, admin) = (Client::new(server.address), Client::new(server.admin));
    let mut lines = Vec::new();

    switch(&admin, "flaky").await?;
    for _ in 0..4 {
        // The third retry within a second waits for the budget's reserve.
        client.get(QUOTE).await?.expect(StatusCode::OK)?;
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    lines.push("every other attempt fails: 4 of 4 calls succeed, by retries".to_owned());

    switch(&admin, "down").await?;
    let mut failed = 0;
    let refused = loop {
        let reply = client.get(QUOTE).await?;
        if reply.status == StatusCode::SERVICE_UNAVAILABLE {
            break reply;
        }
        reply.expect(StatusCode::BAD_GATEWAY)?;
        failed += 1;
        if failed > 20 {
            return Err("expected the circuit to open".into());
        }
    };
    let wait: u64 = refused.header("retry-after").parse()?;
    lines.push(format!(
        "the upstream is down: {failed} calls failed, then the circuit opened: {} ({}), \
         Retry-After {wait}",
        refused.status.as_u16(),
        refused.text("code")?
    ));
    until(async || Ok(health(&admin).await?.get("status") == Some(&json!("degraded")))).await?;
    client.get("/readyz").await?.expect(StatusCode::OK)?;
    lines.push("/health is degraded, and the service stays ready".to_owned());

    switch(&admin, "ok").await?;
    // Calls are the trials: without them, the circuit stays half-open.
    until(async || {
        let served = client.get(QUOTE).await?.status == StatusCode::OK;
        Ok(served && health(&admin).await?.get("status") == Some(&json!("ok")))
    })
    .await?;
    client.get(QUOTE).await?.expect(StatusCode::OK)?;
    lines.push("the upstream is back: trial calls succeeded, and the circuit closed".to_owned());
    Ok(lines)
}

async fn switch(admin: &Client, mode: &str) -> Result<Reply, Failure> {
    let body = json!({ "mode": mode }).to_string();
    admin.send(Method::PUT, "/upstream", Some(body)).await?.expect(StatusCode::NO_CONTENT)
}

async fn health(admin: &Client) -> Result<Value, Failure> {
    admin.get("/health").await?.json()
}

/// Asks ten times a second until the answer is yes.
async fn until(ask: impl AsyncFn() -> Result<bool, Failure>) -> Result<(), Failure> {
    let asked = async {
        while !ask().await? {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    };
    tokio::time::timeout(PATIENCE, asked).await.map_err(|_| "the circuit did not change in time")?
}
