//! Cells by hand, by random steps against plain sums, and under loom.

use super::*;

fn write(arena: &Arena, local: &mut Local, run: Run, number: u64, float: f64) {
    if local.cells(run).is_none() {
        arena.give(local, run);
    }
    let cells = local.cells(run).unwrap();
    cells[0].add(number);
    cells[1].add_float(float);
}

fn sums(arena: &Arena, run: Run) -> (u64, f64) {
    let reader = arena.read();
    let mut sum = [0];
    reader.integers(run, 0, &mut sum);
    (sum[0], reader.float(run, 1))
}

#[cfg(not(hardpoint_loom))]
mod plain {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_value_of_a_thread_that_ended_is_kept() {
        let arena = Arena::new();
        let allocator = Allocator::new(&arena);
        let run = allocator.run(1, 1);
        let mut ended = Local::new();
        write(&arena, &mut ended, run, 3, 0.5);
        arena.retire(&ended);
        let mut other = Local::new();
        write(&arena, &mut other, run, 4, 0.25);
        arena.write_retired(run, |cells| cells[0].add(10));
        assert_eq!(sums(&arena, run), (17, 0.75));
    }

    #[test]
    fn a_run_never_crosses_a_chunk() {
        let arena = Arena::new();
        let allocator = Allocator::new(&arena);
        let runs: Vec<Run> = (0..100).map(|_| allocator.run(15, 1)).collect();
        for run in &runs {
            assert!(run.start + run.len <= CHUNK);
        }
        assert_eq!(runs.last().unwrap().chunk, 100 / (CHUNK / 16));
        let mut seen: Vec<_> = runs.iter().map(|run| (run.chunk, run.start)).collect();
        seen.dedup();
        assert_eq!(seen.len(), 100);
    }

    #[test]
    fn chunks_of_dropped_metrics_are_used_again_and_start_at_zero() {
        let arena = Arena::new();
        let mut local = Local::new();
        let mut ended = Local::new();
        for _ in 0..10 {
            let allocator = Allocator::new(&arena);
            let run = allocator.run(1, 1);
            assert_eq!(run.chunk, 0, "one chunk is enough for one after another");
            write(&arena, &mut local, run, 1, 1.0);
            write(&arena, &mut ended, run, 1, 1.0);
            arena.write_retired(run, |cells| cells[0].add(1));
            assert_eq!(sums(&arena, run), (3, 2.0));
        }
        // What was a float is an integer for the next owner.
        let allocator = Allocator::new(&arena);
        let run = allocator.run(2, 0);
        arena.give(&mut local, run);
        local.cells(run).unwrap()[1].add(u64::MAX);
        local.cells(run).unwrap()[1].add(6);
        arena.retire(&local);
        let mut all = [0; 2];
        arena.read().integers(run, 0, &mut all);
        assert_eq!(all, [0, 5]);
    }

    #[test]
    fn a_thread_has_only_the_chunks_that_it_wrote_to() {
        let arena = Arena::new();
        let allocator = Allocator::new(&arena);
        let runs: Vec<Run> = (0..10).map(|_| allocator.run(CHUNK, 0)).collect();
        let mut local = Local::new();
        arena.give(&mut local, runs[7]);
        assert_eq!(local.chunks.iter().flatten().count(), 1);
        assert!(local.cells(runs[6]).is_none());
    }

    proptest! {
        /// Every scrape contains each write once, for any order of writes and thread ends.
        #[test]
        fn sums_are_what_was_added(steps in prop::collection::vec((0..4_usize, 0..4_usize, 0..100_u64, any::<bool>()), 1..200)) {
            let arena = Arena::new();
            let allocator = Allocator::new(&arena);
            let runs: Vec<Run> = (0..4).map(|_| allocator.run(CHUNK / 2, 1)).collect();
            let mut locals: Vec<Local> = (0..4).map(|_| Local::new()).collect();
            let mut expected = [0_u64; 4];
            for (thread, run, number, ends) in steps {
                let local = &mut locals[thread];
                if local.cells(runs[run]).is_none() {
                    arena.give(local, runs[run]);
                }
                local.cells(runs[run]).unwrap()[0].add(number);
                expected[run] += number;
                if ends {
                    arena.retire(local);
                    *local = Local::new();
                }
                for (run, expected) in runs.iter().zip(expected) {
                    let mut sum = [0];
                    arena.read().integers(*run, 0, &mut sum);
                    prop_assert_eq!(sum[0], expected);
                }
            }
        }
    }
}

#[cfg(hardpoint_loom)]
mod explored {
    use loom::{sync::Arc, thread};

    use super::*;

    /// Frees a chunk when the last handle to it is dropped, as an allocator does.
    struct Handle(Arc<Arena>, usize);

    impl Drop for Handle {
        fn drop(&mut self) {
            self.0.free(&[self.1]);
        }
    }

    fn handle(arena: &Arc<Arena>) -> (Arc<Handle>, Run) {
        let run = Run { chunk: arena.take(), start: 0, len: 2 };
        arena.mark_floats(run, 1);
        (Arc::new(Handle(Arc::clone(arena), run.chunk)), run)
    }

    /// A scrape during a thread's whole life, its end included, never sees more than was added and
    /// never less than before; after the end it sees everything.
    #[test]
    fn a_scrape_never_loses_or_doubles_a_thread_that_ends() {
        loom::model(|| {
            let arena = Arc::new(Arena::new());
            let (_handle, run) = handle(&arena);
            let twin = Arc::clone(&arena);
            let writer = thread::spawn(move || {
                let mut local = Local::new();
                write(&twin, &mut local, run, 1, 1.0);
                write(&twin, &mut local, run, 1, 1.0);
                twin.retire(&local);
            });
            let (first, _) = sums(&arena, run);
            let (second, _) = sums(&arena, run);
            assert!(first <= second && second <= 2, "{first} {second}");
            writer.join().unwrap();
            assert_eq!(sums(&arena, run), (2, 2.0));
        });
    }

    /// Cells that are used again are zero for every thread, whose own copy still exists.
    #[test]
    fn a_cell_that_is_used_again_starts_at_zero() {
        loom::model(|| {
            let arena = Arc::new(Arena::new());
            let (last, run) = handle(&arena);
            let (twin, twins_arena) = (Arc::clone(&last), Arc::clone(&arena));
            let writer = thread::spawn(move || {
                let mut local = Local::new();
                write(&twins_arena, &mut local, run, 1, 1.0);
                drop(twin);
                local
            });
            drop(last);
            let mut local = writer.join().unwrap();
            let (_handle, again) = handle(&arena);
            assert_eq!(again, run, "the chunk is used again");
            write(&arena, &mut local, again, 5, 0.5);
            assert_eq!(sums(&arena, again), (5, 0.5));
        });
    }
}
