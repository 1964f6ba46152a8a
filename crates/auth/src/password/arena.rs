//! The memory of Argon2: a few arenas, used again and again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use argon2::Block;
use zeroize::Zeroize;

/// Arenas that are not in use. At most as many exist as turns, since each turn takes at most one.
#[derive(Default)]
pub(super) struct Arenas {
    idle: Mutex<Vec<Vec<Block>>>,
}

/// An arena in use. Dropping it wipes it and gives it back.
pub(super) struct Arena<'a> {
    arenas: &'a Arenas,
    blocks: Vec<Block>,
    /// How many blocks, from the first one, may hold something.
    used: usize,
}

impl Arenas {
    /// Takes an arena, or begins a new one of no size.
    pub(super) fn take(&self) -> Arena<'_> {
        let blocks = self.idle().pop().unwrap_or_default();
        Arena { arenas: self, blocks, used: 0 }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Vec<Block>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sizes of the arenas that are not used, in blocks.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> Vec<usize> {
        self.idle().iter().map(Vec::len).collect()
    }

    /// Whether every block of every arena that is not used is zero.
    #[cfg(test)]
    pub(super) fn are_wiped(&self) -> bool {
        let is_zero = |block: &Block| block.as_ref().iter().all(|&word| word == 0);
        self.idle().iter().all(|blocks| blocks.iter().all(is_zero))
    }
}

impl Arena<'_> {
    /// This many blocks. The arena keeps the size of the largest hash that it was used for, since the
    /// next one of that size would otherwise fault in every page again.
    pub(super) fn blocks(&mut self, count: usize) -> &mut [Block] {
        if self.blocks.len() < count {
            // The old memory is wiped and returned first, so that both never exist at once.
            self.wipe();
            self.blocks = Vec::new();
            self.blocks = vec![Block::new(); count];
        }
        self.used = self.used.max(count);
        self.blocks.get_mut(..count).unwrap_or_default()
    }

    /// The first blocks depend on little more than the password and the salt. A later reader could
    /// test guesses without the memory and the time that Argon2 demands.
    fn wipe(&mut self) {
        for block in self.blocks.iter_mut().take(self.used) {
            block.zeroize();
        }
        self.used = 0;
    }
}

impl Drop for Arena<'_> {
    fn drop(&mut self) {
        self.wipe();
        self.arenas.idle().push(std::mem::take(&mut self.blocks));
    }
}
