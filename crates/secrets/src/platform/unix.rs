//! Unix: file modes and owners, and the directory where container platforms mount secrets.

use std::{
    fs::{self, File, Metadata},
    os::{fd::AsRawFd, unix::fs::MetadataExt},
    path::{self, Path, PathBuf},
};

use super::Exposure;

const OTHERS_READ: u32 = 0o004;
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;
const ROOT: u32 = 0;

/// The directory where Docker and Podman mount secrets.
pub(crate) fn default_directory() -> Option<PathBuf> {
    Some(PathBuf::from("/run/secrets"))
}

/// The path, after all links, of the file that was opened through `path`. `None` if unknown.
pub(crate) fn opened_path(file: &File, metadata: &Metadata, path: &Path) -> Option<PathBuf> {
    // Linux knows the path of an open file, even if the links have changed since.
    if let Ok(real) = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())) {
        return Some(real);
    }
    let real = fs::canonicalize(path).ok()?;
    let there = fs::metadata(&real).ok()?;
    let same = (there.dev(), there.ino()) == (metadata.dev(), metadata.ino());
    same.then_some(real)
}

/// The most severe exposure of an opened file that `paths` lead to.
///
/// For a mounted file, the platform decides who may read or replace it and who owns it.
pub(crate) fn exposure(metadata: &Metadata, paths: &[&Path], is_mounted: bool) -> Option<Exposure> {
    if metadata.mode() & OTHERS_WRITE != 0 {
        Some(Exposure::Writable)
    } else if is_mounted {
        None
    } else if paths.iter().any(|path| is_replaceable(path)) {
        Some(Exposure::Replaceable)
    } else if is_foreign(metadata.uid(), own_user()) {
        Some(Exposure::Foreign)
    } else if metadata.mode() & OTHERS_READ != 0 {
        Some(Exposure::Readable)
    } else {
        None
    }
}

/// Whether every user can rename the file or a directory on its path. In a sticky directory, such
/// as `/tmp`, only owners can.
fn is_replaceable(path: &Path) -> bool {
    let Ok(path) = path::absolute(path) else {
        return true;
    };
    path.ancestors().skip(1).any(|directory| {
        fs::metadata(directory)
            .is_ok_and(|metadata| metadata.mode() & (OTHERS_WRITE | STICKY) == OTHERS_WRITE)
    })
}

/// Whether the owner is neither root nor the user of the process. `false` if that user is unknown.
fn is_foreign(owner: u32, own: Option<u32>) -> bool {
    own.is_some_and(|own| owner != own && owner != ROOT)
}

/// The user of this process, on systems with `/proc/self`.
fn own_user() -> Option<u32> {
    fs::metadata("/proc/self").ok().map(|metadata| metadata.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_foreign_that_belongs_to_neither_root_nor_the_process() {
        for (owner, own, expected) in [
            (0, Some(0), false),
            (0, Some(1000), false),
            (1000, Some(1000), false),
            (1001, Some(1000), true),
            (1000, Some(0), true),
            (1000, None, false),
        ] {
            assert_eq!(is_foreign(owner, own), expected, "{owner} {own:?}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_user_of_this_process_is_the_owner_of_what_it_makes() {
        let path = std::env::temp_dir().join(format!("hardpoint-owner-{}", std::process::id()));
        let made = File::create(&path).unwrap();
        fs::remove_file(path).unwrap();
        assert_eq!(own_user(), Some(made.metadata().unwrap().uid()));
    }
}
