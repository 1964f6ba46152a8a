//! A client whose calls have a deadline, retries within a budget and a circuit breaker, and get the last
//! good response while the destination fails.
//!
//! `cargo run -p client-policy -- http://127.0.0.1:3000/ 10` calls the URL ten times and prints how
//! each call ended. The policy is a layer around any client: this one is hyper-util's.

use std::{error::Error, process::ExitCode};

use bytes::Bytes;
use hardpoint::{
    resilience::{
        BoxError, BulkheadFull, CircuitOpen, ClientPolicy, StaleCopies, TimedOut, stale::StaleCopy,
    },
    secrets,
};
use http::{Request, Uri};
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{Layer, ServiceExt};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => secrets::explain(&*error),
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: client-policy URL [CALLS]";
    let url: Uri = arguments.next().ok_or(usage)?.parse()?;
    let calls: u32 = arguments.next().map_or(Ok(1), |text| text.parse())?;

    // One policy for each dependency: its circuit and its budget are shared by all clones.
    let policy = ClientPolicy::external_api("quotes").build()?;
    let client = policy.layer().layer(Client::builder(TokioExecutor::new()).build_http());
    // Outside of the policy, whose circuit must see the failures that a copy hides.
    let client = StaleCopies::builder("quotes").build()?.layer().layer(client);
    for number in 1..=calls {
        // GET is idempotent, so it is retried. A POST is not, unless the request says that it may.
        let request = Request::get(&url).body(Empty::<Bytes>::new())?;
        match client.clone().oneshot(request).await {
            Ok(response) => {
                let status = response.status();
                let copy = response.extensions().get::<StaleCopy>().copied();
                let age = copy.map_or_else(String::new, |copy| {
                    format!(", from {} s ago", copy.age().as_secs())
                });
                let body =
                    response.into_body().collect().await.map_err(|error| error.to_string())?;
                println!("call {number}: {status}, {} bytes{age}", body.to_bytes().len());
            }
            Err(error) => println!("call {number}: {}", reason(&error)),
        }
    }
    Ok(())
}

/// The caller's options after a failure: each policy has an error type of its own.
fn reason(error: &BoxError) -> String {
    if let Some(open) = error.downcast_ref::<CircuitOpen>() {
        let wait = open.retry_after().unwrap_or_default().as_secs();
        format!("not sent, the circuit is open for {wait} s")
    } else if error.is::<BulkheadFull>() {
        "not sent, too many calls are running".to_owned()
    } else if error.is::<TimedOut>() {
        "gave up at the deadline".to_owned()
    } else {
        format!("failed: {error}")
    }
}
