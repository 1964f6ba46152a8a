//! What others make of the metrics: Prometheus' own tool and the reference parser of OpenMetrics.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use hardpoint_core::TraceId;
use hardpoint_observability::{
    Logs, Metrics,
    metrics::{Bounds, Labels, Unit},
};

use crate::{
    metrics::{OPEN, scrape, scrape_as},
    metrics_events::events,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs a tool with this input. Panics unless it succeeds; returns what it printed.
fn run(command: &mut Command, input: &str) -> String {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let program = command.get_program().display().to_string();
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("{program} does not start ({error}); run scripts/test"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{program}: {text}");
    text
}

struct Hostile(&'static str);

impl Labels for Hostile {
    const NAMES: &'static [&'static str] = &["text"];

    fn values(&self, add: &mut dyn FnMut(&str)) {
        add(self.0);
    }
}

/// Metrics of every kind, with all that is hard to write.
fn everything() -> Metrics {
    let mut builder = Metrics::builder().max_series(3);
    let telemetry = builder.telemetry();
    builder.logs(&Logs::json("orders").handle());
    builder.process();
    builder.target_info(&[("service_name", "or\"d\\e\nrs")]);
    let cost =
        builder.float_counter("cost_dollars_total", Unit::new("dollars"), "Cost \"so\" far.");
    let level = builder.gauge("level_ratio", Unit::RATIO, "A level.\nWith \\ two lines.");
    let calls = builder.counter_family("calls_total", Unit::NONE, "Calls.");
    let wait = builder.histogram("wait_seconds", Unit::SECONDS, Bounds::SECONDS, "Wait.");
    let large = builder.histogram("large_bytes", Unit::BYTES, Bounds::new([1e6, 1e21]), "Large.");
    let metrics = builder.build().unwrap();
    events().iter().for_each(|event| telemetry.on(event));
    cost.add(0.1);
    cost.add(1e-9);
    level.set(f64::NEG_INFINITY);
    for text in ["a\"b", "\\", "\n", "\u{1f600}", "overflows"] {
        calls.with(&Hostile(text)).increment();
    }
    wait.record_in_trace(0.3, TraceId::from_bytes([7; 16]).unwrap());
    wait.record(1e300);
    large.record(1e20);
    metrics
}

#[test]
fn promtool_accepts_the_text_without_a_remark() {
    let said = run(Command::new("promtool").args(["check", "metrics"]), &scrape(&everything()));
    assert_eq!(said, "");
}

#[test]
fn the_reference_parser_reads_both_formats_alike() {
    // Prints each sample as `name labels value`, and each exemplar.
    let script = r"
import sys
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics
parse = openmetrics if sys.argv[1] == 'open' else parser
for family in parse.text_string_to_metric_families(sys.stdin.read()):
    for sample in family.samples:
        print(sample.name, sorted(sample.labels.items()), sample.value)
        if sample.exemplar:
            print('exemplar', sample.exemplar.labels, sample.exemplar.value, file=sys.stderr)
";
    let metrics = everything();
    let parse = |format: &str, text: &str| {
        let mut python = Command::new("python3");
        python.env("PYTHONPATH", root().join("target/tools/python"));
        run(python.args(["-c", script, format]), text)
    };
    // The process goes on between two scrapes.
    let steady = |text: &str| {
        let process = |line: &str| line.starts_with("process_");
        text.lines().filter(|line| !process(line)).map(str::to_owned).collect::<Vec<_>>()
    };
    let open = steady(&parse("open", &scrape_as(&metrics, OPEN)));
    let (exemplars, open): (Vec<_>, Vec<_>) =
        open.into_iter().partition(|line| line.starts_with("exemplar"));
    let text = steady(&parse("text", &scrape(&metrics)));
    assert!(text.len() > 150, "{}", text.len());
    assert_eq!(text, open);
    let trace = "07".repeat(16);
    assert_eq!(exemplars, [format!("exemplar {{'trace_id': '{trace}'}} 0.3")]);
    for hostile in [r#"('text', 'a"b')] 1"#, r"('text', '\\')] 1", r"('text', '\n')] 1"] {
        assert!(text.iter().any(|line| line.ends_with(hostile)), "{hostile} in {text:#?}");
    }
}

#[test]
fn the_rules_are_valid_and_every_alert_fires_when_it_should() {
    let folder = root().join("deploy/prometheus");
    let promtool =
        |arguments: &[&str]| run(Command::new("promtool").args(arguments).current_dir(&folder), "");
    promtool(&["check", "config", "prometheus.yml"]);
    promtool(&["check", "rules", "--lint=all", "--lint-fatal", "recording.yml", "alerts.yml"]);
    promtool(&["test", "rules", "tests.yml", "tests-long.yml"]);
    // Each alert has a case in which it fires and one in which it does not.
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let (alerts, cases) = (read("alerts.yml"), read("tests.yml") + &read("tests-long.yml"));
    for alert in alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        let case = format!("alertname: {alert}\n        exp_alerts:");
        let expected: Vec<&str> =
            cases.split(&case).skip(1).filter_map(|rest| rest.lines().next()).collect();
        assert!(expected.contains(&" []"), "{alert} is never quiet: {expected:?}");
        assert!(expected.contains(&""), "{alert} never fires: {expected:?}");
    }
}

/// Rules and dashboards that ask for a metric which does not exist stay silent for ever.
#[test]
fn rules_and_the_dashboard_ask_only_for_metrics_that_exist() {
    let text = scrape(&everything());
    let recording =
        std::fs::read_to_string(root().join("deploy/prometheus/recording.yml")).unwrap();
    let known: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .chain(recording.lines().filter_map(|line| line.trim().strip_prefix("- record: ")))
        .collect();
    let mut asked = 0;
    for file in ["prometheus/recording.yml", "prometheus/alerts.yml", "grafana/hardpoint.json"] {
        let text = std::fs::read_to_string(root().join("deploy").join(file)).unwrap();
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !"_:".contains(c));
        let prefixes = ["hardpoint_", "http_server_", "job:", "job_route:", "process_"];
        for word in words.filter(|word| prefixes.iter().any(|prefix| word.starts_with(prefix))) {
            let name = ["_bucket", "_count", "_sum"]
                .iter()
                .find_map(|suffix| word.strip_suffix(suffix))
                .unwrap_or(word);
            assert!(known.contains(&name), "{file} asks for {word}, which does not exist");
            asked += 1;
        }
    }
    assert!(asked > 50, "{asked}");
}
