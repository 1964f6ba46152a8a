//! The scenes, in order. Each prints what it shows and fails if its expectations do not hold.

mod sessions;

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{
    Failure,
    accounts::Accounts,
    client::{Client, Reply},
    server::{self, Secrets, Server},
    shared, upstream,
};

const EMAIL: &str = "alice@example.org";
const PASSWORD: &str = "correct horse battery staple";

/// The state that scenes pass to each other.
struct Stage {
    server: Server,
    client: Client,
    admin: Client,
    token: String,
    printed: usize,
}

/// Plays all scenes and returns their number.
pub(super) async fn play() -> Result<usize, Failure> {
    let server =
        Server::start(&Secrets::generate()?, &[("HARDPOINT_RATE_LIMIT", "50/1s:100")]).await?;
    let (client, admin) = (Client::new(server.address), Client::new(server.admin));
    println!("hardened-api listens on {} and, for operators, on {}", server.address, server.admin);
    let mut stage = Stage { server, client, admin, token: String::new(), printed: 0 };
    stage.configuration().await?;
    stage.probes().await?;
    stage.sign_up().await?;
    stage.log_in().await?;
    stage.forged_token().await?;
    stage.scopes().await?;
    stage.api_keys().await?;
    stage.refresh().await?;
    stage.reuse().await?;
    stage.log_out().await?;
    stage.errors().await?;
    stage.security_headers().await?;
    stage.limit().await?;
    stage.access_line().await?;
    stage.upstream().await?;
    stage.accounts().await?;
    stage.instances().await?;
    stage.drain().await
}

impl Stage {
    fn scene(&mut self, title: &str) {
        self.printed += 1;
        println!("\n{:>2}. {title}", self.printed);
    }

    async fn configuration(&mut self) -> Result<(), Failure> {
        self.scene("An invalid configuration is rejected, with all mistakes at once");
        let wrong = [
            ("HARDPOINT_ENV", "prod"),
            ("HARDPOINT_LISTEN", "localhost"),
            ("HARDPOINT_RATE_LIMIT", "a lot"),
            ("HARDPOINT_ROOT_SECRET", "changeme"),
        ];
        let output = server::command(&wrong)?.output().await?;
        expect(output.status.code() == Some(78), "exit code 78")?;
        let report = String::from_utf8_lossy(&output.stderr).into_owned();
        for name in
            ["JWT_SIGNING_KEY", "HARDPOINT_ROOT_SECRET", "HARDPOINT_LISTEN", "HARDPOINT_RATE_LIMIT"]
        {
            expect(report.contains(name), &format!("{name} in the report"))?;
        }
        expect(!report.contains("changeme"), "no secret in the report")?;
        report.lines().for_each(|line| println!("    {line}"));
        show("exit code 78; the report does not contain the secret");
        Ok(())
    }

    async fn probes(&mut self) -> Result<(), Failure> {
        self.scene("Probes report the service's state to an orchestrator");
        let live = self.client.get("/livez").await?.expect(StatusCode::OK)?;
        let ready = self.client.get("/readyz").await?.expect(StatusCode::OK)?;
        let report = self.admin.get("/health").await?.expect(StatusCode::OK)?;
        show(&format!("/livez {} and /readyz {}", text(&live), text(&ready)));
        show(&format!("/health, for operators: {}", text(&report)));
        Ok(())
    }

    async fn errors(&mut self) -> Result<(), Failure> {
        self.scene("Every error has the same format and reveals no internals");
        let huge = format!("\"{}\"", "x".repeat(70_000));
        let cases = [
            (Method::GET, "/nowhere", None, StatusCode::NOT_FOUND),
            (Method::PUT, "/api/v1/notes", None, StatusCode::METHOD_NOT_ALLOWED),
            (Method::POST, "/api/v1/session", Some("{".to_owned()), StatusCode::BAD_REQUEST),
            (
                Method::POST,
                "/api/v1/session",
                Some("{}".to_owned()),
                StatusCode::UNPROCESSABLE_ENTITY,
            ),
            (Method::POST, "/api/v1/session", Some(huge), StatusCode::PAYLOAD_TOO_LARGE),
        ];
        for (method, path, body, status) in cases {
            // The service closes a connection whose request it has not read to the end.
            let client = Client::new(self.server.address);
            let reply = client.send(method.clone(), path, body).await?.expect(status)?;
            show(&format!("{method} {path}: {}", problem(&reply)?));
        }
        Ok(())
    }

    async fn security_headers(&mut self) -> Result<(), Failure> {
        self.scene("Responses carry headers that protect browser users");
        let reply = self.client.get("/nowhere").await?;
        for name in
            ["content-security-policy", "x-content-type-options", "referrer-policy", "x-request-id"]
        {
            expect(!reply.header(name).is_empty(), name)?;
            show(&format!("{name}: {}", reply.header(name)));
        }
        expect(reply.header("strict-transport-security").is_empty(), "no HSTS over plain HTTP")
    }

    async fn limit(&mut self) -> Result<(), Failure> {
        self.scene("A client that exceeds its limit learns when to retry");
        let client = self.client.with_token(&self.token);
        let mut served = 0;
        let refused = loop {
            let reply = client.get("/api/v1/ping").await?;
            if reply.status == StatusCode::TOO_MANY_REQUESTS {
                break reply;
            }
            reply.expect(StatusCode::OK)?;
            served += 1;
            expect(served < 10_000, "a limit")?;
        };
        let wait: u64 = refused.header("retry-after").parse()?;
        show(&format!("after {served} more requests: {}, Retry-After {wait}", problem(&refused)?));
        show(&format!("RateLimit: {}", refused.header("ratelimit")));
        self.client.get("/livez").await?.expect(StatusCode::OK)?;
        show("probes are still served");
        tokio::time::sleep(Duration::from_secs(wait)).await;
        client.get("/api/v1/ping").await?.expect(StatusCode::OK)?;
        show(&format!("{wait} s later the client is served again"));
        Ok(())
    }

    async fn access_line(&mut self) -> Result<(), Failure> {
        self.scene("Each request writes one access line, with the id that the client received");
        let client = self.client.with_token(&self.token);
        let reply =
            client.get("/api/v1/notes?secret=in-the-query").await?.expect(StatusCode::OK)?;
        let id = reply.header("x-request-id").to_owned();
        let line = self
            .server
            .line(|line| line["message"] == "request" && line["request_id"] == id.as_str())
            .await?;
        expect(line["route"] == "/api/v1/notes", "the route as a template")?;
        expect(!line.to_string().contains("in-the-query"), "no query in the log")?;
        expect(!line.to_string().contains(&self.token), "no token in the log")?;
        show(&line.to_string());
        Ok(())
    }

    async fn upstream(&mut self) -> Result<(), Failure> {
        self.scene("A dependency fails: calls are retried, then the circuit opens, and recovers");
        upstream::play().await?.iter().for_each(|line| show(line));
        Ok(())
    }

    async fn accounts(&mut self) -> Result<(), Failure> {
        self.scene("Signing up where mail is delivered reveals nobody's account");
        let (mut accounts, lines) = Accounts::start(PASSWORD).await?;
        lines.iter().for_each(|line| show(line));
        self.scene("Lockout: an attacker is locked out, and the owner is not");
        accounts.lockout().await?.iter().for_each(|line| show(line));
        self.scene("A forgotten password: the link of a mail works once and ends all sessions");
        accounts.reset().await?.iter().for_each(|line| show(line));
        Ok(())
    }

    async fn instances(&mut self) -> Result<(), Failure> {
        self.scene("Two instances share a Redis server: one set of accounts, one limit");
        match shared::play(EMAIL, PASSWORD).await? {
            Some(lines) => lines.iter().for_each(|line| show(line)),
            None => show("left out: `redis-server` is not installed"),
        }
        Ok(())
    }

    async fn drain(mut self) -> Result<usize, Failure> {
        self.scene("On SIGTERM, the service finishes the requests in flight");
        let mut logging_in = JoinSet::new();
        for _ in 0..30 {
            let client = Client::new(self.server.address);
            let right = json!({ "email": EMAIL, "password": PASSWORD });
            logging_in.spawn(async move { client.post("/api/v1/session", &right).await });
        }
        let mut in_flight = 0;
        while in_flight < 10 {
            let report = self.admin.get("/health").await?.json()?;
            in_flight = report.get("in_flight").and_then(Value::as_u64).unwrap_or_default();
        }
        self.server.terminate().await?;
        show(&format!("SIGTERM with {in_flight} log-ins in flight"));
        let mut finished = 0;
        while let Some(reply) = logging_in.join_next().await {
            // Connections that were not accepted yet are not served by this process.
            if let Ok(reply) = reply? {
                reply.expect(StatusCode::OK)?;
                finished += 1;
            }
        }
        expect(finished >= in_flight, "every request in flight finished")?;
        let code = self.server.ended().await?;
        expect(code == Some(0), "exit code 0")?;
        show(&format!("{finished} finished, none failed, and the process exited with 0"));
        Ok(self.printed)
    }
}

fn show(text: &str) {
    println!("    {text}");
}

fn expect(truth: bool, what: &str) -> Result<(), Failure> {
    if truth { Ok(()) } else { Err(format!("expected {what}").into()) }
}

fn text(reply: &Reply) -> String {
    String::from_utf8_lossy(&reply.body).into_owned()
}

/// Returns the problem in one line, after checking that the response is one.
fn problem(reply: &Reply) -> Result<String, Failure> {
    expect(reply.header("content-type") == "application/problem+json", "a problem")?;
    expect(reply.text("request_id")? == reply.header("x-request-id"), "the request's id")?;
    Ok(format!("{} {} ({})", reply.status.as_u16(), reply.text("code")?, reply.text("title")?))
}
