//! A place for log lines to go.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A writer that keeps what it is given. Clones share it.
///
/// A subscriber that wants a maker of writers takes [`writer`](Self::writer):
///
/// ```
/// use hardpoint_testkit::leak::CapturedLogs;
/// use std::io::Write;
///
/// let logs = CapturedLogs::default();
/// let make_writer = logs.writer(); // tracing_subscriber::fmt().with_writer(make_writer)
/// writeln!(make_writer(), "one line")?;
/// assert_eq!(logs.lines(), ["one line"]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct CapturedLogs {
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl CapturedLogs {
    /// Makes writers that all write here.
    pub fn writer(&self) -> impl Fn() -> Self + Clone + Send + Sync + use<> {
        let logs = self.clone();
        move || logs.clone()
    }

    /// All that was written.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.lock().clone()
    }

    /// All that was written, as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock()).into_owned()
    }

    /// The lines that were written.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }

    /// Forgets what was written.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl io::Write for CapturedLogs {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.lock().extend_from_slice(buffer);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
