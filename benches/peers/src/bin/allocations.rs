//! `allocations BENCH`: what one operation of each contest allocates, as tab-separated lines of name,
//! count and bytes of ours, count and bytes of the peer's.
//!
//! A program of its own: the allocator that counts would slow down whoever allocates more.

use std::{env, process::ExitCode};

use allocation_counter::measure;
use hardpoint_bench_harness::{measure::Contender, memory::Allocated};
use hardpoint_bench_peers::{
    Bench, growth,
    ratelimit::space::{self, Side},
};

fn main() -> ExitCode {
    let name = env::args().nth(1).unwrap_or_default();
    if name == growth::NAME {
        for keys in growth::KEYS {
            let [ours, peer] = [Side::Ours, Side::Peer].map(|side| held(space::fill, side, keys));
            line(&keys.to_string(), ours, peer);
        }
        return ExitCode::SUCCESS;
    }
    let Some(bench) = Bench::of(&name) else {
        eprintln!("usage: allocations ratelimit|auth|metrics|observability|resilience|growth");
        return ExitCode::from(2);
    };
    for (name, contest) in bench.contests() {
        // The allocator counts for one thread, and of tokens that are drawn the hundredth is not
        // like the others.
        if name.contains("threads") || name.contains("1 of 10 000") {
            continue;
        }
        let mut contest = contest();
        let ours = one_operation(&mut contest.ours);
        let peer = contest.peer.as_mut().map(one_operation).unwrap_or_default();
        line(name, ours, peer);
    }
    if bench == Bench::Ratelimit {
        let both = |fill: Fill| [Side::Ours, Side::Peer].map(|side| held(fill, side, space::KEYS));
        let [ours, peer] = both(space::fill);
        line("memory by address", ours, peer);
        let [ours, peer] = both(space::fill_by_name);
        line("memory by name", ours, peer);
    }
    ExitCode::SUCCESS
}

fn line(name: &str, ours: Allocated, peer: Allocated) {
    println!("{name}\t{}\t{}\t{}\t{}", ours.count, ours.bytes, peer.count, peer.bytes);
}

/// What the hundredth operation allocates: by then what happens once has happened.
fn one_operation(contender: &mut Contender<'_>) -> Allocated {
    let mut allocated = Allocated::default();
    for _ in 0..100 {
        contender.run(1, &mut |measured| {
            let info = measure(measured);
            allocated = Allocated { count: info.count_total, bytes: info.bytes_total };
        });
    }
    allocated
}

type Fill = fn(Side, usize) -> Box<dyn Fn(u32) -> bool>;

/// What a limiter holds when it has so many keys. It is dropped after it was looked at.
fn held(fill: Fill, side: Side, keys: u32) -> Allocated {
    let mut kept = None;
    let info = measure(|| {
        let limiter = fill(side, usize::try_from(keys).unwrap_or(usize::MAX));
        for index in 0..keys {
            assert!(limiter(index), "the first request of a key is let in");
        }
        kept = Some(limiter);
    });
    drop(kept);
    let bytes = u64::try_from(info.bytes_current).unwrap_or_default();
    Allocated { count: info.count_total, bytes }
}
