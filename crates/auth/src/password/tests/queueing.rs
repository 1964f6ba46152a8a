//! Waiting, refusing, and giving up, with tasks.

use std::time::Duration;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_caller_that_has_waited_long_enough_is_refused() {
    let passwords = fast().build();
    let busy = passwords.occupy(client("a")).await;
    let late = tokio::time::timeout(
        Duration::from_secs(60),
        passwords.verify(client("b"), None, secret("x")),
    );
    assert_eq!(late.await.unwrap().unwrap_err(), PasswordError::Overloaded);
    drop(busy);
    assert!(!matches(&passwords, None, "x").await);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_leaves_the_queue() {
    let passwords = fast().waiting(1).build();
    let busy = passwords.occupy(client("a")).await;
    for _ in 0..5 {
        let waiting = passwords.verify(client("b"), None, secret("x"));
        assert!(tokio::time::timeout(Duration::from_millis(1), waiting).await.is_err(), "it waits");
    }
    drop(busy);
    assert!(!matches(&passwords, None, "x").await);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_reaches_a_caller_that_just_left_is_passed_on() {
    let passwords = fast().build();
    let busy = passwords.occupy(client("a")).await;
    let mut first = Box::pin(passwords.occupy(client("b")));
    let mut second = Box::pin(passwords.occupy(client("c")));
    assert!(futures_poll(&mut first).await.is_none() && futures_poll(&mut second).await.is_none());
    // The turn is in the first one's hands, which never looks.
    drop(busy);
    drop(first);
    let turn = futures_poll(&mut second).await.expect("it was passed on");
    drop(turn);
    assert!(!matches(&passwords, None, "x").await);
}

/// Polls once.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_only_the_client_that_fills_it() {
    let passwords = fast().waiting(4).in_flight_per_client(4).build();
    let busy = passwords.occupy(client("a")).await;
    let spawn = |name: &'static str| {
        let passwords = passwords.clone();
        tokio::spawn(async move { passwords.verify(client(name), None, secret("x")).await })
    };
    let mut greedy: Vec<_> = (0..6).map(|_| spawn("greedy")).collect();
    tokio::task::yield_now().await;
    let others: Vec<_> = ["b", "c"].into_iter().map(spawn).collect();
    tokio::task::yield_now().await;
    drop(busy);
    for other in others {
        assert_eq!(other.await.unwrap().unwrap_err(), PasswordError::Mismatch);
    }
    let mut refused = 0;
    for caller in greedy.drain(..) {
        refused += usize::from(caller.await.unwrap().unwrap_err() == PasswordError::Overloaded);
    }
    assert_eq!(refused, 4, "two over its bound, two displaced");
}

#[tokio::test(start_paused = true)]
async fn known_devices_do_not_wait_behind_strangers() {
    let passwords = fast().build();
    let busy = passwords.occupy(client("a")).await;
    let order = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let spawn = |name: &'static str, is_known: bool| {
        let (passwords, order) = (passwords.clone(), std::sync::Arc::clone(&order));
        let client = client(name).known_device(is_known);
        tokio::spawn(async move {
            let _turn = passwords.occupy(client).await;
            order.lock().unwrap().push(name);
        })
    };
    let names = ["s1", "s2", "s3", "s4", "s5", "s6"];
    let mut tasks: Vec<_> = names.into_iter().map(|name| spawn(name, false)).collect();
    tokio::task::yield_now().await;
    tasks.push(spawn("owner", true));
    tokio::task::yield_now().await;
    drop(busy);
    for task in tasks {
        task.await.unwrap();
    }
    let place = order.lock().unwrap().iter().position(|name| *name == "owner").unwrap();
    assert!(place <= 1, "{order:?}");
}
