//! `stack FOLDER`: the whole service beside others on the same route, over real sockets.
//! `stack FOLDER account`: where the time of a request goes.
//!
//! Each server runs in a process of its own on the first processor, the load on the second. All get
//! byte-identical requests and take turns. `stack serve NAME ..` and `stack load ..` are those
//! processes.
//!
//! | server | what it has |
//! |---|---|
//! | `bare` | axum |
//! | `same bytes` | axum, and as many static bytes of headers as the response of `hardpoint` has |
//! | `hardpoint` | `hardened-api` as shipped, quotas so high that nothing is refused |
//! | `peers` | tower-http's request id, trace as JSON to a sink, timeout, panic catch and four headers; jsonwebtoken; tower_governor with headers; axum-prometheus |
//! | `peers + cache` | the same with moka in front of jsonwebtoken |
//! | `haproxy` | HAProxy's `jwt_verify`, a stick table and the same headers in front of `bare`, on the same processor |

#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

mod account;
mod haproxy;
mod load;
mod peers;
mod process;
mod tokens;

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use hardpoint_bench_harness::stats::Samples;

use self::{
    load::{Load, Measured},
    process::{KINDS, Kind, Running},
    tokens::{Mix, Tokens},
};

type BoxError = Box<dyn Error + Send + Sync>;

/// How long one server is measured in one round.
const TURN: Duration = Duration::from_secs(2);
const ROUNDS: usize = 5;

fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["serve", kind, key] => peers::serve(kind, Path::new(key)),
        ["load", file, rest @ ..] => load::run(Path::new(file), rest),
        [folder] => measure(Path::new(folder), ROUNDS),
        [folder, "quick"] => measure(Path::new(folder), 1),
        [folder, "account"] => {
            let (tokens, extra, work) = prepare(Path::new(folder))?;
            account::account(&tokens, &extra, &work)
        }
        _ => Err("usage: stack FOLDER [quick|account]".into()),
    }
}

/// What is varied.
#[derive(Clone, Copy)]
struct Scenario {
    name: &'static str,
    connections: usize,
    mix: Mix,
}

const SCENARIOS: [Scenario; 5] = [
    Scenario { name: "64 connections, a token each", connections: 64, mix: Mix::OnePerClient },
    Scenario { name: "64 connections, a fresh token each time", connections: 64, mix: Mix::Fresh },
    Scenario { name: "64 connections, 1 % forged", connections: 64, mix: Mix::Forged },
    Scenario {
        name: "1,000 connections, a token each",
        connections: 1_000,
        mix: Mix::OnePerClient,
    },
    Scenario {
        name: "5,000 connections, a token each",
        connections: 5_000,
        mix: Mix::OnePerClient,
    },
];

/// Makes the tokens, and asks hardpoint's server for the headers that it adds.
fn prepare(folder: &Path) -> Result<(Tokens, String, PathBuf), BoxError> {
    let work = folder.join("stack");
    fs::create_dir_all(&work)?;
    eprintln!("making tokens");
    let tokens = Tokens::make(&work)?;
    let extra = process::headers_of_ours(&tokens, &work)?;
    Ok((tokens, extra, work))
}

fn measure(folder: &Path, rounds: usize) -> Result<(), BoxError> {
    let (tokens, extra, work) = prepare(folder)?;
    let mut all = BTreeMap::new();
    for scenario in SCENARIOS {
        let mut seen: BTreeMap<Kind, Vec<Measured>> = BTreeMap::new();
        for round in 0..rounds {
            for kind in KINDS {
                eprintln!("{}: {}, round {}", scenario.name, kind.name(), round + 1);
                let server = Running::start(kind, &tokens, &extra, &work)?;
                let load =
                    Load { connections: scenario.connections, mix: scenario.mix, turn: TURN };
                let mut measured = load.run(&server, &tokens)?;
                measured.resident = server.resident()?;
                seen.entry(kind).or_default().push(measured);
            }
        }
        print!("{}", table(scenario.name, &seen));
        all.insert(scenario.name, seen);
    }
    let file = folder.join("stack.json");
    fs::write(&file, json(&all))?;
    println!("written to {}", file.display());
    Ok(())
}

/// Requests a second in the middle of all rounds.
fn middle(seen: &[Measured], of: impl Fn(&Measured) -> f64) -> f64 {
    Samples::new(seen.iter().map(of).collect()).figure().median
}

fn table(name: &str, seen: &BTreeMap<Kind, Vec<Measured>>) -> String {
    let rate = |kind: Kind| seen.get(&kind).map_or(0.0, |seen| middle(seen, |m| m.rate));
    let ours = rate(Kind::Hardpoint);
    let mut text = format!("\n{name}\n");
    let _written = writeln!(
        text,
        "{:<14} {:>11} {:>15} {:>9} {:>9} {:>9} {:>8}",
        "", "requests/s", "hardpoint is", "p50", "p99", "p999", "RSS"
    );
    for (kind, seen) in seen {
        let micros = |of: fn(&Measured) -> f64| format!("{:.0} µs", middle(seen, of) / 1e3);
        let _written = writeln!(
            text,
            "{:<14} {:>11.0} {:>13.2} × {:>9} {:>9} {:>9} {:>5.0} MB",
            kind.name(),
            rate(*kind),
            ours / rate(*kind),
            micros(|m| m.p50),
            micros(|m| m.p99),
            micros(|m| m.p999),
            middle(seen, |m| m.resident) / 1e6,
        );
    }
    text
}

fn json(all: &BTreeMap<&str, BTreeMap<Kind, Vec<Measured>>>) -> String {
    let scenarios: serde_json::Map<_, _> = all
        .iter()
        .map(|(name, seen)| {
            let servers: serde_json::Map<_, _> = seen
                .iter()
                .map(|(kind, rounds)| {
                    let rounds = rounds.iter().map(|m| {
                        serde_json::json!({
                            "requests_per_second": m.rate, "p50_ns": m.p50, "p99_ns": m.p99,
                            "p999_ns": m.p999, "resident_bytes": m.resident,
                        })
                    });
                    (kind.name().to_owned(), rounds.collect())
                })
                .collect();
            ((*name).to_owned(), servers.into())
        })
        .collect();
    serde_json::Value::Object(scenarios).to_string()
}
