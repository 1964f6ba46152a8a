//! A check: may this key have one more cell?

use std::{
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU32,
};

use hardpoint::{core::Key, ratelimit::PolicyHandle};
use hardpoint_bench_harness::{
    exchange::now,
    keys,
    load::Pattern,
    measure::{Contender, Plan},
    report::{Contest, Goal},
};

use super::{BURST, ours, peer};

const MILLION: u32 = 1_000_000;

/// One client, everything included: the clock, the digest and the decision.
pub(super) fn hot_all_in() -> Contest<'static> {
    let (ours, peer) = (ours(65_536), peer());
    let address = IpAddr::V4(keys::address(1));
    Contest::new(
        Contender::new(move || take(&ours, address)),
        Contender::new(move || peer.check_key(&address).is_ok()),
    )
    .goal(Goal::Ratio(0.85))
}

pub(super) fn uniform_one_thread() -> Contest<'static> {
    spread(MILLION, Pattern::Uniform, 1).goal(Goal::Ratio(0.35))
}

pub(super) fn uniform_two_threads() -> Contest<'static> {
    spread(MILLION, Pattern::Uniform, 2).goal(Goal::Ratio(0.3))
}

pub(super) fn zipf() -> Contest<'static> {
    spread(MILLION, Pattern::Zipf(1.1), 1)
}

pub(super) fn hot_two_threads() -> Contest<'static> {
    spread(MILLION, Pattern::Hot, 2)
}

/// Nanoseconds a check of one thread, with so many keys in the table.
pub(crate) fn spread(count: u32, pattern: Pattern, threads: usize) -> Contest<'static> {
    let peer = peer();
    beside(count, pattern, threads, move |address| peer.check_key(&address).is_ok())
}

/// Ours beside any peer that is asked by address.
fn beside(
    count: u32,
    pattern: Pattern,
    threads: usize,
    peer: impl Fn(IpAddr) -> bool + Sync + 'static,
) -> Contest<'static> {
    let ours = ours(usize::try_from(count).unwrap_or(usize::MAX));
    for address in keys::addresses(count) {
        let admitted = (take(&ours, address.into()), peer(address.into()));
        assert_eq!(admitted, (true, true), "the first request of a key is admitted");
    }
    let draw = |seed| -> Vec<Ipv4Addr> {
        pattern.draw(count, DRAWS, seed).into_iter().map(keys::address).collect()
    };
    let load: Vec<Vec<Ipv4Addr>> = (1..=threads).map(|thread| draw(thread as u64)).collect();
    let plan = Plan { rounds: 21, sample: std::time::Duration::from_millis(60), ..Plan::default() };
    let other = load.clone();
    Contest::new(sweep(load, move |address| take(&ours, address)), sweep(other, peer)).plan(plan)
}

/// How many addresses a thread checks before it starts again.
const DRAWS: usize = 1 << 21;

/// Each thread checks the addresses of its own list.
fn sweep(
    load: Vec<Vec<Ipv4Addr>>,
    check: impl Fn(IpAddr) -> bool + Sync + 'static,
) -> Contender<'static> {
    Contender::on_threads(load.len(), move |thread, place| {
        let address = load[thread][place % DRAWS];
        assert!(check(IpAddr::V4(address)), "no client exhausts its burst");
    })
}

/// throttled, asked as its documentation says.
fn throttled() -> impl Fn(IpAddr) -> bool + Sync + 'static {
    use throttled::{MemoryStore, Quota, RateLimiter, StoreLimiter};

    let burst = NonZeroU32::new(BURST).expect("not zero");
    let quota = Quota::per_second(NonZeroU32::MIN).with_burst(burst);
    let limiter = StoreLimiter::new(MemoryStore::new());
    move |address| now(limiter.check(address, quota)).is_ok_and(|result| result.is_allowed())
}

pub(super) fn hot_throttled() -> Contest<'static> {
    let (ours, peer) = (ours(65_536), throttled());
    let address = IpAddr::V4(keys::address(1));
    Contest::new(
        Contender::new(move || take(&ours, address)),
        Contender::new(move || peer(address)),
    )
}

pub(super) fn uniform_throttled_one_thread() -> Contest<'static> {
    beside(MILLION, Pattern::Uniform, 1, throttled())
}

pub(super) fn uniform_throttled_two_threads() -> Contest<'static> {
    beside(MILLION, Pattern::Uniform, 2, throttled())
}

/// Inlined, as the caller of an async function is: its future is polled where it is made.
#[inline]
fn take(handle: &PolicyHandle, address: IpAddr) -> bool {
    now(handle.check(&Key::address(address))).is_ok()
}
