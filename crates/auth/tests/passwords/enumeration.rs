//! The time of an answer says nothing about the account.

use hardpoint_auth::password::{Argon2Profile, PasswordError, PasswordHash, PasswordHasher};
use hardpoint_core::Time;
use hardpoint_testkit::timing::{assert_alike, kolmogorov_smirnov};

use super::{ALONE, client, secret};

const SAMPLES: usize = 1_000;

/// The time of a refused log-in to this account.
async fn time(passwords: &PasswordHasher, account: Option<&PasswordHash>) -> std::time::Duration {
    let time = Time::system();
    let begin = time.now();
    let refused = passwords.verify(client("a"), account, secret("wrong")).await;
    let taken = time.now().saturating_since(begin);
    assert_eq!(refused.unwrap_err(), PasswordError::Mismatch);
    taken
}

/// With a profile and imported hashes that take less than a millisecond, a difference of work is a larger
/// part of the time than with real ones.
#[tokio::test(flavor = "multi_thread")]
async fn known_and_unknown_users_take_the_same_time_with_imported_hashes_present() {
    let _alone = ALONE.lock().await;
    let passwords = PasswordHasher::builder().profile(Argon2Profile::insecure_fast()).build();
    let own = passwords.hash(client("a"), secret("correct horse")).await.unwrap();
    let pbkdf2 = PasswordHash::parse_imported(
        "pbkdf2_sha256$50$salt$BchdlRLGUfQOFfFFUt2GmTIq7BumnPa5YYNW+2NRypQ=",
    )
    .unwrap();
    let old = PasswordHash::parse(&own.as_str().replace("m=64,t=1", "m=128,t=2")).unwrap();
    let stored = [&own, &pbkdf2, &old];
    let equal = stored.into_iter().fold(
        PasswordHasher::builder().profile(Argon2Profile::insecure_fast()),
        |builder, stored| builder.add_stored(stored),
    );
    let equal = equal.build();
    let accounts = [None, Some(&own), Some(&pbkdf2), Some(&old)];
    let names = ["unknown", "own", "PBKDF2", "old profile"];
    assert_alike(names, SAMPLES, async |kind| time(&equal, accounts[kind]).await).await;

    // The test would see it: without the others' work an unknown account is faster.
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..100 {
        with.push(time(&equal, None).await);
        without.push(time(&passwords, None).await);
    }
    assert!(kolmogorov_smirnov(&with, &without) < 1e-6);
}
