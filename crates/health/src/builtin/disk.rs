//! A check of the disk.

use std::{path::PathBuf, sync::Arc};

use super::RunFuture;
use crate::Down;

/// Fails if the file system of `path` has fewer than `least_bytes` left for unprivileged processes.
///
/// A network file system that hangs keeps the check overdue and blocks its thread.
pub fn disk_space(
    path: impl Into<PathBuf>,
    least_bytes: u64,
) -> impl FnMut() -> RunFuture + Send + 'static {
    let path: Arc<PathBuf> = Arc::new(path.into());
    move || {
        let path = Arc::clone(&path);
        // Inside the future, so that a call that blocks is one of a run that has begun.
        Box::pin(async move {
            let disk = rustix::fs::statvfs(&*path)?;
            let left = disk.f_bavail.saturating_mul(disk.f_frsize);
            if left < least_bytes {
                let cause = format!("{left} bytes are left, fewer than {least_bytes}");
                return Err(Down::new("full").caused_by(cause));
            }
            Ok(())
        })
    }
}
