//! Sessions on a real Redis server, shared by two instances.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use hardpoint_auth::{
    KeySet, RevocationPolicy, SessionIssuer, SessionStore, SigningKey, TokenCache, TokenIssuer,
    TokenVerifier, VerifyErrorKind,
    session::{
        Grant, GrantError, RootSecret, Session, SessionClient, SessionError, SessionTokens,
        redis::{RedisSessions, RedisSessionsBuilder},
    },
};
use hardpoint_core::{Rejection, Secret, Time};
use hardpoint_redis::{DigestKey, Redis, Value};
use hardpoint_testkit::{
    leak::LeakScanner,
    redis::{Network, RedisServer, Weather},
};
use http::StatusCode;

use crate::{AUDIENCE, ISSUER, sessions::conformance};

/// A deadline that a loaded machine keeps.
const DEADLINE: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(20);

fn link(url: &str, prefix: &str) -> Redis {
    with_deadline(url, prefix, DEADLINE)
}

fn with_deadline(url: &str, prefix: &str, deadline: Duration) -> Redis {
    Redis::builder(url).prefix(prefix).deadline(deadline).build().unwrap()
}

fn builder(redis: Redis) -> RedisSessionsBuilder {
    RedisSessions::builder(redis, digests(7))
}

fn digests(byte: u8) -> DigestKey {
    DigestKey::derive(&Secret::from(vec![byte; 32])).unwrap()
}

/// One instance of a service.
struct Instance {
    sessions: SessionIssuer,
    verifier: TokenVerifier,
    store: SessionStore,
}

impl Instance {
    fn new(key: &Arc<SigningKey>, store: SessionStore, policy: RevocationPolicy) -> Self {
        let keys = KeySet::new([key.verifying_key()]).unwrap();
        let tokens = TokenIssuer::builder(Arc::clone(key)).issuer(ISSUER).audience(AUDIENCE);
        let root = RootSecret::new(Secret::from(&[1; 32][..])).unwrap();
        let sessions = SessionIssuer::builder(tokens.build().unwrap(), &root, store.clone());
        let verifier = TokenVerifier::builder().issuer(ISSUER, keys).audience(AUDIENCE);
        let verifier = verifier.cache(TokenCache::new()).revocation(store.revocations());
        let verifier = verifier.unknown_revocation(policy).build().unwrap();
        Self { sessions: sessions.build().unwrap(), verifier, store }
    }

    async fn on(url: &str, key: &Arc<SigningKey>, max_staleness: Duration) -> Self {
        let store = builder(link(url, "two")).max_staleness(max_staleness).start().unwrap();
        let instance = Self::new(key, store, RevocationPolicy::Deny);
        instance.fresh().await;
        instance
    }

    async fn fresh(&self) {
        let revocations = self.store.revocations();
        eventually("a fresh copy", || !revocations.is_stale()).await;
    }

    async fn log_in(&self, subject: &str) -> SessionTokens {
        self.sessions.log_in(subject).open().await.unwrap()
    }

    async fn refresh(&self, token: &str) -> Result<SessionTokens, SessionError> {
        self.sessions.refresh(token, &SessionClient::new(), same).await
    }

    fn accepts(&self, tokens: &SessionTokens) -> Result<(), VerifyErrorKind> {
        self.verifier.verify(tokens.access_token()).map(drop).map_err(|error| error.kind())
    }
}

async fn same(_: Session) -> Result<Grant, GrantError> {
    Ok(Grant::new())
}

/// Waits until something is so.
async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "{what} did not come about");
}

fn key() -> Arc<SigningKey> {
    Arc::new(SigningKey::generate().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_the_model() {
    let server = RedisServer::start();
    let number = AtomicU32::new(0);
    conformance::check(150, async || {
        let prefix = format!("h{}", number.fetch_add(1, Ordering::SeqCst));
        (builder(link(&server.url(), &prefix)).start().unwrap(), None)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refreshes_at_once_on_two_instances_neither_fork_nor_log_out() {
    let (server, key) = (RedisServer::start(), key());
    let instances = [
        Arc::new(Instance::on(&server.url(), &key, DEADLINE).await),
        Arc::new(Instance::on(&server.url(), &key, DEADLINE).await),
    ];
    let mut token = instances[0].log_in("alice").await.refresh_token().to_owned();
    let rounds = if option_env!("HARDPOINT_SOAK").is_some() { 10_000 } else { 50 };
    for round in 0..rounds {
        let refresh = |number: usize| {
            let (instance, token) = (Arc::clone(&instances[number % 2]), token.clone());
            tokio::spawn(async move { instance.refresh(&token).await })
        };
        let all: Vec<_> = (0..64).map(refresh).collect();
        let mut successors = HashSet::new();
        for refreshed in all {
            successors.insert(refreshed.await.unwrap().unwrap().refresh_token().to_owned());
        }
        assert_eq!(successors.len(), 1, "round {round}");
        token = successors.into_iter().next().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_instance_ends_the_other_refuses() {
    let (server, key) = (RedisServer::start(), key());
    let here = Instance::on(&server.url(), &key, DEADLINE).await;
    let there = Instance::on(&server.url(), &key, DEADLINE).await;
    let mut took = Vec::new();
    for number in 0..100 {
        let subject = format!("user {number}");
        let tokens = here.log_in(&subject).await;
        assert_eq!(there.accepts(&tokens), Ok(()));
        let (start, session) = (Time::system().now(), tokens.session().id);
        match number % 3 {
            0 => assert!(here.sessions.revoke(&subject, session).await.unwrap()),
            1 => assert_eq!(here.sessions.revoke_all(&subject).await.unwrap(), 1),
            _ => {
                let issued = tokens.issued();
                here.sessions.revoke_token(issued.token_id(), issued.expiry()).await.unwrap();
            }
        }
        assert_eq!(here.accepts(&tokens), Err(VerifyErrorKind::Revoked), "read your writes");
        eventually("the revocation", || there.accepts(&tokens).is_err()).await;
        took.push(Time::system().now().saturating_since(start));
        assert_eq!(there.accepts(&tokens), Err(VerifyErrorKind::Revoked));
    }
    took.sort_unstable();
    println!("revoked there after {:?} (p50), {:?} (p99)", took[50], took[98]);
    assert!(took[50] < Duration::from_millis(500), "{:?}", took[50]);
}

/// A score of 9.2e18 came back as a fraction, which no later snapshot could read.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_revoked_for_ever_can_be_read_by_instances_that_start_later() {
    let (server, key) = (RedisServer::start(), key());
    let here = Instance::on(&server.url(), &key, DEADLINE).await;
    let tokens = here.log_in("alice").await;
    here.sessions.revoke_token(tokens.issued().token_id(), Duration::MAX).await.unwrap();
    let later = Instance::on(&server.url(), &key, DEADLINE).await;
    let refused = || later.accepts(&tokens) == Err(VerifyErrorKind::Revoked);
    eventually("the snapshot", refused).await;
    assert_eq!(later.accepts(&later.log_in("bob").await), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn reuse_on_one_instance_ends_the_session_on_the_other() {
    let (server, key) = (RedisServer::start(), key());
    let here = Instance::on(&server.url(), &key, DEADLINE).await;
    let there = Instance::on(&server.url(), &key, DEADLINE).await;
    let first = here.log_in("alice").await;
    let second = there.refresh(first.refresh_token()).await.unwrap();
    let third = here.refresh(second.refresh_token()).await.unwrap();
    let reused = there.refresh(first.refresh_token()).await;
    let Err(SessionError::Reused(reuse)) = reused else { panic!("{reused:?}") };
    assert_eq!((reuse.presented, reuse.current), (1, 3));
    assert_eq!(there.accepts(&third), Err(VerifyErrorKind::Revoked));
    eventually("the end", || here.accepts(&third) == Err(VerifyErrorKind::Revoked)).await;
    let ended = here.refresh(third.refresh_token()).await;
    assert!(matches!(ended, Err(SessionError::Unknown)), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_is_paused_the_policy_decides_and_afterwards_nothing_is_missed() {
    let (server, key) = (RedisServer::start(), key());
    let network = Network::before(server.address());
    let here = Instance::on(&server.url(), &key, DEADLINE).await;
    // The link replaces a dead connection after eight deadlines.
    let (most, deadline) = (Duration::from_millis(1500), Duration::from_millis(250));
    let redis = with_deadline(&server.url_of(network.address()), "two", deadline);
    let store = builder(redis).max_staleness(most).start().unwrap();
    let behind = Instance::new(&key, store, RevocationPolicy::Deny);
    behind.fresh().await;
    let allow = Instance::new(&key, behind.store.clone(), RevocationPolicy::Allow);
    let ask = Instance::new(&key, behind.store.clone(), RevocationPolicy::AskStore);
    let live = here.log_in("alice").await;
    let mut ended = Vec::new();
    for number in 0..30 {
        ended.push(here.log_in(&format!("user {number}")).await);
    }
    assert_eq!(behind.accepts(&live), Ok(()));
    network.set(Weather::Hole);
    let revocations = behind.store.revocations();
    eventually("staleness", || revocations.is_stale()).await;
    assert_eq!(behind.accepts(&live), Err(VerifyErrorKind::RevocationUnknown));
    assert_eq!(allow.accepts(&live), Ok(()));
    let asked = ask.verifier.verify_or_wait(live.access_token()).await.unwrap_err();
    assert_eq!(asked.kind(), VerifyErrorKind::RevocationUnknown, "the store cannot be asked");
    let refused = behind.refresh(live.refresh_token()).await.unwrap_err();
    assert_eq!(refused.problem().status(), StatusCode::SERVICE_UNAVAILABLE);
    // Meanwhile sessions end elsewhere, and the log forgets about them.
    for tokens in &ended {
        let session = tokens.session();
        assert!(here.sessions.revoke(&session.subject, session.id).await.unwrap());
    }
    let log = "two:v1:revocation:{s}:log";
    assert!(server.command(&["XTRIM", log, "MAXLEN", "1"]).starts_with(':'));
    network.set(Weather::Fair);
    behind.fresh().await;
    for tokens in &ended {
        assert_eq!(behind.accepts(tokens), Err(VerifyErrorKind::Revoked));
    }
    assert_eq!(behind.accepts(&live), Ok(()));
    let asked = ask.verifier.verify_or_wait(live.access_token()).await;
    assert!(asked.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_trimmed_between_two_questions_is_noticed() {
    let (server, key) = (RedisServer::start(), key());
    let here = Instance::on(&server.url(), &key, DEADLINE).await;
    let there = Instance::on(&server.url(), &key, DEADLINE).await;
    let tokens = here.log_in("alice").await;
    // This number's entry reaches no instance, as if the log had been trimmed before the read.
    assert_eq!(server.command(&["INCR", "two:v1:revocation:{s}:number"]), ":1");
    let until = (Time::system().unix().as_secs() + 900).to_string();
    let live = ["ZADD", "two:v1:revocation:{s}:live", &until];
    let member = format!("s{}", tokens.session().id);
    assert_eq!(server.command(&[live[0], live[1], live[2], &member]), ":1");
    assert_eq!(there.accepts(&tokens), Ok(()), "nothing is in the log yet");
    let other = here.log_in("bob").await;
    assert!(here.sessions.revoke("bob", other.session().id).await.unwrap());
    eventually("the snapshot", || there.accepts(&tokens).is_err()).await;
    assert_eq!(there.accepts(&other), Err(VerifyErrorKind::Revoked));
}

/// An epoch that the server forgot, by eviction and by an empty restart, between two revocations of
/// all sessions.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_forgets_hands_out_no_epoch_twice() {
    let (mut server, key) = (RedisServer::start(), key());
    let here = Instance::on(&server.url(), &key, DEADLINE).await;
    let first = here.log_in("alice").await;
    here.sessions.revoke_all("alice").await.unwrap();
    let second = here.log_in("alice").await;
    assert_eq!(here.accepts(&first), Err(VerifyErrorKind::Revoked));
    assert_eq!(here.accepts(&second), Ok(()));
    let epoch = |tokens: &SessionTokens| {
        let claims = here.verifier.verify(tokens.access_token()).map(|token| token.epoch());
        claims.ok().flatten()
    };
    let second_epoch = epoch(&second).unwrap();

    // Evicted: a new instance does not know the token, and the session is over.
    let names =
        server.command(&["EVAL", "return redis.call('KEYS', ARGV[1])[1]", "0", "*:epoch:*"]);
    assert_eq!(server.command(&["DEL", &names]), ":1", "{names}");
    assert_eq!(server.command(&["DEL", "two:v1:revocation:{s}:live"]), ":1");
    let fresh = Instance::on(&server.url(), &key, DEADLINE).await;
    assert_eq!(fresh.accepts(&second), Err(VerifyErrorKind::RevocationUnknown), "never 0");
    let over = fresh.refresh(second.refresh_token()).await;
    assert!(matches!(over, Err(SessionError::Unknown)), "{over:?}");
    fresh.sessions.revoke_all("alice").await.unwrap();
    assert_eq!(fresh.accepts(&second), Err(VerifyErrorKind::Revoked));
    let third = fresh.log_in("alice").await;
    let third_epoch = fresh.verifier.verify(third.access_token()).unwrap().epoch().unwrap();
    assert!(third_epoch > second_epoch, "{third_epoch} after {second_epoch}");

    // An empty restart: everything from before is refused, everywhere.
    server.restart();
    let sessions = &here.sessions;
    let again = async {
        loop {
            match sessions.log_in("alice").open().await {
                Ok(tokens) => return tokens,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let fourth = tokio::time::timeout(PATIENCE, again).await.unwrap();
    for instance in [&here, &fresh] {
        for tokens in [&first, &second, &third] {
            let revoked = Err(VerifyErrorKind::Revoked);
            eventually("the new origin", || instance.accepts(tokens) == revoked).await;
        }
        eventually("a fresh copy", || instance.accepts(&fourth) == Ok(())).await;
    }
    here.sessions.revoke_all("alice").await.unwrap();
    assert_eq!(here.accepts(&fourth), Err(VerifyErrorKind::Revoked));
    assert_eq!(here.accepts(&third), Err(VerifyErrorKind::Revoked));
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_found_and_ended_after_the_digest_key_was_replaced() {
    let (server, key) = (RedisServer::start(), key());
    let before = Instance::on(&server.url(), &key, DEADLINE).await;
    before.sessions.revoke_all("alice").await.unwrap();
    let (one, two) = (before.log_in("alice").await, before.log_in("alice").await);
    let three = before.log_in("alice").await;
    let store = RedisSessions::builder(link(&server.url(), "two"), digests(8)).previous(digests(7));
    let after = Instance::new(&key, store.start().unwrap(), RevocationPolicy::Deny);
    after.fresh().await;
    assert!(after.sessions.revoke("alice", one.session().id).await.unwrap());
    assert!(matches!(after.refresh(one.refresh_token()).await, Err(SessionError::Unknown)));
    assert_eq!(after.sessions.sessions("alice").await.unwrap().len(), 2);
    let two = after.refresh(two.refresh_token()).await.unwrap();
    let four = after.log_in("alice").await;
    assert_eq!(after.accepts(&four), Ok(()));
    assert_eq!(after.sessions.revoke_all("alice").await.unwrap(), 3);
    for ended in [&one, &two, &three, &four] {
        assert_eq!(after.accepts(ended), Err(VerifyErrorKind::Revoked));
        assert!(matches!(after.refresh(ended.refresh_token()).await, Err(SessionError::Unknown)));
    }
    let again = after.log_in("alice").await;
    assert_eq!(after.accepts(&again), Ok(()));
    // An instance that was not exchanged yet, on its way back.
    let store = RedisSessions::builder(link(&server.url(), "two"), digests(7)).previous(digests(8));
    let behind = Instance::new(&key, store.start().unwrap(), RevocationPolicy::Deny);
    behind.fresh().await;
    assert_eq!(behind.sessions.sessions("alice").await.unwrap().len(), 1);
    assert!(behind.refresh(again.refresh_token()).await.is_ok());
}

/// As when a rotation copies the current secret before it writes the new one.
#[tokio::test(flavor = "multi_thread")]
async fn a_previous_digest_key_that_is_the_current_one_loses_no_session() {
    let (server, key) = (RedisServer::start(), key());
    let store = RedisSessions::builder(link(&server.url(), "two"), digests(7)).previous(digests(7));
    let here = Instance::new(&key, store.start().unwrap(), RevocationPolicy::Deny);
    here.fresh().await;
    here.sessions.revoke_all("alice").await.unwrap();
    let (one, two) = (here.log_in("alice").await, here.log_in("alice").await);
    assert_eq!(here.accepts(&two), Ok(()), "the epoch is still known");
    assert_eq!(here.sessions.sessions("alice").await.unwrap().len(), 2);
    assert!(here.sessions.revoke("alice", one.session().id).await.unwrap());
    assert_eq!(here.accepts(&one), Err(VerifyErrorKind::Revoked));
    assert_eq!(here.sessions.revoke_all("alice").await.unwrap(), 1);
    assert_eq!(here.accepts(&two), Err(VerifyErrorKind::Revoked));
    assert!(matches!(here.refresh(two.refresh_token()).await, Err(SessionError::Unknown)));
}

/// A snapshot of the server from before a rotation, as a failover to a replica that is behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_rotation_is_no_theft() {
    let (server, key) = (RedisServer::start(), key());
    let here = Instance::on(&server.url(), &key, DEADLINE).await;
    let first = here.log_in("alice").await;
    let second = here.refresh(first.refresh_token()).await.unwrap();
    let family = format!("two:v1:session:{{s}}:f:{}", first.session().id);
    let backup = "backup";
    assert_eq!(server.command(&["COPY", &family, backup]), ":1");
    let third = here.refresh(second.refresh_token()).await.unwrap();
    let fourth = here.refresh(third.refresh_token()).await.unwrap();
    assert_eq!(server.command(&["COPY", backup, &family, "REPLACE"]), ":1");
    let lost = here.refresh(fourth.refresh_token()).await;
    assert!(matches!(lost, Err(SessionError::RolledBack)), "{lost:?}");
    assert_eq!(here.accepts(&fourth), Ok(()), "the session has not ended");
    let reused = here.refresh(first.refresh_token()).await;
    assert!(reused.is_ok(), "within the grace it is a retry: {reused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_evicts_opens_no_session_unless_that_is_chosen() {
    let server = RedisServer::builder()
        .set("maxmemory", "50mb")
        .set("maxmemory-policy", "allkeys-lru")
        .start();
    let redis = link(&server.url(), "evicts");
    redis.up().await;
    let key = key();
    let strict = builder(redis.clone()).start().unwrap();
    let strict = Instance::new(&key, strict, RevocationPolicy::Deny);
    let refused = strict.sessions.log_in("alice").open().await.unwrap_err();
    assert_eq!(refused.problem().status(), StatusCode::SERVICE_UNAVAILABLE);
    let SessionError::Store(error) = refused else { panic!("{refused:?}") };
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert!(why.contains("noeviction"), "{why}");
    let chosen = builder(redis).dangerous_allow_eviction().start().unwrap();
    let chosen = Instance::new(&key, chosen, RevocationPolicy::Deny);
    assert!(chosen.sessions.log_in("alice").open().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_on_the_server_is_a_token_and_no_key_is_personal() {
    let (server, key) = (RedisServer::start(), key());
    let here = Instance::on(&server.url(), &key, DEADLINE).await;
    let client = SessionClient::new().user_agent("Firefox").binding(b"canary-binding");
    let first = here.sessions.log_in("canary-subject").client(client.clone()).open().await.unwrap();
    let second = here.sessions.refresh(first.refresh_token(), &client, same).await.unwrap();
    here.sessions.revoke_all("canary-other").await.unwrap();
    let redis = link(&server.url(), "two");
    let keys = redis.send("KEYS", ["*"]).await.unwrap().into_array().unwrap();
    assert!(keys.len() >= 7, "{keys:?}");
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for key in keys {
        let name = key.into_bytes().unwrap().unwrap();
        let command = match server.command(&["TYPE", std::str::from_utf8(&name).unwrap()]).as_str()
        {
            "+hash" => ("HGETALL", vec![]),
            "+zset" => ("ZRANGE", vec!["0", "-1"]),
            "+stream" => ("XRANGE", vec!["-", "+"]),
            _ => ("GET", vec![]),
        };
        let text = std::str::from_utf8(&name).unwrap();
        let arguments = [text].into_iter().chain(command.1);
        collect(redis.send(command.0, arguments).await.unwrap(), &mut values);
        names.extend(name);
        names.push(b'\n');
    }
    let tokens = [first.refresh_token(), second.refresh_token()];
    // The proof and the tag, which the store must not have: the last 32 of 61 bytes.
    let parts = tokens.map(|token| &token[token.len() - 42..]);
    let secrets = [tokens[0], tokens[1], parts[0], parts[1], "canary-binding"];
    let secrets = secrets.into_iter().chain([first.access_token(), second.access_token()]);
    LeakScanner::new(secrets.clone()).assert_clean("values", &values);
    let personal = secrets.chain(["canary-subject", "canary-other"]);
    LeakScanner::new(personal).assert_clean("keys", &names);
    assert!(LeakScanner::new(["canary-subject"]).scan("values", &values).len() == 1, "it looks");
}

fn collect(value: Value, into: &mut Vec<u8>) {
    match value {
        Value::Array(values) => values.into_iter().for_each(|value| collect(value, into)),
        Value::Map(pairs) => pairs.into_iter().for_each(|(name, value)| {
            collect(name, into);
            collect(value, into);
        }),
        Value::Bytes(bytes) => into.extend(bytes),
        _ => {}
    }
    into.push(b'\n');
}

#[tokio::test(flavor = "multi_thread")]
async fn the_task_ends_with_the_last_handle() {
    let server = RedisServer::start();
    let redis = link(&server.url(), "two");
    let most = Duration::from_millis(500);
    let store = builder(redis).max_staleness(most).start().unwrap();
    let revocations = store.revocations();
    eventually("a fresh copy", || !revocations.is_stale()).await;
    drop(store);
    let count = || server.info("connected_clients");
    eventually("no connection but our own", || count().as_deref() == Some("1")).await;
    eventually("staleness", || revocations.is_stale()).await;
}
