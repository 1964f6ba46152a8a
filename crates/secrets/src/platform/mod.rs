//! The code that differs between operating systems.

#[cfg(not(unix))]
mod other;
#[cfg(unix)]
mod trail;
#[cfg(unix)]
mod unix;

use std::path::PathBuf;

#[cfg(not(unix))]
pub(crate) use self::other::{default_directory, exposure, is_same_file, open, opened_path};
#[cfg(unix)]
pub(crate) use self::unix::{default_directory, exposure, is_same_file, open, opened_path};

/// Why a file is an unsafe place for a secret. If several apply, the first one is reported.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(not(unix), expect(dead_code, reason = "only Unix has modes and owners to judge"))]
pub(crate) enum Exposure {
    /// Others can write the file.
    Writable(Others),
    /// Others can write this directory on the path, and put another file in its place.
    Replaceable(PathBuf, Others),
    /// A directory on the path belongs to another user.
    ForeignDirectory(PathBuf),
    /// A link on the path belongs to another user and is in a directory that others can write.
    ForeignLink(PathBuf),
    /// The file belongs to another user.
    Foreign,
    /// The path led to another file once the file had been read.
    Moved,
    /// Every user can read the file.
    Readable,
}

/// The other users who may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Others {
    Everyone,
    Group,
}
