//! The file that lines are written to.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use hardpoint_core::{Mono, Time};

use super::rotation::{Room, Rotation, is_suffix, suffix};

/// How often the file is looked for under its name.
const LOOK: Duration = Duration::from_secs(1);

/// How long to wait after a rename that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// An open [`LogFile`](super::LogFile).
///
/// Each call of `write` takes whole lines. It writes those that fit into the current file and
/// returns their length.
#[derive(Debug)]
pub struct LogFileOutput {
    path: PathBuf,
    rotation: Rotation,
    keep: usize,
    time: Time,
    /// `None` after a failure, until the file is opened again.
    current: Option<Current>,
    /// When it was last looked for.
    looked: Mono,
    /// When the file could not be renamed.
    stuck: Option<Mono>,
    /// The time in the last name that was given.
    named: Duration,
}

#[derive(Debug)]
struct Current {
    file: File,
    size: u64,
    /// When something was last written, since 1970.
    written: Duration,
}

impl LogFileOutput {
    pub(super) fn open(
        path: &Path,
        rotation: Rotation,
        keep: usize,
        time: Time,
    ) -> io::Result<Self> {
        let current = Some(Current::open(path)?);
        let (path, looked) = (path.to_owned(), time.now());
        Ok(Self { path, rotation, keep, time, current, looked, stuck: None, named: Duration::ZERO })
    }

    /// The current file, opened again if it has been removed or renamed, or could not be written.
    fn current(&mut self) -> io::Result<&mut Current> {
        let now = self.time.now();
        if now.saturating_since(self.looked) >= LOOK {
            self.looked = now;
            if self.current.as_ref().is_some_and(|current| !current.is_at(&self.path)) {
                self.current = None;
            }
        }
        if self.current.is_none() {
            self.current = Some(Current::open(&self.path)?);
        }
        self.current.as_mut().ok_or_else(|| ErrorKind::NotFound.into())
    }

    /// The first of these lines that belong into the current file, which may be a new one.
    fn fitting<'a>(&mut self, lines: &'a [u8], unix: Duration) -> io::Result<&'a [u8]> {
        let rotation = self.rotation;
        let current = self.current()?;
        let size = current.size;
        let is_over = size > 0 && rotation.is_over(current.written, unix);
        let bytes = match rotation.room(size, lines) {
            Room::Bytes(bytes) if !is_over => bytes,
            _ if self.rotate(unix) => match rotation.room(self.current()?.size, lines) {
                Room::Bytes(bytes) => bytes,
                Room::Full => lines.len(),
            },
            // It could not be renamed, and must not grow for ever.
            _ if size.saturating_add(lines.len() as u64) > rotation.max_bytes.saturating_mul(2) => {
                return Err(ErrorKind::StorageFull.into());
            }
            _ => lines.len(),
        };
        Ok(lines.get(..bytes).unwrap_or(lines))
    }

    /// Renames the current file and begins a new one, unless that has just failed.
    fn rotate(&mut self, unix: Duration) -> bool {
        let now = self.time.now();
        if self.stuck.is_some_and(|since| now.saturating_since(since) < PAUSE) {
            return false;
        }
        let rotated = self.begin_new(unix);
        self.stuck = rotated.is_err().then_some(now);
        if rotated.is_ok() {
            // Files that cannot be deleted are tried again with the next rotation.
            let _incomplete = self.delete_old();
        }
        rotated.is_ok()
    }

    fn begin_new(&mut self, unix: Duration) -> io::Result<()> {
        // The file under this name may be another one by now.
        if self.current.as_ref().is_some_and(|current| current.is_at(&self.path)) {
            let name = self.unused(unix);
            fs::rename(&self.path, name)?;
        }
        self.current = Some(Current::open(&self.path)?);
        Ok(())
    }

    /// A name that no file has, and that sorts after the last one even if the clock was set back.
    fn unused(&mut self, unix: Duration) -> PathBuf {
        const STEP: Duration = Duration::from_micros(1);

        self.named = unix.max(self.named.saturating_add(STEP));
        loop {
            let mut name = self.path.as_os_str().to_owned();
            name.push(".");
            name.push(suffix(self.named));
            let path = PathBuf::from(name);
            if !path.exists() {
                return path;
            }
            self.named = self.named.saturating_add(STEP);
        }
    }

    /// Deletes all renamed files but the last ones.
    fn delete_old(&self) -> io::Result<()> {
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let Some(own) = self.path.file_name().and_then(|name| name.to_str()) else {
            return Ok(());
        };
        let mut old: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(parent.unwrap_or(Path::new(".")))? {
            let entry = entry?;
            let name = entry.file_name();
            let end = name.to_str().and_then(|name| name.strip_prefix(own)?.strip_prefix('.'));
            if end.is_some_and(is_suffix) && entry.file_type()?.is_file() {
                old.push(entry.path());
            }
        }
        old.sort_unstable();
        old.truncate(old.len().saturating_sub(self.keep));
        old.iter().try_for_each(fs::remove_file)
    }
}

impl Write for LogFileOutput {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let unix = self.time.unix();
        let fitting = self.fitting(lines, unix)?;
        let current = self.current()?;
        match current.file.write(fitting) {
            Ok(written) => {
                current.size = current.size.saturating_add(written as u64);
                current.written = unix;
                Ok(written)
            }
            Err(error) => {
                // The name may lead to another disk by now.
                if error.kind() != ErrorKind::Interrupted {
                    self.current = None;
                }
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Current {
    fn open(path: &Path) -> io::Result<Self> {
        // Opening a pipe would wait for its reader.
        if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(ErrorKind::InvalidInput.into());
        }
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
        let file = options.open(path)?;
        let metadata = file.metadata()?;
        let modified = metadata.modified().ok();
        let written = modified.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        Ok(Self { file, size: metadata.len(), written: written.unwrap_or_default() })
    }

    /// Whether this file is the one under the path.
    fn is_at(&self, path: &Path) -> bool {
        let there = fs::metadata(path);
        self.file.metadata().is_ok_and(|own| there.is_ok_and(|there| is_same(&own, &there)))
    }
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;

    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Without numbers of files, one that exists is taken for the same.
#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    true
}
