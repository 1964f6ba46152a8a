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
    Take(usize),
    /// Blocks until the sender is dropped, then takes everything.
    Wait(Receiver<()>),
}

#[derive(Clone, Default)]
struct Reader {
    steps: Arc<Mutex<VecDeque<Step>>>,
    got: Arc<Mutex<Vec<u8>>>,
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
        Ok(())
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
