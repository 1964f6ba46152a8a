//! Checks in the background, on paused time.

use std::{sync::Arc, time::Duration};

use hardpoint_core::Readiness;
use hardpoint_health::{Check, Down};
use serde_json::json;

use crate::support::{
    Answer::{Fail, Hang, Panic, Pass},
    Dependency, Seen, is_ready, report, started, until_asked,
};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn the_first_run_is_soon_the_second_within_a_period_and_later_ones_regular() {
    let dependency = Dependency::default();
    let start = tokio::time::Instant::now();
    let _lifecycle = started([dependency.check("db")], &Seen::default());
    until_asked(&dependency, 5).await;
    let asked = dependency.asked();
    // A timer of tokio fires up to a millisecond late.
    let slack = Duration::from_millis(2);
    assert!(asked[0] - start <= Duration::from_millis(100) + slack);
    assert!(asked[1] - asked[0] <= 5 * SECOND + slack);
    for pair in asked[1..].windows(2) {
        let pause = pair[1] - pair[0];
        assert!(pause >= 5 * SECOND && pause <= 5 * SECOND + slack, "{pause:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn checks_that_start_together_do_not_stay_together() {
    let dependencies: [Dependency; 20] = Default::default();
    let names = (b'a'..).map(|letter| char::from(letter).to_string());
    let checks = names.zip(&dependencies).map(|(name, dependency)| dependency.check(&name));
    let _lifecycle = started(checks, &Seen::default());
    for dependency in &dependencies {
        until_asked(dependency, 2).await;
    }
    let mut second: Vec<_> = dependencies.iter().map(|d| d.asked()[1]).collect();
    second.sort_unstable();
    // 20 random points in 5 seconds all within one second: once in 10^12 runs.
    assert!(second[19] - second[0] > SECOND);
}

#[tokio::test(start_paused = true)]
async fn three_failures_in_a_row_make_a_check_down_and_two_passes_up() {
    let (dependency, seen) = (Dependency::default(), Seen::default());
    dependency.will([Pass, Fail("refused"), Fail("refused"), Pass]);
    dependency.will([Fail("refused"), Fail("refused"), Fail("reset"), Pass, Pass]);
    let lifecycle = started([dependency.check("db").gates_readiness()], &seen);
    assert_eq!(lifecycle.readiness(), Readiness::NotReady, "never seen up");
    until_asked(&dependency, 6).await;
    assert!(is_ready(&lifecycle), "two failures are not three");
    until_asked(&dependency, 7).await;
    assert_eq!(lifecycle.readiness(), Readiness::NotReady);
    assert_eq!(report(&lifecycle).await["checks"][0]["code"], "reset");
    until_asked(&dependency, 8).await;
    assert!(!is_ready(&lifecycle), "one pass is not two");
    until_asked(&dependency, 9).await;
    assert!(is_ready(&lifecycle));
    let changes = ["not_ready", "db true", "ready", "db false", "not_ready", "db true", "ready"];
    assert_eq!(seen.take(), changes);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_gates_nothing_degrades() {
    let (dependency, seen) = (Dependency::default(), Seen::default());
    dependency.will([Fail("refused"); 3]);
    let lifecycle = started([dependency.check("search").recover_after(1)], &seen);
    assert_eq!(report(&lifecycle).await["status"], "ok", "unknown is not down");
    until_asked(&dependency, 3).await;
    assert!(is_ready(&lifecycle));
    assert_eq!(report(&lifecycle).await["status"], "degraded");
    until_asked(&dependency, 4).await;
    assert_eq!(report(&lifecycle).await["status"], "ok");
    assert_eq!(seen.take(), ["ready", "search false", "search true"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_hangs_is_cut_at_its_timeout() {
    let dependency = Dependency::default();
    // Twice: the second run may come as soon as the first has ended.
    dependency.will([Hang, Hang]);
    let check = dependency.check("db").fail_after(1).timeout(2 * SECOND);
    let lifecycle = started([check], &Seen::default());
    until_asked(&dependency, 1).await;
    let limit = dependency.asked()[0] + 2 * SECOND;
    tokio::time::sleep_until(limit - Duration::from_millis(5)).await;
    assert_eq!(report(&lifecycle).await["checks"][0]["status"], "unknown");
    tokio::time::sleep_until(limit + Duration::from_millis(5)).await;
    let line = report(&lifecycle).await["checks"][0].clone();
    assert_eq!(line["status"], "down");
    assert_eq!(line["code"], "timeout");
    assert!((2_000..2_005).contains(&line["last_duration_ms"].as_u64().unwrap()));
    until_asked(&dependency, 4).await;
    assert_eq!(report(&lifecycle).await["checks"][0]["status"], "up");
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_and_the_check_goes_on() {
    let dependency = Dependency::default();
    dependency.will([Panic]);
    let check = dependency.check("db").fail_after(1).recover_after(1);
    let lifecycle = started([check], &Seen::default());
    until_asked(&dependency, 1).await;
    let line = report(&lifecycle).await["checks"][0].clone();
    assert_eq!((&line["status"], &line["code"]), (&json!("down"), &json!("panicked")));
    until_asked(&dependency, 2).await;
    assert_eq!(report(&lifecycle).await["checks"][0]["status"], "up");
}

/// What a panic carries, and what panics when it is dropped.
struct Again;

impl Drop for Again {
    fn drop(&mut self) {
        std::panic::resume_unwind(Box::new("again"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_whose_payload_panics_is_a_failure_and_the_check_goes_on() {
    let dependency = Dependency::default();
    let asked = dependency.clone();
    let check = Check::new("db", move || {
        let again = asked.times_asked() == 0;
        let asked = asked.ask();
        async move {
            asked.await?;
            if again {
                std::panic::panic_any(Again);
            }
            Ok(())
        }
    });
    let lifecycle = started([check.fail_after(1).recover_after(1)], &Seen::default());
    until_asked(&dependency, 1).await;
    assert_eq!(report(&lifecycle).await["checks"][0]["code"], "panicked");
    until_asked(&dependency, 2).await;
    assert_eq!(report(&lifecycle).await["checks"][0]["status"], "up");
}

#[tokio::test(start_paused = true)]
async fn the_report_tells_the_code_and_the_times_and_no_error_text() {
    let check = Check::new("db", || async {
        let error = std::io::Error::other("password authentication failed for hunter2");
        Err(Down::new("refused").caused_by(error))
    });
    let lifecycle =
        started([check.fail_after(1), Dependency::default().check("b")], &Seen::default());
    tokio::time::sleep(Duration::from_millis(150)).await;
    tokio::time::sleep(90 * SECOND).await;
    let report = report(&lifecycle).await;
    assert_eq!(
        report,
        json!({
            "status": "degraded",
            "started": true,
            "draining": false,
            "in_flight": 0,
            "checks": [
                {
                    "name": "db",
                    "status": "down",
                    "code": "refused",
                    "gates_readiness": false,
                    "since_seconds": 90,
                    "last_duration_ms": 0,
                },
                {
                    "name": "b",
                    "status": "up",
                    "code": null,
                    "gates_readiness": false,
                    "since_seconds": 90,
                    "last_duration_ms": 0,
                },
            ],
        })
    );
    assert!(!report.to_string().contains("hunter2"));
}

#[tokio::test(start_paused = true)]
async fn question_marks_turn_any_error_into_a_failure() {
    let check = Check::new("db", || async {
        Err(std::io::Error::other("gone"))?;
        Ok(())
    });
    let lifecycle = started([check.fail_after(1)], &Seen::default());
    tokio::time::sleep(SECOND).await;
    assert_eq!(report(&lifecycle).await["checks"][0]["code"], "failed");
}

#[tokio::test(start_paused = true)]
async fn checks_end_with_the_last_handle() {
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let check = Check::new("db", move || {
        let _held = &held;
        async { Ok(()) }
    });
    let lifecycle = started([check], &Seen::default());
    let probes = hardpoint_health::Probes::new(&lifecycle);
    drop(lifecycle);
    tokio::time::sleep(SECOND).await;
    assert_eq!(Arc::strong_count(&alive), 2, "the probes hold the checks");
    drop(probes);
    tokio::time::sleep(SECOND).await;
    assert_eq!(Arc::strong_count(&alive), 1);
}
