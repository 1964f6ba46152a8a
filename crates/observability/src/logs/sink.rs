//! The output of log lines.

use std::{
    io::{self, ErrorKind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

/// Writes whole lines, one call each, and counts those that could not be written.
///
/// A failure to write the log must not fail a request or end the process.
#[derive(Debug)]
pub(super) struct Sink<W> {
    writer: W,
    dropped: Arc<AtomicU64>,
    /// Whether the last line was written only in part. The next one then starts on a new line.
    torn: AtomicBool,
}

impl<W> Sink<W> {
    pub(super) const fn new(writer: W, dropped: Arc<AtomicU64>) -> Self {
        Self { writer, dropped, torn: AtomicBool::new(false) }
    }

    pub(super) fn write<'a>(&'a self, metadata: &Metadata<'_>, line: &[u8])
    where
        W: MakeWriter<'a>,
    {
        let mut writer = self.writer.make_writer_for(metadata);
        let mended = !self.torn.load(Ordering::Relaxed) || deliver(&mut writer, b"\n") == Ok(());
        let written = if mended {
            deliver(&mut writer, line)
        } else {
            return self.lost();
        };
        let torn = match written {
            Ok(()) => false,
            Err(part) => {
                self.lost();
                (1..line.len()).contains(&part)
            }
        };
        // Usually unchanged: avoids a write to memory that all threads share.
        if torn != self.torn.load(Ordering::Relaxed) {
            self.torn.store(torn, Ordering::Relaxed);
        }
    }

    fn lost(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// Writes all of `line`, or returns how many bytes were written.
fn deliver(writer: &mut impl io::Write, line: &[u8]) -> Result<(), usize> {
    let mut rest = line;
    while !rest.is_empty() {
        match writer.write(rest) {
            Ok(0) => return Err(line.len() - rest.len()),
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Err(line.len() - rest.len()),
        }
    }
    writer.flush().map_err(|_| line.len())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Accepts a scripted number of bytes at each call, then fails.
    struct Script {
        takes: Vec<Option<usize>>,
        got: Vec<u8>,
        calls: usize,
    }

    impl io::Write for &Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut script = self.0.lock().unwrap();
            let take = script.takes.get(script.calls).copied();
            script.calls += 1;
            match take.unwrap_or(Some(usize::MAX)) {
                Some(some) => {
                    let some = some.min(bytes.len());
                    script.got.extend_from_slice(&bytes[..some]);
                    Ok(some)
                }
                None => Err(ErrorKind::BrokenPipe.into()),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Shared(Mutex<Script>);

    fn run(takes: Vec<Option<usize>>, lines: &[&str]) -> (String, usize, u64) {
        let shared = Arc::new(Shared(Mutex::new(Script { takes, got: Vec::new(), calls: 0 })));
        let dropped = Arc::new(AtomicU64::new(0));
        let sink = Sink::new(Arc::clone(&shared), Arc::clone(&dropped));
        let span = tracing::subscriber::with_default(tracing_subscriber::registry(), || {
            tracing::info_span!("any")
        });
        for line in lines {
            sink.write(span.metadata().unwrap(), line.as_bytes());
        }
        let script = shared.0.lock().unwrap();
        let text = String::from_utf8(script.got.clone()).unwrap();
        (text, script.calls, dropped.load(Ordering::Relaxed))
    }

    #[test]
    fn a_line_is_one_call() {
        assert_eq!(run(vec![], &["one\n", "two\n"]), ("one\ntwo\n".into(), 2, 0));
    }

    #[test]
    fn a_short_write_is_carried_on() {
        assert_eq!(run(vec![Some(2)], &["one\n"]), ("one\n".into(), 2, 0));
    }

    #[test]
    fn a_failing_writer_is_counted_and_tried_again() {
        let (text, _, dropped) = run(vec![None, Some(0)], &["one\n", "two\n", "three\n"]);
        assert_eq!((text.as_str(), dropped), ("three\n", 2));
    }

    #[test]
    fn what_follows_a_torn_line_begins_on_its_own() {
        let (text, _, dropped) = run(vec![Some(2), None], &["one\n", "two\n", "three\n"]);
        assert_eq!((text.as_str(), dropped), ("on\ntwo\nthree\n", 1));
        let (text, _, dropped) = run(vec![Some(2), None, None], &["one\n", "two\n", "three\n"]);
        assert_eq!((text.as_str(), dropped), ("on\nthree\n", 2));
    }
}
