//! The check of a pool in `hardpoint-health`.

use std::{error::Error, time::Duration};

use hardpoint_health::{Down, sqlx::pool};
use hardpoint_testkit::redis::{Network, Weather};
use sqlx::postgres::PgPoolOptions;

use crate::{
    instance::eventually,
    server::{Server, options},
};

/// Long enough for a server that answers, on a loaded machine.
const PATIENCE: Duration = Duration::from_millis(1500);

fn why(down: Result<(), Down>) -> (&'static str, String) {
    let down = down.unwrap_err();
    (down.code(), down.cause().map_or_else(String::new, <dyn Error>::to_string))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_is_up_exhausted_silent_or_closed() {
    let mut server = Server::start().await;
    let network = Network::before(server.address());
    let both = PgPoolOptions::new().max_connections(2).test_before_acquire(false);
    let both = both.connect_lazy_with(options(network.address()));
    let mut check = pool(both.clone(), PATIENCE);
    assert!(check().await.is_ok());

    let taken = [both.acquire().await.unwrap(), both.acquire().await.unwrap()];
    let exhausted = "no answer from the database; 2 of 2 connections exist, 0 idle".to_owned();
    assert_eq!(why(check().await), ("exhausted", exhausted));
    drop(taken);
    eventually("idle connections", || both.num_idle() == 2).await;
    assert!(check().await.is_ok());
    eventually("idle connections", || both.num_idle() == 2).await;

    network.set(Weather::Hole);
    let silent = "no answer from the database; 2 of 2 connections exist, 1 idle".to_owned();
    assert_eq!(why(check().await), ("timeout", silent));
    assert_eq!(why(check().await).0, "timeout");
    network.set(Weather::Fair);
    assert_eq!(both.size(), 0, "connections that do not answer are closed");
    assert!(check().await.is_ok());

    server.kill();
    let (code, _) = why(check().await);
    assert!(["failed", "timeout"].contains(&code), "{code}");
    server.launch().await;
    eventually_up(&mut check).await;
    both.close().await;
    assert_eq!(why(check().await).0, "closed");
}

async fn eventually_up<F: Future<Output = Result<(), Down>>>(check: &mut impl FnMut() -> F) {
    for _ in 0..10 {
        if check().await.is_ok() {
            return;
        }
    }
    panic!("the check does not recover");
}
