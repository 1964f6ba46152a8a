//! Random bytes for ids, from a pool per thread, so that one system call serves many requests.

use std::{
    cell::RefCell,
    hash::{BuildHasher, RandomState},
};

/// Bytes requested from the system at once: enough for about 21 requests.
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

/// Returns `N` bytes, at most [`POOL`], that no other call returns.
///
/// They make ids unique and are not secret: the client receives the request id anyway.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    // The pool of a thread that is ending may be gone.
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

/// Fills `bytes` at random. A missing system source does not fail the request: the seeds of std's
/// hash maps still differ from one id to the next.
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
