//! The time of an answer says nothing about the account.

use std::time::Duration;

use hardpoint_auth::password::{Argon2Profile, PasswordHash, PasswordHasher};
use hardpoint_core::Time;

use super::{ALONE, client, secret, soaks};

/// Two-sample Kolmogorov-Smirnov test: the probability of a distance as large as this one between two
/// samples of one distribution (the asymptotic formula, with Stephens' correction).
fn kolmogorov_smirnov(one: &[Duration], other: &[Duration]) -> f64 {
    let (mut one, mut other) = (one.to_vec(), other.to_vec());
    one.sort_unstable();
    other.sort_unstable();
    let share = |sample: &[Duration], value: &Duration| {
        sample.partition_point(|sampled| sampled <= value) as f64 / sample.len() as f64
    };
    let distance = one
        .iter()
        .chain(&other)
        .map(|value| (share(&one, value) - share(&other, value)).abs())
        .fold(0.0, f64::max);
    let size = (one.len() * other.len()) as f64 / (one.len() + other.len()) as f64;
    let lambda = (size.sqrt() + 0.12 + 0.11 / size.sqrt()) * distance;
    let term = |k: i32| (-2.0 * f64::from(k * k) * lambda * lambda).exp();
    let sum: f64 = (1..100).map(|k| if k % 2 == 1 { term(k) } else { -term(k) }).sum();
    if lambda < 0.2 { 1.0 } else { (2.0 * sum).clamp(0.0, 1.0) }
}

#[test]
fn the_statistic_is_that_of_the_textbook() {
    let ramp =
        |from: u64| -> Vec<Duration> { (from..from + 100).map(Duration::from_millis).collect() };
    let p = |shift| kolmogorov_smirnov(&ramp(0), &ramp(shift));
    assert!(p(0) > 0.999 && p(5) > 0.99);
    // D = 0.2 and n = 100 are p = 0.031 (asymptotically), D = 0.3 are 0.0002.
    assert!((0.025..0.04).contains(&p(20)), "{}", p(20));
    assert!((0.0001..0.0004).contains(&p(30)), "{}", p(30));
}

/// The times of refused log-ins for each of these accounts, taken in turn.
async fn times(
    passwords: &PasswordHasher,
    accounts: &[Option<&PasswordHash>],
    samples: usize,
) -> Vec<Vec<Duration>> {
    let time = Time::system();
    let mut times = vec![Vec::with_capacity(samples); accounts.len()];
    for sample in 0..samples {
        for turn in 0..accounts.len() {
            // Each comes first, second and last equally often, so that no order favours one.
            let account = (turn + sample) % accounts.len();
            let begin = time.now();
            let refused = passwords.verify(client("a"), accounts[account], secret("wrong")).await;
            times[account].push(time.now().saturating_since(begin));
            assert!(refused.unwrap_err().is_mismatch());
        }
    }
    times
}

/// With a profile and imported hashes that take a millisecond in all, a difference of work is a larger
/// part of the time than with real ones.
#[tokio::test(flavor = "multi_thread")]
async fn known_and_unknown_users_take_the_same_time_with_imported_hashes_present() {
    let _alone = ALONE.lock().await;
    let samples = if soaks() { 1000 } else { 300 };
    let passwords = PasswordHasher::builder().profile(Argon2Profile::insecure_fast()).build();
    let own = passwords.hash(client("a"), secret("correct horse")).await.unwrap();
    let import = |text| PasswordHash::parse_imported(text).unwrap();
    let cheap = import("pbkdf2_sha256$200$salt$BchdlRLGUfQOFfFFUt2GmTIq7BumnPa5YYNW+2NRypQ=");
    let dear = import("pbkdf2_sha256$2000$salt$BchdlRLGUfQOFfFFUt2GmTIq7BumnPa5YYNW+2NRypQ=");
    let bcrypt = import("$2b$04$rFNBLVleTSriemOrN8Co..u8qmlvYZBQK3b3sesadhu86yjg5//Tu");
    let old = PasswordHash::parse(&own.as_str().replace("m=64,t=1", "m=128,t=2")).unwrap();
    let stored = [&own, &cheap, &dear, &bcrypt, &old];
    let equal = stored.into_iter().fold(
        PasswordHasher::builder().profile(Argon2Profile::insecure_fast()),
        |builder, stored| builder.add_stored(stored),
    );
    let equal = equal.build();
    let accounts = [None, Some(&own), Some(&cheap), Some(&dear), Some(&bcrypt), Some(&old)];
    let names = ["unknown", "own", "PBKDF2, cheap", "PBKDF2, dear", "bcrypt", "old profile"];
    // One comparison of equals in a hundred is below 0.01, and each attempt makes five, so
    // one that fails is repeated. A difference of work fails each time.
    let mut lowest = 0.0;
    for attempt in 1..=5 {
        let times = times(&equal, &accounts, samples).await;
        let unknown = &times[0];
        let p: Vec<f64> =
            times.iter().skip(1).map(|known| kolmogorov_smirnov(unknown, known)).collect();
        for ((name, times), p) in names.iter().zip(&times).skip(1).zip(&p) {
            println!(
                "attempt {attempt}: unknown and {name}: {samples} samples each, medians {:.0?} and \
                 {:.0?}, p = {p:.3}",
                median(unknown),
                median(times)
            );
        }
        lowest = p.into_iter().fold(1.0, f64::min);
        if lowest > 0.01 {
            break;
        }
    }
    assert!(lowest > 0.01, "p = {lowest}");

    // The test would see it: without the others' work an unknown account is faster.
    let unequal = times(&passwords, &[None], samples).await;
    let equal = times(&equal, &[None], samples).await;
    assert!(kolmogorov_smirnov(&unequal[0], &equal[0]) < 1e-6);
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[times.len() / 2]
}
