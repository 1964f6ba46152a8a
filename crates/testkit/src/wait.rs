//! Waiting for what announces itself by no event: the state of another process.

use std::time::Duration;

/// How long a state may take to come about.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again whether something is so. Panics if it is not within a minute.
pub async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let came = tokio::time::timeout(PATIENCE, wait).await;
    assert!(came.is_ok(), "{what} did not come about within {PATIENCE:?}");
}
