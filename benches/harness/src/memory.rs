//! Memory: of an operation and of the process.
//!
//! Allocations are counted in a process of their own, by an allocator that counts: it would slow
//! down whoever allocates more, and so must not be there when time is taken.

use std::{fs, io};

/// What one operation allocates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocated {
    /// How often; growing an allocation counts too.
    pub count: u64,
    /// How many bytes altogether.
    pub bytes: u64,
}

/// The memory that this process holds, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resident {
    /// Now.
    pub now: u64,
    /// At its peak.
    pub peak: u64,
}

impl Resident {
    /// Asks the kernel.
    ///
    /// # Errors
    /// If `/proc/self/status` cannot be read, or is not what Linux writes.
    pub fn read() -> io::Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let field = |name| {
            kilobytes(&status, name)
                .ok_or_else(|| io::Error::other(format!("/proc/self/status has no {name}")))
        };
        Ok(Self { now: field("VmRSS:")? * 1024, peak: field("VmHWM:")? * 1024 })
    }
}

fn kilobytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_shows() {
        let before = Resident::read().unwrap();
        let held = vec![1_u8; 64 << 20];
        let after = Resident::read().unwrap();
        assert!(after.now > before.now + (48 << 20), "{before:?} {after:?}");
        assert!(after.peak >= after.now);
        drop(held);
    }

    #[test]
    fn the_kernel_s_lines_are_read() {
        assert_eq!(kilobytes("Name:\tx\nVmRSS:\t  1234 kB\n", "VmRSS:"), Some(1234));
        assert_eq!(kilobytes("Name:\tx\n", "VmRSS:"), None);
    }
}
