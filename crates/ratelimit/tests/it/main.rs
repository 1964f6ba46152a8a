//! The limiter as its users meet it.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]
#![cfg_attr(
    feature = "redis",
    expect(clippy::expect_used, reason = "a test panics where it fails")
)]

mod address;
mod alloc;
mod behaviour;
mod bounds;
mod conformance;
mod contract;
#[cfg(feature = "redis")]
mod faults;
#[cfg(feature = "axum")]
mod filters;
mod grpc;
mod headers;
mod keys;
mod memory;
mod once;
mod outage;
mod places;
mod policies;
mod replace;
mod settlement;
#[cfg(feature = "redis")]
mod shared;

use std::{borrow::Cow, convert::Infallible, sync::LazyLock};

use bytes::Bytes;
use hardpoint_core::{Key, ManualClock};
use hardpoint_ratelimit::{Admitted, Denied, Policy, PolicyHandle, Quota, RateLimiter, key};
use hardpoint_testkit::{TestBody, leak::CapturedLogs};
use http::{HeaderName, Request, Response};
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceExt, service_fn};
use tracing::{Dispatch, subscriber::DefaultGuard};

const TENANT: HeaderName = HeaderName::from_static("x-tenant");

fn per_tenant(name: impl Into<Cow<'static, str>>, quota: Quota) -> Policy {
    Policy::new(name, quota, key::header(TENANT))
}

fn limiter(clock: &ManualClock, policies: impl IntoIterator<Item = Policy>) -> RateLimiter {
    let builder =
        policies.into_iter().fold(RateLimiter::builder(), |builder, policy| builder.policy(policy));
    builder.time(clock).build().unwrap()
}

static ACME: Key<'static> = Key::borrowed(b"acme");

fn handle(limiter: &RateLimiter, policy: &str) -> PolicyHandle {
    limiter.policy(policy).unwrap()
}

/// A check of the tenant `acme`.
async fn check(limiter: &RateLimiter, policy: &str, cost: u32) -> Result<Admitted, Denied> {
    handle(limiter, policy).check_cost(&ACME, cost).await
}

/// The cells that the tenant `acme` has left.
async fn left(limiter: &RateLimiter, policy: &str) -> u32 {
    check(limiter, policy, 0).await.unwrap().remaining()
}

fn from(tenant: &str) -> Request<TestBody> {
    Request::builder().header(TENANT, tenant).body(TestBody::default()).unwrap()
}

/// The answer of the limiter's layer around a service that always answers `ok`.
async fn ask(limiter: &RateLimiter, request: Request<TestBody>) -> Response<Bytes> {
    let inner =
        service_fn(async |_request| Ok::<_, Infallible>(Response::new(TestBody::from("ok"))));
    read(limiter.layer().unwrap().layer(inner), request).await
}

async fn read<S, B>(mut service: S, request: Request<TestBody>) -> Response<Bytes>
where
    S: Service<Request<TestBody>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let response = service.ready().await.unwrap().call(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

/// The log lines of this thread, until the guard is dropped.
fn captured_logs() -> (CapturedLogs, DefaultGuard) {
    // With a single subscriber, tracing caches the answer of the first thread that meets an event,
    // and that may be a test without one. With two it asks both.
    static SECOND: LazyLock<Dispatch> =
        LazyLock::new(|| Dispatch::new(tracing_subscriber::fmt().finish()));
    LazyLock::force(&SECOND);
    let logs = CapturedLogs::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_ansi(false)
        .with_writer(logs.writer())
        .finish();
    (logs, tracing::subscriber::set_default(subscriber))
}
