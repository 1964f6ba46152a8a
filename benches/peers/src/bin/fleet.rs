//! `fleet FOLDER`: limits on one Redis server, beside redis-rs with one call a request, throttled
//! and tower-rate-limit-redis. Prints the table, writes JSON and plot. `fleet only SCENARIO NUMBER`
//! runs one contender for a profiler: 0 is hardpoint, the peers follow.
//!
//! It starts a private `redis-server`, which shares the machine with it: on two cores one is the
//! server's. Contenders take turns, each on a connection of its own. What the server's processor does
//! is read from `INFO commandstats`.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has to stop")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::{
    convert::Infallible,
    env,
    error::Error,
    net::{Ipv4Addr, TcpListener},
    num::NonZeroU32,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use hardpoint::core::Key;
use hardpoint_bench_harness::{
    report::{Goal, Report, Row, Unit},
    stats::Samples,
};
use hardpoint_ratelimit::{Policy, PolicyHandle, Quota, RateLimiter, key, redis::RedisStore};
use hardpoint_redis::{DigestKey, Redis};
use http::{Request, Response};
use redis::aio::{ConnectionManager, MultiplexedConnection};
use throttled::{RateLimiter as _, RedisRateLimiter};
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt, service_fn};
use tower_rate_limit_redis::{KeyResolver, RateLimitLayer};

/// How long one contender runs in one round, and the rounds.
const TURN: Duration = Duration::from_millis(500);
const ROUNDS: usize = 9;
/// The peers, as rows call them.
const PEERS: [&str; 3] = ["redis-rs, one EVALSHA each", "throttled", "tower-rate-limit-redis"];

type BoxError = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match &arguments[..] {
            [folder] => tokio::spawn(run(folder.clone())).await?,
            [only, scenario, number] if only == "only" => {
                tokio::spawn(profile(scenario.clone(), number.parse()?)).await?
            }
            _ => Err("usage: fleet FOLDER, only SCENARIO NUMBER".into()),
        }
    })
}

const SCENARIOS: [Scenario; 3] = [
    Scenario { name: "10 k keys, 256 tasks", tasks: 256, keys: 10_000, goal: 1.0 / 2.5 },
    Scenario { name: "one hot key, 512 tasks", tasks: 512, keys: 1, goal: 1.0 / 10.0 },
    Scenario { name: "one at a time", tasks: 1, keys: 10_000, goal: 1.1 },
];

async fn run(folder: String) -> Result<(), BoxError> {
    let server = Server::start()?;
    let contenders = contenders(&server.url()).await?;
    let mut report = Report::new(
        "redis",
        "Limits on Redis, beside redis-rs 1.8.1, throttled 0.1.0 and tower-rate-limit-redis 1.0.2",
    );
    for scenario in SCENARIOS {
        eprintln!("measuring: {}", scenario.name);
        scenario.measure(&server, &contenders, &mut report).await?;
    }
    report.note(over_admission(&server.url()).await?);
    report.note(while_down().await?);
    report.print();
    report.write(Path::new(&folder))?;
    println!("written to {}", Path::new(&folder).join("redis.json").display());
    Ok(())
}

async fn contenders(url: &str) -> Result<[Contender; 4], BoxError> {
    Ok([
        Contender::ours(url).await?,
        Contender::redis_rs(url).await?,
        Contender::throttled(url).await?,
        Contender::tower(url).await?,
    ])
}

async fn profile(scenario: String, number: usize) -> Result<(), BoxError> {
    let server = Server::start()?;
    let scenario = SCENARIOS.iter().find(|one| one.name.contains(&scenario));
    let contenders = contenders(&server.url()).await?;
    let (scenario, contender) =
        scenario.zip(contenders.get(number)).ok_or("no such scenario or contender")?;
    for _ in 0..ROUNDS {
        let Turn { took, late, server } = scenario.turn(&server, contender).await?;
        println!("{took:.0} ns a decision, p99 {late:.0} ns, the server's script {server:.0} ns");
    }
    Ok(())
}

struct Scenario {
    name: &'static str,
    tasks: usize,
    keys: u32,
    /// The time of a decision, as a multiple of that of redis-rs.
    goal: f64,
}

/// What one turn of one contender showed.
struct Turn {
    /// Nanoseconds a decision.
    took: f64,
    /// The slowest but one in a hundred, in nanoseconds.
    late: f64,
    /// Nanoseconds of the server's scripts a decision.
    server: f64,
}

impl Scenario {
    async fn measure(
        &self,
        server: &Server,
        contenders: &[Contender],
        report: &mut Report,
    ) -> Result<(), BoxError> {
        let mut samples = vec![[const { Samples::new(Vec::new()) }; 3]; contenders.len()];
        for round in 0..=ROUNDS {
            for turn in 0..contenders.len() {
                // Each is first, second, third and last in turn.
                let index = (turn + round) % contenders.len();
                let shown = self.turn(server, &contenders[index]).await?;
                // The first round warms up.
                if round > 0 {
                    let figures = [shown.took, shown.late, shown.server];
                    samples[index].iter_mut().zip(figures).for_each(|(all, one)| all.push(one));
                }
            }
        }
        for (peer, name) in samples[1..].iter().zip(PEERS) {
            let main = name == PEERS[0];
            let whats = ["a decision", "p99", "the server's script time a decision"];
            let cpu = (self.tasks > 1).then_some(0.5);
            let goals = [Some(self.goal), None, cpu].map(|goal| goal.filter(|_| main));
            for (number, (what, goal)) in whats.into_iter().zip(goals).enumerate() {
                report.row(Row {
                    name: format!("{}, {what} / {name}", self.name),
                    unit: Unit::Nanos,
                    ours: samples[0][number].figure(),
                    peer: Some(peer[number].figure()),
                    ratio: Some(samples[0][number].over(&peer[number]).figure()),
                    goal: goal.map(Goal::Ratio),
                    allocated: None,
                });
            }
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of half a second")]
    async fn turn(&self, server: &Server, contender: &Contender) -> Result<Turn, BoxError> {
        let before = server.script_micros().await?;
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for task in 0..self.tasks {
            let (contender, keys) = (contender.clone(), self.keys);
            tasks.spawn(async move {
                let mut latencies = Vec::new();
                let mut random = task as u64 * 7_919 + 1;
                let mut now = Instant::now();
                while began.elapsed() < TURN {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let key = u32::try_from(random >> 33).unwrap_or_default() % keys;
                    contender.check(key).await?;
                    let then = now.elapsed();
                    now += then;
                    latencies.push(u32::try_from(then.as_nanos()).unwrap_or(u32::MAX));
                }
                Ok::<_, BoxError>(latencies)
            });
        }
        let mut latencies = Vec::new();
        while let Some(done) = tasks.join_next().await {
            latencies.extend(done??);
        }
        let took = began.elapsed();
        let micros = server.script_micros().await? - before;
        let count = latencies.len() as f64;
        latencies.sort_unstable();
        let late = latencies[latencies.len() * 99 / 100];
        Ok(Turn {
            took: took.as_nanos() as f64 / count,
            late: late.into(),
            server: micros * 1_000.0 / count,
        })
    }
}

/// One who decides. Every quota is larger than the load, so every decision is written.
#[derive(Clone)]
enum Contender {
    Ours(PolicyHandle),
    RedisRs(MultiplexedConnection, Arc<redis::Script>),
    Throttled(Arc<RedisRateLimiter>),
    Tower(RateLimitLayer<ByPath>),
}

/// A million a second, and ten at once.
const INTERVAL_NANOS: u64 = 1_000;
const BURST: u32 = 10_000_000;

impl Contender {
    async fn ours(url: &str) -> Result<Self, BoxError> {
        let quota = Quota::per_second(1_000_000).burst(BURST);
        assert_eq!(u128::from(INTERVAL_NANOS), quota.interval().as_nanos());
        Ok(Self::Ours(ours(url, quota).await?))
    }

    async fn redis_rs(url: &str) -> Result<Self, BoxError> {
        let connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
        Ok(Self::RedisRs(connection, Arc::new(redis::Script::new(PLAIN_SCRIPT))))
    }

    async fn throttled(url: &str) -> Result<Self, BoxError> {
        let connection = ConnectionManager::new(redis::Client::open(url)?).await?;
        Ok(Self::Throttled(Arc::new(RedisRateLimiter::new(connection))))
    }

    async fn tower(url: &str) -> Result<Self, BoxError> {
        let connection = redis032::Client::open(url)?.get_multiplexed_async_connection().await?;
        // Its shortest interval is a millisecond: on one key it refuses most, which spares it the write.
        let builder = RateLimitLayer::builder().conn(connection).key_resolver(ByPath);
        let builder = builder.capacity(u16::MAX).emission_interval(Duration::from_millis(1));
        Ok(Self::Tower(builder.build()))
    }

    async fn check(&self, key: u32) -> Result<(), BoxError> {
        match self {
            Self::Ours(handle) => {
                let key = key.to_le_bytes();
                handle.check(&named(&key)).await?;
            }
            Self::RedisRs(connection, script) => {
                let name = format!("plain:{key:032x}");
                let mut call = script.key(name);
                call.arg(INTERVAL_NANOS).arg(u64::from(BURST) * INTERVAL_NANOS);
                let (_admitted, _debt): (u8, f64) =
                    call.invoke_async(&mut connection.clone()).await?;
            }
            Self::Throttled(limiter) => {
                let rate = NonZeroU32::new(1_000_000).expect("not zero");
                let quota = throttled::Quota::per_second(rate);
                let result = limiter.check(format!("throttled:{key:032x}"), quota).await?;
                std::hint::black_box(result.is_allowed());
            }
            Self::Tower(layer) => {
                let inner = service_fn(async |_request: Request<()>| {
                    Ok::<_, Infallible>(Response::new(String::new()))
                });
                let request = Request::builder().uri(format!("/{key:032x}")).body(())?;
                let answer = layer.layer(inner).oneshot(request).await?;
                std::hint::black_box(answer.status());
            }
        }
        Ok(())
    }
}

fn named(key: &[u8]) -> Key<'_> {
    Key::borrowed(key)
}

async fn ours(url: &str, quota: Quota) -> Result<PolicyHandle, BoxError> {
    // Nothing fails here: a turn must not be decided by a busy machine.
    let redis = Redis::builder(url).deadline(Duration::from_secs(5)).build()?;
    redis.up().await;
    let digests = DigestKey::derive(&vec![7; 32].into())?;
    let policy = Policy::new("client", quota, key::subject());
    let store = RedisStore::new(&redis, &digests);
    Ok(RateLimiter::builder().policy(policy).store(store).build()?.policy("client")?)
}

/// The key of tower-rate-limit-redis.
#[derive(Clone, Debug)]
struct ByPath;

impl KeyResolver for ByPath {
    type Key = String;
    type ErrorBody = String;

    fn key<T>(&self, request: &Request<T>) -> Result<String, Response<String>> {
        Ok(format!("tower:{}", request.uri().path()))
    }
}

/// The algorithm as it is usually written, with one number a key and one call a request.
const PLAIN_SCRIPT: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full = tonumber(redis.call('GET', KEYS[1]) or now)
if full < now then full = now end
local new = full + ARGV[1] / 1000
if new - now > ARGV[2] / 1000 then return {0, full - now} end
redis.call('SET', KEYS[1], new, 'PX', math.ceil((new - now) / 1000))
return {1, new - now}";

/// What 512 tasks get from one key with a small quota, and what they may get.
async fn over_admission(url: &str) -> Result<String, BoxError> {
    let (rate, burst) = (2_000, 100);
    let handle = ours(url, Quota::per_second(rate).burst(burst)).await?;
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..512 {
        let handle = handle.clone();
        tasks.spawn(async move {
            let (mut admitted, mut asked) = (0_u64, 0_u64);
            while began.elapsed() < 4 * TURN {
                admitted += u64::from(handle.check(&named(b"hot")).await.is_ok());
                asked += 1;
                tokio::task::yield_now().await;
            }
            (admitted, asked)
        });
    }
    let (mut admitted, mut asked) = (0, 0);
    while let Some(done) = tasks.join_next().await {
        let (more, of) = done?;
        (admitted, asked) = (admitted + more, asked + of);
    }
    let bound = f64::from(burst) + f64::from(rate) * began.elapsed().as_secs_f64();
    Ok(format!(
        "one hot key at {rate}/s:{burst}, 512 tasks: {admitted} of {asked} admitted, {bound:.0} allowed"
    ))
}

/// What a decision takes while the server is away.
async fn while_down() -> Result<String, BoxError> {
    let server = Server::start()?;
    let handle = ours(&server.url(), Quota::per_second(BURST)).await?;
    drop(server);
    let key = named(b"hot");
    while handle.check(&key).await?.decider() != hardpoint_ratelimit::Decider::Fallback {}
    let mut latencies = Vec::new();
    for _ in 0..100_000 {
        let began = Instant::now();
        let _admitted = handle.check(&key).await?;
        latencies.push(began.elapsed());
    }
    latencies.sort_unstable();
    let at = |share: usize| latencies[latencies.len() * share / 1_000];
    Ok(format!("while the server is away: {:?} a decision, p99.9 {:?}", at(500), at(999)))
}

/// A private server, which is killed when it is dropped.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start() -> Result<Self, BoxError> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .stdout(Stdio::null())
            .spawn()?;
        let server = Self { child, port };
        for _ in 0..1_000 {
            if std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err("redis-server does not start".into())
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The microseconds of all scripts since the server started.
    async fn script_micros(&self) -> Result<f64, BoxError> {
        let client = redis::Client::open(self.url())?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let info: String =
            redis::cmd("INFO").arg("commandstats").query_async(&mut connection).await?;
        let stats = info.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:"));
        let micros = stats.and_then(|stats| stats.split(',').find_map(|f| f.strip_prefix("usec=")));
        Ok(micros.map_or(Ok(0.0), str::parse)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A failure means that it has ended already.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}
