//! `peers ratelimit|auth|metrics|observability|resilience|serve|growth FOLDER`: measures, prints the table, writes JSON and plot.
//! `peers only BENCH TEXT` measures those whose names have this text in them, for a profiler.
//!
//! What must not be measured in the same process is asked of others: allocations of the binary
//! `allocations` beside this one, the memory of a flood of this binary itself (`peers flood SIDE`).

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fs, io,
    path::Path,
    process::{Command, ExitCode},
};

use hardpoint_bench_harness::{
    measure::Burden,
    memory::Allocated,
    report::{Goal, Report, Row, Unit},
};
use hardpoint_bench_peers::{
    Bench, growth,
    guard::{self, ATTEMPTS, Ratios, TOLERATED},
    metrics,
    ratelimit::space::{self, Side},
};

/// What one operation of ours and one of the peer's allocates, by contest.
type Counted = BTreeMap<String, (Allocated, Allocated)>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    match arguments {
        ["only", name, text] => {
            let bench = Bench::of(name).ok_or("no such benchmark")?;
            measured(bench, text, &BTreeMap::new()).print();
            Ok(())
        }
        ["flood", side] => {
            println!("{}", space::flood(side.parse()?)?);
            Ok(())
        }
        ["metrics-flood", side] => {
            println!("{}", metrics::flood(side.parse()?)?);
            Ok(())
        }
        ["guard", file] => guarded(&ratios(Path::new(file))?),
        ["guard", file, "bless"] => bless(Path::new(file)),
        ["guard", file, "prove"] => prove(&ratios(Path::new(file))?),
        [growth::NAME, folder] => growth_of(Path::new(folder)),
        [name, folder] => {
            let bench = Bench::of(name).ok_or("no such benchmark")?;
            bench_of(bench, Path::new(folder))
        }
        _ => Err(
            "usage: ratelimit|auth|metrics|observability|resilience|serve|growth FOLDER, only BENCH TEXT, flood ours|peer"
                .into(),
        ),
    }
}

fn ratios(file: &Path) -> Result<Ratios, Box<dyn Error>> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(serde_json::from_str(&text)?)
}

/// Compares the ratios with the committed ones.
fn guarded(before: &Ratios) -> Result<(), Box<dyn Error>> {
    let (mut all, mut slower) = (0, 0);
    for line in guard::measure(before, ATTEMPTS) {
        println!("{} {line}", if line.fails() { "✗" } else { " " });
        all += 1;
        slower += usize::from(line.fails());
    }
    if slower > 0 {
        return Err(format!(
            "{slower} of {all} hot paths are slower than {TOLERATED} times what they were; if that is \
             the price of something wanted, run `./scripts/bench guard --bless`"
        )
        .into());
    }
    println!("guard: {all} hot paths within {TOLERATED} times of what they were");
    Ok(())
}

/// Writes the largest ratio of three runs. The guard compares the smallest of four with it: on the same
/// machine the ratios of contended paths and of those that miss the cache differ by a quarter.
fn bless(file: &Path) -> Result<(), Box<dyn Error>> {
    let mut ratios = Ratios::new();
    for _ in 0..3 {
        for line in guard::measure(&Ratios::new(), 1) {
            let largest = ratios.entry(line.name).or_default();
            *largest = largest.max(line.now);
        }
    }
    fs::write(file, serde_json::to_string_pretty(&ratios)? + "\n")?;
    for (name, ratio) in ratios {
        println!("  {name}: {ratio:.2} of the peer's time");
    }
    Ok(())
}

/// Shows that the guard fails if each operation of a path takes a shared lock or makes a system call.
/// It measures as the guard does, and continues with the next path once one of the two is detected.
fn prove(before: &Ratios) -> Result<(), Box<dyn Error>> {
    let mut detected: BTreeMap<String, bool> = BTreeMap::new();
    for path in guard::paths() {
        for (what, burden) in [("a lock", Burden::Lock), ("a system call", Burden::SystemCall)] {
            let detected = detected.entry(guard::path(path.0).to_owned()).or_default();
            if *detected {
                break;
            }
            let line = guard::line(path, before, ATTEMPTS, burden);
            if line.before.is_none() {
                return Err(format!("{line}; run `./scripts/bench guard --bless`").into());
            }
            println!("{} with {what}, {line}", if line.fails() { "✗" } else { " " });
            *detected = line.fails();
        }
    }
    let missed: Vec<_> =
        detected.iter().filter(|(_, detected)| !**detected).map(|(path, _)| &**path).collect();
    if !missed.is_empty() {
        return Err(format!("the guard detects neither in: {}", missed.join("; ")).into());
    }
    println!("guard: a lock or a system call is detected in all of {} paths", detected.len());
    Ok(())
}

fn growth_of(folder: &Path) -> Result<(), Box<dyn Error>> {
    let counted = counted(growth::NAME)?;
    let held = |keys: u32| {
        let (ours, peer) = counted.get(&keys.to_string())?;
        Some((bytes(ours), bytes(peer)))
    };
    let report = growth::growth(held);
    report.print();
    report.write(folder)?;
    println!("written to {}", folder.join("growth.md").display());
    Ok(())
}

fn bench_of(bench: Bench, folder: &Path) -> Result<(), Box<dyn Error>> {
    // The servers allocate on threads of their own, where nothing is counted.
    let counted = match bench {
        Bench::Serve => Counted::new(),
        _ => counted(bench.name())?,
    };
    let mut report = measured(bench, "", &counted);
    if bench == Bench::Ratelimit {
        memory(&mut report, &counted)?;
    }
    if bench == Bench::Metrics {
        let (ours, peer) =
            (grown("metrics-flood", Side::Ours)?, grown("metrics-flood", Side::Peer)?);
        report.row(Row::counted(
            "growth in 1 M hostile requests / axum-prometheus",
            Unit::Bytes,
            ours,
            peer,
        ));
    }
    report.print();
    report.write(folder)?;
    println!("written to {}", folder.join(format!("{}.json", bench.name())).display());
    Ok(())
}

/// A report of the contests whose names have `text` in them.
fn measured(bench: Bench, text: &str, counted: &Counted) -> Report {
    let mut report = Report::new(bench.name(), bench.title());
    if bench == Bench::Breakdown {
        report = report.steps();
    }
    for (name, contest) in bench.contests() {
        if name.contains(text) {
            eprintln!("measuring: {name}");
            let allocated = counted.get(name).copied();
            report.contest(name, contest(), allocated.map(|(ours, peer)| (ours, Some(peer))));
        }
    }
    report
}

fn memory(report: &mut Report, counted: &Counted) -> Result<(), Box<dyn Error>> {
    for (held, name) in [
        ("memory by address", "memory a key, 1 M addresses / governor"),
        ("memory by name", "memory a key, 1 M ids of 36 letters / governor"),
    ] {
        if let Some((ours, peer)) = counted.get(held) {
            let a_key = |held: &Allocated| bytes(held) / f64::from(space::KEYS);
            let mut row = Row::counted(name, Unit::Bytes, a_key(ours), a_key(peer));
            row.goal = Some(Goal::Value(24.0));
            report.row(row);
        }
    }
    let (ours, peer) = (grown("flood", Side::Ours)?, grown("flood", Side::Peer)?);
    report.row(Row::counted(
        "growth in a flood of 5 M addresses / governor",
        Unit::Bytes,
        ours,
        peer,
    ));
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "bytes of one process are far below 2^53")]
const fn bytes(held: &Allocated) -> f64 {
    held.bytes as f64
}

/// What the process grows by, in a process of its own.
fn grown(flood: &str, side: Side) -> Result<f64, Box<dyn Error>> {
    let output = Command::new(env::current_exe()?).args([flood, &side.to_string()]).output()?;
    Ok(answer(output)?.trim().parse()?)
}

/// What each contest allocates, counted by the binary beside this one.
fn counted(name: &str) -> Result<Counted, Box<dyn Error>> {
    let program = env::current_exe()?.with_file_name("allocations");
    let output = Command::new(program).arg(name).output()?;
    let text = answer(output)?;
    let mut counted = BTreeMap::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, ours, our_bytes, peer, peer_bytes] = fields.as_slice() else {
            return Err(format!("`allocations` printed `{line}`").into());
        };
        let ours = Allocated { count: ours.parse()?, bytes: our_bytes.parse()? };
        let peer = Allocated { count: peer.parse()?, bytes: peer_bytes.parse()? };
        counted.insert((*name).to_owned(), (ours, peer));
    }
    Ok(counted)
}

fn answer(output: std::process::Output) -> Result<String, Box<dyn Error>> {
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(io::Error::other(said).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
