//! A service names none of hardpoint's type parameters, and is tested with a manual clock.

use std::time::Duration;

use hardpoint::{
    auth::{KeySet, SigningKey, TokenIssuer, TokenVerifier},
    core::{Key, ManualClock, Telemetry, Time},
    ratelimit::{Policy, Quota, RateLimiter, key},
};

/// A user's own struct: what production and tests hold is the same type.
struct App {
    tokens: TokenVerifier,
    messages: RateLimiter,
}

impl App {
    fn new(keys: KeySet, time: &Time, telemetry: &Telemetry) -> Self {
        let policy = Policy::new("messages", Quota::per_minute(2), key::subject());
        let verifier = TokenVerifier::builder().issuer("https://id.example", keys).audience("api");
        Self {
            tokens: verifier.time(time.clone()).telemetry(telemetry).build().unwrap(),
            messages: RateLimiter::builder()
                .policy(policy)
                .time(time.clone())
                .telemetry(telemetry)
                .build()
                .unwrap(),
        }
    }

    /// Whether the caller may send a message now.
    async fn may_send(&self, token: &str) -> Result<(), &'static str> {
        let token = self.tokens.verify(token).map_err(|_| "who are you?")?;
        let messages = self.messages.policy("messages").map_err(|_| "no such policy")?;
        messages
            .check(&Key::borrowed(token.subject().as_bytes()))
            .await
            .map_err(|_| "slow down")?;
        Ok(())
    }
}

#[tokio::test]
async fn one_clock_moves_a_users_limits_and_tokens() {
    let clock = ManualClock::default();
    let time = Time::manual(&clock);
    let key = SigningKey::generate().unwrap();
    let keys = KeySet::new([key.verifying_key()]).unwrap();
    let issuer = TokenIssuer::builder(key).issuer("https://id.example").audience("api");
    let issuer = issuer.time(time.clone()).build().unwrap();
    let token = issuer.token("alice").sign().unwrap();
    let app = App::new(keys, &time, &Telemetry::none());

    assert_eq!(app.may_send(token.expose()).await, Ok(()));
    assert_eq!(app.may_send(token.expose()).await, Ok(()));
    assert_eq!(app.may_send(token.expose()).await, Err("slow down"));
    clock.advance(Duration::from_secs(30));
    assert_eq!(app.may_send(token.expose()).await, Ok(()));
    clock.advance(issuer.lifetime() + Duration::from_secs(60));
    assert_eq!(app.may_send(token.expose()).await, Err("who are you?"));
}
