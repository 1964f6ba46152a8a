//! Where the time of a request goes: a profile of the server, part by part, beside that of a server
//! that answers the same bytes.
//!
//! `perf` samples the process many times a millisecond while it is saturated, and each sample is
//! charged to the part that its function belongs to. The time of a part is its share of the
//! samples, applied to the time between two responses. An inlined function is charged to its
//! caller.

use std::{
    fmt::Write as _,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use crate::{
    BoxError,
    load::Load,
    process::{Kind, Running},
    tokens::{Mix, Tokens},
};

/// How long a server is sampled.
const SAMPLED: Duration = Duration::from_secs(10);
/// How long the load runs before: clients connect, and the server caches the tokens.
const BEFORE: Duration = Duration::from_millis(800);

/// The parts, and the texts that the names of their functions contain. The first match counts.
const PARTS: [(&str, &[&str]); 17] = [
    ("the system: the sockets", &["[k]", "__libc_recv", "writev", "epoll_wait", "asynccancel"]),
    ("clocks", &["vdso", "clock_gettime", "SystemTime", "quanta"]),
    ("copying requests, responses and futures", &["memmove", "memcpy", "memset"]),
    ("memory", &["malloc", "_int_free", "free@", "unlink_chunk", "realloc", "__rdl_", "__rustc::"]),
    (
        "the log line: fields, escaping, redaction",
        &["::logs::", "::redact::", "aho_corasick", "itoa", "ryu", "from_utf8", "core::fmt"],
    ),
    ("tracing: the request's span", &["tracing", "sharded_slab"]),
    ("metrics", &["::metrics::"]),
    ("the record: ids, trace, sizes, outcome", &["hardpoint_observability", "RequestId", "uuid"]),
    ("two limits", &["hardpoint_ratelimit"]),
    ("authentication", &["hardpoint_auth", "aws_lc", "arc_swap"]),
    ("security headers, problems, body limit, client", &["hardpoint_edge"]),
    ("server, drain, probes", &["hardpoint_health"]),
    ("deadline", &["hardpoint_resilience"]),
    ("context, client address, route", &["hardpoint_core", "hardened_api"]),
    ("header maps", &["http::header", "HeaderMap", "HeaderName", "HeaderValue"]),
    (
        "hyper, axum, tower, HTTP",
        &["hyper", "http", "axum", "matchit", "tower", "futures_", "bytes::"],
    ),
    ("tokio", &["tokio", "mio::"]),
];
const REST: &str = "std and the rest";

/// Prints the account as a table.
pub(crate) fn account(tokens: &Tokens, extra: &str, work: &Path) -> Result<(), BoxError> {
    let base = Sampled::take(Kind::SameBytes, tokens, extra, work)?;
    let ours = Sampled::take(Kind::Hardpoint, tokens, extra, work)?;
    print!("{}", table(&base, &ours));
    Ok(())
}

/// The nanoseconds of a request, by part, in the order of [`PARTS`], and the rest.
struct Sampled {
    parts: [f64; PARTS.len() + 1],
    samples: u32,
}

impl Sampled {
    fn take(kind: Kind, tokens: &Tokens, extra: &str, work: &Path) -> Result<Self, BoxError> {
        eprintln!("sampling {} for {SAMPLED:?}", kind.name());
        let server = Running::start(kind, tokens, extra, work)?;
        let load = Load { connections: 64, mix: Mix::OnePerClient, turn: SAMPLED + BEFORE };
        let data = work.join("account.perf");
        let (measured, recorded) = thread::scope(|scope| {
            let recorded = scope.spawn(|| {
                thread::sleep(BEFORE);
                Command::new("perf")
                    .args(["record", "--quiet", "--event", "cpu-clock", "--freq", "5000", "--pid"])
                    .arg(server.process().to_string())
                    .arg("--output")
                    .arg(&data)
                    .args(["sleep", &SAMPLED.as_secs().to_string()])
                    .status()
            });
            (load.run(&server, tokens), recorded.join())
        });
        if !recorded.map_err(|_| "perf panicked")??.success() {
            return Err("perf failed".into());
        }
        Self::read(&data, 1e9 / measured?.rate)
    }

    fn read(data: &Path, nanos: f64) -> Result<Self, BoxError> {
        let report = Command::new("perf")
            .args(["report", "--no-children", "--stdio", "--fields", "sample,dso,symbol"])
            .args(["--field-separator", "|", "--input"])
            .arg(data)
            .stderr(Stdio::null())
            .output()?;
        if !report.status.success() {
            return Err("perf cannot read what it recorded".into());
        }
        let mut counts = [0_u32; PARTS.len() + 1];
        for line in String::from_utf8(report.stdout)?.lines() {
            let Some((count, function)) = line.split_once('|') else { continue };
            let Ok(count) = count.trim().parse::<u32>() else { continue };
            counts[part(function)] += count;
        }
        let samples = counts.iter().sum::<u32>();
        if samples < 1_000 {
            return Err(format!("{samples} samples are too few").into());
        }
        let nanos = counts.map(|count| f64::from(count) / f64::from(samples) * nanos);
        Ok(Self { parts: nanos, samples })
    }

    fn all(&self) -> f64 {
        self.parts.iter().sum()
    }
}

/// The place of the part that a function belongs to.
fn part(function: &str) -> usize {
    let fits = |(_, texts): &(&str, &[&str])| texts.iter().any(|text| function.contains(text));
    PARTS.iter().position(fits).unwrap_or(PARTS.len())
}

fn table(base: &Sampled, ours: &Sampled) -> String {
    let names = PARTS.iter().map(|(name, _)| *name).chain([REST]);
    let mut rows: Vec<_> =
        names.zip(&base.parts).zip(&ours.parts).map(|((name, a), b)| (name, *a, *b)).collect();
    rows.sort_by(|one, other| (other.2 - other.1).total_cmp(&(one.2 - one.1)));
    rows.push(("**all**", base.all(), ours.all()));
    let mut text = format!(
        "\n{} and {} samples\n\n| ns a request | same bytes | hardpoint | more |\n|---|---:|---:|---:|\n",
        base.samples, ours.samples
    );
    for (name, base, ours) in rows {
        let _written = writeln!(text, "| {name} | {base:.0} | {ours:.0} | {:.0} |", ours - base);
    }
    text
}
