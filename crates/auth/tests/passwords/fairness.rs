//! Three clients that never stop do not keep a fourth out.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hardpoint_auth::password::{PasswordError, PasswordHasher};
use hardpoint_core::Time;
use tokio::task::JoinSet;

use super::{ALONE, client, secret, soaks};

#[tokio::test(flavor = "multi_thread")]
async fn a_fourth_client_is_served_beside_three_that_flood() {
    let _alone = ALONE.lock().await;
    let passwords = PasswordHasher::new();
    let stored = passwords.hash(client("victim"), secret("correct horse")).await.unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let mut flood = JoinSet::new();
    for name in ["first", "second", "third"] {
        for _ in 0..100 {
            let (passwords, stored) = (passwords.clone(), stored.clone());
            let over = Arc::clone(&over);
            flood.spawn(async move {
                let mut served = 0;
                while !over.load(Ordering::SeqCst) {
                    let answer = passwords
                        .verify(client(name), Some(&stored), secret("correct horse"))
                        .await;
                    match answer {
                        Ok(_) => served += 1,
                        Err(PasswordError::Overloaded) => tokio::task::yield_now().await,
                        Err(error) => panic!("{error}"),
                    }
                }
                served
            });
        }
    }
    let time = Time::system();
    let mut waits = Vec::new();
    for _ in 0..if soaks() { 400 } else { 8 } {
        let begin = time.now();
        let answer =
            passwords.verify(client("victim"), Some(&stored), secret("correct horse")).await;
        assert!(answer.is_ok(), "{answer:?}");
        waits.push(time.now().saturating_since(begin));
    }
    over.store(true, Ordering::SeqCst);
    let others: u32 = flood.join_all().await.into_iter().sum();
    waits.sort_unstable();
    let (median, p95) = (waits[waits.len() / 2], waits[waits.len() * 95 / 100]);
    println!(
        "the fourth client: {} log-ins, median {median:.0?}, p95 {p95:.0?}, none refused; {others} of the \
         others",
        waits.len()
    );
    assert!(p95 <= Duration::from_secs(1), "{p95:?}");
}
