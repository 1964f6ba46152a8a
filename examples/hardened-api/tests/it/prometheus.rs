//! A real Prometheus scrapes the service under load, and counts what the load counts.

use std::{
    collections::BTreeMap,
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{self, Command},
    time::Duration,
};

use hardpoint_testkit::http::{Client, Process};
use serde_json::Value;
use tokio::{task::JoinSet, time::timeout};

use super::{PATIENCE, Service};

/// Requests of each client.
const EACH: usize = 100;
const CLIENTS: usize = 8;

/// A Prometheus server with the project's rules, in a folder of its own.
struct Prometheus {
    _process: Process,
    url: String,
    folder: PathBuf,
}

impl Prometheus {
    /// Starts one that scrapes this address every second.
    async fn start(target: &str) -> Self {
        let folder = env::temp_dir().join(format!("hardpoint-prometheus-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        let deploy = deploy().join("prometheus");
        let config = fs::read_to_string(deploy.join("prometheus.yml"))
            .unwrap()
            .replace("127.0.0.1:3001", target)
            .replace("interval: 15s", "interval: 1s")
            .replace("- recording.yml", &format!("- {}", deploy.join("recording.yml").display()))
            .replace("- alerts.yml", &format!("- {}", deploy.join("alerts.yml").display()));
        fs::write(folder.join("prometheus.yml"), config).unwrap();
        // The server does not tell which port it took if it may choose.
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new("prometheus");
        command
            .current_dir(&folder)
            .arg("--config.file=prometheus.yml")
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={free}"))
            .arg("--enable-feature=exemplar-storage");
        let server = Self {
            _process: Process::spawn(&mut command),
            url: format!("http://{free}/api/v1"),
            folder,
        };
        server.until(|| server.answers("up")).await;
        server
    }

    /// Asks until the answer is yes.
    async fn until<F: Future<Output = bool>>(&self, mut ask: impl FnMut() -> F) {
        let asked = timeout(PATIENCE, async {
            while !ask().await {
                tokio::task::yield_now().await;
            }
        });
        assert!(asked.await.is_ok(), "Prometheus does not get there: {:?}", self.query("up").await);
    }

    /// The result of a query: labels and value of each series. `None` if the server refuses it.
    async fn query(&self, query: &str) -> Option<Vec<(Value, f64)>> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let request = http::Request::get(format!("{}/query?query={encoded}", self.url));
        let reply = Client::new().try_request(request, "").await.ok()?;
        // While it starts, its answer is text.
        let answer: Value = serde_json::from_slice(&reply.body).ok()?;
        let series = answer["data"]["result"].as_array()?.iter();
        series
            .map(|one| {
                Some((one["metric"].clone(), one["value"][1].as_str()?.parse::<f64>().ok()?))
            })
            .collect()
    }

    async fn answers(&self, query: &str) -> bool {
        self.query(query).await.is_some_and(|series| !series.is_empty())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // Best effort: the system cleans its temporary folder anyway.
        let _removed = fs::remove_dir_all(&self.folder);
    }
}

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").canonicalize().unwrap()
}

/// What the load sends: path, and the route and status it counts under.
const LOAD: [(&str, &str, u16); 3] = [
    ("/.well-known/jwks.json", "/.well-known/jwks.json", 200),
    ("/api/v1/ping", "/api/v1/ping", 401),
    ("/wp-admin/", "unmatched", 404),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_counts_what_the_load_counts() {
    let service = Service::start(&[("HARDPOINT_RATE_LIMIT", "100000/1s")]).await;
    let admin = service.admin.strip_prefix("http://").unwrap();
    let prometheus = Prometheus::start(admin).await;

    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let public = service.public.clone();
        clients.spawn(async move {
            let http = Client::new();
            let mut counted = BTreeMap::<_, f64>::new();
            for number in 0..EACH {
                let (path, route, expected) = LOAD[(client + number) % LOAD.len()];
                let path = if route == "unmatched" {
                    format!("{public}{path}{client}/{number}?{number}")
                } else {
                    format!("{public}{path}")
                };
                let status = http.get(path).await.status.as_u16();
                assert_eq!(status, expected, "{route}");
                *counted.entry((route.to_owned(), status.to_string())).or_default() += 1.0;
            }
            counted
        });
    }
    let mut expected = BTreeMap::<(String, String), f64>::new();
    while let Some(counted) = clients.join_next().await {
        for (key, count) in counted.unwrap() {
            *expected.entry(key).or_default() += count;
        }
    }
    let total: f64 = expected.values().sum();
    let query = "sum by (http_route, http_response_status_code) \
                 (http_server_request_duration_seconds_count)";
    let seen = || async {
        let series = prometheus.query(query).await.unwrap_or_default();
        let label =
            |labels: &Value, name: &str| labels[name].as_str().unwrap_or_default().to_owned();
        series
            .iter()
            .map(|(labels, value)| {
                let status = label(labels, "http_response_status_code");
                ((label(labels, "http_route"), status), *value)
            })
            .collect::<BTreeMap<_, _>>()
    };
    prometheus.until(|| async { seen().await.values().sum::<f64>() >= total }).await;
    assert_eq!(seen().await, expected);
    println!("{total} requests: Prometheus counts {expected:?}");

    // All of the dashboard's expressions are accepted, and those about this load have an answer.
    // A rate needs a series that grows between two scrapes.
    prometheus
        .until(|| async {
            Client::new().get(format!("{}/api/v1/ping", service.public)).await;
            prometheus.answers("job:http_server_requests:rate5m > 0").await
        })
        .await;
    let text = fs::read_to_string(deploy().join("grafana/hardpoint.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let (mut asked, mut answered) = (0, Vec::new());
    for target in dashboard["panels"].as_array().unwrap().iter().flat_map(targets) {
        let query = target.replace("$job", "hardened-api").replace("$__rate_interval", "1m");
        let series = prometheus.query(&query).await;
        assert!(series.is_some(), "the dashboard asks {query}");
        asked += 1;
        if series.is_some_and(|series| !series.is_empty()) {
            answered.push(target);
        }
    }
    println!("the dashboard: {asked} expressions, {} with series now", answered.len());
    for metric in [
        "job_route:http_server_requests:rate5m",
        "job:http_server_errors:ratio_rate5m",
        "http_server_request_duration_seconds_bucket",
        "http_server_active_requests",
        "http_server_response_body_size_bytes_sum",
        "hardpoint_ratelimit_decisions_total",
        "hardpoint_log_dropped_total",
        "process_resident_memory_bytes",
        "tokio_workers",
    ] {
        assert!(answered.iter().any(|target| target.contains(metric)), "{metric} has no series");
    }
    // The rules run without an error.
    let request = http::Request::get(format!("{}/rules", prometheus.url));
    let rules = Client::new().try_request(request, "").await.unwrap().json();
    for rule in rules["data"]["groups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap())
    {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    service.process.signal("TERM");
    service.process.wait(Duration::from_secs(60)).await;
}

fn targets(panel: &Value) -> impl Iterator<Item = &str> {
    panel["targets"].as_array().into_iter().flatten().filter_map(|target| target["expr"].as_str())
}
