//! Calls that find a permit.

use std::{sync::Arc, time::Duration};

use hardpoint_bench_harness::{
    exchange::Pong,
    measure::{Contender, Plan},
    report::{Contest, Goal},
};
use hardpoint_resilience::ConcurrencyLimit;
use tower::limit::ConcurrencyLimitLayer;
use tower_layer::Layer;

use super::{ADDED, through};

const PERMITS: u32 = 100;

/// With a queue, as tower's has one.
fn ours() -> ConcurrencyLimit {
    let builder = ConcurrencyLimit::builder("bench", PERMITS).queue(100, Duration::from_secs(1));
    builder.build().expect("valid")
}

pub(super) fn permit() -> Contest<'static> {
    let (ours, peer) = (ours(), Arc::new(tokio::sync::Semaphore::new(PERMITS as usize)));
    Contest::new(
        Contender::new(move || ours.try_acquire().is_ok()),
        Contender::new(move || Arc::clone(&peer).try_acquire_owned().is_ok()),
    )
    .goal(Goal::Value(35.0))
}

pub(super) fn beside_tower() -> Contest<'static> {
    let peer = ConcurrencyLimitLayer::new(PERMITS as usize);
    Contest::new(through(ours().layer().layer(Pong)), through(peer.layer(Pong)))
        .plan(Plan::prepared())
        .floor(ADDED, through(Pong), Some(Goal::Ratio(0.65)))
}

pub(super) fn beside_tower_resilience() -> Contest<'static> {
    let peer = tower_resilience_bulkhead::BulkheadLayer::builder()
        .max_concurrent_calls(PERMITS as usize)
        .build()
        .expect("valid");
    Contest::new(through(ours().layer().layer(Pong)), through(peer.layer(Pong)))
        .plan(Plan::prepared())
        .floor(ADDED, through(Pong), Some(Goal::Value(35.0)))
}
