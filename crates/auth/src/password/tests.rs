//! Hashing, its bound, and its queue.

use std::time::Duration;

use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _, password_hash::phc};
use hardpoint_core::{Event, Secret, Telemetry};

use super::*;

fn secret(text: &str) -> Secret<str> {
    Secret::from(text)
}

#[tokio::test]
async fn a_password_is_told_from_others() {
    let passwords = PasswordHasher::with_bounds(1, 4);
    let stored = passwords.hash(secret("correct horse")).await.unwrap();
    assert_eq!(passwords.verify(Some(&stored), secret("correct horse")).await, Ok(true));
    for wrong in ["", "Correct horse", "correct horse ", "correct"] {
        assert_eq!(passwords.verify(Some(&stored), secret(wrong)).await, Ok(false), "{wrong:?}");
    }
    assert_eq!(passwords.verify(None, secret("correct horse")).await, Ok(false));
    let again = passwords.hash(secret("correct horse")).await.unwrap();
    assert_ne!(stored, again, "each hash has its own salt");
    assert!(!format!("{stored:?}").contains("argon2"));
}

#[tokio::test]
async fn hashes_are_those_of_the_argon2_crate() {
    let passwords = PasswordHasher::with_bounds(1, 4);
    let ours = passwords.hash(secret("correct horse")).await.unwrap();
    let parsed = phc::PasswordHash::new(ours.as_str()).unwrap();
    assert!(Argon2::default().verify_password(b"correct horse", &parsed).is_ok());
    let theirs = Argon2::default().hash_password(b"correct horse").unwrap().to_string();
    let theirs = PasswordHash::parse(&theirs).unwrap();
    assert_eq!(passwords.verify(Some(&theirs), secret("correct horse")).await, Ok(true));
}

#[test]
fn a_stored_hash_that_asks_for_too_much_is_refused_before_any_work() {
    let with = |params: &str| {
        format!(
            "$argon2id$v=19${params}$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        )
    };
    for params in ["m=19456,t=2,p=1", "m=65536,t=4,p=4", "m=47104,t=1,p=1"] {
        assert!(PasswordHash::parse(&with(params)).is_ok(), "{params}");
    }
    for params in ["m=4194304,t=2,p=1", "m=65537,t=1,p=1", "m=19456,t=5,p=1", "m=19456,t=2,p=5"] {
        assert_eq!(
            PasswordHash::parse(&with(params)),
            Err(ParseHashError::AboveCeiling),
            "{params}"
        );
    }
    let other = with("m=19456,t=2,p=1").replace("argon2id", "argon2i");
    assert_eq!(PasswordHash::parse(&other), Err(ParseHashError::Algorithm));
    for bad in ["", "hunter2", "$argon2id$", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0"] {
        assert!(PasswordHash::parse(bad).is_err(), "{bad:?}");
    }
}

#[tokio::test]
async fn a_huge_password_matches_nothing_and_is_not_hashed() {
    let passwords = PasswordHasher::with_bounds(1, 0).patience(Duration::ZERO);
    let huge = "a".repeat(PasswordPolicy::MAX_BYTES + 1);
    assert_eq!(passwords.verify(None, secret(&huge)).await, Ok(false));
    assert_eq!(passwords.hash(secret(&huge)).await.unwrap_err(), PasswordError::Failed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_beyond_the_queue_are_turned_away_and_the_others_are_served() {
    let passwords = PasswordHasher::with_bounds(1, 3);
    let stored = passwords.hash(secret("correct horse")).await.unwrap();
    let callers: Vec<_> = (0..12)
        .map(|_| {
            let (passwords, stored) = (passwords.clone(), stored.clone());
            tokio::spawn(
                async move { passwords.verify(Some(&stored), secret("correct horse")).await },
            )
        })
        .collect();
    let mut answers = Vec::new();
    for caller in callers {
        answers.push(caller.await.unwrap());
    }
    let served = answers.iter().filter(|answer| **answer == Ok(true)).count();
    let shed = answers.iter().filter(|answer| answer.is_err()).count();
    assert!(served >= 4, "one runs and three wait: {answers:?}");
    assert!(shed >= 1, "the queue is bounded: {answers:?}");
    assert_eq!(served + shed, 12);
    // The queue empties: whoever comes later is served.
    assert_eq!(passwords.verify(Some(&stored), secret("correct horse")).await, Ok(true));
}

#[tokio::test(start_paused = true)]
async fn whoever_has_waited_long_enough_is_turned_away() {
    let passwords = PasswordHasher::with_bounds(1, 8);
    let busy = passwords.occupy().await;
    let late =
        tokio::time::timeout(Duration::from_secs(60), passwords.verify(None, secret("x"))).await;
    assert_eq!(late.unwrap().unwrap_err(), PasswordError::Overloaded);
    drop(busy);
    assert_eq!(passwords.verify(None, secret("x")).await, Ok(false));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_leaves_the_queue() {
    let passwords = PasswordHasher::with_bounds(1, 1);
    let busy = passwords.occupy().await;
    for _ in 0..5 {
        let waiting = passwords.verify(None, secret("x"));
        assert!(tokio::time::timeout(Duration::from_millis(1), waiting).await.is_err(), "it waits");
    }
    drop(busy);
    assert_eq!(passwords.verify(None, secret("x")).await, Ok(false));
}

#[tokio::test]
async fn memory_is_kept_from_one_hash_to_the_next_and_never_doubled() {
    let passwords = PasswordHasher::with_bounds(2, 64);
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let passwords = passwords.clone();
            tokio::spawn(async move { passwords.verify(None, secret("x")).await })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), Ok(false));
    }
    assert!((1..=2).contains(&passwords.idle_arenas()));
}

#[test]
fn the_policy_asks_for_length_and_nothing_else() {
    let policy = PasswordPolicy::default();
    assert_eq!(policy.check(&secret("correct horse battery staple")), Ok(()));
    assert_eq!(policy.check(&secret("pässwörd")), Ok(()), "characters are counted, not bytes");
    assert_eq!(policy.check(&secret("1234567")), Err(WeakPassword::TooShort(8)));
    assert_eq!(policy.check(&secret("aaaaaaaaaaaa")), Err(WeakPassword::OneCharacter));
    let long = secret(&"ab".repeat(513));
    assert_eq!(policy.check(&long), Err(WeakPassword::TooLong(1024)));
    assert_eq!(policy.min_chars(0).check(&secret("")), Ok(()));
}

#[tokio::test]
async fn memory_of_larger_parameters_is_given_back() {
    let passwords = PasswordHasher::with_bounds(1, 0);
    let large = PasswordHash::parse(
        "$argon2id$v=19$m=32768,t=1,p=1$c2FsdHNhbHRzYWx0$\
         AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    );
    assert_eq!(passwords.verify(Some(&large.unwrap()), secret("x")).await, Ok(false));
    assert_eq!(passwords.idle_arenas(), 0);
}

#[tokio::test(start_paused = true)]
async fn every_answer_is_told_to_the_observer() {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let sink = std::sync::Arc::clone(&seen);
    let telemetry = Telemetry::new(move |event: &Event<'_>| {
        if let Event::PasswordChecked(event) = event {
            sink.lock().unwrap().push(event.result.as_str());
        }
    });
    let passwords = PasswordHasher::with_bounds(1, 0).telemetry(&telemetry);
    let stored = passwords.hash(secret("correct horse")).await.unwrap();
    passwords.verify(Some(&stored), secret("correct horse")).await.unwrap();
    passwords.verify(None, secret("correct horse")).await.unwrap();
    passwords.verify(None, secret(&"a".repeat(2000))).await.unwrap();
    let busy = passwords.occupy().await;
    assert!(passwords.verify(None, secret("x")).await.is_err());
    drop(busy);
    assert_eq!(*seen.lock().unwrap(), ["hashed", "matched", "mismatched", "mismatched", "shed"]);
}
