//! What the figures were taken on.

use std::{fs, process::Command, thread};

/// One line: processor, cores, compiler, and how busy the machine was.
pub(super) fn describe() -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    format!("{}, {cores} cores, {}, load {load}", processor(), compiler())
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or("unknown processor", |(_, model)| model).to_owned()
}

fn compiler() -> String {
    let version = Command::new("rustc").arg("--version").output().ok();
    let version = version.and_then(|output| String::from_utf8(output.stdout).ok());
    let words = version.as_deref().unwrap_or("rustc unknown").split(' ').take(2);
    words.collect::<Vec<_>>().join(" ").trim_end().to_owned()
}
