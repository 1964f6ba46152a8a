//! Reads a file that contains a secret.

use std::{
    fs::{self, Metadata},
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::{platform, value};

/// The bytes of a file, with its metadata and path.
pub(crate) struct Contents {
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    pub(crate) metadata: Metadata,
    /// The path of the file after resolving links, if known.
    pub(crate) real: Option<PathBuf>,
}

/// Why a file could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Denied,
    Missing,
    NotRegular,
    Other(ErrorKind),
    TooLarge,
}

/// Reads a regular file of at most [`value::MAX_BYTES`]. It follows symbolic links, which
/// Kubernetes and systemd use.
///
/// The opened file decides: a link, a pipe or a device that replaces it in the meantime can neither
/// mix two versions nor hold up the loader.
pub(crate) fn read(path: &Path) -> Result<Contents, Failure> {
    // Opening some devices has an effect of its own, so those that can be seen are not opened.
    if !fs::metadata(path)?.is_file() {
        return Err(Failure::NotRegular);
    }
    let file = platform::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(Failure::NotRegular);
    }
    let real = platform::opened_path(&file, &metadata, path);
    Ok(Contents { bytes: read_bounded(file)?, metadata, real })
}

/// Reads into one buffer that never grows. Growing would leave unwiped copies behind, and
/// `read_to_end` probes for the end with a separate buffer.
fn read_bounded(mut file: impl Read) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut bytes = Zeroizing::new(vec![0; value::MAX_BYTES + 1]);
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => {
                bytes.truncate(filled);
                return Ok(bytes);
            }
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::TooLarge)
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Self::Missing,
            ErrorKind::PermissionDenied => Self::Denied,
            kind => Self::Other(kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns one byte per read, with an interrupted read before each.
    struct Trickle<'a>(&'a [u8], bool);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(ErrorKind::Interrupted.into());
            }
            let limit = buffer.len().min(1);
            self.0.read(&mut buffer[..limit])
        }
    }

    #[test]
    fn short_and_interrupted_reads_are_put_together() {
        let bytes = read_bounded(Trickle(b"swordfish", false)).unwrap();
        assert_eq!(bytes.as_slice(), b"swordfish");
    }

    #[test]
    fn the_bound_itself_is_read_and_one_byte_more_is_not() {
        let most = vec![7; value::MAX_BYTES];
        assert_eq!(read_bounded(most.as_slice()).unwrap().len(), most.len());
        let more = vec![7; value::MAX_BYTES + 1];
        assert_eq!(read_bounded(more.as_slice()).err(), Some(Failure::TooLarge));
        assert_eq!(read_bounded(io::repeat(7)).err(), Some(Failure::TooLarge));
    }

    #[test]
    fn what_is_no_regular_file_is_refused_without_being_opened() {
        assert_eq!(read(&std::env::temp_dir()).err(), Some(Failure::NotRegular));
    }
}
