//! Lockout as its users meet it, and the suite that every store has to pass.

mod behaviour;
pub(crate) mod conformance;
mod cookies;

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::Duration,
};

use hardpoint_auth::{
    InMemory,
    lockout::{
        AttemptStore, DeviceCookie, LaneLimits, Limits, LockoutError, LoginClient, LoginGuard,
        LoginGuardBuilder,
    },
    session::RootSecret,
};
use hardpoint_core::{Event, ManualClock, Secret, Telemetry};
use http::{HeaderMap, HeaderValue, header::COOKIE};

pub(crate) const OWNER: &str = "alice@example.org";

fn root(byte: u8) -> RootSecret {
    RootSecret::new(Secret::from(&[byte; 32][..])).unwrap()
}

pub(crate) fn nonzero(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

/// A guard in memory whose clock a test moves.
struct Fixture {
    clock: ManualClock,
    guard: LoginGuard,
    told: Arc<Mutex<String>>,
}

impl Fixture {
    fn new() -> Self {
        Self::with(|builder| builder)
    }

    fn with(change: impl FnOnce(LoginGuardBuilder) -> LoginGuardBuilder) -> Self {
        let clock = ManualClock::default();
        let store = InMemory::new().time(&clock).into();
        let told = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&told);
        let telemetry = Telemetry::new(move |event: &Event<'_>| {
            sink.lock().unwrap().push_str(&format!("{event:?}\n"));
        });
        let builder = guard(store).time(&clock).telemetry(&telemetry);
        Self { guard: change(builder).build().unwrap(), clock, told }
    }

    async fn fail(&self, account: &str, client: &LoginClient, times: u32) {
        for _ in 0..times {
            self.guard.reserve(account, client).await.unwrap().failed();
        }
    }

    async fn wait(&self, account: &str, client: &LoginClient) -> Option<Duration> {
        match self.guard.reserve(account, client).await {
            Ok(attempt) => {
                attempt.unverified();
                None
            }
            Err(LockoutError::TooManyAttempts { retry_after, .. }) => Some(retry_after),
            Err(other) => panic!("{other:?}"),
        }
    }
}

pub(crate) fn guard(store: AttemptStore) -> LoginGuardBuilder {
    LoginGuard::builder(store, &root(1))
}

/// A client at an address of its own.
pub(crate) fn stranger(number: u8) -> LoginClient {
    LoginClient::new().address([203, 0, 113, number].into())
}

/// A client that sends back a cookie.
pub(crate) fn device(cookie: &DeviceCookie) -> LoginClient {
    let header = cookie.header();
    let pair = header.to_str().unwrap().split(';').next().unwrap().to_owned();
    LoginClient::new().cookies(&HeaderMap::from_iter([(COOKIE, pair.parse().unwrap())]))
}

/// Limits of which the lanes of networks and of all are out of the way.
pub(crate) fn roomy() -> Limits {
    Limits::new().network(None).global(None)
}

pub(crate) fn limit_of(attempts: u32) -> Limits {
    roomy().account(LaneLimits::account().free_attempts(nonzero(attempts)))
}
