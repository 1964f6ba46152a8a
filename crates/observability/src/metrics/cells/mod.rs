//! Cells that one thread writes and a scrape sums.
//!
//! An atomic that all threads add to costs more the more threads there are, because its cache line
//! moves between cores on every addition. Here each thread has its own copy of every cell that it
//! uses. It is the only writer of its copy, so an addition is a plain load and a plain store, and a
//! scrape adds the copies up.
//!
//! # The protocol
//! - A cell has a number: its chunk and its place in the chunk. A thread allocates its copy of a
//!   chunk of [`CHUNK`] cells when it first writes one of them.
//! - [`Arena`] has one lock. A thread takes it to add a chunk and when it ends, a scrape takes it
//!   while it sums. No addition takes it otherwise.
//! - A thread that ends adds its copies to the arena's *retired* copy and removes them, both under
//!   the lock: a scrape sees each value once, in one place or in the other.
//! - Cells are written and read with relaxed ordering. A scrape may miss the latest additions of
//!   another thread, and may see an addition to one cell but not an earlier one to another cell.
//! - Chunks whose handles are gone are zeroed in every copy and used again. Dropping the last handle
//!   happens after every write to them, so no thread adds to a chunk while it is zeroed.
//!
//! This file has only atomics and locks: loom explores it.

#[cfg(test)]
mod tests;

use sync::{Arc, AtomicU64, Mutex, MutexGuard, Ordering};

/// Cells of a chunk: 4 KiB, one page.
#[cfg(not(hardpoint_loom))]
pub(super) const CHUNK: usize = 512;
/// Every cell is an object that loom tracks.
#[cfg(hardpoint_loom)]
pub(super) const CHUNK: usize = 2;

/// The bits of a chunk's cells.
type Bits = [u64; CHUNK.div_ceil(64)];

/// A number that one thread at a time writes: an integer, or the bits of a float.
#[derive(Debug)]
pub(super) struct Cell(AtomicU64);

/// Cells next to each other, in one chunk: integers, then floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    chunk: usize,
    start: usize,
    len: usize,
}

/// The copies of all threads.
#[derive(Debug)]
pub(super) struct Arena(Mutex<State>);

/// The copies of one thread, as the thread itself reaches them.
#[derive(Debug)]
pub(super) struct Local {
    /// The thread's number, once it has a chunk.
    thread: Option<u64>,
    chunks: Chunks,
}

/// The arena, locked while a scrape reads it.
#[derive(Debug)]
pub(super) struct Reader<'a>(MutexGuard<'a, State>);

/// Chunks by number. A thread has those that it has written to.
type Chunks = Vec<Option<Arc<Chunk>>>;

#[derive(Debug)]
struct Chunk([Cell; CHUNK]);

#[derive(Debug, Default)]
struct State {
    threads: Vec<(u64, Chunks)>,
    next_thread: u64,
    /// The sums of the threads that have ended.
    retired: Chunks,
    /// Which cells of each chunk are floats.
    floats: Vec<Bits>,
    /// The chunks that no handle uses.
    free: Vec<usize>,
}

impl Cell {
    fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Adds to an integer. It wraps, so that a negative number can be added as its complement.
    #[inline]
    pub(super) fn add(&self, number: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(number), Ordering::Relaxed);
    }

    /// Adds to a float.
    #[inline]
    pub(super) fn add_float(&self, number: f64) {
        let sum = f64::from_bits(self.0.load(Ordering::Relaxed)) + number;
        self.0.store(sum.to_bits(), Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Run {
    /// The part of a chunk's cells that the run is. Empty only if the run is of another arena.
    #[inline]
    fn of(self, chunk: &Chunk) -> &[Cell] {
        chunk.0.get(self.start..self.start + self.len).unwrap_or_default()
    }
}

impl Local {
    pub(super) const fn new() -> Self {
        Self { thread: None, chunks: Vec::new() }
    }

    /// The thread's copy of a run's cells, if it has one.
    #[inline]
    pub(super) fn cells(&self, run: Run) -> Option<&[Cell]> {
        Some(run.of(self.chunks.get(run.chunk)?.as_ref()?))
    }
}

impl Arena {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State::default()))
    }

    /// Gives the thread of `local` a copy of the chunk that has this run.
    #[cold]
    pub(super) fn give(&self, local: &mut Local, run: Run) {
        let mut state = self.lock();
        let thread = *local.thread.get_or_insert_with(|| state.register());
        let Some((_, chunks)) = state.threads.iter_mut().find(|(id, _)| *id == thread) else {
            return;
        };
        let copy = chunk(chunks, run.chunk);
        if local.chunks.len() <= run.chunk {
            local.chunks.resize(run.chunk + 1, None);
        }
        if let Some(slot) = local.chunks.get_mut(run.chunk) {
            *slot = Some(copy);
        }
    }

    /// Adds the cells of a thread that ends to those of the threads that have ended.
    pub(super) fn retire(&self, local: &Local) {
        let Some(thread) = local.thread else { return };
        let mut state = self.lock();
        let state = &mut *state;
        state.threads.retain(|(id, _)| *id != thread);
        for (number, ended) in local.chunks.iter().enumerate() {
            let (Some(ended), Some(floats)) = (ended, state.floats.get(number)) else { continue };
            let retired = chunk(&mut state.retired, number);
            for (place, (cell, sum)) in ended.0.iter().zip(&retired.0).enumerate() {
                if is_set(floats, place) {
                    sum.add_float(f64::from_bits(cell.read()));
                } else {
                    sum.add(cell.read());
                }
            }
        }
    }

    /// Writes for a thread whose own copies are gone, since it is ending.
    #[cold]
    pub(super) fn write_retired(&self, run: Run, write: impl FnOnce(&[Cell])) {
        // All writers of the retired cells hold the lock: they too are one at a time.
        let mut state = self.lock();
        write(run.of(&chunk(&mut state.retired, run.chunk)));
    }

    /// Locks the arena for reading.
    pub(super) fn read(&self) -> Reader<'_> {
        Reader(self.lock())
    }

    /// Takes a chunk, whose cells are zero, and returns its number.
    fn take(&self) -> usize {
        let mut state = self.lock();
        state.free.pop().unwrap_or_else(|| {
            state.floats.push(Bits::default());
            state.floats.len() - 1
        })
    }

    fn mark_floats(&self, run: Run, integers: usize) {
        let mut state = self.lock();
        if let Some(bits) = state.floats.get_mut(run.chunk) {
            (run.start + integers..run.start + run.len).for_each(|place| set(bits, place));
        }
    }

    /// Zeroes chunks and makes them free. The caller owns the last handle to them.
    fn free(&self, numbers: &[usize]) {
        let mut state = self.lock();
        let state = &mut *state;
        for number in numbers {
            let copies = state.threads.iter().map(|(_, chunks)| chunks);
            for chunks in copies.chain([&state.retired]) {
                for cell in chunks.get(*number).into_iter().flatten().flat_map(|chunk| &chunk.0) {
                    cell.0.store(0, Ordering::Relaxed);
                }
            }
            if let Some(bits) = state.floats.get_mut(*number) {
                *bits = Bits::default();
            }
            state.free.push(*number);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(sync::PoisonError::into_inner)
    }
}

impl Reader<'_> {
    /// Adds up the integers of a run, starting at the `first`, into `sums`, which are zero.
    pub(super) fn integers(&self, run: Run, first: usize, sums: &mut [u64]) {
        for cells in self.copies(run) {
            for (sum, cell) in sums.iter_mut().zip(cells.get(first..).unwrap_or_default()) {
                *sum = sum.wrapping_add(cell.read());
            }
        }
    }

    /// Adds up the float at `place` of a run.
    pub(super) fn float(&self, run: Run, place: usize) -> f64 {
        self.copies(run)
            .filter_map(|cells| cells.get(place))
            .map(|cell| f64::from_bits(cell.read()))
            .sum()
    }

    fn copies(&self, run: Run) -> impl Iterator<Item = &[Cell]> {
        let threads = self.0.threads.iter().map(|(_, chunks)| chunks);
        threads
            .chain([&self.0.retired])
            .filter_map(move |chunks| chunks.get(run.chunk)?.as_ref())
            .map(move |chunk| run.of(chunk))
    }
}

impl State {
    fn register(&mut self) -> u64 {
        let thread = self.next_thread;
        self.next_thread += 1;
        self.threads.push((thread, Vec::new()));
        thread
    }
}

/// The chunk with this number, which is made if it is absent.
fn chunk(chunks: &mut Chunks, number: usize) -> Arc<Chunk> {
    if chunks.len() <= number {
        chunks.resize(number + 1, None);
    }
    let new = || Arc::new(Chunk(std::array::from_fn(|_| Cell::new())));
    chunks.get_mut(number).map_or_else(new, |slot| Arc::clone(slot.get_or_insert_with(new)))
}

fn is_set(bits: &Bits, place: usize) -> bool {
    bits.get(place / 64).is_some_and(|word| word & (1 << (place % 64)) != 0)
}

fn set(bits: &mut Bits, place: usize) {
    if let Some(word) = bits.get_mut(place / 64) {
        *word |= 1 << (place % 64);
    }
}

/// Hands out the cells of one set of metrics, and frees them when it is dropped.
#[derive(Debug)]
pub(super) struct Allocator<'a> {
    arena: &'a Arena,
    state: Mutex<Allocated>,
}

#[derive(Debug, Default)]
struct Allocated {
    chunks: Vec<usize>,
    /// Cells of the last chunk that are in use.
    used: usize,
}

impl<'a> Allocator<'a> {
    pub(super) fn new(arena: &'a Arena) -> Self {
        Self { arena, state: Mutex::new(Allocated { chunks: Vec::new(), used: CHUNK }) }
    }

    /// Allocates a run of at most [`CHUNK`] cells.
    pub(super) fn run(&self, integers: usize, floats: usize) -> Run {
        let len = (integers + floats).min(CHUNK);
        let mut state = self.state.lock().unwrap_or_else(sync::PoisonError::into_inner);
        if state.used + len > CHUNK {
            state.chunks.push(self.arena.take());
            state.used = 0;
        }
        let run = Run { chunk: state.chunks.last().copied().unwrap_or(0), start: state.used, len };
        state.used += len;
        if floats > 0 {
            self.arena.mark_floats(run, integers);
        }
        run
    }
}

impl Drop for Allocator<'_> {
    fn drop(&mut self) {
        let state = self.state.lock().unwrap_or_else(sync::PoisonError::into_inner);
        self.arena.free(&state.chunks);
    }
}

#[cfg(not(hardpoint_loom))]
mod sync {
    pub(super) use std::sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    };
}

#[cfg(hardpoint_loom)]
mod sync {
    pub(super) use std::sync::PoisonError;

    pub(super) use loom::sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    };
}
