//! The task that removes what has expired.

use std::{error::Error, sync::Weak, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

use crate::{
    call::{failed, lease},
    store::PostgresSessions,
};

/// Sweeps once a minute until the store is dropped. Each instance does, and leaves rows alone that
/// another one is removing.
pub(crate) async fn sweep(store: Weak<PostgresSessions>) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for _ in 0..STATEMENTS {
            let Some(store) = store.upgrade() else { return };
            let pool = store.pool.clone();
            let swept = store.calls.submit(async move {
                let mut connection = lease(&pool).await.map_err(failed)?;
                let swept = sqlx::query_scalar("SELECT session_sweep($1)").bind(MOST);
                let swept: i64 = swept.fetch_one(&mut *connection).await.map_err(failed)?;
                connection.give_back();
                Ok(swept)
            });
            drop(store);
            match swept.await {
                Ok(swept) if swept >= MOST => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::debug!(
                        target: "sessions_postgres::sweep",
                        error = &error as &dyn Error,
                        "expired sessions were not removed"
                    );
                    break;
                }
            }
        }
    }
}

const PERIOD: Duration = Duration::from_secs(60);
/// The most rows of each table that one statement removes.
const MOST: i64 = 1000;
/// The most statements of one sweep.
const STATEMENTS: u32 = 100;
