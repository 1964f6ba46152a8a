//! Cached API keys, beside moka in front of a table of digests.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use aws_lc_rs::digest;
use hardpoint::auth::{
    Attempt, Authenticator, Credential,
    api_key::{
        ApiKeyId, ApiKeyOwner, ApiKeyRecord, ApiKeyStore, ApiKeys, BoxFuture, NewApiKey, Placed,
        PutApiKey, RemoteApiKeys,
    },
};
use hardpoint_bench_harness::report::Contest;
use moka::sync::Cache;

use super::cycle;

/// How many keys are in use.
const KEYS: u32 = 1_000;

/// Keys of this process, behind the contract of a remote store.
struct Remote(ApiKeyStore);

impl RemoteApiKeys for Remote {
    fn put(&self, _: &PutApiKey<'_>) -> BoxFuture<Placed> {
        Box::pin(async { Ok(Placed::TooMany) })
    }

    fn find(&self, id: ApiKeyId) -> BoxFuture<Option<ApiKeyRecord>> {
        let store = self.0.clone();
        Box::pin(async move { store.find(id).await })
    }

    fn list(&self, _: ApiKeyOwner<'_>) -> BoxFuture<Vec<ApiKeyRecord>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn expire_after(&self, _: ApiKeyOwner<'_>, _: ApiKeyId, _: Duration) -> BoxFuture<bool> {
        Box::pin(async { Ok(false) })
    }

    fn revoke_all(&self, _: ApiKeyOwner<'_>) -> BoxFuture<Vec<ApiKeyId>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// Ours checks the checksum, the digest in constant time, the age of the cached answer and the expiry, and
/// makes the caller's identity; the peer finds the owner by the digest of the text.
pub(super) fn cached_beside_moka() -> Contest<'static> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let most = NonZeroU32::new(KEYS).expect("not zero");
    let (keys, texts) = runtime.block_on(async {
        let store = ApiKeyStore::memory();
        let issuer = ApiKeys::builder("acme_live", store.clone()).max_per_owner(most).build();
        let issuer = issuer.expect("a prefix");
        let keys = ApiKeys::builder("acme_live", ApiKeyStore::remote(Arc::new(Remote(store))));
        // Nothing is refreshed while it is measured.
        let keys = keys.fresh_for(Duration::from_secs(3_600)).build().expect("a prefix");
        let mut texts = Vec::new();
        for _ in 0..KEYS {
            let new = NewApiKey::new(ApiKeyOwner::new("alice"));
            let text = issuer.issue(new).await.expect("memory answers").text;
            let Attempt::Later(lookup) = keys.authenticate(Credential::new(text.expose())) else {
                panic!("nothing is cached yet")
            };
            assert!(lookup.await.is_ok());
            texts.push(text.expose().to_owned());
        }
        (keys, texts)
    });
    let sha_256 = |text: &str| -> [u8; 32] {
        let digest = digest::digest(&digest::SHA256, text.as_bytes());
        digest.as_ref().try_into().expect("32 bytes")
    };
    let owners = Cache::new(2 * u64::from(KEYS));
    texts.iter().for_each(|text| owners.insert(sha_256(text), Arc::<str>::from("alice")));
    owners.run_pending_tasks();
    Contest::new(
        cycle(texts.clone(), move |text| {
            matches!(keys.authenticate(Credential::new(text)), Attempt::Now(Ok(_)))
        }),
        cycle(texts, move |text| owners.get(&sha_256(text)).is_some()),
    )
}
