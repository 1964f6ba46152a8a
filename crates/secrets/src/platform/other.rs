//! Systems other than Unix. Their files have no mode to check.

use std::{
    fs::{self, File, Metadata},
    io,
    path::{Path, PathBuf},
};

use super::Exposure;

/// Always `None`: these systems have no conventional directory for secrets.
pub(crate) const fn default_directory() -> Option<PathBuf> {
    None
}

pub(crate) fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

pub(crate) fn opened_path(_file: &File, _metadata: &Metadata, path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok()
}

pub(crate) fn is_same_file(one: &Path, other: &Path) -> bool {
    match (fs::canonicalize(one), fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

pub(crate) fn exposure(_metadata: &Metadata, _path: &Path, _is_mounted: bool) -> Option<Exposure> {
    None
}
