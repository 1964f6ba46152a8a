//! Counts the instructions of the hot paths. `./scripts/bench gate` runs and compares it.

#![expect(missing_docs, reason = "the macros of the framework make public items")]
#![expect(clippy::disallowed_methods, reason = "the main that the framework makes exits")]

use gungraun::{Callgrind, EntryPoint, prelude::*};
use hardpoint_bench_gate::scenario::{self, Scenario};

// One function, so that a count is called by the scenario's name alone.
#[library_benchmark]
#[bench::limiter_accept(scenario::limiter_accept())]
#[bench::limiter_accept_headers(scenario::limiter_accept_headers())]
#[bench::limiter_refuse(scenario::limiter_refuse())]
#[bench::limiter_check(scenario::limiter_check())]
#[bench::token_verify_eddsa(scenario::token_eddsa())]
#[bench::token_verify_es256(scenario::token_es256())]
#[bench::token_verify_rs256(scenario::token_rs256())]
#[bench::token_refused(scenario::token_refused())]
#[bench::api_key_known(scenario::api_key_known())]
#[bench::request_record(scenario::record())]
#[bench::request_record_unlogged(scenario::record_unlogged())]
#[bench::log_event_in_span(scenario::log_event())]
#[bench::client_resolver_3_hops(scenario::resolver_three_hops())]
#[bench::breaker_call(scenario::breaker_call())]
#[bench::breaker_layer_closed(scenario::breaker_closed())]
#[bench::breaker_refuse(scenario::breaker_refuse())]
#[bench::bulkhead_layer(scenario::bulkhead_permit())]
#[bench::retry_one_attempt(scenario::retry_one_attempt())]
#[bench::hedge_learning(scenario::hedge_learning())]
#[bench::client_policy(scenario::client_policy())]
#[bench::whole_stack(scenario::stack_accept())]
#[bench::whole_stack_limited(scenario::stack_refuse())]
fn gate(mut scenario: Scenario) -> Scenario {
    scenario.run();
    // Handed out, so that dropping what is kept is not counted.
    scenario
}

library_benchmark_group!(name = hot_paths, benchmarks = gate);
main!(
    // Nothing but the operation: what warms a scenario up is not counted.
    config = LibraryBenchmarkConfig::default().tool(Callgrind::default().entry_point(
        EntryPoint::Custom("hardpoint_bench_gate::scenario::Scenario::run".to_owned())
    )),
    library_benchmark_groups = hot_paths
);
