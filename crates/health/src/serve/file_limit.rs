//! How many connections the process's limit of open files allows.

use std::fs;

/// The share of the limit that is kept for everything but client connections: one file in four.
const RESERVED_SHARE: u64 = 4;
/// The reserve of a small limit: the admin listener and its connections, the log, the runtime.
const LEAST_RESERVE: u64 = 64;
/// Without a limit, memory is the bound: an idle connection takes about 18 KB.
const MOST: u64 = 65_536;
/// The limit that is assumed where none can be read: the lowest default of a common platform.
const UNKNOWN: u64 = 256;

/// Returns the default of the total cap: three quarters of the process's limit of open files.
pub(super) fn default_connections() -> usize {
    let limits = fs::read_to_string("/proc/self/limits");
    connections_within(limits.ok().as_deref().and_then(open_files).unwrap_or(UNKNOWN))
}

/// Reads the soft limit of open files from the text of `/proc/self/limits`.
fn open_files(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_ascii_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// Keeps a reserve of `limit` and returns the number of connections that fit into the rest.
fn connections_within(limit: u64) -> usize {
    let reserve = (limit / RESERVED_SHARE).max(LEAST_RESERVE);
    let connections = limit.saturating_sub(reserve).clamp(1, MOST);
    // At most `MOST`, which fits.
    usize::try_from(connections).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: &str = "\
Limit                     Soft Limit           Hard Limit           Units     \n\
Max cpu time              unlimited            unlimited            seconds   \n\
Max open files            1024                 524288               files     \n\
Max locked memory         8388608              8388608              bytes     \n";

    #[test]
    fn the_soft_limit_is_read() {
        assert_eq!(open_files(LIMITS), Some(1_024));
        let unlimited = LIMITS.replace("1024  ", "unlimited");
        assert_eq!(open_files(&unlimited), Some(u64::MAX));
        assert_eq!(open_files("Max open files            many"), None);
        assert_eq!(open_files(""), None);
    }

    #[test]
    fn the_usual_limits_leave_a_reserve() {
        assert_eq!(connections_within(1_024), 768);
        assert_eq!(connections_within(256), 192);
        assert_eq!(connections_within(80), 16);
        assert_eq!(connections_within(8), 1);
        assert_eq!(connections_within(1_048_576), 65_536);
        assert_eq!(connections_within(u64::MAX), 65_536);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_a_limit() {
        let text = fs::read_to_string("/proc/self/limits").unwrap();
        assert!(open_files(&text).is_some());
    }

    proptest! {
        #[test]
        fn a_higher_limit_never_allows_fewer_connections(one in any::<u64>(), two in any::<u64>()) {
            let (low, high) = (one.min(two), one.max(two));
            prop_assert!(connections_within(low) <= connections_within(high));
            prop_assert!(connections_within(low) >= 1);
        }
    }
}
