use std::{sync::Arc, time::Duration};

use hardpoint::auth::{
    Attempt, Authenticator, Credential,
    api_key::{
        ApiKeyId, ApiKeyOwner, ApiKeyRecord, ApiKeyStore, ApiKeys, BoxFuture, NewApiKey, Placed,
        PutApiKey, RemoteApiKeys,
    },
};

use super::Scenario;

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

/// A cached API key of a remote store.
#[must_use]
pub fn api_key_known() -> Scenario {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let (keys, text) = runtime.block_on(async {
        let store = ApiKeyStore::memory();
        let made = ApiKeys::builder("acme_live", store.clone()).build().expect("a prefix");
        let issued = made.issue(NewApiKey::new(ApiKeyOwner::new("alice"))).await.expect("a key");
        // Fresh for longer than a count under valgrind takes.
        let keys = ApiKeys::builder("acme_live", ApiKeyStore::remote(Arc::new(Remote(store))))
            .fresh_for(Duration::from_secs(3_600))
            .build()
            .expect("a prefix");
        let Attempt::Later(asked) = keys.authenticate(Credential::new(issued.text.expose())) else {
            panic!("the key is not cached yet")
        };
        assert!(asked.await.is_ok());
        (keys, issued.text)
    });
    Scenario::new(
        || (),
        move |()| {
            let attempt = keys.authenticate(Credential::new(text.expose()));
            assert!(matches!(attempt, Attempt::Now(Ok(_))));
        },
    )
}
