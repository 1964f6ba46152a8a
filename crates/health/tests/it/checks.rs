//! Checks in the background. They run on threads of their own and follow the real clock, so these
//! tests wait for events.

use std::{sync::Arc, time::Duration};

use hardpoint_core::{Event, Readiness, Telemetry};
use hardpoint_health::{Check, Checks, Down, Lifecycle, Probes};
use http::Request;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{
    Answer::{Fail, Hang, Panic, Pass},
    Dependency, PATIENCE, PERIOD, Seen, is_ready, json as body, report, started, until,
    until_asked,
};

fn status(report: &Value, index: usize) -> &str {
    report["checks"][index]["status"].as_str().unwrap()
}

#[tokio::test]
async fn runs_come_once_per_period_and_never_sooner() {
    let dependency = Dependency::default();
    let start = tokio::time::Instant::now();
    let _lifecycle = started([dependency.check("db")], &Seen::default());
    until_asked(&dependency, 6).await;
    let asked = dependency.asked();
    // The first run comes within 100 ms and the second within a period: four periods at least.
    assert!(asked[5] - start >= 3 * PERIOD, "{asked:?}");
    for pair in asked[1..].windows(2) {
        let pause = pair[1] - pair[0];
        assert!(pause >= PERIOD / 2, "{pause:?}");
    }
}

#[tokio::test]
async fn checks_that_start_together_do_not_stay_together() {
    let dependencies: [Dependency; 20] = Default::default();
    let names = (b'a'..).map(|letter| char::from(letter).to_string());
    let checks = names
        .zip(&dependencies)
        .map(|(name, dependency)| dependency.check(&name).every(4 * PERIOD));
    let _lifecycle = started(checks, &Seen::default());
    for dependency in &dependencies {
        until_asked(dependency, 2).await;
    }
    let mut second: Vec<_> = dependencies.iter().map(|d| d.asked()[1]).collect();
    second.sort_unstable();
    // 20 random points in a second all within a fifth of it: once in 10^12 runs.
    assert!(second[19] - second[0] > 4 * PERIOD / 5);
}

#[tokio::test]
async fn three_failures_in_a_row_make_a_check_down_and_two_passes_up() {
    let (dependency, seen) = (Dependency::default(), Seen::default());
    dependency.will([Pass, Fail("refused"), Fail("refused"), Pass]);
    dependency.will([Fail("refused"), Fail("refused"), Fail("reset"), Pass, Pass]);
    let lifecycle = started([dependency.check("db").gates_readiness()], &seen);
    assert_eq!(lifecycle.readiness(), Readiness::NotReady, "never seen up");
    until_asked(&dependency, 11).await;
    // Two failures and one pass have changed nothing.
    let changes = ["not_ready", "db true", "ready", "db false", "not_ready", "db true", "ready"];
    assert_eq!(seen.take(), changes);
}

#[tokio::test]
async fn a_check_that_gates_nothing_degrades() {
    let (dependency, seen) = (Dependency::default(), Seen::default());
    dependency.will([Fail("refused"); 3]);
    let lifecycle = started([dependency.check("search").recover_after(1)], &seen);
    assert_eq!(report(&lifecycle).await["status"], "ok", "unknown is not down");
    until_asked(&dependency, 6).await;
    // Neither change has changed the readiness.
    assert_eq!(seen.take(), ["ready", "search false", "search true"]);
}

#[tokio::test]
async fn an_overdue_run_fails_shows_its_age_and_keeps_the_next_from_starting() {
    let dependency = Dependency::default();
    dependency.will([Hang]);
    let lifecycle = started([dependency.check("db").fail_after(3)], &Seen::default());
    let overdue = until(&lifecycle, |report| status(report, 0) == "down").await;
    assert_eq!(overdue["checks"][0]["code"], "timeout");
    assert!(overdue["checks"][0]["overdue_seconds"].is_u64(), "{overdue}");
    // Three periods have passed, one for each failure.
    assert_eq!(dependency.times_asked(), 1);
    let older = |report: &Value| report["checks"][0]["overdue_seconds"] == 2;
    until(&lifecycle, older).await;
    assert_eq!(dependency.times_asked(), 1);
    dependency.go_on();
    until(&lifecycle, |report| status(report, 0) == "up").await;
    assert_eq!(report(&lifecycle).await["checks"][0]["overdue_seconds"], Value::Null);
}

#[tokio::test]
async fn a_run_that_may_be_cancelled_is_dropped_at_its_timeout() {
    let dependency = Dependency::default();
    dependency.will([Hang, Hang]);
    let check = dependency.check("db").fail_after(2).cancel_at_timeout();
    let lifecycle = started([check], &Seen::default());
    until_asked(&dependency, 3).await;
    assert_eq!(dependency.cancelled(), 2);
    until(&lifecycle, |report| status(report, 0) == "up").await;
}

#[tokio::test]
async fn a_panic_is_a_failure_and_the_check_goes_on() {
    let dependency = Dependency::default();
    dependency.will([Panic; 8]);
    let check = dependency.check("db").fail_after(1).recover_after(1);
    let lifecycle = started([check], &Seen::default());
    until_asked(&dependency, 2).await;
    let line = report(&lifecycle).await["checks"][0].clone();
    assert_eq!((&line["status"], &line["code"]), (&json!("down"), &json!("panicked")));
    until(&lifecycle, |report| status(report, 0) == "up").await;
}

/// What a panic carries, and what panics when it is dropped.
struct Again;

impl Drop for Again {
    fn drop(&mut self) {
        std::panic::resume_unwind(Box::new("again"));
    }
}

#[tokio::test]
async fn a_panic_whose_payload_panics_is_a_failure_and_the_check_goes_on() {
    let dependency = Dependency::default();
    let asked = dependency.clone();
    let check = Check::new("db", move || {
        let again = asked.times_asked() < 8;
        let asked = asked.ask();
        async move {
            asked.await?;
            if again {
                std::panic::resume_unwind(Box::new(Again));
            }
            Ok(())
        }
    });
    let check = check.every(PERIOD).timeout(PERIOD / 2).fail_after(1).recover_after(1);
    let lifecycle = started([check], &Seen::default());
    until_asked(&dependency, 2).await;
    assert_eq!(report(&lifecycle).await["checks"][0]["code"], "panicked");
    until(&lifecycle, |report| status(report, 0) == "up").await;
}

#[tokio::test]
async fn the_report_shows_the_code_and_the_times_and_no_error_text() {
    let check = Check::new("db", || async {
        let error = std::io::Error::other("password authentication failed for hunter2");
        Err(Down::new("refused").caused_by(error))
    });
    let check = check.fail_after(1);
    let lifecycle = started([check, Dependency::default().check("b")], &Seen::default());
    let settled = |report: &Value| status(report, 0) == "down" && status(report, 1) == "up";
    let mut report = until(&lifecycle, settled).await;
    for line in report["checks"].as_array_mut().unwrap() {
        for member in ["since_seconds", "last_duration_ms"] {
            assert!(line[member].take().is_u64(), "{member}");
        }
    }
    let line = |name: &str, status: &str, code: Value| {
        json!({
            "name": name,
            "status": status,
            "code": code,
            "gates_readiness": false,
            "since_seconds": null,
            "last_duration_ms": null,
            "overdue_seconds": null,
        })
    };
    assert_eq!(
        report,
        json!({
            "status": "degraded",
            "started": true,
            "draining": false,
            "in_flight": 0,
            "runtime": { "status": "ok", "blocked_workers": 0 },
            "checks": [line("db", "down", json!("refused")), line("b", "up", Value::Null)],
        })
    );
    assert!(!report.to_string().contains("hunter2"));
}

#[tokio::test]
async fn the_report_has_the_format_that_the_client_asks_for() {
    let [up, soft, gate, behind]: [Dependency; 4] = Default::default();
    soft.will([Fail("refused"); 1_000]);
    let checks = [
        up.check("up"),
        soft.check("soft").fail_after(1),
        behind.check("behind").depends_on("soft"),
        gate.check("gate").gates_readiness().fail_after(1),
    ];
    let lifecycle = started(checks, &Seen::default());
    let ask = async || {
        let request = Request::get("/health").header("accept", "application/health+json");
        let response = Probes::new(&lifecycle).oneshot(request.body(()).unwrap()).await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/health+json");
        assert_eq!(response.headers()["cache-control"], "no-store");
        (response.status().as_u16(), body(response).await)
    };
    let settled = |report: &Value| {
        ["up", "down", "skipped", "up"]
            .iter()
            .enumerate()
            .all(|(index, wanted)| status(report, index) == *wanted)
    };
    until(&lifecycle, settled).await;
    let (code, mut report) = ask().await;
    assert_eq!(code, 200, "{report}");
    for check in report["checks"].as_object_mut().unwrap().values_mut() {
        check[0].as_object_mut().unwrap().remove("observedValue");
    }
    let timed = |status: &str| json!({ "componentType": "component", "status": status, "observedUnit": "ms" });
    let with_output = |mut check: Value, output: &str| {
        check["output"] = output.into();
        json!([check])
    };
    assert_eq!((&report["status"], &report["output"]), (&json!("warn"), &json!("degraded")));
    assert_eq!(report["checks"]["up"], json!([timed("pass")]));
    assert_eq!(report["checks"]["soft"], with_output(timed("warn"), "refused"));
    assert_eq!(report["checks"]["behind"][0]["output"], "skipped");
    assert_eq!(report["checks"]["gate"], json!([timed("pass")]));

    gate.will([Fail("reset"); 1_000]);
    until(&lifecycle, |report| status(report, 3) == "down").await;
    let (code, report) = ask().await;
    assert_eq!((code, &report["status"]), (503, &json!("fail")));
    assert_eq!(report["output"], "not_ready");
    assert_eq!(report["checks"]["gate"][0]["status"], "fail");
}

#[tokio::test]
async fn question_marks_turn_any_error_into_a_failure() {
    let check = Check::new("db", || async {
        Err(std::io::Error::other("gone"))?;
        Ok(())
    });
    let lifecycle = started([check.fail_after(1)], &Seen::default());
    until(&lifecycle, |report| report["checks"][0]["code"] == "failed").await;
}

#[tokio::test]
async fn a_check_is_skipped_while_one_that_it_depends_on_is_down() {
    let [dns, db, search]: [Dependency; 3] = Default::default();
    dns.will([Fail("refused"); 8]);
    db.will([Fail("refused")]);
    let checks = [
        // Listed before the check that it depends on.
        search.check("search").gates_readiness().depends_on("db"),
        db.check("db").depends_on("dns").fail_after(1).recover_after(1),
        dns.check("dns").fail_after(1).recover_after(1),
    ];
    let lifecycle = started(checks, &Seen::default());
    let down = until(&lifecycle, |report| status(report, 2) == "down").await;
    assert_eq!((status(&down, 0), status(&down, 1)), ("skipped", "skipped"));
    // A run that was under way may still end.
    until_asked(&dns, 3).await;
    let asked = (db.times_asked(), search.times_asked());
    until_asked(&dns, 7).await;
    assert_eq!((db.times_asked(), search.times_asked()), asked, "a skipped check ran");
    until(&lifecycle, |report| (0..3).all(|index| status(report, index) == "up")).await;
    assert!(is_ready(&lifecycle));
}

#[tokio::test]
async fn a_check_that_fails_behind_another_does_not_count() {
    let [dns, db]: [Dependency; 2] = Default::default();
    db.will([Fail("refused"); 1_000]);
    let lifecycle = started(
        [
            dns.check("dns").fail_after(1),
            db.check("db").depends_on("dns").gates_readiness().fail_after(1),
        ],
        &Seen::default(),
    );
    until(&lifecycle, |report| status(report, 1) == "down" && status(report, 0) == "up").await;
    assert_eq!(lifecycle.readiness(), Readiness::NotReady);
    dns.will([Fail("refused"); 1_000]);
    let report = until(&lifecycle, |report| status(report, 0) == "down").await;
    assert_eq!((&report["status"], status(&report, 1)), (&json!("degraded"), "skipped"));
}

#[tokio::test]
async fn a_check_that_gates_the_start_must_pass_once() {
    let startup = async |lifecycle: &Lifecycle| {
        let request = Request::get("/startupz").body(()).unwrap();
        Probes::new(lifecycle).oneshot(request).await.unwrap().status().as_u16()
    };
    let migrated = Dependency::default();
    migrated.will([Fail("pending"), Fail("pending"), Pass]);
    migrated.will([Fail("gone"); 1_000]);
    let check = migrated.check("schema").gates_startup().fail_after(1).recover_after(1);
    let seen = Seen::default();
    let lifecycle = started([check], &seen);
    assert_eq!(lifecycle.readiness(), Readiness::Starting);
    assert_eq!(startup(&lifecycle).await, 503);
    until_asked(&migrated, 5).await;
    assert_eq!(seen.take(), ["schema false", "schema true", "ready", "schema false"]);
    assert_eq!(lifecycle.readiness(), Readiness::Ready, "down degrades, once it has passed");
    assert_eq!(startup(&lifecycle).await, 200);
}

#[tokio::test]
async fn checks_end_with_the_last_handle() {
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let check = Check::new("db", move || {
        let _held = &held;
        async { Ok(()) }
    });
    let lifecycle = started([check], &Seen::default());
    let probes = Probes::new(&lifecycle);
    drop(lifecycle);
    until_asked(&Dependency::default(), 0).await;
    assert_eq!(Arc::strong_count(&alive), 2, "the probes hold the checks");
    drop(probes);
    let dropped = async {
        while Arc::strong_count(&alive) > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, dropped).await.unwrap();
}

#[tokio::test]
async fn an_observer_that_panics_stops_no_check() {
    let dependency = Dependency::default();
    dependency.will([Fail("refused")]);
    let checks = Checks::builder().add_check(dependency.check("db").fail_after(1).recover_after(1));
    let lifecycle = Lifecycle::builder()
        .checks(checks.build().unwrap())
        .telemetry(&Telemetry::new(|_: &Event<'_>| std::panic::resume_unwind(Box::new("observer"))))
        .build()
        .unwrap();
    lifecycle.started();
    until_asked(&dependency, 4).await;
    until(&lifecycle, |report| status(report, 0) == "up").await;
}

#[tokio::test]
async fn a_run_belongs_to_the_runtime_of_the_service() {
    let spawned = Arc::new(std::sync::Mutex::new(None));
    let seen = Arc::clone(&spawned);
    let check = Check::new("db", move || {
        let seen = Arc::clone(&seen);
        async move {
            let id = tokio::spawn(async { std::thread::current().id() }).await?;
            *seen.lock().unwrap() = Some((id, std::thread::current().id()));
            Ok(())
        }
    });
    let lifecycle = started([check], &Seen::default());
    until(&lifecycle, |report| status(report, 0) == "up").await;
    let (spawned, polled) = spawned.lock().unwrap().unwrap();
    assert_eq!(spawned, std::thread::current().id(), "this runtime has one thread");
    assert_ne!(polled, spawned);
}

#[test]
fn mistakes_in_dependencies_are_listed_at_once() {
    let check = |name: &'static str| Check::new(name, || async { Ok(()) });
    let error = Checks::builder()
        .add_check(check("a").depends_on("b"))
        .add_check(check("b").depends_on("a").depends_on("nowhere"))
        .add_check(check("b"))
        .build()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "two checks are named `b`; give each check a different name; check `b` depends on \
         `nowhere`, but no check has that name; add the check or correct the name; the checks `a`, \
         `b` depend on each other, so that none would run while one is down; remove one of the \
         dependencies"
    );
}
