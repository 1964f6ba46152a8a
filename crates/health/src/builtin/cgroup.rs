//! The memory of control groups, read from files below a root.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The memory of one control group that has a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    /// Without the inactive page cache.
    pub(super) used: u64,
    pub(super) limit: u64,
}

/// The names of a version's files.
struct Files {
    limit: &'static str,
    usage: &'static str,
    inactive: &'static str,
}

const V1: Files = Files {
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    inactive: "total_inactive_file",
};
const V2: Files = Files { limit: "memory.max", usage: "memory.current", inactive: "inactive_file" };

/// A limit of version 1 that means none: the highest multiple of a page.
const V1_UNLIMITED: u64 = 1 << 62;

/// The group of this process and its parents, as far as they have limits.
pub(super) fn memory(root: &Path) -> Vec<Memory> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    groups
        .lines()
        .filter_map(group)
        .flat_map(|(files, mount, path)| {
            let mount = root.join(mount);
            // Inside a container, the path may be the host's, of which only the root is mounted.
            let own = mount.join(path);
            let own = if own.is_dir() { own } else { mount.clone() };
            let chain: Vec<PathBuf> = own
                .ancestors()
                .take_while(|group| group.starts_with(&mount))
                .map(Path::to_owned)
                .collect();
            chain.into_iter().filter_map(move |group| read(&group, &files))
        })
        .collect()
}

/// Reads a line of `/proc/self/cgroup`: `hierarchy:controllers:/path`.
fn group(line: &str) -> Option<(Files, &'static str, &str)> {
    let (_, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    let path = path.trim_start_matches('/');
    if controllers.is_empty() {
        Some((V2, "sys/fs/cgroup", path))
    } else if controllers.split(',').any(|controller| controller == "memory") {
        Some((V1, "sys/fs/cgroup/memory", path))
    } else {
        None
    }
}

fn read(group: &Path, files: &Files) -> Option<Memory> {
    let number = |name| fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
    // The `max` of version 2 is not a number.
    let limit = number(files.limit).filter(|limit| *limit < V1_UNLIMITED)?;
    let usage = number(files.usage)?;
    let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let inactive = stat
        .lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(name, _)| *name == files.inactive)
        .and_then(|(_, bytes)| bytes.trim().parse().ok())
        .unwrap_or(0);
    Some(Memory { used: usage.saturating_sub(inactive), limit })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root with these files.
    struct Root(PathBuf);

    impl Root {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let root = std::env::temp_dir()
                .join(format!("hardpoint-cgroup-{}-{name}", std::process::id()));
            for (file, text) in files {
                let file = root.join(file);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
            }
            Self(root)
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    #[test]
    fn version_2_counts_without_inactive_cache_and_respects_parents() {
        let root = Root::new(
            "v2",
            &[
                ("proc/self/cgroup", "0::/pod/app\n"),
                ("sys/fs/cgroup/pod/app/memory.max", "max\n"),
                ("sys/fs/cgroup/pod/app/memory.current", "500\n"),
                ("sys/fs/cgroup/pod/memory.max", "1000\n"),
                ("sys/fs/cgroup/pod/memory.current", "900\n"),
                ("sys/fs/cgroup/pod/memory.stat", "anon 1\nfile 2\ninactive_file 300\nshmem 0\n"),
            ],
        );
        assert_eq!(memory(&root.0), [Memory { used: 600, limit: 1_000 }]);
    }

    #[test]
    fn version_1_reads_its_own_files() {
        let root = Root::new(
            "v1",
            &[
                ("proc/self/cgroup", "11:cpu,cpuacct:/app\n4:memory:/app\n0::/\n"),
                ("sys/fs/cgroup/memory/app/memory.limit_in_bytes", "2000\n"),
                ("sys/fs/cgroup/memory/app/memory.usage_in_bytes", "1500\n"),
                (
                    "sys/fs/cgroup/memory/app/memory.stat",
                    "inactive_file 1\ntotal_inactive_file 500\n",
                ),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ("sys/fs/cgroup/memory/memory.usage_in_bytes", "99999\n"),
            ],
        );
        assert_eq!(memory(&root.0), [Memory { used: 1_000, limit: 2_000 }]);
    }

    #[test]
    fn a_path_of_the_host_is_not_below_the_mount_of_the_container() {
        let root = Root::new(
            "host",
            &[
                ("proc/self/cgroup", "0::/kubepods/pod1/abc\n"),
                ("sys/fs/cgroup/memory.max", "1000\n"),
                ("sys/fs/cgroup/memory.current", "10\n"),
            ],
        );
        assert_eq!(memory(&root.0), [Memory { used: 10, limit: 1_000 }]);
    }

    #[test]
    fn without_control_groups_there_is_no_limit() {
        let root = Root::new("none", &[("proc/self/other", "")]);
        assert_eq!(memory(&root.0), []);
    }
}
