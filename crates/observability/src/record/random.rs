//! Random bytes for ids: a pool per thread, so that the system is asked once for many requests.

use std::{
    cell::RefCell,
    hash::{BuildHasher, RandomState},
};

/// How many bytes the system is asked for at once: some 21 requests' worth.
const POOL: usize = 512;

struct Pool {
    bytes: [u8; POOL],
    used: usize,
}

thread_local! {
    static THREAD: RefCell<Pool> = const {
        RefCell::new(Pool {
            bytes: [0; POOL],
            used: POOL,
        })
    };
}

/// `N` bytes, at most [`POOL`], that no other call gets.
///
/// They make ids unique and are no secrets: a request id is told to the client anyway.
pub(super) fn bytes<const N: usize>() -> [u8; N] {
    // A thread that is ending has no pool any more.
    THREAD.try_with(|pool| pool.try_borrow_mut().ok()?.take()).ok().flatten().unwrap_or_else(|| {
        let mut bytes = [0; N];
        fill(&mut bytes);
        bytes
    })
}

impl Pool {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        if POOL - self.used < N {
            fill(&mut self.bytes);
            self.used = 0;
        }
        let bytes = self.bytes.get(self.used..)?.first_chunk().copied()?;
        self.used += N;
        Some(bytes)
    }
}

/// A request is not failed for want of randomness: without the system's, the keys that std's hash
/// maps are seeded with still differ from one id to the next.
fn fill(bytes: &mut [u8]) {
    if getrandom::fill(bytes).is_ok() {
        return;
    }
    for (index, chunk) in bytes.chunks_mut(8).enumerate() {
        let word = RandomState::new().hash_one(index).to_le_bytes();
        for (byte, random) in chunk.iter_mut().zip(word) {
            *byte = random;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_calls_get_the_same_bytes() {
        let here: HashSet<[u8; 8]> = (0..1000).map(|_| bytes()).collect();
        let there: HashSet<[u8; 8]> =
            std::thread::spawn(|| (0..1000).map(|_| bytes()).collect()).join().unwrap();
        assert_eq!(here.union(&there).count(), 2000);
    }

    #[test]
    fn the_pool_is_refilled_before_it_runs_out() {
        let all: HashSet<[u8; 16]> = (0..200).map(|_| bytes()).collect();
        assert_eq!(all.len(), 200);
        assert!(!all.contains(&[0; 16]));
    }
}
