//! One-time tokens as their users meet them, and the suite that every store has to pass.

mod behaviour;
pub(crate) mod conformance;
mod courier;

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::Duration,
};

use hardpoint_auth::{
    InMemory,
    one_time::{
        NewOneTimeToken, OneTimeError, OneTimeTokens, OneTimeTokensBuilder, Purpose, TokenStore,
    },
    session::RootSecret,
};
use hardpoint_core::{Event, ManualClock, Secret, Telemetry};

fn root(byte: u8) -> RootSecret {
    RootSecret::new(Secret::from(&[byte; 32][..])).unwrap()
}

pub(crate) fn tokens(store: TokenStore) -> OneTimeTokensBuilder {
    OneTimeTokens::builder(store, &root(1))
}

/// Tokens in memory, whose clock a test moves.
struct Fixture {
    clock: ManualClock,
    store: TokenStore,
    tokens: OneTimeTokens,
    told: Arc<Mutex<String>>,
}

impl Fixture {
    fn new() -> Self {
        let clock = ManualClock::default();
        let store: TokenStore = InMemory::new().time(&clock).into();
        let told = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&told);
        let telemetry = Telemetry::new(move |event: &Event<'_>| {
            sink.lock().unwrap().push_str(&format!("{event:?}\n"));
        });
        let tokens = tokens(store.clone()).telemetry(&telemetry).build();
        Self { clock, store, tokens, told }
    }
}

pub(crate) const RESET: Purpose = Purpose::PasswordReset;

/// Makes a reset token for alice in this state.
pub(crate) async fn issue(tokens: &OneTimeTokens, state: &[u8]) -> String {
    let new = NewOneTimeToken::new(RESET, "alice").state(state).data(b"data");
    tokens.issue(new).await.unwrap().expose().to_owned()
}

/// Finds and consumes a reset token.
pub(crate) async fn consume(
    tokens: &OneTimeTokens,
    token: &str,
    state: &[u8],
) -> Result<String, OneTimeError> {
    let found = tokens.find(RESET, token).await?;
    let subject = found.subject().to_owned();
    assert_eq!(found.data(), b"data");
    found.consume(state).await?;
    Ok(subject)
}

/// Presents one token 64 times at once, and returns how often it was consumed.
pub(crate) async fn consumed_at_once(instances: &[OneTimeTokens], token: &str) -> usize {
    let barrier = Arc::new(tokio::sync::Barrier::new(64));
    let present = |number: usize| {
        let (tokens, token) = (instances[number % instances.len()].clone(), token.to_owned());
        let barrier = Arc::clone(&barrier);
        tokio::spawn(async move {
            // All of them find it, before the first consumes it.
            let found = tokens.find(RESET, &token).await.unwrap();
            barrier.wait().await;
            found.consume(b"state").await.is_ok()
        })
    };
    let all: Vec<_> = (0..64).map(present).collect();
    let mut consumed = 0;
    for one in all {
        consumed += usize::from(one.await.unwrap());
    }
    consumed
}
