//! The queue with readers that stall, fail and come back.

use std::{
    collections::VecDeque,
    sync::mpsc::{Receiver, Sender, channel},
};

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

/// What a reader does at one call.
enum Step {
    Fail,
    FailToFlush,
    Panic,
    Take(usize),
    /// Blocks until the sender is dropped, then takes everything.
    Wait(Receiver<()>),
}

#[derive(Clone, Default)]
struct Reader {
    steps: Arc<Mutex<VecDeque<Step>>>,
    got: Arc<Mutex<Vec<u8>>>,
    /// How many times it fails to flush.
    flush: Arc<Mutex<u32>>,
}

impl Reader {
    fn with(steps: impl IntoIterator<Item = Step>) -> Self {
        let reader = Self::default();
        reader.steps.lock().unwrap().extend(steps);
        reader
    }

    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.got.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

impl io::Write for Reader {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let step = self.steps.lock().unwrap().pop_front();
        let taken = match step {
            Some(Step::Fail) => return Err(io::ErrorKind::BrokenPipe.into()),
            Some(Step::Panic) => panic!("an output panics"),
            Some(Step::FailToFlush) => {
                *self.flush.lock().unwrap() = 1;
                bytes.len()
            }
            Some(Step::Take(some)) => some.min(bytes.len()),
            Some(Step::Wait(until)) => {
                let _dropped = until.recv();
                bytes.len()
            }
            None => bytes.len(),
        };
        self.got.lock().unwrap().extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut failures = self.flush.lock().unwrap();
        match failures.checked_sub(1) {
            Some(left) => {
                *failures = left;
                Err(io::ErrorKind::StorageFull.into())
            }
            None => Ok(()),
        }
    }
}

fn queue(limit: usize, reader: &Reader) -> Arc<Queue> {
    let report = |lost: u64, text: &mut String| text.push_str(&format!("lost {lost}\n"));
    Queue::start(limit, Arc::default(), reader.clone(), Box::new(report)).unwrap()
}

fn dropped(queue: &Queue) -> u64 {
    queue.dropped.load(Ordering::Relaxed)
}

/// Blocks the writer on a first line, until the sender is dropped.
fn stalled(limit: usize) -> (Arc<Queue>, Reader, Sender<()>) {
    let (release, until) = channel();
    let reader = Reader::with([Step::Wait(until)]);
    let queue = queue(limit, &reader);
    queue.push(b"first\n", false);
    while !reader.steps.lock().unwrap().is_empty() {
        thread::yield_now();
    }
    (queue, reader, release)
}

#[test]
fn lines_of_one_thread_keep_their_order() {
    let reader = Reader::default();
    let queue = queue(1 << 20, &reader);
    let expected: Vec<_> = (0..1000).map(|number| format!("line {number}")).collect();
    for line in &expected {
        queue.push(format!("{line}\n").as_bytes(), false);
    }
    assert!(queue.flush(PATIENCE));
    assert_eq!(reader.lines(), expected);
    assert_eq!(dropped(&queue), 0);
}

#[test]
fn a_reader_that_stalls_holds_up_nobody_and_every_lost_line_is_counted_and_reported() {
    const LINE: &[u8] = b"0123456789\n";

    let (queue, reader, release) = stalled(1000);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || (0..1000).for_each(|_| queue.push(LINE, false)))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(queue.bytes.load(Ordering::SeqCst) <= 875);
    let lost = dropped(&queue);
    assert!(lost > 3900, "{lost}");
    assert!(!queue.flush(Duration::from_millis(1)), "the reader does not read");

    drop(release);
    assert!(queue.flush(PATIENCE));
    queue.push(b"after\n", false);
    assert!(queue.flush(PATIENCE));
    let lines = reader.lines();
    let written = lines.iter().filter(|line| *line == "0123456789").count() as u64;
    assert_eq!(written + lost, 4000);
    assert_eq!(dropped(&queue), lost);
    assert!(lines.contains(&format!("lost {lost}")), "{lines:?}");
    assert_eq!(queue.bytes.load(Ordering::SeqCst), 0);
}

#[test]
fn an_eighth_of_the_room_is_left_for_warnings() {
    let (queue, reader, release) = stalled(800);
    for _ in 0..100 {
        queue.push(b"0123456789\n", false);
    }
    let lost = dropped(&queue);
    for _ in 0..9 {
        queue.push(b"a warning\n", true);
    }
    assert_eq!(dropped(&queue), lost);
    drop(release);
    assert!(queue.flush(PATIENCE));
    assert_eq!(reader.lines().iter().filter(|line| *line == "a warning").count(), 9);
}

#[test]
fn lines_that_a_reader_fails_to_take_are_lost_counted_and_do_not_tear_the_next() {
    let reader = Reader::with([Step::Take(2), Step::Fail, Step::Fail]);
    let queue = queue(1 << 20, &reader);
    queue.push(b"one\ntwo\n", false);
    assert!(queue.flush(PATIENCE));
    assert_eq!(dropped(&queue), 2);
    queue.push(b"three\n", false);
    assert!(queue.flush(PATIENCE));
    queue.push(b"four\n", false);
    assert!(queue.flush(PATIENCE));
    let lines = reader.lines();
    assert!(
        lines
            .iter()
            .all(|line| ["on", "four", "lost 2", "lost 3", "three", "lost 1"]
                .contains(&line.as_str())),
        "{lines:?}"
    );
    let reported: u64 =
        lines.iter().filter_map(|line| line.strip_prefix("lost ")?.parse::<u64>().ok()).sum();
    assert_eq!(reported, dropped(&queue), "{lines:?}");
}

#[test]
fn a_writer_that_sleeps_is_woken_by_a_line() {
    let reader = Reader::default();
    let queue = queue(1 << 20, &reader);
    for number in 0..3 {
        while !queue.parked.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        queue.push(b"line\n", false);
        while queue.bytes.load(Ordering::SeqCst) > 0 {
            thread::yield_now();
        }
        assert_eq!(reader.lines().len(), number + 1);
    }
}

#[test]
fn a_line_longer_than_the_queue_is_dropped() {
    let reader = Reader::default();
    let queue = queue(8, &reader);
    queue.push(b"a line of many bytes\n", true);
    assert_eq!(dropped(&queue), 1);
}

#[test]
fn an_output_that_panics_or_fails_to_flush_loses_its_lines_and_goes_on() {
    for step in [Step::Panic, Step::FailToFlush] {
        let flushes = matches!(step, Step::FailToFlush);
        let reader = Reader::with([step]);
        let queue = queue(1 << 20, &reader);
        queue.push(b"one\ntwo\n", false);
        assert!(queue.flush(PATIENCE));
        assert_eq!((dropped(&queue), queue.bytes.load(Ordering::SeqCst)), (2, 0));
        queue.push(b"three\n", false);
        assert!(queue.flush(PATIENCE));
        let lines: Vec<_> = reader.lines().into_iter().filter(|line| !line.is_empty()).collect();
        let unknown = if flushes { &["one", "two"][..] } else { &[] };
        let expected = [unknown, &["three", "lost 2"]].concat();
        let mut sorted = (lines.clone(), expected);
        sorted.0.sort();
        sorted.1.sort_unstable();
        assert_eq!(sorted.0, sorted.1, "{lines:?}");
    }
}

#[test]
fn a_report_that_panics_does_not_end_the_writer() {
    let reader = Reader::with([Step::Fail]);
    let report: Report = Box::new(|_, _| panic!("a clock panics"));
    let queue = Queue::start(1 << 20, Arc::default(), reader.clone(), report).unwrap();
    for line in [&b"one\n"[..], b"two\n"] {
        queue.push(line, false);
        assert!(queue.flush(PATIENCE));
    }
    assert_eq!(reader.lines(), ["two"]);
}

#[test]
fn a_subscriber_that_is_dropped_ends_its_thread_after_the_last_line() {
    let reader = Reader::default();
    let lines = Lines(queue(1 << 20, &reader));
    let queue = Arc::clone(&lines.0);
    queue.push(b"last\n", false);
    drop(lines);
    // The thread owns the second reference.
    while Arc::strong_count(&queue) > 1 {
        thread::yield_now();
    }
    assert_eq!(reader.lines(), ["last"]);
    assert!(queue.flush(Duration::ZERO) || queue.flush(PATIENCE), "there is nothing to wait for");
}

#[test]
fn only_the_first_thread_that_ends_waits_for_an_output_that_stalls() {
    let (queue, _reader, release) = stalled(1000);
    let ends = |queue: &Arc<Queue>| {
        let queue = Arc::clone(queue);
        thread::spawn(move || {
            queue.flush_at_end_of_thread();
            queue.push(b"line\n", false);
        })
        .join()
        .unwrap();
    };
    ends(&queue);
    assert!(queue.stalled.load(Ordering::Relaxed));
    let requested = queue.flushes().requested;
    for _ in 0..100 {
        ends(&queue);
    }
    assert_eq!(queue.flushes().requested, requested, "no other thread waits");
    drop(release);
    assert!(queue.flush(PATIENCE));
    while queue.stalled.load(Ordering::Relaxed) {
        thread::yield_now();
    }
}
