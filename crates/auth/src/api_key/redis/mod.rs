//! API keys on a Redis server that the instances of a service share.
//!
//! ```no_run
//! use hardpoint_auth::api_key::{ApiKeyStore, redis::RedisApiKeys};
//! use hardpoint_core::Secret;
//! use hardpoint_redis::{DigestKey, Redis};
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let redis = Redis::builder("redis://127.0.0.1:6379").build()?;
//! let digests = DigestKey::derive(&Secret::from(vec![7; 32]))?; // the same on every instance
//! let store: ApiKeyStore = RedisApiKeys::new(&redis, &digests).into();
//! # let _ = store;
//! # Ok(())
//! # }
//! ```
//!
//! # Semantics
//! 1. Every method is one command or one script, and one round trip. Scripts use the server's clock.
//! 2. A key is one hash that expires with it. The server keeps its owner, name and scopes in clear, and
//!    the digest of its text. The ids of an owner's keys are a set, whose name has a digest of the owner.
//!
//! # Deployment caveats
//! - The server must persist its data and must not evict: a lost key is refused, and its owner has to make
//!   another.
//! - All keys have one hash tag, so a cluster keeps them on one node.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use hardpoint_core::Key;
use hardpoint_redis::{Arg, Concept, DigestKey, Keys, Redis, Script};

use super::{
    ApiKeyId, ApiKeyOwner, ApiKeyRecord, ApiKeyStore, Placed, PutApiKey, RemoteApiKeys, Replaced,
};
use crate::store::{
    BoxFuture, millis,
    redis::{Fields, answer, corrupt, failed, int, script},
};

const API_KEYS: Concept = Concept::lasting("api_key").loss("owners have to make other API keys");
const TAG: &str = "k";
/// The fields of a hash, in the order in which they are read.
const FIELDS: [&str; 9] = [
    "digest",
    "has_issuer",
    "issuer",
    "subject",
    "name",
    "scope",
    "created",
    "lifetime",
    "expires",
];

static PUT: LazyLock<Script> =
    script!("../../store/lua/time.lua", "lua/owned.lua", "lua/shorten.lua", "lua/put.lua");
static LIST: LazyLock<Script> = script!("lua/owned.lua", "lua/list.lua");
static REVOKE: LazyLock<Script> = script!("lua/owned.lua", "lua/revoke.lua");
static EXPIRE: LazyLock<Script> =
    script!("../../store/lua/time.lua", "lua/shorten.lua", "lua/expire.lua");

/// API keys on a Redis server.
pub struct RedisApiKeys {
    redis: Redis,
    digests: DigestKey,
    previous: Option<DigestKey>,
    keys: Keys,
}

debug_only!(RedisApiKeys { redis });

impl RedisApiKeys {
    /// A store on this server. Owners are digested with `digests`, which must be the same on every
    /// instance, before they become parts of keys.
    #[must_use]
    pub fn new(redis: &Redis, digests: &DigestKey) -> Self {
        let keys = redis.keys(&API_KEYS);
        Self { redis: redis.clone(), digests: digests.clone(), previous: None, keys }
    }

    /// Also finds the lists of owners under this earlier digest key, for example after the root secret
    /// was replaced from which it is derived, and moves them to the present one when an owner lists,
    /// issues, rotates or revokes all of its keys. Default: none.
    ///
    /// Keys are verified without it, and an owner can revoke one by its id. But `list`, `rotate` and
    /// `revoke_all` do not find the keys of a list that has not moved: keep it for as long as keys live.
    /// Instances that do not know the present digest key yet do not see the lists that moved.
    #[must_use]
    pub fn previous(mut self, digests: DigestKey) -> Self {
        self.previous = Some(digests);
        self
    }

    fn key(&self, id: &str) -> String {
        self.keys.key(TAG, &format!("i:{id}"))
    }

    /// The names of an owner's set: the present one, and the earlier one.
    fn owner(&self, owner: ApiKeyOwner<'_>) -> Vec<String> {
        let bytes = owner.to_bytes();
        let all = [Some(&self.digests), self.previous.as_ref()].into_iter().flatten();
        let digest = |digests: &DigestKey| digests.digest(&Key::borrowed(&bytes));
        all.map(|digests| self.keys.key(TAG, &format!("o:{:032x}", digest(digests)))).collect()
    }
}

impl From<RedisApiKeys> for ApiKeyStore {
    fn from(keys: RedisApiKeys) -> Self {
        Self::remote(Arc::new(keys))
    }
}

impl RemoteApiKeys for RedisApiKeys {
    fn put(&self, put: &PutApiKey<'_>) -> BoxFuture<Placed> {
        let head = self.key("");
        let (replaced, overlap) =
            put.replaces.map(|Replaced { id, overlap }| (id, overlap)).unzip();
        let issuer = put.owner.issuer_name();
        let arguments = [
            Arg::from(&head),
            put.id.as_str().into(),
            put.max_keys.into(),
            // -1: it never expires.
            put.lifetime.map_or(Arg::Int(-1), |lifetime| int(millis(lifetime))),
            put.digest.into(),
            u32::from(issuer.is_some()).into(),
            issuer.unwrap_or_default().into(),
            put.owner.subject().into(),
            put.name.into(),
            put.scope.into(),
            replaced.as_ref().map(ApiKeyId::as_str).unwrap_or_default().into(),
            int(millis(overlap.unwrap_or_default())),
        ];
        let placed = self.redis.run(&PUT, &self.owner(put.owner), arguments);
        answer(placed, |placed| match placed.into_int().map_err(failed)? {
            0 => Ok(Placed::TooMany),
            1 => Ok(Placed::Kept),
            2 => Ok(Placed::NothingToReplace),
            _ => Err(corrupt()),
        })
    }

    fn find(&self, id: ApiKeyId) -> BoxFuture<Option<ApiKeyRecord>> {
        let key = self.key(id.as_str());
        let arguments = [&*key].into_iter().chain(FIELDS);
        answer(self.redis.send("HMGET", arguments), move |found| {
            let mut fields = found.into_array().map_err(failed)?.into_iter();
            // A key that does not exist has no digest.
            let Some(digest) = fields.next().ok_or_else(corrupt)?.into_bytes().map_err(failed)?
            else {
                return Ok(None);
            };
            record(id, &digest, &mut Fields::rest(fields)).map(Some)
        })
    }

    fn list(&self, owner: ApiKeyOwner<'_>) -> BoxFuture<Vec<ApiKeyRecord>> {
        let head = self.key("");
        let arguments = [&*head].into_iter().chain(FIELDS);
        answer(self.redis.run(&LIST, &self.owner(owner), arguments), |listed| {
            let (mut all, mut records) = (Fields::read(listed)?, Vec::new());
            while !all.is_empty() {
                let mut fields = all.list()?;
                let id = fields.text()?.parse().map_err(|_| corrupt())?;
                let digest = fields.bytes()?;
                records.push(record(id, &digest, &mut fields)?);
            }
            // Sets have no order. Of two keys of one millisecond, either is first.
            records.sort_by_key(|record: &ApiKeyRecord| std::cmp::Reverse(record.created));
            Ok(records)
        })
    }

    fn expire_after(
        &self,
        owner: ApiKeyOwner<'_>,
        id: ApiKeyId,
        after: Duration,
    ) -> BoxFuture<bool> {
        let mut keys = vec![self.key(id.as_str())];
        keys.extend(self.owner(owner));
        let issuer = owner.issuer_name();
        let arguments = [
            Arg::from(id.as_str()),
            int(millis(after)),
            u32::from(issuer.is_some()).into(),
            issuer.unwrap_or_default().into(),
            owner.subject().into(),
        ];
        answer(self.redis.run(&EXPIRE, &keys, arguments), |expired| {
            Ok(expired.into_int().map_err(failed)? == 1)
        })
    }

    fn revoke_all(&self, owner: ApiKeyOwner<'_>) -> BoxFuture<Vec<ApiKeyId>> {
        answer(self.redis.run(&REVOKE, &self.owner(owner), [&self.key("")]), |revoked| {
            let (mut fields, mut ids) = (Fields::read(revoked)?, Vec::new());
            while !fields.is_empty() {
                ids.push(fields.text()?.parse().map_err(|_| corrupt())?);
            }
            Ok(ids)
        })
    }
}

/// Reads the fields behind the digest.
fn record(
    id: ApiKeyId,
    digest: &[u8],
    fields: &mut Fields,
) -> Result<ApiKeyRecord, crate::StoreError> {
    let digest = digest.try_into().map_err(|_| corrupt())?;
    let (has_issuer, issuer) = (fields.text()?, fields.text()?);
    let time = |text: String| match &*text {
        "" => Ok(None),
        text => text.parse().map(|time| Some(Duration::from_millis(time))).map_err(|_| corrupt()),
    };
    Ok(ApiKeyRecord {
        id,
        digest,
        issuer: (has_issuer == "1").then(|| issuer.into()),
        subject: fields.text()?.into(),
        name: fields.text()?.into(),
        scope: fields.text()?.into(),
        created: time(fields.text()?)?.ok_or_else(corrupt)?,
        lifetime: time(fields.text()?)?,
        expires: time(fields.text()?)?,
    })
}
