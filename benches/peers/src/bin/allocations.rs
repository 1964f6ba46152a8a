//! `allocations BENCH`: what one operation of each contest allocates, as tab-separated lines of name,
//! count and bytes of ours, count and bytes of the peer's.
//!
//! A program of its own: the allocator that counts would slow down whoever allocates more.

use std::{env, process::ExitCode};

use allocation_counter::measure;
use hardpoint_bench_harness::{measure::Contender, memory::Allocated};
use hardpoint_bench_peers::{
    Bench,
    ratelimit::space::{self, Side},
};

fn main() -> ExitCode {
    let Some(bench) = env::args().nth(1).as_deref().and_then(Bench::of) else {
        eprintln!("usage: allocations ratelimit|auth|observability");
        return ExitCode::from(2);
    };
    for (name, contest) in bench.contests() {
        let mut contest = contest();
        let ours = one_operation(&mut contest.ours);
        let peer = contest.peer.as_mut().map(one_operation).unwrap_or_default();
        line(name, ours, peer);
    }
    if bench == Bench::Ratelimit {
        line("memory of the table", held(Side::Ours), held(Side::Peer));
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

/// What a limiter holds when a million keys are in it. It is dropped after it was looked at.
fn held(side: Side) -> Allocated {
    let mut kept = None;
    let info = measure(|| {
        let limiter = space::fill(side, 1_000_000);
        for index in 0..space::KEYS {
            assert!(limiter(index), "the first request of a key is let in");
        }
        kept = Some(limiter);
    });
    drop(kept);
    let bytes = u64::try_from(info.bytes_current).unwrap_or_default();
    Allocated { count: info.count_total, bytes }
}
