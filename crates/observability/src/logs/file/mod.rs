//! A log file that rotates by size and time, and whose old parts are deleted.

mod output;
mod rotation;

#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use hardpoint_core::Time;

pub use self::output::LogFileOutput;
use self::rotation::Rotation;
use super::ConfigError;

/// A log file that rotates by size and time, for [`Logs::init_to`](super::Logs::init_to) and
/// [`Logs::queued_layer`](super::Logs::queued_layer).
///
/// In a container, write to standard output and leave files to the platform. A file is for machines
/// on which nothing collects the output of services.
///
/// ```no_run
/// use hardpoint_observability::{Logs, logs::LogFile};
/// use std::time::Duration;
///
/// let file = LogFile::new("/var/log/orders/orders.log")
///     .max_bytes(64 << 20)
///     .every(Duration::from_hours(24))
///     .keep(14);
/// let logs = Logs::json("orders").init_to(file.open()?)?;
/// # assert_eq!(logs.dropped(), 0);
/// # Ok::<(), hardpoint_observability::ConfigError>(())
/// ```
///
/// # Semantics
/// 1. The file is created with the mode 0640 on Unix, and lines are appended to it.
/// 2. Before a line that would exceed [`max_bytes`](Self::max_bytes), and before the first line of a
///    new period of [`every`](Self::every), the file is renamed to its name and the time in UTC
///    (`orders.log.20261128T144704.123456Z`), and a new file begins. A line is never divided.
/// 3. Of the renamed files, the last [`keep`](Self::keep) stay. Other files in the directory are not
///    touched.
/// 4. A file that was removed or renamed (by logrotate, for instance) is created again within a
///    second. Lines that were written in between are in the file that was renamed.
/// 5. While the file cannot be written, because the disk is full or its directory is gone, lines are
///    dropped and [counted](super::LogsHandle::dropped), and the service goes on. The first line that
///    can be written again is preceded or followed by `log lines dropped` with their number.
/// 6. A file that cannot be renamed grows to twice its size before lines are dropped.
///
/// Files take at most `max_bytes × (keep + 1)` and, while 6 applies, once more `max_bytes`.
///
/// # Deployment caveats
/// Each process needs a file of its own: two would rotate it under each other.
#[derive(Clone, Debug)]
#[must_use = "a log file does nothing until it is opened"]
pub struct LogFile {
    path: PathBuf,
    max_bytes: u64,
    every: Option<Duration>,
    keep: usize,
    time: Time,
}

impl LogFile {
    /// A file at this path, in a directory that exists.
    pub fn new(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_owned();
        Self { path, max_bytes: 64 << 20, every: None, keep: 7, time: Time::system() }
    }

    /// Sets the size of a file, in bytes. Default: 64 MiB, about 200,000 access lines, which editors
    /// still open. A longer line has a file of its own.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Begins a new file at each multiple of this duration since 1970, in UTC: with 24 hours at
    /// midnight. Default: only the size counts. Less than a second counts as one.
    pub fn every(mut self, period: Duration) -> Self {
        self.every = Some(period.max(Duration::from_secs(1)));
        self
    }

    /// Sets how many renamed files stay. Default: 7. With 0, a file is deleted when it is full.
    pub fn keep(mut self, files: usize) -> Self {
        self.keep = files;
        self
    }

    /// Sets the clock that periods are read from. Default: the system clock.
    pub fn time(mut self, time: impl Into<Time>) -> Self {
        self.time = time.into();
        self
    }

    /// Opens the file, or creates it.
    ///
    /// # Errors
    /// [`ConfigError::File`] if it cannot be opened for writing, or is not a regular file.
    pub fn open(self) -> Result<LogFileOutput, ConfigError> {
        let Self { path, max_bytes, every, keep, time } = self;
        let failed = |error: io::Error| ConfigError::File {
            path: path.display().to_string(),
            kind: error.kind(),
        };
        LogFileOutput::open(&path, Rotation { max_bytes, every }, keep, time).map_err(failed)
    }
}
