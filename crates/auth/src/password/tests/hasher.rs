//! Right and wrong passwords, parameters, replacements, memory, and what observers get.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _, password_hash::phc};
use hardpoint_core::{Event, ManualClock, Telemetry, Time};

use super::*;

#[tokio::test]
async fn a_password_is_told_from_others() {
    let passwords = fast().build();
    let stored = passwords.hash(client("a"), secret("correct horse")).await.unwrap();
    assert!(matches(&passwords, Some(&stored), "correct horse").await);
    for wrong in ["", "Correct horse", "correct horse ", "correct"] {
        assert!(!matches(&passwords, Some(&stored), wrong).await, "{wrong:?}");
    }
    assert!(!matches(&passwords, None, "correct horse").await);
    let again = passwords.hash(client("a"), secret("correct horse")).await.unwrap();
    assert!(stored != again, "each hash has its own salt");
    assert!(!format!("{stored:?} {passwords:?}").contains("argon2"));
}

#[tokio::test]
async fn hashes_are_those_of_the_argon2_crate() {
    let passwords = PasswordHasher::builder().arenas(1).build();
    let ours = passwords.hash(client("a"), secret("correct horse")).await.unwrap();
    let parsed = phc::PasswordHash::new(ours.as_str()).unwrap();
    assert!(Argon2::default().verify_password(b"correct horse", &parsed).is_ok());
    let theirs = Argon2::default().hash_password(b"correct horse").unwrap().to_string();
    let theirs = PasswordHash::parse(&theirs).unwrap();
    assert!(matches(&passwords, Some(&theirs), "correct horse").await);
    assert!(!passwords.needs_rehash(&theirs), "the same parameters");
}

fn with(params: &str) -> PasswordHash {
    let text = format!(
        "$argon2id$v=19${params}$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    );
    PasswordHash::parse(&text).unwrap()
}

#[tokio::test]
async fn a_stored_hash_above_the_ceiling_is_an_error_after_the_work_of_an_unknown_account() {
    let passwords = fast().build();
    // Django, Kratos, Vaultwarden, Keycloak, RFC 9106, and many lanes of Go.
    for params in [
        "m=102400,t=2,p=8",
        "m=131072,t=1,p=16",
        "m=65540,t=3,p=4",
        "m=7168,t=5,p=1",
        "m=65536,t=3,p=4",
        "m=65536,t=1,p=128",
    ] {
        assert_eq!(passwords.check(&with(params)), Ok(()), "{params}");
    }
    let above = ["m=4194304,t=2,p=1", "m=131073,t=1,p=1", "m=19456,t=11,p=1", "m=19456,t=2,p=257"];
    for params in above {
        let stored = with(params);
        let refused = passwords.verify(client("a"), Some(&stored), secret("x")).await;
        assert_eq!(refused.unwrap_err(), PasswordError::AboveCeiling, "{params}");
    }
    let unknown = fast().build();
    unknown.verify(client("a"), None, secret("x")).await.unwrap_err();
    let sizes = passwords.engine().arenas.sizes();
    assert_eq!((sizes.len(), sizes), (1, unknown.engine().arenas.sizes()), "neither less nor more");

    let ceiling = StoredCeiling::default().memory_mib(4096).passes(11).lanes(257);
    let raised = fast().ceiling(ceiling).build();
    for params in above {
        assert_eq!(raised.check(&with(params)), Ok(()), "{params}");
    }
    let low = StoredCeiling::default().memory_mib(0).passes(0);
    let own = fast().ceiling(low).build();
    assert_eq!(own.check(&with("m=64,t=1,p=1")), Ok(()), "its own profile is always allowed");
}

#[test]
fn what_is_not_a_hash_is_refused() {
    let good = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0\
                $AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    assert!(PasswordHash::parse(good).is_ok());
    assert!(PasswordHash::parse(&format!("{good}\r\n\n")).is_ok());
    for bad in [
        "",
        "hunter2",
        "$argon2id$",
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0",
        "$argon2id$v=19$m=1,t=2,p=1$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAA",
        &format!("{good} "),
        &format!(" {good}"),
        &format!("{good}$"),
    ] {
        assert_eq!(PasswordHash::parse(bad), Err(ParseHashError::Malformed), "{bad:?}");
    }
    for other in ["argon2id$v=19", "argon2id$v=18"] {
        let other = good.replace("argon2id$v=19", &other.replace("v=19", "v=20"));
        assert_eq!(PasswordHash::parse(&other), Err(ParseHashError::Algorithm), "{other:?}");
    }
    let md5 = "$1$saltsalt$AAAAAAAAAAAAAAAAAAAAAA";
    assert!(PasswordHash::parse(md5).is_err());
}

#[tokio::test]
async fn what_differs_from_the_profile_is_replaced_at_log_in() {
    let old = fast().build();
    let stored = old.hash(client("a"), secret("correct horse")).await.unwrap();
    assert!(stored.as_str().starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{}", stored.as_str());
    assert!(!old.needs_rehash(&stored));
    let same = old.verify(client("a"), Some(&stored), secret("correct horse")).await.unwrap();
    assert!(same.replacement().is_none());

    let new = PasswordHasher::builder().profile(Argon2Profile::owasp_7_mib()).arenas(1).build();
    assert!(new.needs_rehash(&stored));
    let verified = new.verify(client("a"), Some(&stored), secret("correct horse")).await.unwrap();
    let replacement = verified.replacement().expect("other parameters");
    assert!(!new.needs_rehash(replacement));
    assert!(matches(&new, Some(replacement), "correct horse").await);
    assert!(!matches(&new, Some(&stored), "wrong").await);

    for outdated in [
        stored.as_str().replace("argon2id", "argon2i"),
        stored.as_str().replace("$v=19", ""),
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
            .to_owned(),
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
    ] {
        assert!(old.needs_rehash(&PasswordHash::parse(&outdated).unwrap()), "{outdated}");
    }
}

#[tokio::test]
async fn an_account_without_a_password_does_the_work_of_one_that_does_not_exist() {
    let passwords = fast().build();
    let unusable = PasswordHash::unusable("!Xd0wQ2");
    assert_eq!((unusable.as_str(), unusable.work()), ("!Xd0wQ2", None));
    assert_eq!(passwords.check(&unusable), Ok(()));
    assert!(passwords.needs_rehash(&unusable));
    for password in ["", "!Xd0wQ2", "correct horse"] {
        assert!(!matches(&passwords, Some(&unusable), password).await, "{password}");
    }
    assert_eq!(passwords.engine().arenas.sizes().len(), 1, "the hash function ran");
    assert_eq!(passwords.engine().known.with(None).len(), 1, "of no further kind");
}

#[tokio::test]
async fn a_huge_password_matches_nothing_and_is_not_hashed() {
    let passwords = fast().waiting(0).build();
    let huge = "a".repeat(PasswordPolicy::MAX_BYTES + 1);
    assert!(!matches(&passwords, None, &huge).await);
    let refused = passwords.hash(client("a"), secret(&huge)).await;
    assert_eq!(refused.unwrap_err(), PasswordError::Failed);
    assert!(passwords.engine().arenas.sizes().is_empty());
}

#[tokio::test]
async fn arenas_are_used_again_grow_to_what_is_stored_and_are_wiped() {
    let passwords = fast().arenas(2).build();
    let callers: Vec<_> = (0..16)
        .map(|n| {
            let passwords = passwords.clone();
            tokio::spawn(async move { matches(&passwords, None, &format!("x{n}")).await })
        })
        .collect();
    for caller in callers {
        assert!(!caller.await.unwrap());
    }
    let arenas = &passwords.engine().arenas;
    assert!((1..=2).contains(&arenas.sizes().len()), "{:?}", arenas.sizes());
    assert!(arenas.are_wiped());

    assert!(!matches(&passwords, Some(&with("m=256,t=1,p=1")), "x").await);
    assert!(arenas.sizes().contains(&256), "{:?}", arenas.sizes());
    assert!(arenas.sizes().len() <= 2 && arenas.are_wiped());
}

#[tokio::test]
async fn one_password_in_two_encodings_matches_if_it_is_normalised() {
    let (composed, decomposed, wide) = ("caf\u{e9} noir", "cafe\u{301} noir", "ｃａｆé noir");
    let table = [
        (Normalization::Off, [true, false, false]),
        (Normalization::Nfc, [true, true, false]),
        (Normalization::Nfkc, [true, true, true]),
    ];
    for (setting, wanted) in table {
        let passwords = fast().normalization(setting).build();
        for set in [composed, decomposed] {
            let stored = passwords.hash(client("a"), secret(set)).await.unwrap();
            let wanted = match (setting, set == decomposed) {
                (Normalization::Off, true) => [false, true, false],
                _ => wanted,
            };
            for (typed, wanted) in [composed, decomposed, wide].into_iter().zip(wanted) {
                let found = matches(&passwords, Some(&stored), typed).await;
                assert_eq!(found, wanted, "{setting:?}: {set:?} set, {typed:?} typed");
            }
        }
    }
}

#[tokio::test]
async fn a_hash_from_before_normalisation_still_verifies_and_is_replaced() {
    let decomposed = "cafe\u{301} noir";
    let stored = fast().build().hash(client("a"), secret(decomposed)).await.unwrap();
    let passwords = fast().normalization(Normalization::Nfc).build();
    assert!(!matches(&passwords, Some(&stored), "caf\u{e9} noir").await);
    let verified = passwords.verify(client("a"), Some(&stored), secret(decomposed)).await.unwrap();
    let replacement = verified.replacement().expect("it was not normalised");
    assert!(matches(&passwords, Some(replacement), "caf\u{e9} noir").await);
    assert!(matches(&passwords, Some(replacement), decomposed).await);
}

#[test]
fn profiles_are_owasps_choices_and_nothing_weaker_is_read() {
    let named = [
        (Argon2Profile::owasp_46_mib(), "m=47104,t=1,p=1"),
        (Argon2Profile::owasp_19_mib(), "m=19456,t=2,p=1"),
        (Argon2Profile::owasp_12_mib(), "m=12288,t=3,p=1"),
        (Argon2Profile::owasp_9_mib(), "m=9216,t=4,p=1"),
        (Argon2Profile::owasp_7_mib(), "m=7168,t=5,p=1"),
    ];
    for (profile, text) in named {
        assert_eq!(profile.to_string(), text);
        assert_eq!(text.parse(), Ok(profile));
    }
    assert!("m=7168,t=40,p=4".parse::<Argon2Profile>().is_ok());
    for (weak, least) in
        [("m=47103,t=1,p=1", 47_104), ("m=9215,t=4,p=1", 9216), ("m=7167,t=99,p=1", 7168)]
    {
        assert_eq!(weak.parse::<Argon2Profile>(), Err(ParseProfileError::Weak { least }));
    }
    for bad in
        ["", "m=47104", "t=1,m=47104,p=1", "m=47104,t=0,p=1", "m=47104,t=1,p=0", "m=47104,t=1,p=1,"]
    {
        assert_eq!(bad.parse::<Argon2Profile>(), Err(ParseProfileError::Malformed), "{bad:?}");
    }
}

/// A clock that advances by a step whenever it is read: a hash then takes one step.
struct Stepping(Mutex<ManualClock>, Duration);

impl hardpoint_core::Clock for Stepping {
    fn now(&self) -> hardpoint_core::Mono {
        let clock = self.0.lock().unwrap();
        clock.advance(self.1);
        clock.now()
    }

    fn unix(&self) -> Duration {
        Duration::ZERO
    }
}

#[test]
fn a_calibration_raises_passes_to_the_target_and_never_lowers_them() {
    let calibrated = |step: u64, target: u64| {
        let clock = Stepping(Mutex::new(ManualClock::default()), Duration::from_millis(step));
        let profile = Argon2Profile::owasp_7_mib();
        profile.calibrated(Duration::from_millis(target), &Time::custom(clock)).passes()
    };
    assert_eq!(calibrated(25, 100), 20, "5 passes took 25 ms");
    assert_eq!(calibrated(25, 25), 5);
    assert_eq!(calibrated(25, 1), 5, "never weaker");
    assert_eq!(calibrated(25, 3_600_000), 64, "never without end");
    assert_eq!(calibrated(0, 10), 64, "a clock that stands still");
    let real = Argon2Profile::owasp_7_mib().calibrated(Duration::from_millis(1), &Time::default());
    assert_eq!(real, Argon2Profile::owasp_7_mib());
}

#[tokio::test]
async fn observers_get_every_result() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let telemetry = Telemetry::new(move |event: &Event<'_>| {
        if let Event::PasswordChecked(event) = event {
            sink.lock().unwrap().push(event.result.as_str());
        }
    });
    let passwords = fast().waiting(0).telemetry(&telemetry).build();
    let stored = passwords.hash(client("a"), secret("correct horse")).await.unwrap();
    assert!(matches(&passwords, Some(&stored), "correct horse").await);
    assert!(!matches(&passwords, None, "correct horse").await);
    assert!(!matches(&passwords, None, &"a".repeat(2000)).await);
    let busy = passwords.occupy(client("a")).await;
    assert!(passwords.verify(client("a"), None, secret("x")).await.is_err());
    drop(busy);
    let above = with("m=4194304,t=2,p=1");
    assert!(passwords.verify(client("a"), Some(&above), secret("x")).await.is_err());
    let wanted = ["hashed", "matched", "mismatched", "mismatched", "shed", "failed"];
    assert_eq!(*seen.lock().unwrap(), wanted);
}
