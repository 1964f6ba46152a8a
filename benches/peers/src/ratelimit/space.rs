//! Memory: what a key takes, and what a flood does to the process.

use std::{fmt, str::FromStr};

use hardpoint::core::Key;
use hardpoint_bench_harness::{exchange::now, keys, memory::Resident};

use super::{ours, peer, peer_quota};

/// Whose memory is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Ours, with room for as many keys as by default.
    Ours,
    /// governor's.
    Peer,
}

impl FromStr for Side {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "ours" => Ok(Self::Ours),
            "peer" => Ok(Self::Peer),
            _ => Err("a side is `ours` or `peer`"),
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "ours",
            Self::Peer => "peer",
        })
    }
}

/// How many keys the flood has.
pub const FLOOD: u32 = 5_000_000;
/// How many keys are in the table when it is asked what one takes.
pub const KEYS: u32 = 1_000_000;

/// The memory that this process grows by while every request comes from another address. To be
/// measured in a process that did nothing else.
///
/// # Errors
/// If the kernel does not tell.
pub fn flood(side: Side) -> std::io::Result<u64> {
    let before = Resident::read()?;
    let kept: Box<dyn Fn(u32) -> bool> = fill(side, 65_536);
    for index in 0..FLOOD {
        assert!(kept(index), "the first request of a key is admitted");
    }
    Ok(Resident::read()?.peak.saturating_sub(before.now))
}

/// A limiter of this side, to be asked by index of address. It holds its memory until it is dropped.
#[must_use]
pub fn fill(side: Side, peak_keys: usize) -> Box<dyn Fn(u32) -> bool> {
    match side {
        Side::Ours => {
            let handle = ours(peak_keys);
            Box::new(move |index| {
                now(handle.check(&Key::address(keys::address(index).into()))).is_ok()
            })
        }
        Side::Peer => {
            let limiter = peer();
            Box::new(move |index| limiter.check_key(&keys::address(index).into()).is_ok())
        }
    }
}

/// The same with a text of 36 letters for a key, as ids of customers are.
#[must_use]
pub fn fill_by_name(side: Side, peak_keys: usize) -> Box<dyn Fn(u32) -> bool> {
    match side {
        Side::Ours => {
            let handle = ours(peak_keys);
            Box::new(move |index| {
                let name = name(index);
                now(handle.check(&Key::borrowed(name.as_bytes()))).is_ok()
            })
        }
        Side::Peer => {
            let limiter = governor::RateLimiter::keyed(peer_quota());
            Box::new(move |index| limiter.check_key(&name(index)).is_ok())
        }
    }
}

fn name(index: u32) -> String {
    format!("{index:08x}-0000-4000-8000-{:012x}", u64::from(index) * 40_503)
}
