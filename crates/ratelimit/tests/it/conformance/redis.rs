//! Real servers, which decide by the clock of the test.

use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use hardpoint_core::{ManualClock, Secret, Time};
use hardpoint_ratelimit::redis::RedisStore;
use hardpoint_redis::{DigestKey, Redis};
use hardpoint_testkit::redis::{RedisServer, Software};

use super::Kept;

/// A server, and stores on it that share nothing with each other. The deny cache is off: the model
/// knows of resets at once.
pub(super) fn places(software: Software) -> impl Fn(&ManualClock) -> Kept {
    let server = RedisServer::builder().software(software).start();
    // Nothing here is about time, and the machine may be busy.
    let redis = Redis::builder(server.url()).deadline(Duration::from_secs(20)).build().unwrap();
    let stores = AtomicU64::new(0);
    move |clock| {
        let _running = &server;
        let secret = stores.fetch_add(1, SeqCst).to_be_bytes().repeat(4);
        let digests = DigestKey::derive(&Secret::from(secret)).unwrap();
        let builder = RedisStore::builder(&redis, &digests).deny_cache(0);
        Kept::Redis(builder.dangerous_time(Time::manual(clock)).build())
    }
}
