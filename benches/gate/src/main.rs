//! Compares instruction counts: what `./scripts/bench gate` calls after counting.
//!
//! `key` prints what a baseline is kept under. `check BASELINE COUNTS` compares with the baseline of
//! this key; exit code 3 says that there is none. `against BEFORE COUNTS` compares with the counts of
//! another commit, `same FIRST SECOND` wants two runs to agree exactly, and `bless BASELINE COUNTS`
//! makes the counts the baseline of this key.

use std::{collections::BTreeMap, env, error::Error, fs, process::ExitCode};

use hardpoint_bench_gate::{
    compare::{Line, Verdict, compare},
    counts::{self, Counts},
    key,
};

/// Baselines by key.
type Baselines = BTreeMap<String, Counts>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("gate: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[&str]) -> Result<ExitCode, Box<dyn Error>> {
    match arguments {
        ["key"] => {
            println!("{}", key::of_this_machine());
            Ok(ExitCode::SUCCESS)
        }
        ["check", baseline, counts] => {
            let (key, now) = (key::of_this_machine(), read(counts)?);
            let Some(before) = baselines(baseline)?.remove(&key) else {
                println!("no baseline for {key}");
                return Ok(ExitCode::from(3));
            };
            Ok(report(&compare(&before, &now), "the baseline"))
        }
        ["against", before, counts] => {
            Ok(report(&compare(&read(before)?, &read(counts)?), "the commit before"))
        }
        ["same", first, second] => Ok(same(&compare(&read(first)?, &read(second)?))),
        ["bless", baseline, counts] => {
            let mut all = baselines(baseline)?;
            let (key, now) = (key::of_this_machine(), read(counts)?);
            let before = all.insert(key.clone(), now.clone()).unwrap_or_default();
            for line in compare(&before, &now) {
                println!("  {line}");
            }
            fs::write(baseline, serde_json::to_string_pretty(&all)? + "\n")?;
            println!("gate: this is the baseline of {key} now");
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            Err("usage: key | check BASELINE COUNTS | against BEFORE COUNTS | same FIRST SECOND | \
                  bless BASELINE COUNTS"
                .into())
        }
    }
}

fn read(path: &str) -> Result<Counts, Box<dyn Error>> {
    let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    Ok(counts::read(&text).map_err(|error| format!("{path}: {error}"))?)
}

/// No file is no baseline.
fn baselines(path: &str) -> Result<Baselines, Box<dyn Error>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Baselines::new()),
        Err(error) => Err(format!("{path}: {error}").into()),
    }
}

fn report(lines: &[Line], before: &str) -> ExitCode {
    for line in lines {
        let mark = match line.verdict() {
            Verdict::Worse | Verdict::Gone => "✗",
            Verdict::Better => "↓",
            Verdict::New => "+",
            Verdict::Same => " ",
        };
        println!("{mark} {line}");
    }
    let failed: Vec<&Line> = lines.iter().filter(|line| line.fails()).collect();
    if failed.is_empty() {
        println!("gate: {} hot paths within 2 % or 8 instructions of {before}", lines.len());
        return ExitCode::SUCCESS;
    }
    eprintln!("gate: {} of {} hot paths slower than {before}:", failed.len(), lines.len());
    for line in failed {
        eprintln!("gate: {line}");
    }
    eprintln!("gate: if that is the price of something wanted, run `./scripts/bench gate --bless`");
    ExitCode::FAILURE
}

fn same(lines: &[Line]) -> ExitCode {
    let different: Vec<&Line> = lines.iter().filter(|line| line.before != line.now).collect();
    for line in &different {
        eprintln!("gate: two runs disagree: {line}");
    }
    if different.is_empty() {
        println!("gate: two runs agree exactly on {} hot paths", lines.len());
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
