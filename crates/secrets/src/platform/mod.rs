//! The code that differs between operating systems.

#[cfg(not(unix))]
mod other;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub(crate) use self::other::{default_directory, exposure, opened_path};
#[cfg(unix)]
pub(crate) use self::unix::{default_directory, exposure, opened_path};

/// Why a file is an unsafe place for a secret. If several apply, the first one is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exposure {
    /// Every user can write the file.
    Writable,
    /// Every user can put another file in its place.
    Replaceable,
    /// The file belongs to another user.
    Foreign,
    /// Every user can read the file.
    Readable,
}
