//! What one user does all day.

use std::{
    error::Error,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy, rt::TokioExecutor};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until, timeout};

use super::{
    PASSWORD,
    balancer::{Balancer, Connector},
    tally::{Sample, Step},
};

/// One call in this time.
const PACE: Duration = Duration::from_secs(1);
/// What the calls after the refresh are, again and again.
const CALLS: [Step; 6] =
    [Step::Me, Step::AddNote, Step::Quote, Step::Me, Step::ListNotes, Step::Quote];
/// A user does not wait longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A user with an address and a connection of its own.
#[derive(Debug)]
pub(super) struct User {
    pub(super) number: u32,
    http: legacy::Client<Connector, Full<Bytes>>,
    access: String,
    refresh: String,
    /// Notes whose addition was confirmed.
    added: usize,
}

/// What a user saw.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) samples: Vec<Sample>,
    /// How many notes were confirmed and not listed in the end.
    pub(super) lost_notes: usize,
}

impl User {
    pub(super) fn new(number: u32, balancer: &Balancer) -> Self {
        let connector = balancer.connector(address(number));
        let http = legacy::Client::builder(TokioExecutor::new()).build(connector);
        Self { number, http, access: String::new(), refresh: String::new(), added: 0 }
    }

    /// Creates the account.
    pub(super) async fn sign_up(&self) {
        let made = self.post("/api/v1/accounts", &self.credentials()).await;
        assert!(made.is_ok(), "user {}: {made:?}", self.number);
    }

    /// Logs in at `begin`, refreshes, and calls until `end`. A log-in or a refresh that failed is
    /// repeated, and every failure counts.
    pub(super) async fn live(mut self, begin: Instant, end: Instant) -> Seen {
        let (mut samples, mut due, mut calls) = (Vec::new(), begin, CALLS.iter().cycle());
        let mut next = Step::LogIn;
        while due < end {
            sleep_until(due).await;
            let failure = self.take(next).await.err();
            let has_failed = failure.is_some();
            // From when it was due: a late answer makes the calls after it late, and they count it.
            samples.push(Sample { step: next, due, took: due.elapsed(), failure });
            next = match next {
                Step::LogIn | Step::Refresh if has_failed => next,
                Step::LogIn => Step::Refresh,
                _ => *calls.next().unwrap_or(&Step::Me),
            };
            due += PACE;
        }
        let listed = self.get("/api/v1/notes").await.ok();
        let listed = listed.and_then(|body| body["notes"].as_array().map(Vec::len));
        Seen { samples, lost_notes: self.added.saturating_sub(listed.unwrap_or_default()) }
    }

    async fn take(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::LogIn => {
                let pair = self.post("/api/v1/session", &self.credentials()).await?;
                self.keep(&pair)?;
            }
            Step::Refresh => {
                let presented = json!({ "refresh_token": self.refresh });
                let pair = self.post("/api/v1/session/refresh", &presented).await?;
                self.keep(&pair)?;
            }
            Step::Me => drop(self.get("/api/v1/me").await?),
            Step::Quote => drop(self.get("/api/v1/quote").await?),
            Step::ListNotes => drop(self.get("/api/v1/notes").await?),
            Step::AddNote => {
                self.post("/api/v1/notes", &json!({ "text": "buy milk" })).await?;
                self.added += 1;
            }
        }
        Ok(())
    }

    fn keep(&mut self, pair: &Value) -> Result<(), String> {
        let token = |name: &str| pair[name].as_str().map(str::to_owned).ok_or("no token");
        (self.access, self.refresh) = (token("access_token")?, token("refresh_token")?);
        Ok(())
    }

    fn credentials(&self) -> Value {
        json!({ "email": format!("user-{}@example.org", self.number), "password": PASSWORD })
    }

    async fn get(&self, path: &str) -> Result<Value, String> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    async fn post(&self, path: &str, document: &Value) -> Result<Value, String> {
        self.send(Method::POST, path, document.to_string().into()).await
    }

    /// Returns the body of a success. Everything else is a failure, with what there is to say of it.
    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Value, String> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://api.example{path}"))
            .header(CONTENT_TYPE, "application/json");
        if !self.access.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.access));
        }
        let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
        let exchange = async {
            let (head, body) = self.http.request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, Box<dyn Error + Send + Sync>>((head, body))
        };
        let (head, body) = match timeout(PATIENCE, exchange).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(chain(&*error)),
            Err(_) => return Err(format!("no answer within {PATIENCE:?}")),
        };
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        if head.status.is_success() {
            return Ok(body);
        }
        let code = body["code"].as_str().unwrap_or("without a problem").to_owned();
        let must_say_when = head.status == StatusCode::SERVICE_UNAVAILABLE;
        match head.headers.get("retry-after") {
            None if must_say_when => Err(format!("{} {code}, no Retry-After", head.status)),
            _ => Err(format!("{} {code}", head.status)),
        }
    }
}

/// Every address in `127.0.0.0/8` is one of this host's.
fn address(number: u32) -> IpAddr {
    let [_, _, high, low] = (number + 1).to_be_bytes();
    Ipv4Addr::new(127, 1, high, low).into()
}

/// The error with all its causes.
fn chain(error: &(dyn Error + Send + Sync + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
