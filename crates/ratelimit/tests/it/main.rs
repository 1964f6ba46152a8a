//! The limiter as its users meet it.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

mod address;
mod alloc;
mod behaviour;
mod contract;
#[cfg(feature = "governor")]
mod governor;
mod headers;
mod later;
mod memory;
mod policies;
mod settlement;

use std::convert::Infallible;

use bytes::Bytes;
use hardpoint_core::ManualClock;
use hardpoint_ratelimit::{MemoryStore, Policy, Quota, RateLimiter, key};
use hardpoint_testkit::TestBody;
use http::{HeaderName, Request, Response};
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceExt, service_fn};

type Limiter = RateLimiter<MemoryStore<ManualClock>>;

const TENANT: HeaderName = HeaderName::from_static("x-tenant");

fn per_tenant(name: &'static str, quota: Quota) -> Policy {
    Policy::new(name, quota, key::header(TENANT))
}

fn limiter(clock: &ManualClock, policies: impl IntoIterator<Item = Policy>) -> Limiter {
    let builder =
        policies.into_iter().fold(RateLimiter::builder(), |builder, policy| builder.policy(policy));
    builder.build_with_clock(clock.clone()).unwrap()
}

fn from(tenant: &str) -> Request<TestBody> {
    Request::builder().header(TENANT, tenant).body(TestBody::default()).unwrap()
}

/// The answer of the limiter's layer around a service that always says `ok`.
async fn ask(limiter: &Limiter, request: Request<TestBody>) -> Response<Bytes> {
    let inner =
        service_fn(async |_request| Ok::<_, Infallible>(Response::new(TestBody::from("ok"))));
    read(limiter.layer().layer(inner), request).await
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
