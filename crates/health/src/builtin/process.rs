//! Checks of the limits of the process.

use std::{fs, path::Path};

use super::{RunFuture, at_once, cgroup};
use crate::Down;

/// Fails if the process has more than `most_percent` of its limit of open files open.
///
/// At the limit the process can neither accept nor open connections. Reads `/proc`, so it fails with
/// `unsupported` on systems other than Linux.
pub fn open_files(most_percent: u8) -> impl FnMut() -> RunFuture + Send + 'static {
    move || at_once(check_open_files(most_percent))
}

fn check_open_files(most_percent: u8) -> Result<(), Down> {
    let unsupported = || Down::new("unsupported");
    let limits = fs::read_to_string("/proc/self/limits").map_err(|_| unsupported())?;
    let open = fs::read_dir("/proc/self/fd").map_err(|_| unsupported())?.count();
    // No process has more open files than a u64 can count.
    let open = u64::try_from(open).unwrap_or(u64::MAX);
    match open_files_limit(&limits) {
        Some(limit) if is_above(open, limit, most_percent) => {
            Err(Down::new("exhausted").caused_by(format!("{open} of {limit} files are open")))
        }
        Some(_) => Ok(()),
        None => Err(unsupported()),
    }
}

/// Reads the soft limit of open files. `unlimited` is the highest number.
fn open_files_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_ascii_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// Fails if the control group of the process uses more than `most_percent` of its memory limit.
///
/// Above the limit the kernel kills the process. Like the kubelet, this does not count the inactive
/// page cache, which the kernel gives back first. Reads version 1 and 2 of control groups and
/// respects the limits of parent groups. Passes if no group has a limit, and on systems without
/// control groups.
pub fn cgroup_memory(most_percent: u8) -> impl FnMut() -> RunFuture + Send + 'static {
    move || at_once(check_memory(Path::new("/"), most_percent))
}

fn check_memory(root: &Path, most_percent: u8) -> Result<(), Down> {
    let fullest = cgroup::memory(root)
        .into_iter()
        .find(|memory| is_above(memory.used, memory.limit, most_percent));
    match fullest {
        Some(memory) => {
            let cause = format!("{} of {} bytes are used", memory.used, memory.limit);
            Err(Down::new("exhausted").caused_by(cause))
        }
        None => Ok(()),
    }
}

fn is_above(used: u64, limit: u64, percent: u8) -> bool {
    u128::from(used) * 100 > u128::from(limit) * u128::from(percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_exceeded_only_above_it() {
        assert!(!is_above(90, 100, 90));
        assert!(is_above(91, 100, 90));
        assert!(!is_above(u64::MAX, u64::MAX, 100));
        assert!(is_above(u64::MAX, u64::MAX, 99));
        assert!(is_above(1, 0, 100), "a limit of nothing");
    }

    #[test]
    fn the_soft_limit_is_read() {
        let limits = "Limit      Soft Limit  Hard Limit  Units\n\
                      Max open files    1024    524288    files\n";
        assert_eq!(open_files_limit(limits), Some(1_024));
        assert_eq!(open_files_limit(&limits.replace("1024", "unlimited")), Some(u64::MAX));
        assert_eq!(open_files_limit("Max open files  many"), None);
        assert_eq!(open_files_limit(""), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_open_files_of_this_process_are_counted() {
        assert!(check_open_files(100).is_ok());
        let down = check_open_files(0).unwrap_err();
        assert_eq!(down.code(), "exhausted");
    }
}
