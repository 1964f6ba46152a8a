//! The scenes, in order. Each prints what it shows and fails if its expectations do not hold.

use std::time::Duration;

use hardpoint::core::Time;
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

    async fn sign_up(&mut self) -> Result<(), Failure> {
        self.scene("Signing up: common passwords are refused, others hashed with Argon2id");
        let weak = json!({ "email": EMAIL, "password": "Password2026!!!!" });
        let weak = self.client.post("/api/v1/accounts", &weak).await?;
        show(&format!(
            "a weak password: {}",
            problem(&weak.expect(StatusCode::UNPROCESSABLE_ENTITY)?)?
        ));
        let account = json!({ "email": EMAIL, "password": PASSWORD });
        let made =
            self.client.post("/api/v1/accounts", &account).await?.expect(StatusCode::CREATED)?;
        show(&format!("created: {}", text(&made)));
        let again =
            self.client.post("/api/v1/accounts", &account).await?.expect(StatusCode::CONFLICT)?;
        show(&format!("a second time: {}", problem(&again)?));
        Ok(())
    }

    async fn log_in(&mut self) -> Result<(), Failure> {
        self.scene("Logging in: an unknown address and a wrong password get the same response");
        let wrong = json!({ "email": EMAIL, "password": "wrong password" });
        let unknown = json!({ "email": "nobody@example.org", "password": "wrong password" });
        let start = Time::system().now();
        let wrong =
            self.client.post("/api/v1/session", &wrong).await?.expect(StatusCode::UNAUTHORIZED)?;
        let middle = Time::system().now();
        let unknown = self
            .client
            .post("/api/v1/session", &unknown)
            .await?
            .expect(StatusCode::UNAUTHORIZED)?;
        let first = middle.saturating_since(start);
        let second = Time::system().now().saturating_since(middle);
        expect(same_but_for_the_id(&wrong)? == same_but_for_the_id(&unknown)?, "equal responses")?;
        show(&format!("both: {}, after {first:.0?} and {second:.0?}", problem(&wrong)?));
        let right = json!({ "email": EMAIL, "password": PASSWORD });
        let session = self.client.post("/api/v1/session", &right).await?.expect(StatusCode::OK)?;
        self.token = session.text("access_token")?;
        let me =
            self.client.with_token(&self.token).get("/api/v1/me").await?.expect(StatusCode::OK)?;
        show(&format!(
            "the right password gets a token of {} bytes with the claims {}",
            self.token.len(),
            text(&me)
        ));
        Ok(())
    }

    async fn forged_token(&mut self) -> Result<(), Failure> {
        self.scene("A forged token is rejected without a reason");
        let (header, rest) = self.token.split_once('.').ok_or("a token has dots")?;
        let (claims, signature) = rest.split_once('.').ok_or("a token has two dots")?;
        let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{claims}.");
        let tampered = format!("{header}.{claims}x.{signature}");
        for (name, forged) in [("alg none", unsigned), ("changed claims", tampered)] {
            let reply = self.client.with_token(&forged).get("/api/v1/ping").await?;
            let reply = reply.expect(StatusCode::UNAUTHORIZED)?;
            show(&format!(
                "{name}: {} with {}",
                problem(&reply)?,
                reply.header("www-authenticate")
            ));
        }
        let jwks = self.client.get("/.well-known/jwks.json").await?.expect(StatusCode::OK)?;
        expect(!text(&jwks).contains("\"d\""), "no private member in the key set")?;
        show(&format!("the public keys, for services that verify tokens: {}", text(&jwks)));
        Ok(())
    }

    async fn scopes(&mut self) -> Result<(), Failure> {
        self.scene("Scopes: a token can be narrowed, and grants no more than its scopes");
        let narrow = json!({ "email": EMAIL, "password": PASSWORD, "scope": "notes:read" });
        let narrow = self.client.post("/api/v1/session", &narrow).await?.expect(StatusCode::OK)?;
        let reader = self.client.with_token(&narrow.text("access_token")?);
        let writer = self.client.with_token(&self.token);
        let note = json!({ "text": "remember the milk" });
        let refused = reader.post("/api/v1/notes", &note).await?.expect(StatusCode::FORBIDDEN)?;
        show(&format!("a reader writes: {}", problem(&refused)?));
        writer.post("/api/v1/notes", &note).await?.expect(StatusCode::CREATED)?;
        let notes = reader.get("/api/v1/notes").await?.expect(StatusCode::OK)?;
        show(&format!("a writer writes, and the reader reads: {}", text(&notes)));
        let wider = json!({ "email": EMAIL, "password": PASSWORD, "scope": "admin" });
        let wider =
            self.client.post("/api/v1/session", &wider).await?.expect(StatusCode::BAD_REQUEST)?;
        show(&format!("requesting more: {}", problem(&wider)?));
        Ok(())
    }

    async fn refresh(&mut self) -> Result<(), Failure> {
        self.scene("A refresh token is replaced at each use, and a retry gets the same successor");
        let first = self.new_session().await?;
        let second = self.refreshed(&first).await?.expect(StatusCode::OK)?;
        let again = self.refreshed(&first).await?.expect(StatusCode::OK)?;
        let successor = second.text("refresh_token")?;
        expect(successor != first, "another refresh token")?;
        expect(successor == again.text("refresh_token")?, "the same successor for a retry")?;
        let fresh = self.client.with_token(&second.text("access_token")?);
        let sessions = fresh.get("/api/v1/sessions").await?.expect(StatusCode::OK)?.json()?;
        let count = sessions.pointer("/sessions").and_then(Value::as_array).map_or(0, Vec::len);
        show("one refresh and its retry: both got the same new refresh token");
        show(&format!("{count} sessions are listed, one of them as current"));
        Ok(())
    }

    async fn reuse(&mut self) -> Result<(), Failure> {
        self.scene("A stolen refresh token: the second holder ends the session");
        let stolen = self.new_session().await?;
        let second = self.refreshed(&stolen).await?.expect(StatusCode::OK)?;
        let owner = self.client.with_token(&second.text("access_token")?);
        owner.get("/api/v1/ping").await?.expect(StatusCode::OK)?;
        let third = self.refreshed(&second.text("refresh_token")?).await?.expect(StatusCode::OK)?;
        let thief = self.refreshed(&stolen).await?.expect(StatusCode::UNAUTHORIZED)?;
        show(&format!("a copy of a used token: {}", problem(&thief)?));
        let access = owner.get("/api/v1/ping").await?.expect(StatusCode::UNAUTHORIZED)?;
        show(&format!("the session's access token: {}", problem(&access)?));
        let token = third.text("refresh_token")?;
        let refused = self.refreshed(&token).await?.expect(StatusCode::UNAUTHORIZED)?;
        show(&format!("its newest refresh token: {}", problem(&refused)?));
        let line = self.server.line(|line| {
            let message = line.get("message").and_then(Value::as_str).unwrap_or_default();
            message.starts_with("a refresh token was used twice")
        });
        show(&format!("for operators: {}", line.await?));
        Ok(())
    }

    async fn log_out(&mut self) -> Result<(), Failure> {
        self.scene("Logging out: the session's tokens are refused from then on");
        let right = json!({ "email": EMAIL, "password": PASSWORD });
        let session = self.client.post("/api/v1/session", &right).await?.expect(StatusCode::OK)?;
        let user = self.client.with_token(&session.text("access_token")?);
        user.send(Method::DELETE, "/api/v1/session", None).await?.expect(StatusCode::NO_CONTENT)?;
        let refused = user.get("/api/v1/ping").await?.expect(StatusCode::UNAUTHORIZED)?;
        let token = session.text("refresh_token")?;
        self.refreshed(&token).await?.expect(StatusCode::UNAUTHORIZED)?;
        show(&format!("the access token: {}; the refresh token too", problem(&refused)?));
        Ok(())
    }

    /// Logs in and returns the refresh token.
    async fn new_session(&self) -> Result<String, Failure> {
        let right = json!({ "email": EMAIL, "password": PASSWORD });
        let session = self.client.post("/api/v1/session", &right).await?;
        session.expect(StatusCode::OK)?.text("refresh_token")
    }

    async fn refreshed(&self, token: &str) -> Result<Reply, Failure> {
        let body = json!({ "refresh_token": token });
        self.client.post("/api/v1/session/refresh", &body).await
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

fn same_but_for_the_id(reply: &Reply) -> Result<Value, Failure> {
    let mut body = reply.json()?;
    if let Some(members) = body.as_object_mut() {
        members.remove("request_id");
    }
    Ok(body)
}
