//! What is logged, and what is not.

use hardpoint_health::{Check, Down};
use hardpoint_testkit::leak::CapturedLogs;

use crate::support::{Answer::Fail, Dependency, PERIOD, Seen, started, until_asked};

#[tokio::test]
async fn changes_are_logged_and_nothing_else() {
    let logs = CapturedLogs::default();
    let subscriber = tracing_subscriber::fmt().with_writer(logs.writer()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let dependency = Dependency::default();
    dependency.will([Fail("refused"); 2]);
    let check = dependency.check("db").fail_after(2).gates_readiness();
    let lifecycle = started([check], &Seen::default());
    until_asked(&dependency, 8).await;
    lifecycle.begin_drain();
    let words = |line: &String| {
        let (_time_and_level, rest) = line.split_once("hardpoint::health::").unwrap();
        rest.to_owned()
    };
    assert_eq!(
        logs.lines().iter().map(words).collect::<Vec<_>>(),
        [
            r#"lifecycle: started"#,
            r#"lifecycle: readiness changed readiness="not_ready""#,
            r#"check: check is down check="db" code="refused""#,
            r#"check: check is up check="db""#,
            r#"lifecycle: readiness changed readiness="ready""#,
            r#"lifecycle: draining in_flight=0"#,
            r#"lifecycle: readiness changed readiness="draining""#,
        ]
    );
}

#[tokio::test]
async fn the_cause_of_a_failure_is_logged_when_the_check_goes_down() {
    let logs = CapturedLogs::default();
    let subscriber = tracing_subscriber::fmt().with_writer(logs.writer()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let check =
        Check::new("db", || async { Err(Down::new("refused").caused_by("no route to host")) });
    let asked = Dependency::default();
    let _lifecycle = started(
        [check.fail_after(1).every(PERIOD).timeout(PERIOD / 2), asked.check("other")],
        &Seen::default(),
    );
    until_asked(&asked, 6).await;
    let text = logs.text();
    assert_eq!(text.matches("no route to host").count(), 1, "{text}");
    assert_eq!(text.matches("WARN").count(), 1, "{text}");
}
