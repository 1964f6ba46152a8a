//! Checks that block, hang, or leave work behind.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use hardpoint_health::Check;

use crate::support::{Dependency, Gate, PERIOD, Seen, started, until, until_asked};

/// The threads that polled a check.
#[derive(Clone, Default)]
struct Threads(Arc<Mutex<HashSet<thread::ThreadId>>>);

impl Threads {
    fn note(&self) {
        self.0.lock().unwrap().insert(thread::current().id());
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

fn blocking(name: &str, gate: &Gate, threads: &Threads) -> Check {
    let (gate, threads) = (gate.clone(), threads.clone());
    let run = move || {
        let (gate, threads) = (gate.clone(), threads.clone());
        async move {
            threads.note();
            gate.pass();
            Ok(())
        }
    };
    Check::new(name, run).every(PERIOD).timeout(PERIOD / 2).fail_after(1).recover_after(1)
}

#[tokio::test]
async fn a_check_that_blocks_its_thread_holds_up_no_other() {
    let (gate, threads) = (Gate::default(), Threads::default());
    let [first, second]: [Dependency; 2] = Default::default();
    let noted = |name: &str, dependency: &Dependency| {
        let (dependency, threads) = (dependency.clone(), threads.clone());
        let run = move || {
            threads.note();
            dependency.ask()
        };
        Check::new(name, run).every(PERIOD).timeout(PERIOD / 2).fail_after(5)
    };
    let checks = [
        noted("first", &first),
        blocking("blocks", &gate, &threads),
        blocking("blocks too", &gate, &threads),
        noted("second", &second),
    ];
    let lifecycle = started(checks, &Seen::default());
    let stuck = |report: &serde_json::Value| {
        let line = |index: usize| &report["checks"][index];
        let overdue = |index: usize| {
            line(index)["code"] == "timeout" && line(index)["overdue_seconds"].is_u64()
        };
        overdue(1) && overdue(2)
    };
    until(&lifecycle, stuck).await;
    let (asked_first, asked_second) = (first.times_asked(), second.times_asked());
    until_asked(&first, asked_first + 8).await;
    until_asked(&second, asked_second + 4).await;
    let report = until(&lifecycle, |_| true).await;
    assert_eq!(report["checks"][0]["status"], "up", "{report}");
    assert_eq!(report["checks"][3]["status"], "up", "{report}");
    assert_eq!(gate.entered(), 2, "a run of a blocked check was started beside it");
    assert!(threads.count() <= 4, "{} threads for 4 checks", threads.count());

    gate.open();
    let up =
        |report: &serde_json::Value| (0..4).all(|index| report["checks"][index]["status"] == "up");
    until(&lifecycle, up).await;
}

#[tokio::test]
async fn when_every_check_blocks_there_is_one_thread_for_each() {
    let (gate, threads) = (Gate::default(), Threads::default());
    let checks = (0..5).map(|index| blocking(&index.to_string(), &gate, &threads));
    let lifecycle = started(checks, &Seen::default());
    let all_down = |report: &serde_json::Value| {
        (0..5).all(|index| report["checks"][index]["status"] == "down")
    };
    until(&lifecycle, all_down).await;
    // Several periods, in which nothing more may start.
    until(&lifecycle, |report| report["checks"][0]["overdue_seconds"] == 2).await;
    assert_eq!((gate.entered(), threads.count()), (5, 5));
    gate.open();
}

#[tokio::test]
async fn blocking_work_that_hangs_leaves_one_run() {
    let gate = Gate::default();
    let _open = gate.open_at_the_end();
    let hung = gate.clone();
    let check = Check::new("db", move || {
        let hung = hung.clone();
        async move { Ok(tokio::task::spawn_blocking(move || hung.pass()).await?) }
    });
    let check = check.every(Duration::from_millis(200)).timeout(Duration::from_millis(100));
    let lifecycle = started([check], &Seen::default());
    // 15 periods and more.
    let old = |report: &serde_json::Value| report["checks"][0]["overdue_seconds"] == 3;
    let report = until(&lifecycle, old).await;
    assert_eq!(report["checks"][0]["status"], "down");
    assert_eq!(gate.entered(), 1);
    gate.open();
    until(&lifecycle, |report| report["checks"][0]["status"] == "up").await;
}

#[tokio::test]
async fn a_check_that_blocks_while_it_is_cancelled_is_dropped_when_it_returns() {
    let (gate, threads) = (Gate::default(), Threads::default());
    let lifecycle =
        started([blocking("db", &gate, &threads).cancel_at_timeout()], &Seen::default());
    let old = |report: &serde_json::Value| report["checks"][0]["overdue_seconds"] == 1;
    until(&lifecycle, old).await;
    assert_eq!(gate.entered(), 1);
    gate.open();
    until(&lifecycle, |report| report["checks"][0]["status"] == "up").await;
}

#[test]
fn checks_go_on_while_the_runtime_of_the_service_is_blocked() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let dependency = Dependency::default();
    let lifecycle = {
        let _context = runtime.enter();
        started([dependency.check("db")], &Seen::default())
    };
    let gate = Gate::default();
    let _open = gate.open_at_the_end();
    let blocked = gate.clone();
    let worker = runtime.spawn(async move { blocked.pass() });
    let reader = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    reader.block_on(async {
        until_asked(&dependency, 4).await;
        let up = |report: &serde_json::Value| report["checks"][0]["status"] == "up";
        until(&lifecycle, up).await;
        assert_eq!(gate.entered(), 1);
    });
    gate.open();
    reader.block_on(worker).unwrap();
}
