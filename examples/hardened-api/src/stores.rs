//! The server that all instances share, if there is one.

use std::{error::Error, net::IpAddr, time::Duration};

use hardpoint::{
    auth::{
        ApiKeyStore, AttemptStore, ConfigError,
        api_key::redis::RedisApiKeys,
        lockout::redis::RedisAttempts,
        one_time::{TokenStore, redis::RedisTokens},
        session::{
            SessionStore,
            redis::{RedisSessions, RedisSessionsBuilder},
        },
    },
    core::{Key, Problem, Telemetry},
    ratelimit::{RateLimiterBuilder, redis::RedisStore},
    redis::{self, Concept, DigestKey, Keys, Redis},
};
use http::StatusCode;

use crate::settings::{Settings, SharedState};

/// Two links to the server, and the keys of the digests that identify everything on it.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) redis: Redis,
    limits: RedisStore,
    digests: DigestKey,
    /// What the previous root secret made. Accounts outlive a secret.
    previous: Option<DigestKey>,
}

impl Server {
    /// Returns the server of the settings. It may be down: the link connects in the background.
    pub(crate) fn connect(
        settings: &Settings,
        telemetry: &Telemetry,
    ) -> Result<Option<Self>, Box<dyn Error>> {
        let Some(SharedState { url, digests, previous }) = &settings.shared else {
            return Ok(None);
        };
        let link = || Redis::builder(url.expose()).telemetry(telemetry);
        // Limits have a failure policy, so that they need not wait for a slow answer. Who logs in has
        // to.
        let redis = link().name("state").deadline(Duration::from_millis(500)).build()?;
        let limits = RedisStore::new(&link().name("limits").build()?, digests);
        Ok(Some(Self { redis, limits, digests: digests.clone(), previous: previous.clone() }))
    }

    /// Moves the limits of `builder` to the server.
    pub(crate) fn limits(&self, builder: RateLimiterBuilder) -> RateLimiterBuilder {
        builder.store(self.limits.clone())
    }

    /// Returns the store of sessions on the server.
    pub(crate) fn sessions(&self) -> Result<SessionStore, ConfigError> {
        let sessions = RedisSessions::builder(self.redis.clone(), self.digests.clone());
        let previous = self.previous.iter().cloned();
        previous.fold(sessions, RedisSessionsBuilder::previous).start()
    }

    /// Returns the store of API keys on the server.
    pub(crate) fn api_keys(&self) -> ApiKeyStore {
        let keys = RedisApiKeys::new(&self.redis, &self.digests);
        self.previous.iter().cloned().fold(keys, RedisApiKeys::previous).into()
    }

    /// Returns the store of attempts to log in on the server.
    pub(crate) fn attempts(&self) -> AttemptStore {
        RedisAttempts::new(&self.redis, &self.digests).into()
    }

    /// Returns the store of one-time tokens on the server.
    pub(crate) fn tokens(&self) -> TokenStore {
        RedisTokens::new(&self.redis, &self.digests).into()
    }

    /// Waits until the server knows what the limits have to settle.
    pub(crate) async fn flush(&self) {
        self.limits.flush().await;
    }

    /// The digest under which the server keeps what belongs to a network of clients.
    pub(crate) fn network(&self, network: Option<IpAddr>) -> String {
        let name = network.map(|network| network.to_string()).unwrap_or_default();
        format!("{:032x}", self.digests.digest(&Key::borrowed(name.as_bytes())))
    }

    /// Returns a writer of keys for `concept`.
    pub(crate) fn keys(&self, concept: &Concept) -> NamedKeys {
        let (digests, previous) = (self.digests.clone(), self.previous.clone());
        NamedKeys { keys: self.redis.keys(concept), digests, previous }
    }
}

/// Writes keys for names such as addresses, which the server must not learn.
#[derive(Clone, Debug)]
pub(crate) struct NamedKeys {
    keys: Keys,
    digests: DigestKey,
    previous: Option<DigestKey>,
}

impl NamedKeys {
    /// The key of `name`, and the one it had under the previous root secret.
    pub(crate) fn of(&self, name: &str) -> Vec<String> {
        let name = Key::borrowed(name.as_bytes());
        let all = [Some(&self.digests), self.previous.as_ref()].into_iter().flatten();
        all.map(|digests| self.keys.digest(digests.digest(&name))).collect()
    }
}

/// The response when the server cannot be asked: the state is unknown, so the answer is neither yes
/// nor no.
pub(crate) fn unavailable(error: &redis::Error) -> Problem {
    tracing::debug!(kind = error.kind().as_str(), "the shared store did not answer");
    Problem::from_status(StatusCode::SERVICE_UNAVAILABLE).retry_after(Duration::from_secs(1))
}
