//! Unix: file modes and owners, and the directory where container platforms mount secrets.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use rustix::{fs::OFlags, process::geteuid};

use super::{Exposure, Others, trail};

const OTHERS_READ: u32 = 0o004;

/// The directory where Docker and Podman mount secrets.
pub(crate) fn default_directory() -> Option<PathBuf> {
    Some(PathBuf::from("/run/secrets"))
}

/// Opens a file for reading. Neither a pipe without a writer nor a terminal can hold it up: what
/// was opened is judged afterwards.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// The path, after all links, of the file that was opened through `path`. `None` if unknown.
pub(crate) fn opened_path(file: &File, metadata: &Metadata, path: &Path) -> Option<PathBuf> {
    // Linux knows the path of an open file, even if the links have changed since.
    if let Ok(real) = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())) {
        return Some(real);
    }
    let real = fs::canonicalize(path).ok()?;
    let there = fs::metadata(&real).ok()?;
    is_same(&there, metadata).then_some(real)
}

/// Whether two paths lead to one file, as two spellings do where case does not matter.
pub(crate) fn is_same_file(one: &Path, other: &Path) -> bool {
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => is_same(&one, &other),
        _ => false,
    }
}

/// The most severe exposure of an opened file that `path` led to.
///
/// For a mounted file, the platform decides who may read or replace it and who owns it.
pub(crate) fn exposure(metadata: &Metadata, path: &Path, is_mounted: bool) -> Option<Exposure> {
    let mode = metadata.mode();
    let own = geteuid().as_raw();
    let writers = trail::others_write(mode);
    if is_mounted {
        return writers.filter(|others| *others == Others::Everyone).map(Exposure::Writable);
    }
    if let Some(others) = writers {
        return Some(Exposure::Writable(others));
    }
    if let Some(exposure) = trail::weakest(path, metadata, own) {
        return Some(exposure);
    }
    if trail::is_foreign(metadata.uid(), own) {
        Some(Exposure::Foreign)
    } else if mode & OTHERS_READ != 0 {
        Some(Exposure::Readable)
    } else {
        None
    }
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}
