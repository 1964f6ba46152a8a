//! How the limiter's cost grows, beside governor's: with keys, with threads, with policies.

use std::net::{IpAddr, Ipv4Addr};

use hardpoint::{
    core::{ClientResolver, Peer},
    ratelimit::{Batch, Policy, RateLimiter, key},
};
use hardpoint_bench_harness::{
    exchange::{Pong, exchange},
    keys,
    load::Pattern,
    measure::Contender,
    report::{Contest, Report, Row, Unit, growth::Growth},
    stats::Figure,
};

use http::{Request, StatusCode};
use tower_layer::Layer;

use crate::{
    ratelimit::{check::spread, peer, quota},
    stack,
};

/// Its name among the benchmarks.
pub const NAME: &str = "growth";

/// How many keys are in the table.
pub const KEYS: [u32; 5] = [1_000, 10_000, 100_000, 1_000_000, 10_000_000];

const THREADS: [u32; 4] = [1, 2, 4, 8];
const CLIENTS: [u32; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];
const ROUTES: [u32; 3] = [10, 100, 1_000];
/// So many that their buckets are in no first or second cache, and eight tables fill no memory.
const POLICY_KEYS: u32 = 65_536;

/// All of it. Bytes are counted elsewhere: `held` tells what both sides hold with so many keys.
#[must_use]
pub fn growth(held: impl Fn(u32) -> Option<(f64, f64)>) -> Growth {
    Growth {
        title: "How the cost of a limiter and of the whole stack grows",
        peer: "the peer",
        note: "Uniform load. By threads: time over the checks of all threads together, a million \
               keys; beyond as many threads as there are cores they take turns. By policies: one \
               request through our layer, decided by all of them, 65 536 keys in each, making the \
               request included; governor's limiters are asked one after another without a \
               request, so a refusal by a later one has burnt the cells of the ones before, which \
               ours does not. Through the stack: the layers of the example in process, beside the \
               popular ones of the benchmark `whole`; clients have an address each and take turns \
               in random order, and share 64 tokens.",
        panels: vec![
            by_keys(),
            memory(held),
            by_threads(),
            by_policies(),
            by_clients(),
            by_routes(),
            by_stack_threads(),
        ],
    }
}

fn by_keys() -> Report {
    let mut report = Report::new("keys", "Time a check, by keys");
    for keys in KEYS {
        eprintln!("measuring: {keys} keys");
        report.contest(&power(keys), spread(keys, Pattern::Uniform, 1), None);
    }
    report
}

fn memory(held: impl Fn(u32) -> Option<(f64, f64)>) -> Report {
    let mut report = Report::new("keys", "Memory a key, by keys");
    for keys in KEYS {
        if let Some((ours, peer)) = held(keys) {
            let (ours, peer) = (ours / f64::from(keys), peer / f64::from(keys));
            report.row(Row::counted(&power(keys), Unit::Bytes, ours, peer));
        }
    }
    report
}

/// Clients of the whole stack: an address and a token each.
fn by_clients() -> Report {
    let mut report = Report::new("clients", "Time a request through the stack, by clients");
    for clients in CLIENTS {
        eprintln!("measuring: {clients} clients");
        report.contest(&power(clients), stack::by_clients(clients), None);
    }
    report
}

fn by_routes() -> Report {
    let mut report = Report::new("routes", "Time a request through the stack, by routes");
    for routes in ROUTES {
        eprintln!("measuring: {routes} routes");
        report.contest(&routes.to_string(), stack::by_routes(routes), None);
    }
    report
}

fn by_stack_threads() -> Report {
    let mut report = Report::new("threads", "Time a request through the stack, by threads");
    for threads in THREADS {
        eprintln!("measuring: {threads} threads");
        let mut one = Report::new("", "");
        one.contest("", stack::by_threads(threads as usize), None);
        for row in one.rows() {
            let (ours, peer) =
                (share(row.ours, threads), row.peer.map(|peer| share(peer, threads)));
            report.row(Row { name: threads.to_string(), ours, peer, ..row.clone() });
        }
    }
    report
}

fn power(keys: u32) -> String {
    match keys {
        ..1_000 => keys.to_string(),
        1_000_000.. => format!("{} M", keys / 1_000_000),
        _ => format!("{} k", keys / 1_000),
    }
}

fn by_threads() -> Report {
    let mut report = Report::new("threads", "Time a check, by threads");
    for threads in THREADS {
        eprintln!("measuring: {threads} threads");
        let mut one = Report::new("", "");
        let count = usize::try_from(threads).unwrap_or(usize::MAX);
        let contest = spread(1_000_000, Pattern::Uniform, count);
        one.contest(&threads.to_string(), contest, None);
        for row in one.rows() {
            let (ours, peer) = (row.ours, row.peer);
            let shared = |figure| share(figure, threads);
            report.row(Row { ours: shared(ours), peer: peer.map(shared), ..row.clone() });
        }
    }
    report
}

/// What was measured is how long one thread is busy with an operation.
fn share(figure: Figure, threads: u32) -> Figure {
    let share = |value: f64| value / f64::from(threads);
    Figure { median: share(figure.median), min: share(figure.min), max: share(figure.max) }
}

fn by_policies() -> Report {
    let mut report = Report::new("policies", "Time a decision, by policies");
    for policies in 1..=Batch::MAX {
        eprintln!("measuring: {policies} policies");
        report.contest(&policies.to_string(), policies_of(policies), None);
    }
    report
}

fn policies_of(policies: usize) -> Contest<'static> {
    let policy = |number: usize| {
        let key = key::client_network(ClientResolver::direct());
        Policy::new(number.to_string(), quota(), key).peak_keys(POLICY_KEYS as usize)
    };
    let builder = (0..policies)
        .fold(RateLimiter::builder(), |builder, number| builder.policy(policy(number)));
    let layer = builder.build().and_then(|limiter| limiter.layer()).expect("plain names");
    let service = layer.layer(Pong);
    let peers: Vec<_> = (0..policies).map(|_| peer()).collect();
    let addresses: Vec<Ipv4Addr> =
        Pattern::Uniform.draw(POLICY_KEYS, 1 << 18, 1).into_iter().map(keys::address).collect();
    let ours = move |address| {
        let mut request = Request::new(());
        request.extensions_mut().insert(Peer::new((address, 40_000).into()));
        exchange(&mut service.clone(), request) == StatusCode::OK
    };
    let peer = move |address| peers.iter().all(|peer| peer.check_key(&address).is_ok());
    for address in keys::addresses(POLICY_KEYS) {
        let admitted = (ours(address.into()), peer(address.into()));
        assert_eq!(admitted, (true, true), "the first request of a key is admitted");
    }
    Contest::new(each(addresses.clone(), ours), each(addresses, peer))
}

fn each(addresses: Vec<Ipv4Addr>, check: impl Fn(IpAddr) -> bool + 'static) -> Contender<'static> {
    let mut next = 0;
    Contender::new(move || {
        next = (next + 1) % addresses.len();
        assert!(check(addresses[next].into()), "no client comes to the end of the burst");
    })
}
