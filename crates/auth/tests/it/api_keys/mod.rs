//! API keys as their users meet them, and the suite that every store has to pass.

mod behaviour;
pub(crate) mod conformance;
mod remote;

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use hardpoint_auth::{
    ApiKeyStore, ApiKeys, AuthLayer, InMemory, Scopes,
    api_key::{ApiKeyOwner, ApiKeyRecord, ApiKeysBuilder, IssuedApiKey, NewApiKey},
};
use hardpoint_core::{Event, Identity, RequestContext, Telemetry, Time, event::ApiKeyErrorKind};
use hardpoint_testkit::{TestBody, clock::TokioClock};
use http::{Request, Response, StatusCode};
use tower::{Layer, ServiceExt, service_fn};

pub(crate) const READ: Scopes = Scopes::from_static("notes:read");
pub(crate) const ALICE: ApiKeyOwner<'static> = ApiKeyOwner::new("alice").issuer(super::ISSUER);

pub(crate) fn keys(store: impl Into<ApiKeyStore>) -> ApiKeysBuilder {
    ApiKeys::builder("acme_test", store.into())
}

/// A store in memory that follows tokio's time.
fn memory() -> ApiKeyStore {
    InMemory::new().time(Time::custom(TokioClock::new())).into()
}

pub(crate) async fn issue(keys: &ApiKeys) -> IssuedApiKey {
    keys.issue(NewApiKey::new(ALICE).name("ci").scopes(&READ)).await.unwrap()
}

fn request(key: &str) -> Request<TestBody> {
    Request::builder().header("x-api-key", key).body(TestBody::default()).unwrap()
}

/// The answer to a request, and the caller whom the handler saw.
async fn call(
    layer: &AuthLayer,
    request: Request<TestBody>,
) -> (Response<hardpoint_core::ResponseBody<TestBody>>, Option<Identity>) {
    let seen = Arc::new(Mutex::new(None));
    let sink = Arc::clone(&seen);
    let handler = service_fn(move |request: Request<TestBody>| {
        let context = RequestContext::find(request.extensions());
        *sink.lock().unwrap() = context.and_then(|context| context.identity()).cloned();
        async { Ok::<_, Infallible>(Response::new(TestBody::default())) }
    });
    let Ok(response) = layer.layer(handler).oneshot(request).await;
    let seen = seen.lock().unwrap().take();
    (response, seen)
}

/// The status of a request with this key.
pub(crate) async fn status(keys: &ApiKeys, key: &str) -> StatusCode {
    call(&AuthLayer::new(keys.clone()), request(key)).await.0.status()
}

/// The results of verifications, as an observer is told them.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Result<(), ApiKeyErrorKind>>>>);

impl Told {
    fn telemetry(&self) -> Telemetry {
        let told = Arc::clone(&self.0);
        Telemetry::new(move |event: &Event<'_>| {
            if let Event::ApiKeyVerified(event) = event {
                told.lock().unwrap().push(event.result);
            }
        })
    }

    /// What was told since it was asked for last.
    fn take(&self) -> Vec<Result<(), ApiKeyErrorKind>> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

pub(crate) fn names(records: &[ApiKeyRecord]) -> Vec<&str> {
    records.iter().map(|record| &*record.name).collect()
}
