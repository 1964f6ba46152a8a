//! Two instances on one Redis server.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, TcpListener},
    process::Stdio,
};

use http::StatusCode;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::{
    Failure,
    client::Client,
    server::{Secrets, Server},
};

/// The requests that both instances together admit.
const LIMIT: u32 = 30;

/// Plays the scene and returns what it showed, or `None` if no Redis server is installed.
pub(super) async fn play(email: &str, password: &str) -> Result<Option<Vec<String>>, Failure> {
    let Some((mut redis, url)) = start_redis()? else { return Ok(None) };
    let quota = format!("{LIMIT}/1h");
    let variables = [("HARDPOINT_REDIS_URL", &*url), ("HARDPOINT_RATE_LIMIT", &quota)];
    let secrets = Secrets::generate()?;
    let (first, second) =
        (Server::start(&secrets, &variables).await?, Server::start(&secrets, &variables).await?);
    for (instance, link) in
        [(&first, "state"), (&first, "limits"), (&second, "state"), (&second, "limits")]
    {
        instance.line(|line| says(line, link, "the link is up")).await?;
    }
    let clients = [Client::new(first.address), Client::new(second.address)];
    let [one, other] = &clients;

    let account = json!({ "email": email, "password": password });
    one.post("/api/v1/accounts", &account).await?.expect(StatusCode::CREATED)?;
    let session = other.post("/api/v1/session", &account).await?.expect(StatusCode::OK)?;
    let user = one.with_token(&session.text("access_token")?);
    user.get("/api/v1/me").await?.expect(StatusCode::OK)?;
    let mut lines = vec![
        "signed up at the first instance, logged in at the second, recognised by the first".into(),
    ];

    let mut admitted = [0; 2];
    for number in 0..2 * LIMIT {
        let which = usize::from(number % 2 == 1);
        let [one, other] = &clients;
        let client = if which == 0 { one } else { other };
        let status = client.get("/api/v1/ping").await?.status;
        if let (StatusCode::UNAUTHORIZED, Some(count)) = (status, admitted.get_mut(which)) {
            *count += 1;
        }
    }
    let [at_one, at_other] = admitted;
    lines.push(format!(
        "a limit of {LIMIT} an hour: {} requests before, then {at_one} at the first and {at_other} \
         at the second",
        LIMIT - at_one - at_other
    ));

    redis.kill().await?;
    for instance in [&first, &second] {
        instance.line(|line| says(line, "limits", "the link is down")).await?;
    }
    let limited = other.get("/api/v1/ping").await?.expect(StatusCode::TOO_MANY_REQUESTS)?;
    let ready = other.get("/readyz").await?.expect(StatusCode::OK)?;
    lines.push(format!(
        "the Redis server is gone: each instance remembers the debts it saw, so that the client \
         is still refused ({}); /readyz {}",
        limited.status.as_u16(),
        ready.status.as_u16(),
    ));
    Ok(Some(lines))
}

/// Whether a log line is about this link and begins with this message.
fn says(line: &Value, link: &str, message: &str) -> bool {
    let field = |name| line.get(name).and_then(Value::as_str).unwrap_or_default();
    field("link") == link && field("message").starts_with(message)
}

/// Starts a server on a free port, without persistence. The instances find it once it listens.
fn start_redis() -> Result<Option<(Child, String)>, Failure> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let started = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(["--appendonly", "no"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    match started {
        Ok(child) => Ok(Some((child, format!("redis://127.0.0.1:{port}")))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
