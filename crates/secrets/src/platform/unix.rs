//! Unix: modes of files, and the directory where containers find their secrets.

use std::{fs::Metadata, os::unix::fs::PermissionsExt, path::PathBuf};

use super::Exposure;

/// Where Docker and Podman mount secrets.
pub(crate) fn default_directory() -> Option<PathBuf> {
    Some(PathBuf::from("/run/secrets"))
}

pub(crate) fn exposure(metadata: &Metadata) -> Exposure {
    let mode = metadata.permissions().mode();
    Exposure { readable: mode & 0o004 != 0, writable: mode & 0o002 != 0 }
}
