//! What a count depends on besides the code.

use std::{fs, process::Command};

/// The features that decide which path aws-lc and the C library take *under valgrind*, as
/// `/proc/cpuinfo` calls them. valgrind shows programs a processor with these at most: AVX-512 is
/// never among them, so machines with and without it share a baseline.
const FEATURES: [&str; 11] =
    ["abm", "avx", "avx2", "bmi1", "bmi2", "cx16", "f16c", "pni", "rdrand", "rdseed", "ssse3"];

/// The key of the baseline that counts of this machine are compared with: toolchain, target,
/// valgrind, C library, and processor features.
#[must_use]
pub fn of_this_machine() -> String {
    let rustc = output("rustc", &["-vV"]);
    let valgrind = output("valgrind", &["--version"]);
    let libc = output("getconf", &["GNU_LIBC_VERSION"]);
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    of(&rustc, &valgrind, &libc, &processor)
}

fn of(rustc: &str, valgrind: &str, libc: &str, processor: &str) -> String {
    let toolchain = rustc.lines().next().unwrap_or("no rustc");
    let target = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or("no target");
    let flags = processor.lines().find_map(|line| line.strip_prefix("flags")).unwrap_or_default();
    let flags: Vec<&str> = flags.split_whitespace().collect();
    let features: Vec<&str> =
        FEATURES.into_iter().filter(|feature| flags.contains(feature)).collect();
    [toolchain, target, valgrind.trim(), libc.trim(), &features.join(" ")].join(" | ")
}

/// What a program prints; nothing if it is not there.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().ok();
    output.and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUSTC: &str = "rustc 1.95.0 (59807616e 2026-04-14)\nbinary: rustc\nhost: x86_64-linux\n";

    #[test]
    fn a_machine_with_avx_512_shares_the_baseline_of_one_without() {
        let with = "flags\t\t: fpu pni cx16 avx avx2 avx512f sha_ni\n";
        let without = "flags\t\t: pni fpu avx cx16 avx2\n";
        let key = of(RUSTC, "valgrind-3.19.0\n", "glibc 2.36\n", with);
        assert_eq!(
            key,
            "rustc 1.95.0 (59807616e 2026-04-14) | x86_64-linux | valgrind-3.19.0 | glibc 2.36 | \
             avx avx2 cx16 pni"
        );
        assert_eq!(key, of(RUSTC, "valgrind-3.19.0", "glibc 2.36", without));
    }

    #[test]
    fn each_part_makes_a_key_of_its_own() {
        let key = |valgrind, libc, flags| of(RUSTC, valgrind, libc, flags);
        let base = key("valgrind-3.19.0", "glibc 2.36", "flags : avx");
        assert_ne!(base, key("valgrind-3.24.0", "glibc 2.36", "flags : avx"));
        assert_ne!(base, key("valgrind-3.19.0", "glibc 2.41", "flags : avx"));
        assert_ne!(base, key("valgrind-3.19.0", "glibc 2.36", "flags : avx avx2"));
    }
}
