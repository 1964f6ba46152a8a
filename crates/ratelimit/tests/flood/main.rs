//! A flood of keys that come once. It has a process to itself, since it looks at the process's memory.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

use std::{
    fs,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use hardpoint_core::{ClientResolver, Key, ManualClock, Time};
use hardpoint_ratelimit::{Policy, PolicyHandle, Quota, RateLimiter, key};

/// How many new keys come: as many as the goal names in a soak, fewer in every test.
fn flood() -> u64 {
    if std::env::var_os("HARDPOINT_SOAK").is_some() { 10_000_000 } else { 500_000 }
}

fn admitted(handle: &PolicyHandle, key: u64) -> bool {
    let key = Key::inline(&key.to_le_bytes()).unwrap();
    match pin!(handle.check(&key)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer.is_ok(),
        Poll::Pending => panic!("memory decides at the first poll"),
    }
}

/// A number that the kernel reports of this process or thread.
fn kernel_says(file: &str, name: &str) -> u64 {
    let status = fs::read_to_string(file).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_matches(|character: char| !character.is_ascii_digit()).parse().unwrap()
}

#[test]
fn a_flood_leaves_blocked_keys_blocked_and_memory_flat_and_makes_nobody_wait() {
    let key = key::client_network(ClientResolver::direct());
    let policy = Policy::new("client", Quota::per_hour(100), key).peak_keys(10_000);
    let limiter = RateLimiter::builder().policy(policy).time(ManualClock::default());
    let limiter = limiter.build().unwrap();
    let handle = limiter.policy("client").unwrap();
    let system = Time::system();
    let blocked = 1_000;
    for key in 0..blocked {
        while admitted(&handle, key) {}
    }
    let resident = || kernel_says("/proc/self/status", "VmRSS:");
    let put_aside = || kernel_says("/proc/thread-self/status", "nonvoluntary_ctxt_switches:");
    let (memory, switches) = (resident(), put_aside());
    let (mut slow, mut longest) = (0, Duration::ZERO);
    for key in 1_000_000..1_000_000 + flood() {
        let start = system.now();
        admitted(&handle, key);
        let took = system.now().saturating_since(start);
        slow += u64::from(took > Duration::from_millis(1));
        longest = longest.max(took);
    }
    let (grown, switches) = (resident().saturating_sub(memory), put_aside() - switches);
    let still = (0..blocked).filter(|&key| !admitted(&handle, key)).count();
    println!(
        "{} new keys: {still} of {blocked} blocked keys stayed blocked, {grown} KiB more resident, \
         {slow} decisions above 1 ms (the kernel put the thread aside {switches} times), the longest \
         {longest:?}",
        flood()
    );
    assert_eq!(still, 1_000);
    assert!(limiter.evictions() > flood() * 4 / 5, "what was forgotten is counted");
    assert!(grown < 1_024, "{grown} KiB");
    // Nothing in a decision waits: what is slow was put aside, by the kernel or by what is below it.
    assert!(slow <= switches + flood() / 100_000, "{slow} decisions above 1 ms");
}
