//! Answers that need a round trip.

use std::{
    collections::HashSet,
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hardpoint_auth::{
    AuthLayer, Revocation, RevocationPolicy, RevocationState, TokenCache, VerifiedToken,
    VerifyErrorKind,
};
use hardpoint_core::{Event, Telemetry, event::StoreKind};
use hardpoint_testkit::{TestBody, contract};
use http::{Request, Response, StatusCode, header::RETRY_AFTER};
use tower::{Layer, Service, ServiceExt, service_fn};

use super::{issuer_and_builder, token, with};

/// The application's store in another process: it answers after a while, and may be down.
#[derive(Clone, Default)]
struct Store {
    revoked: Arc<Mutex<HashSet<String>>>,
    is_down: Arc<Mutex<bool>>,
    asked: Arc<AtomicUsize>,
}

impl Revocation for Store {
    fn state(&self, token: &VerifiedToken) -> RevocationState {
        let (store, id) = (self.clone(), token.token_id().unwrap_or_default().to_owned());
        RevocationState::AskStore(Box::pin(async move {
            store.asked.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(2)).await;
            if *store.is_down.lock().unwrap() {
                return RevocationState::Unknown;
            }
            let is_revoked = store.revoked.lock().unwrap().contains(&id);
            if is_revoked { RevocationState::Revoked } else { RevocationState::Live }
        }))
    }
}

async fn ok(_: Request<TestBody>) -> Result<Response<TestBody>, Infallible> {
    Ok(Response::new(TestBody::default()))
}

#[tokio::test(start_paused = true)]
async fn a_revocation_in_the_applications_store_is_awaited() {
    for cache in [None, Some(TokenCache::new())] {
        let (issuer, builder) = issuer_and_builder();
        let (store, told) = (Store::default(), Arc::new(Mutex::new(Vec::new())));
        let (sink, failed) = (Arc::clone(&told), Arc::new(AtomicUsize::new(0)));
        let failures = Arc::clone(&failed);
        let telemetry = Telemetry::new(move |event: &Event<'_>| match event {
            Event::TokenVerified(event) => sink.lock().unwrap().push(event.result),
            Event::StoreFailed(event) => {
                assert_eq!(event.store, StoreKind::Revocation);
                failures.fetch_add(1, Ordering::SeqCst);
            }
            other => panic!("{other:?}"),
        });
        let builder = cache.into_iter().fold(builder, |builder, cache| builder.cache(cache));
        let verifier = builder.revocation(store.clone()).build().unwrap();
        let service = AuthLayer::new(verifier).telemetry(&telemetry).layer(service_fn(ok));
        let token = token(&issuer, "");
        let ask = async || {
            let request = with(&format!("Bearer {}", token.expose()));
            service.clone().oneshot(request).await.unwrap()
        };
        assert_eq!(ask().await.status(), StatusCode::OK);
        assert_eq!(ask().await.status(), StatusCode::OK);
        *store.is_down.lock().unwrap() = true;
        let unknown = ask().await;
        assert_eq!(unknown.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(unknown.headers().contains_key(RETRY_AFTER));
        *store.is_down.lock().unwrap() = false;
        store.revoked.lock().unwrap().insert(token.token_id().to_owned());
        assert_eq!(ask().await.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(store.asked.load(Ordering::SeqCst), 4, "each time, cached or not");
        let expected = [
            Ok(()),
            Ok(()),
            Err(VerifyErrorKind::RevocationUnknown),
            Err(VerifyErrorKind::Revoked),
        ];
        assert_eq!(*told.lock().unwrap(), expected);
        assert_eq!(failed.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn outside_of_a_layer_the_store_is_awaited_or_the_token_is_not_believed() {
    let (issuer, builder) = issuer_and_builder();
    let store = Store::default();
    let builder = builder.revocation(store.clone()).unknown_revocation(RevocationPolicy::Allow);
    let verifier = builder.build().unwrap();
    let token = token(&issuer, "");
    let now = verifier.verify(token.expose()).unwrap_err();
    assert_eq!(now.kind(), VerifyErrorKind::RevocationUnknown, "under every policy");
    assert!(verifier.verify_or_wait(token.expose()).await.is_ok());
    *store.is_down.lock().unwrap() = true;
    assert!(verifier.verify_or_wait(token.expose()).await.is_ok(), "best effort");
    *store.is_down.lock().unwrap() = false;
    store.revoked.lock().unwrap().insert(token.token_id().to_owned());
    let revoked = verifier.verify_or_wait(token.expose()).await.unwrap_err();
    assert_eq!(revoked.kind(), VerifyErrorKind::Revoked);
}

/// Answers at its second poll.
struct Soon;

impl Revocation for Soon {
    fn state(&self, _: &VerifiedToken) -> RevocationState {
        let mut polls = 0;
        RevocationState::AskStore(Box::pin(std::future::poll_fn(move |cx| {
            polls += 1;
            cx.waker().wake_by_ref();
            if polls == 1 { Poll::Pending } else { Poll::Ready(RevocationState::Live) }
        })))
    }
}

#[test]
fn a_layer_that_waits_keeps_the_contract() {
    let (issuer, builder) = issuer_and_builder();
    let layer = AuthLayer::new(builder.revocation(Soon).build().unwrap());
    let bearer = format!("Bearer {}", token(&issuer, "").expose());
    contract::run(&layer, || with(&bearer));
}

/// Counts its instances that are ready and not called.
struct Permits {
    held: Arc<AtomicUsize>,
    is_ready: bool,
}

impl Clone for Permits {
    /// A clone is not ready.
    fn clone(&self) -> Self {
        Self { held: Arc::clone(&self.held), is_ready: false }
    }
}

impl Drop for Permits {
    fn drop(&mut self) {
        if self.is_ready {
            self.held.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Service<Request<TestBody>> for Permits {
    type Response = Response<TestBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<TestBody>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if !std::mem::replace(&mut self.is_ready, true) {
            self.held.fetch_add(1, Ordering::SeqCst);
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<TestBody>) -> Self::Future {
        assert!(std::mem::replace(&mut self.is_ready, false), "the ready instance is called");
        self.held.fetch_sub(1, Ordering::SeqCst);
        Box::pin(ok(request))
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_holds_the_ready_instance_and_a_dropped_one_returns_it() {
    let (issuer, builder) = issuer_and_builder();
    let layer = AuthLayer::new(builder.revocation(Store::default()).build().unwrap());
    let bearer = format!("Bearer {}", token(&issuer, "").expose());
    let held = Arc::new(AtomicUsize::new(0));
    let mut service = layer.layer(Permits { held: Arc::clone(&held), is_ready: false });
    let waiting = service.ready().await.unwrap().call(with(&bearer));
    assert_eq!(held.load(Ordering::SeqCst), 1);
    drop(waiting);
    assert_eq!(held.load(Ordering::SeqCst), 0);
    let response = service.ready().await.unwrap().call(with(&bearer)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(held.load(Ordering::SeqCst), 0);
}
