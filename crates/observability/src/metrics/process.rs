//! Metrics of the process, as the official Prometheus clients name them.

use std::fs;

use super::{MetricsBuilder, Unit, source::ObservedKind};

/// The kernel's clock ticks are a hundredth of a second wherever programs can see them, on every
/// architecture that Rust has a Linux target for.
const TICKS: f64 = 100.0;

type Read = fn() -> Option<f64>;

pub(super) fn declare(metrics: &mut MetricsBuilder) {
    use ObservedKind::{Counter, Gauge};

    let all: [(ObservedKind, &'static str, Unit, &'static str, Read); 7] = [
        (
            Counter,
            "process_cpu_seconds_total",
            Unit::SECONDS,
            "Processor time that the process used, in user and kernel mode.",
            || cpu(&read("stat")?),
        ),
        (Gauge, "process_max_fds", Unit::NONE, "File descriptors that it may open.", || {
            max_fds(&read("limits")?)
        }),
        (Gauge, "process_open_fds", Unit::NONE, "File descriptors that it has open.", open_fds),
        (
            Gauge,
            "process_resident_memory_bytes",
            Unit::BYTES,
            "Memory of the process that is in RAM.",
            || kilobytes(&read("status")?, "VmRSS:"),
        ),
        (
            Gauge,
            "process_start_time_seconds",
            Unit::SECONDS,
            "When the process started, in seconds since 1970.",
            || start(&read("stat")?, &fs::read_to_string("/proc/stat").ok()?),
        ),
        (Gauge, "process_threads", Unit::NONE, "Threads of the process.", || {
            field(&read("status")?, "Threads:")?.parse().ok()
        }),
        (
            Gauge,
            "process_virtual_memory_bytes",
            Unit::BYTES,
            "Address space of the process.",
            || kilobytes(&read("status")?, "VmSize:"),
        ),
    ];
    for (kind, name, unit, help, read) in all {
        metrics.observed(kind, name, unit, help, read);
    }
}

fn read(file: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/self/{file}")).ok()
}

/// The field of `/proc/self/stat` with this number, counted as in proc(5). The second, the
/// program's name, may contain anything, so it counts from the parenthesis that closes it.
fn stat(text: &str, number: usize) -> Option<f64> {
    let (_, rest) = text.rsplit_once(')')?;
    rest.split_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

fn cpu(text: &str) -> Option<f64> {
    Some((stat(text, 14)? + stat(text, 15)?) / TICKS)
}

fn start(own: &str, system: &str) -> Option<f64> {
    let booted: f64 = field(system, "btime")?.parse().ok()?;
    Some(booted + stat(own, 22)? / TICKS)
}

/// The rest of the line that begins with `name`.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

fn kilobytes(text: &str, name: &str) -> Option<f64> {
    let kilobytes: f64 = field(text, name)?.strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024.0)
}

fn max_fds(text: &str) -> Option<f64> {
    field(text, "Max open files")?.split_whitespace().next()?.parse().ok()
}

#[expect(clippy::cast_precision_loss, reason = "descriptors are far fewer than 2^53")]
fn open_fds() -> Option<f64> {
    // One of them reads the folder.
    Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 9 0 1234 5 6";

    #[test]
    fn the_kernel_s_files_are_read() {
        assert_eq!(cpu(STAT), Some(3.0));
        assert_eq!(start(STAT, "cpu 1 2\nbtime 1800000000\n"), Some(1_800_000_012.34));
        assert_eq!(kilobytes("VmRSS:\t  12 kB\n", "VmRSS:"), Some(12_288.0));
        assert_eq!(max_fds("Max open files            1024   4096   files\n"), Some(1024.0));
        assert_eq!(max_fds("Max open files            unlimited  unlimited  files\n"), None);
        for text in ["", "7", "7 (x", "7 (x) S"] {
            assert_eq!(cpu(text), None, "{text}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_them() {
        assert!(open_fds().is_some_and(|open| open >= 3.0));
        assert!(cpu(&read("stat").unwrap()).is_some());
        assert!(field(&read("status").unwrap(), "Threads:").is_some());
    }
}
