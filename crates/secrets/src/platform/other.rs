//! Systems other than Unix. Their files have no mode to check.

use std::{
    fs::{self, File, Metadata},
    path::{Path, PathBuf},
};

use super::Exposure;

/// Always `None`: these systems have no conventional directory for secrets.
pub(crate) const fn default_directory() -> Option<PathBuf> {
    None
}

pub(crate) fn opened_path(_file: &File, _metadata: &Metadata, path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok()
}

pub(crate) fn exposure(
    _metadata: &Metadata,
    _paths: &[&Path],
    _is_mounted: bool,
) -> Option<Exposure> {
    None
}
