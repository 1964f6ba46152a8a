//! Captures log lines.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A writer that keeps everything written to it. Clones share the content.
///
/// Pass [`writer`](Self::writer) to a subscriber that needs a `MakeWriter`:
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
    /// Returns a function that creates writers to this capture.
    pub fn writer(&self) -> impl Fn() -> Self + Clone + Send + Sync + use<> {
        let logs = self.clone();
        move || logs.clone()
    }

    /// Returns everything written so far.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.lock().clone()
    }

    /// Returns everything written so far, as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock()).into_owned()
    }

    /// Returns the lines written so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }

    /// Discards everything written so far.
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
