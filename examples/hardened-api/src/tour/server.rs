//! The service as a separate process, on free ports.

use std::{net::SocketAddr, process::Stdio, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use hardpoint::{auth::SigningKey, core::Secret};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::Mutex,
    time::timeout,
};

use super::Failure;

/// How long any step may take before the tour gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running service.
pub(super) struct Server {
    child: Child,
    lines: Arc<Mutex<Vec<Value>>>,
    pub(super) address: SocketAddr,
    pub(super) admin: SocketAddr,
}

/// Returns the service's program with only these environment variables.
pub(super) fn command(variables: &[(&str, &str)]) -> Result<Command, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.env_clear().envs(variables.iter().copied()).kill_on_drop(true);
    Ok(command)
}

/// The secrets of all instances of a service.
pub(super) struct Secrets {
    key: Secret<str>,
    root: String,
}

impl Secrets {
    /// Generates secrets for this tour.
    pub(super) fn generate() -> Result<Self, Failure> {
        let mut root = [0; 32];
        getrandom::fill(&mut root).map_err(|error| error.to_string())?;
        Ok(Self { key: SigningKey::generate_pem()?, root: STANDARD.encode(root) })
    }
}

impl Server {
    /// Starts the service as in production, with these secrets and further variables.
    pub(super) async fn start(secrets: &Secrets, more: &[(&str, &str)]) -> Result<Self, Failure> {
        let mut variables = vec![
            ("HARDPOINT_ENV", "prod"),
            ("HARDPOINT_LISTEN", "127.0.0.1:0"),
            ("HARDPOINT_ADMIN_LISTEN", "127.0.0.1:0"),
            ("HARDPOINT_DRAIN_DELAY", "0s"),
            ("JWT_SIGNING_KEY", secrets.key.expose()),
            ("HARDPOINT_ROOT_SECRET", &secrets.root),
        ];
        variables.extend_from_slice(more);
        let mut child = command(&variables)?.stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or("the service has no output")?;
        let mut output = BufReader::new(stdout).lines();
        let first = timeout(PATIENCE, output.next_line()).await??;
        let first = addresses(&first.ok_or("the service ended at once")?)?;
        let lines = Arc::new(Mutex::new(vec![first.clone()]));
        let sink = Arc::clone(&lines);
        tokio::spawn(async move {
            while let Ok(Some(line)) = output.next_line().await {
                sink.lock().await.push(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        let address = |name: &str| -> Result<SocketAddr, Failure> {
            Ok(first.get(name).and_then(Value::as_str).ok_or("no address in the log")?.parse()?)
        };
        Ok(Self { child, lines, address: address("address")?, admin: address("admin_address")? })
    }

    /// Waits for a log line that `wanted` accepts, and returns the first.
    pub(super) async fn line(&self, wanted: impl Fn(&Value) -> bool) -> Result<Value, Failure> {
        let search = async {
            loop {
                if let Some(line) = self.lines.lock().await.iter().find(|line| wanted(line)) {
                    return line.clone();
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        Ok(timeout(PATIENCE, search).await.map_err(|_| "the expected log line did not appear")?)
    }

    /// Sends SIGTERM, as an orchestrator does.
    pub(super) async fn terminate(&self) -> Result<(), Failure> {
        let id = self.child.id().ok_or("the service has already ended")?;
        // `kill` is a shell builtin where the program is not installed.
        let sent = Command::new("sh").args(["-c", &format!("kill -TERM {id}")]).status().await?;
        if sent.success() { Ok(()) } else { Err("SIGTERM was not sent".into()) }
    }

    /// Returns the exit code of the service.
    pub(super) async fn ended(mut self) -> Result<Option<i32>, Failure> {
        Ok(timeout(PATIENCE, self.child.wait()).await??.code())
    }
}

/// Reads the fields of the first line: as JSON, or as written for people in development.
fn addresses(line: &str) -> Result<Value, Failure> {
    if line.starts_with('{') {
        return Ok(serde_json::from_str(line)?);
    }
    let fields = line.split_whitespace().filter_map(|word| word.split_once('='));
    Ok(fields.map(|(name, value)| (name.to_owned(), Value::from(value))).collect())
}
