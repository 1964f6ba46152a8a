//! The directories and links that lead to a file.

use std::{
    ffi::OsString,
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{self, Component, Path, PathBuf},
};

use super::{Exposure, Others};

const GROUP_WRITE: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;
const ROOT: u32 = 0;

/// As many links as Linux follows.
const MOST_LINKS: usize = 40;

/// Follows a path link by link and returns the first directory or link through which another user
/// could have put another file there, or [`Exposure::Moved`] if it leads to another file than
/// `opened`.
pub(super) fn weakest(path: &Path, opened: &Metadata, own: u32) -> Option<Exposure> {
    follow(path, opened, own).unwrap_or(Some(Exposure::Moved))
}

fn follow(path: &Path, opened: &Metadata, own: u32) -> io::Result<Option<Exposure>> {
    let mut current = PathBuf::from("/");
    let mut pending = parts(&path::absolute(path)?);
    let mut links = 0;
    while let Some(part) = pending.pop() {
        let directory = fs::symlink_metadata(&current)?;
        let (owner, mode) = (directory.uid(), directory.mode());
        if let Some(exposure) = directory_exposure(&current, owner, mode, own) {
            return Ok(Some(exposure));
        }
        let next = current.join(&part);
        let metadata = fs::symlink_metadata(&next)?;
        if !metadata.is_symlink() {
            // Resolves `..` as the system does: the links before it are resolved already.
            current = if part == ".." { parent(&current) } else { next };
            continue;
        }
        links += 1;
        if links > MOST_LINKS {
            return Ok(Some(Exposure::Moved));
        }
        if others_write(mode).is_some() && is_foreign(metadata.uid(), own) {
            return Ok(Some(Exposure::ForeignLink(next)));
        }
        let target = fs::read_link(&next)?;
        if target.is_absolute() {
            current = PathBuf::from("/");
        }
        pending.extend(parts(&target));
    }
    let there = fs::symlink_metadata(&current)?;
    let same = (there.dev(), there.ino()) == (opened.dev(), opened.ino());
    Ok((!same).then_some(Exposure::Moved))
}

/// The components of a path, the last one first.
fn parts(path: &Path) -> Vec<OsString> {
    path.components()
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(|part| part.as_os_str().to_owned())
        .rev()
        .collect()
}

fn parent(path: &Path) -> PathBuf {
    path.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned)
}

/// In a sticky directory, such as `/tmp`, others can add entries, but not replace those of root and
/// of this process.
fn directory_exposure(path: &Path, owner: u32, mode: u32, own: u32) -> Option<Exposure> {
    if is_foreign(owner, own) {
        return Some(Exposure::ForeignDirectory(path.to_owned()));
    }
    let others = others_write(mode).filter(|_| mode & STICKY == 0)?;
    Some(Exposure::Replaceable(path.to_owned(), others))
}

/// The users who can write, apart from the owner.
pub(super) const fn others_write(mode: u32) -> Option<Others> {
    if mode & OTHERS_WRITE != 0 {
        Some(Others::Everyone)
    } else if mode & GROUP_WRITE != 0 {
        Some(Others::Group)
    } else {
        None
    }
}

/// Whether the owner is neither root nor the user of the process.
pub(super) const fn is_foreign(owner: u32, own: u32) -> bool {
    owner != own && owner != ROOT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_foreign_belongs_to_neither_root_nor_the_process() {
        for (owner, own, expected) in [
            (0, 0, false),
            (0, 1000, false),
            (1000, 1000, false),
            (1001, 1000, true),
            (1000, 0, true),
        ] {
            assert_eq!(is_foreign(owner, own), expected, "{owner} {own:?}");
        }
    }

    #[test]
    fn a_directory_is_safe_if_only_root_and_the_process_can_replace_its_entries() {
        let path = Path::new("/d");
        let replaceable = |others| Some(Exposure::Replaceable(path.to_owned(), others));
        let foreign = || Some(Exposure::ForeignDirectory(path.to_owned()));
        for (owner, mode, expected) in [
            (0, 0o755, None),
            (7, 0o755, None),
            (0, 0o777, replaceable(Others::Everyone)),
            (7, 0o757, replaceable(Others::Everyone)),
            (0, 0o775, replaceable(Others::Group)),
            (0, 0o1777, None),
            (0, 0o1775, None),
            (8, 0o755, foreign()),
            (8, 0o1777, foreign()),
        ] {
            assert_eq!(directory_exposure(path, owner, mode, 7), expected, "{owner} {mode:o}");
        }
    }
}
