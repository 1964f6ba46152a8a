//! Keys in a remote store: the cache, lookups, outages.

use std::{
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};

use hardpoint_auth::{
    Attempt, Authenticator, Credential, StoreError,
    api_key::{ApiKeyId, BoxFuture, Placed, PutApiKey, Rate, RemoteApiKeys},
};
use hardpoint_core::{Peer, event::StoreErrorKind};
use hardpoint_testkit::contract;
use http::header::RETRY_AFTER;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A store in another process: it answers after 10 ms, and may be down, silent or broken.
#[derive(Clone)]
struct Database {
    kept: ApiKeyStore,
    mode: Arc<Mutex<Mode>>,
    questions: Arc<AtomicUsize>,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Up,
    /// Each answer takes so long.
    Slow(Duration),
    Down,
    Silent,
    Panicking,
}

impl Database {
    fn new() -> Self {
        Self { kept: memory(), mode: Arc::new(Mutex::new(Mode::Up)), questions: Arc::default() }
    }

    fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    /// How many questions were asked since this was asked last.
    fn questions(&self) -> usize {
        self.questions.swap(0, Ordering::SeqCst)
    }

    fn store(&self) -> ApiKeyStore {
        ApiKeyStore::remote(Arc::new(self.clone()))
    }

    /// Answers with what the store in memory answers now.
    fn answer<T: Send + 'static>(
        &self,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> BoxFuture<T> {
        let mode = *self.mode.lock().unwrap();
        let after = match mode {
            Mode::Up => Duration::from_millis(10),
            Mode::Slow(after) => after,
            Mode::Down => return Box::pin(async { Err(StoreError::new(StoreErrorKind::Timeout)) }),
            Mode::Silent => return Box::pin(std::future::pending()),
            Mode::Panicking => panic!("the store panics"),
        };
        let now = pin!(answer).poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(answer) = now else { panic!("a store in memory answers at once") };
        Box::pin(async move {
            tokio::time::sleep(after).await;
            answer
        })
    }
}

impl RemoteApiKeys for Database {
    fn put(&self, put: &PutApiKey<'_>) -> BoxFuture<Placed> {
        self.answer(self.kept.put(put))
    }

    fn find(&self, id: ApiKeyId) -> BoxFuture<Option<ApiKeyRecord>> {
        self.questions.fetch_add(1, Ordering::SeqCst);
        self.answer(self.kept.find(id))
    }

    fn list(&self, owner: ApiKeyOwner<'_>) -> BoxFuture<Vec<ApiKeyRecord>> {
        self.answer(self.kept.list(owner))
    }

    fn expire_after(
        &self,
        owner: ApiKeyOwner<'_>,
        id: ApiKeyId,
        after: Duration,
    ) -> BoxFuture<bool> {
        self.answer(self.kept.expire_after(owner, id, after))
    }

    fn revoke_all(&self, owner: ApiKeyOwner<'_>) -> BoxFuture<Vec<ApiKeyId>> {
        self.answer(self.kept.revoke_all(owner))
    }
}

fn fixture() -> (Database, ApiKeysBuilder) {
    let database = Database::new();
    let keys = keys(database.store()).time(Time::custom(TokioClock::new()));
    (database, keys)
}

/// A key with a valid checksum that this service did not issue.
async fn unknown() -> String {
    issue(&keys(memory()).build().unwrap()).await.text.expose().to_owned()
}

#[tokio::test(start_paused = true)]
async fn requests_with_one_key_share_one_lookup() {
    let (database, builder) = fixture();
    let keys = builder.build().unwrap();
    let issued = issue(&keys).await;
    let calls = (0..1_000).map(|_| {
        let (keys, text) = (keys.clone(), issued.text.expose().to_owned());
        tokio::spawn(async move { status(&keys, &text).await })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), StatusCode::OK);
    }
    assert_eq!(database.questions(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_in_use_is_refreshed_ahead_of_time_so_that_no_request_waits() {
    let (database, builder) = fixture();
    let keys = builder.build().unwrap();
    let issued = issue(&keys).await;
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::OK);
    database.questions();
    for _ in 0..600 {
        tokio::time::sleep(SECOND / 10).await;
        let before = tokio::time::Instant::now();
        assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::OK);
        assert_eq!(before.elapsed(), Duration::ZERO);
    }
    assert!((11..=13).contains(&database.questions()), "twice in ten seconds, for a minute");
    // After a pause the first request waits.
    tokio::time::sleep(SECOND * 10).await;
    let before = tokio::time::Instant::now();
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::OK);
    assert_eq!(before.elapsed(), Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn a_revoked_key_is_refused_at_once_here_and_in_ten_seconds_elsewhere() {
    let (database, builder) = fixture();
    let here = builder.build().unwrap();
    let elsewhere = keys(database.store()).time(Time::custom(TokioClock::new())).build().unwrap();
    let issued = issue(&here).await;
    let text = issued.text.expose();
    for keys in [&here, &elsewhere] {
        assert_eq!(status(keys, text).await, StatusCode::OK);
    }
    assert!(here.revoke(ALICE, issued.id).await.unwrap());
    assert_eq!(status(&here, text).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&elsewhere, text).await, StatusCode::OK);
    for _ in 0..10 {
        tokio::time::sleep(SECOND).await;
        status(&elsewhere, text).await;
    }
    assert_eq!(status(&elsewhere, text).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn an_answer_from_before_the_revocation_is_not_cached() {
    let (database, builder) = fixture();
    let keys = builder.build().unwrap();
    let issued = issue(&keys).await;
    let asked = {
        let (keys, text) = (keys.clone(), issued.text.expose().to_owned());
        tokio::spawn(async move { status(&keys, &text).await })
    };
    // The store has read the key, and its answer is on the way.
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(database.questions(), 1);
    database.kept.expire_after(ALICE, issued.id, Duration::ZERO).await.unwrap();
    database.set(Mode::Down);
    // The store ended it, and its answer was lost.
    assert!(keys.revoke(ALICE, issued.id).await.is_err());
    database.set(Mode::Up);
    assert_eq!(asked.await.unwrap(), StatusCode::OK, "it began before");
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn the_answer_of_a_forgotten_lookup_is_not_taken_for_that_of_the_next_one() {
    let (database, builder) = fixture();
    let keys = builder.build().unwrap();
    let issued = issue(&keys).await;
    let ask = || {
        let (keys, text) = (keys.clone(), issued.text.expose().to_owned());
        tokio::spawn(async move { status(&keys, &text).await })
    };
    let first = ask();
    tokio::time::sleep(Duration::from_millis(3)).await;
    database.kept.expire_after(ALICE, issued.id, Duration::ZERO).await.unwrap();
    database.set(Mode::Down);
    assert!(keys.revoke(ALICE, issued.id).await.is_err());
    database.set(Mode::Up);
    let second = ask();
    assert_eq!(first.await.unwrap(), StatusCode::OK);
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::UNAUTHORIZED);
    assert_eq!(second.await.unwrap(), StatusCode::UNAUTHORIZED);
    assert_eq!(database.questions(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_being_revoked_is_refused_even_if_the_caller_leaves() {
    let (_, builder) = fixture();
    let keys = builder.build().unwrap();
    let issued = issue(&keys).await;
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::OK);
    let leaves = keys.revoke(ALICE, issued.id);
    tokio::time::timeout(Duration::from_millis(5), leaves).await.unwrap_err();
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn a_stranger_who_names_an_id_makes_nobody_wait() {
    let (database, builder) = fixture();
    let keys = builder.build().unwrap();
    let issued = issue(&keys).await;
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::OK);
    let mallory = ApiKeyOwner::new("mallory");
    // Also while the key is looked up.
    let other = issue(&keys).await;
    let asked = {
        let (keys, text) = (keys.clone(), other.text.expose().to_owned());
        tokio::spawn(async move { status(&keys, &text).await })
    };
    tokio::task::yield_now().await;
    database.set(Mode::Slow(Duration::from_millis(1)));
    assert!(!keys.revoke(mallory, other.id).await.unwrap());
    database.set(Mode::Up);
    assert_eq!(asked.await.unwrap(), StatusCode::OK);
    database.questions();
    assert_eq!(status(&keys, other.text.expose()).await, StatusCode::OK);
    assert_eq!(database.questions(), 0, "its answer was cached");
    assert!(!keys.revoke(mallory, issued.id).await.unwrap());
    assert!(keys.rotate(mallory, issued.id, SECOND).await.unwrap().is_none());
    database.set(Mode::Down);
    assert!(keys.revoke(mallory, issued.id).await.is_err());
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::OK, "by its copy");
}

#[tokio::test(start_paused = true)]
async fn a_revocation_that_another_instance_was_faster_with_is_still_seen_here() {
    let (database, builder) = fixture();
    let elsewhere = builder.build().unwrap();
    let here = keys(database.store()).time(Time::custom(TokioClock::new())).build().unwrap();
    let [one, other] = [issue(&here).await, issue(&here).await];
    for key in [&one, &other] {
        assert_eq!(status(&elsewhere, key.text.expose()).await, StatusCode::OK);
    }
    assert!(here.revoke(ALICE, one.id).await.unwrap());
    assert!(!elsewhere.revoke(ALICE, one.id).await.unwrap());
    assert_eq!(status(&elsewhere, one.text.expose()).await, StatusCode::UNAUTHORIZED);
    assert_eq!(elsewhere.revoke_all(ALICE).await.unwrap(), 1);
    assert_eq!(status(&elsewhere, other.text.expose()).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn a_cached_answer_learns_that_a_rotation_shortens_its_key() {
    let (_, builder) = fixture();
    let keys = builder.build().unwrap();
    let issued = issue(&keys).await;
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::OK);
    let next = keys.rotate(ALICE, issued.id, SECOND).await.unwrap().unwrap();
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::OK);
    tokio::time::sleep(SECOND).await;
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&keys, next.text.expose()).await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_cached_answer_is_as_old_as_its_lookup() {
    let (database, builder) = fixture();
    let keys = builder.build().unwrap();
    let issued = issue(&keys).await;
    database.set(Mode::Slow(SECOND * 4));
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::OK);
    database.kept.expire_after(ALICE, issued.id, Duration::ZERO).await.unwrap();
    tokio::time::sleep(SECOND * 6).await;
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn a_revoked_key_is_not_accepted_because_invented_keys_keep_the_store_busy() {
    let (database, builder) = fixture();
    let keys = builder.build().unwrap();
    let issued = issue(&keys).await;
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::OK);
    database.kept.expire_after(ALICE, issued.id, Duration::ZERO).await.unwrap();
    tokio::time::sleep(SECOND * 10).await;
    database.set(Mode::Slow(SECOND));
    for _ in 0..200 {
        let (keys, text) = (keys.clone(), unknown().await);
        tokio::spawn(async move { status(&keys, &text).await });
    }
    tokio::time::sleep(SECOND / 10).await;
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn a_key_in_use_outlives_an_outage_of_a_minute_without_waiting_and_others_get_503() {
    for outage in [Mode::Down, Mode::Silent] {
        let (database, builder) = fixture();
        let told = Told::default();
        let keys = builder.telemetry(&told.telemetry()).build().unwrap();
        let [used, unused] = [issue(&keys).await, issue(&keys).await];
        assert_eq!(status(&keys, used.text.expose()).await, StatusCode::OK);
        database.set(outage);
        database.questions();
        for _ in 0..690 {
            tokio::time::sleep(SECOND / 10).await;
            let before = tokio::time::Instant::now();
            assert_eq!(status(&keys, used.text.expose()).await, StatusCode::OK);
            // The first lookup fails about when the cached answer becomes stale.
            assert!(before.elapsed() <= SECOND / 10, "{:?}", before.elapsed());
        }
        let asked = database.questions();
        assert!(asked <= 66, "once a second since five: {asked}");
        let before = tokio::time::Instant::now();
        let (response, _) =
            call(&AuthLayer::new(keys.clone()), request(unused.text.expose())).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key(RETRY_AFTER));
        assert!(before.elapsed() <= SECOND * 5);
        tokio::time::sleep(SECOND * 2).await;
        told.take();
        assert_eq!(status(&keys, used.text.expose()).await, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(told.take(), [Err(ApiKeyErrorKind::Unavailable)]);
        database.set(Mode::Up);
        for key in [&used, &unused] {
            assert_eq!(status(&keys, key.text.expose()).await, StatusCode::OK);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cached_key_that_expired_is_refused_without_a_lookup() {
    let (database, builder) = fixture();
    let told = Told::default();
    let keys = builder.telemetry(&told.telemetry()).build().unwrap();
    let issued = keys.issue(NewApiKey::new(ALICE).lifetime(SECOND * 3)).await.unwrap();
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::OK);
    tokio::time::sleep(SECOND * 3).await;
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::UNAUTHORIZED);
    assert_eq!(told.take(), [Ok(()), Err(ApiKeyErrorKind::Expired)]);
    assert_eq!(database.questions(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_is_asked_again() {
    let (database, builder) = fixture();
    let keys = builder.build().unwrap();
    let issued = issue(&keys).await;
    database.set(Mode::Panicking);
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::SERVICE_UNAVAILABLE);
    database.set(Mode::Up);
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn the_answer_serves_others_if_the_client_that_needed_it_leaves() {
    let (database, builder) = fixture();
    let keys = builder.build().unwrap();
    let issued = issue(&keys).await;
    let leaves = status(&keys, issued.text.expose());
    tokio::time::timeout(Duration::from_millis(5), leaves).await.unwrap_err();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let before = tokio::time::Instant::now();
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::OK);
    assert_eq!((before.elapsed(), database.questions()), (Duration::ZERO, 1));
}

#[tokio::test(start_paused = true)]
async fn at_most_64_lookups_of_unknown_keys_are_in_flight_and_known_keys_have_places_of_their_own()
{
    let (database, builder) = fixture();
    let keys = builder.build().unwrap();
    let issued = issue(&keys).await;
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::OK);
    tokio::time::sleep(SECOND * 10).await;
    database.set(Mode::Silent);
    database.questions();
    for _ in 0..100 {
        let (keys, text) = (keys.clone(), unknown().await);
        tokio::spawn(async move { status(&keys, &text).await });
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(database.questions(), 64);
    assert_eq!(status(&keys, &unknown().await).await, StatusCode::SERVICE_UNAVAILABLE);
    database.set(Mode::Up);
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::OK);
    assert_eq!(database.questions(), 1);
    tokio::time::sleep(SECOND * 5).await;
    assert_eq!(status(&keys, &unknown().await).await, StatusCode::UNAUTHORIZED, "they timed out");
}

#[tokio::test(start_paused = true)]
async fn invented_keys_of_one_network_soon_reach_the_store_no_more() {
    let (database, builder) = fixture();
    let three = std::num::NonZeroU32::new(3).unwrap();
    let keys = builder.unknown_keys(Rate::new(three, SECOND * 30)).build().unwrap();
    let [known, fresh] = [issue(&keys).await, issue(&keys).await];
    let layer = AuthLayer::new(keys);
    let ask = async |key: &str, last: u8| {
        let mut request = request(key);
        request.extensions_mut().insert(Peer::new(([203, 0, 113, last], 9).into()));
        call(&layer, request).await.0
    };
    assert_eq!(ask(known.text.expose(), 1).await.status(), StatusCode::OK);
    database.questions();
    let invented = unknown().await;
    for _ in 0..5 {
        assert_eq!(ask(&invented, 1).await.status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(database.questions(), 1, "that it does not exist is known for ten seconds");
    for _ in 0..2 {
        assert_eq!(ask(&unknown().await, 1).await.status(), StatusCode::UNAUTHORIZED);
    }
    database.questions();
    let refused = ask(&unknown().await, 1).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()[RETRY_AFTER], "10");
    assert_eq!(ask(fresh.text.expose(), 1).await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(database.questions(), 0);
    assert_eq!(ask(known.text.expose(), 1).await.status(), StatusCode::OK, "it has a copy");
    assert_eq!(ask(fresh.text.expose(), 2).await.status(), StatusCode::OK, "another network");
    tokio::time::sleep(SECOND * 10).await;
    assert_eq!(ask(&unknown().await, 1).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(ask(&unknown().await, 1).await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        ask(known.text.expose(), 1).await.status(),
        StatusCode::OK,
        "though its copy is old"
    );
}

#[tokio::test(start_paused = true)]
async fn lookups_of_real_keys_are_not_counted_and_those_without_an_answer_are() {
    let (database, builder) = fixture();
    let three = std::num::NonZeroU32::new(3).unwrap();
    let keys = builder.unknown_keys(Rate::new(three, SECOND * 30)).build().unwrap();
    let layer = AuthLayer::new(keys.clone());
    let ask = async |key: &str| {
        let mut request = request(key);
        request.extensions_mut().insert(Peer::new(([203, 0, 113, 1], 9).into()));
        call(&layer, request).await.0.status()
    };
    for _ in 0..10 {
        assert_eq!(ask(issue(&keys).await.text.expose()).await, StatusCode::OK);
    }
    database.set(Mode::Down);
    for _ in 0..3 {
        assert_eq!(ask(&unknown().await).await, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(ask(&unknown().await).await, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test(start_paused = true)]
async fn the_cache_is_bounded_and_invented_keys_evict_no_key() {
    let (database, builder) = fixture();
    let keys = builder.capacity(64).fresh_for(SECOND * 1_000).build().unwrap();
    let issued = issue(&keys).await;
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::OK);
    let mut invented = Vec::new();
    for _ in 0..2_000 {
        invented.push(unknown().await);
        status(&keys, invented.last().unwrap()).await;
    }
    database.questions();
    for text in &invented {
        status(&keys, text).await;
    }
    assert!(database.questions() >= 2_000 - 64, "one in each of 64 places");
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::OK);
    assert_eq!(database.questions(), 0);
    // One in each of 64 places: many are evicted, and no more are kept than there are places.
    let mut texts = Vec::new();
    for _ in 0..10 {
        let many =
            ApiKeysBuilder::max_per_owner(super::keys(database.store()), std::num::NonZeroU32::MAX);
        let other = many.build().unwrap();
        for _ in 0..20 {
            texts.push(issue(&other).await.text.expose().to_owned());
        }
    }
    for text in &texts {
        assert_eq!(status(&keys, text).await, StatusCode::OK);
    }
    database.questions();
    for text in &texts {
        assert_eq!(status(&keys, text).await, StatusCode::OK);
    }
    assert!(database.questions() >= 200 - 64, "the others had been evicted");
}

#[tokio::test(start_paused = true)]
async fn without_a_cache_every_request_is_a_lookup() {
    let (database, builder) = fixture();
    let keys = builder.fresh_for(Duration::ZERO).stale_if_error(Duration::ZERO).build().unwrap();
    let issued = issue(&keys).await;
    for _ in 0..3 {
        assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::OK);
    }
    assert_eq!(database.questions(), 3);
    database.kept.expire_after(ALICE, issued.id, Duration::ZERO).await.unwrap();
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::UNAUTHORIZED);
    database.set(Mode::Down);
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn a_cached_key_keeps_the_contract_and_costs_no_allocation_of_its_own() {
    let (_, builder) = fixture();
    let keys = builder.build().unwrap();
    let issued = issue(&keys).await;
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::OK);
    let credential = Credential::new(issued.text.expose());
    let verify = || matches!(keys.authenticate(credential), Attempt::Now(Ok(_)));
    assert!(verify());
    assert_eq!(contract::allocations_in(|| assert!(verify())), 0);
    let layer = AuthLayer::new(keys.clone());
    std::thread::scope(|scope| {
        // The suite has a runtime of its own.
        let run = || contract::run(&layer, || request(issued.text.expose()));
        scope.spawn(run).join().unwrap();
    });
}

#[test]
fn a_runtime_that_has_ended_is_no_deadlock() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let text = runtime.block_on(async { unknown().await });
    let keys = runtime.block_on(async { fixture().1.build().unwrap() });
    let handle = runtime.handle().clone();
    drop(runtime);
    // The task is dropped at once, so an answer is there.
    let (sender, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _inside = handle.enter();
        let attempt = keys.authenticate(Credential::new(&text));
        sender.send(matches!(attempt, Attempt::Later(_))).unwrap();
    });
    assert_eq!(ended.recv_timeout(SECOND * 60), Ok(true));
}

#[tokio::test(start_paused = true)]
async fn all_keys_of_an_owner_are_refused_even_if_the_caller_leaves() {
    let (_, builder) = fixture();
    let keys = builder.build().unwrap();
    let issued = issue(&keys).await;
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::OK);
    let leaves = keys.revoke_all(ALICE);
    tokio::time::timeout(Duration::from_millis(5), leaves).await.unwrap_err();
    assert_eq!(status(&keys, issued.text.expose()).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn more_known_keys_than_places_wait_for_their_turn() {
    let (database, builder) = fixture();
    let many = std::num::NonZeroU32::new(200).unwrap();
    let keys = builder.max_per_owner(many).build().unwrap();
    let mut texts = Vec::new();
    for _ in 0..200 {
        let text = issue(&keys).await.text.expose().to_owned();
        assert_eq!(status(&keys, &text).await, StatusCode::OK);
        texts.push(text);
    }
    tokio::time::sleep(SECOND * 10).await;
    database.set(Mode::Slow(SECOND / 10));
    let calls = texts.into_iter().map(|text| {
        let keys = keys.clone();
        tokio::spawn(async move { status(&keys, &text).await })
    });
    let before = tokio::time::Instant::now();
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), StatusCode::OK);
    }
    assert_eq!(before.elapsed(), SECOND / 10 * 4, "64 at a time");
}

#[test]
fn outside_of_a_runtime_no_store_is_asked() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let text = runtime.block_on(async { unknown().await });
    let keys = runtime.block_on(async { fixture().1.build().unwrap() });
    let attempt = keys.authenticate(Credential::new(&text));
    let Attempt::Now(Err(rejection)) = attempt else { panic!("{attempt:?}") };
    assert_eq!(rejection.problem().status(), StatusCode::SERVICE_UNAVAILABLE);
}
