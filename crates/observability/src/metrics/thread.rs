//! This thread's cells, and the arena of the process.

use std::{cell::RefCell, sync::LazyLock};

use super::cells::{Allocator, Arena, Cell, Local, Reader, Run};

static ARENA: LazyLock<Arena> = LazyLock::new(Arena::new);

struct Own(RefCell<Local>);

thread_local! {
    static OWN: Own = const { Own(RefCell::new(Local::new())) };
}

impl Drop for Own {
    fn drop(&mut self) {
        ARENA.retire(self.0.get_mut());
    }
}

/// Returns an allocator of cells for one set of metrics.
pub(super) fn allocator() -> Allocator<'static> {
    Allocator::new(&ARENA)
}

/// Locks the cells of all threads for reading. Threads can still write.
pub(super) fn read() -> Reader<'static> {
    ARENA.read()
}

/// Writes to this thread's copy of a run. `write` is called at most once, with the run's cells.
#[inline]
pub(super) fn write(run: Run, write: impl Fn(&[Cell])) {
    let written = OWN.try_with(|own| {
        let Ok(local) = own.0.try_borrow() else { return false };
        local.cells(run).map(&write).is_some()
    });
    if !matches!(written, Ok(true)) {
        write_first(run, write);
    }
}

/// The first write of a thread to a chunk, and those of a thread that is ending.
#[cold]
fn write_first(run: Run, write: impl Fn(&[Cell])) {
    let written = OWN.try_with(|own| {
        let mut local = own.0.try_borrow_mut().ok()?;
        ARENA.give(&mut local, run);
        local.cells(run).map(&write)
    });
    if !matches!(written, Ok(Some(()))) {
        ARENA.write_retired(run, write);
    }
}
