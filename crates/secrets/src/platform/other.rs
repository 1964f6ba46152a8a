//! Where files have no mode to look at.

use std::{fs::Metadata, path::PathBuf};

use super::Exposure;

/// No such directory is customary.
pub(crate) const fn default_directory() -> Option<PathBuf> {
    None
}

pub(crate) fn exposure(_metadata: &Metadata) -> Exposure {
    Exposure::default()
}
