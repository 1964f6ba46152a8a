//! A flood of keys that come once. It has a process to itself, since it looks at the process's memory.

#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

use std::{fs, time::Duration};

use hardpoint_core::{Answer, Clock, Key, ManualClock, SystemClock};
use hardpoint_ratelimit::{Batch, Entry, MemoryStore, Mode, Quota, Store};

const QUOTA: Quota = Quota::per_hour(100);

/// How many new keys come: as many as the goal names in a soak, fewer in every test.
fn flood() -> u64 {
    if std::env::var_os("HARDPOINT_SOAK").is_some() { 10_000_000 } else { 500_000 }
}

fn admitted(store: &MemoryStore<ManualClock>, key: u64) -> bool {
    let key = store.digest(&Key::borrowed(&key.to_le_bytes()));
    let entry = Entry { policy: 0, key, quota: QUOTA, cost: 1, mode: Mode::Enforce };
    match store.decide(&Batch::from(entry)) {
        Answer::Now(answer) => answer.unwrap().allowed(),
        Answer::Later(_) => panic!("memory answers at once"),
    }
}

/// A number that the kernel tells of this process or thread.
fn kernel_says(file: &str, name: &str) -> u64 {
    let status = fs::read_to_string(file).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_matches(|character: char| !character.is_ascii_digit()).parse().unwrap()
}

#[test]
fn a_flood_leaves_blocked_keys_blocked_and_memory_flat_and_makes_nobody_wait() {
    let store = MemoryStore::for_peak(&[10_000], ManualClock::default());
    let blocked = 1_000;
    for key in 0..blocked {
        while admitted(&store, key) {}
    }
    let resident = || kernel_says("/proc/self/status", "VmRSS:");
    let put_aside = || kernel_says("/proc/thread-self/status", "nonvoluntary_ctxt_switches:");
    let (memory, switches) = (resident(), put_aside());
    let (mut slow, mut longest) = (0, Duration::ZERO);
    for key in 1_000_000..1_000_000 + flood() {
        let start = SystemClock.now();
        admitted(&store, key);
        let took = SystemClock.now().saturating_since(start);
        slow += u64::from(took > Duration::from_millis(1));
        longest = longest.max(took);
    }
    let (grown, switches) = (resident().saturating_sub(memory), put_aside() - switches);
    let still = (0..blocked).filter(|&key| !admitted(&store, key)).count();
    println!(
        "{} new keys: {still} of {blocked} blocked keys stayed blocked, {grown} KiB more resident, \
         {slow} decisions above 1 ms (the kernel put the thread aside {switches} times), the longest \
         {longest:?}",
        flood()
    );
    assert_eq!(still, 1_000);
    assert!(store.evictions() > flood() * 4 / 5, "what was forgotten is counted");
    assert!(grown < 1_024, "{grown} KiB");
    // Nothing in a decision waits: what is slow was put aside, by the kernel or by what is below it.
    assert!(slow <= switches + flood() / 100_000, "{slow} decisions above 1 ms");
}
