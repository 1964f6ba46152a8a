//! What differs between operating systems.

#[cfg(not(unix))]
mod other;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub(crate) use self::other::{default_directory, exposure, opened_path};
#[cfg(unix)]
pub(crate) use self::unix::{default_directory, exposure, opened_path};

/// What makes a file a bad place for a secret. Of several the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exposure {
    /// Everybody can write it.
    Writable,
    /// Everybody can put another file in its place.
    Replaceable,
    /// It belongs to somebody else.
    Foreign,
    /// Everybody can read it.
    Readable,
}
