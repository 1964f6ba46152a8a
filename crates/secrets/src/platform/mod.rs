//! What differs between operating systems.

#[cfg(not(unix))]
mod other;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub(crate) use self::other::{default_directory, exposure};
#[cfg(unix)]
pub(crate) use self::unix::{default_directory, exposure};

/// What users other than the owner and the group may do with a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exposure {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
}
