use std::{
    convert::Infallible,
    future,
    process::ExitCode,
    sync::{Arc, Mutex},
    time::Duration,
};

use hardpoint_core::{Event, Readiness, Telemetry, event::ReadinessChanged};
use tokio::{sync::mpsc, time::Instant};

use super::{
    Lifecycle,
    run::Ended,
    signals::{Signal, Source},
};
use crate::{Check, Checks, error::Mistake};

impl Source for mpsc::UnboundedReceiver<Signal> {
    async fn next(&mut self) -> Signal {
        match self.recv().await {
            Some(signal) => signal,
            None => future::pending().await,
        }
    }
}

const DELAY: Duration = Duration::from_secs(5);
const SETTLE: Duration = Duration::from_millis(50);
const DEADLINE: Duration = Duration::from_secs(20);

fn lifecycle() -> Lifecycle {
    Lifecycle::builder().build().unwrap()
}

/// A server without connections.
async fn idle(lifecycle: &Lifecycle) -> Result<(), Infallible> {
    lifecycle.stop_accepting().await;
    Ok(())
}

/// A server that waits for a client forever.
async fn stuck() -> Result<(), Infallible> {
    future::pending().await
}

#[tokio::test(start_paused = true)]
async fn the_first_signal_drains_after_delay_and_settle_time() {
    let lifecycle = lifecycle();
    let (sender, signals) = mpsc::unbounded_channel();
    sender.send(Signal::Terminate).unwrap();
    let start = Instant::now();
    let ended = lifecycle.drive(idle(&lifecycle), signals).await;
    assert!(matches!(ended, Ended::Drained));
    assert_eq!(ExitCode::from(ended), ExitCode::SUCCESS);
    assert!(start.elapsed() >= DELAY + SETTLE);
    assert!(start.elapsed() < DELAY + SETTLE + Duration::from_millis(5));
    assert!(lifecycle.is_draining());
}

#[tokio::test(start_paused = true)]
async fn a_stuck_server_is_cut_at_the_deadline() {
    let lifecycle = lifecycle();
    let (sender, signals) = mpsc::unbounded_channel();
    sender.send(Signal::Interrupt).unwrap();
    let start = Instant::now();
    let ended = lifecycle.drive(stuck(), signals).await;
    assert!(matches!(ended, Ended::DeadlinePassed));
    assert_eq!(ExitCode::from(ended), ExitCode::from(75));
    assert!(start.elapsed() >= DELAY + DEADLINE);
    assert!(start.elapsed() < DELAY + DEADLINE + Duration::from_millis(5));
}

#[tokio::test(start_paused = true)]
async fn an_insisting_signal_ends_at_once() {
    for (pause, signal, code) in [(0, Signal::Interrupt, 130), (2_000, Signal::Terminate, 143)] {
        let lifecycle = lifecycle();
        let (sender, signals) = mpsc::unbounded_channel();
        let pause = Duration::from_millis(pause);
        tokio::spawn(async move {
            sender.send(Signal::Terminate).unwrap();
            tokio::time::sleep(pause).await;
            sender.send(signal).unwrap();
        });
        let start = Instant::now();
        let ended = lifecycle.drive(stuck(), signals).await;
        assert!(matches!(ended, Ended::Interrupted(by) if by == signal));
        assert_eq!(ExitCode::from(ended), ExitCode::from(code));
        assert!(start.elapsed() < pause + Duration::from_millis(5));
    }
}

#[tokio::test(start_paused = true)]
async fn twins_of_the_first_signal_cut_nothing() {
    for first in [Signal::Terminate, Signal::Interrupt] {
        let lifecycle = lifecycle();
        let (sender, signals) = mpsc::unbounded_channel();
        let busy = Arc::clone(lifecycle.board());
        busy.phase().enter();
        tokio::spawn(async move {
            sender.send(first).unwrap();
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_millis(600)).await;
                sender.send(Signal::Terminate).unwrap();
            }
            tokio::time::sleep(Duration::from_secs(7)).await;
            busy.leave();
        });
        let ended = lifecycle.drive(idle(&lifecycle), signals).await;
        assert!(matches!(ended, Ended::Drained), "{first:?}: {ended:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_operator_may_want_every_second_signal_to_count() {
    let lifecycle = Lifecycle::builder().insist_after(Duration::ZERO).build().unwrap();
    let (sender, signals) = mpsc::unbounded_channel();
    sender.send(Signal::Terminate).unwrap();
    sender.send(Signal::Terminate).unwrap();
    let ended = lifecycle.drive(stuck(), signals).await;
    assert!(matches!(ended, Ended::Interrupted(Signal::Terminate)));
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_the_program_began_is_not_cut_short_by_the_first_signal() {
    let lifecycle = lifecycle();
    let (sender, signals) = mpsc::unbounded_channel();
    lifecycle.begin_drain();
    lifecycle.begin_drain();
    sender.send(Signal::Terminate).unwrap();
    let ended = lifecycle.drive(idle(&lifecycle), signals).await;
    assert!(matches!(ended, Ended::Drained));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_ends_the_run_at_once() {
    let lifecycle = lifecycle();
    let (_sender, signals) = mpsc::unbounded_channel();
    let serve = async { Err::<(), _>(std::io::Error::other("port in use")) };
    let ended = lifecycle.drive(serve, signals).await;
    assert!(matches!(&ended, Ended::Failed(error) if error.to_string() == "port in use"));
    assert_eq!(ExitCode::from(ended), ExitCode::from(70));
}

#[tokio::test(start_paused = true)]
async fn requests_that_outlive_their_server_are_waited_for() {
    let lifecycle = lifecycle();
    let (_sender, signals) = mpsc::unbounded_channel();
    let board = Arc::clone(lifecycle.board());
    board.phase().enter();
    board.phase().enter();
    lifecycle.begin_drain();
    let start = Instant::now();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(6)).await;
        board.leave();
        tokio::time::sleep(Duration::from_secs(2)).await;
        board.leave();
    });
    let ended = lifecycle.drive(idle(&lifecycle), signals).await;
    assert!(matches!(ended, Ended::Drained));
    assert!(start.elapsed() >= Duration::from_secs(8));
    assert!(start.elapsed() < Duration::from_secs(9));
}

#[tokio::test(start_paused = true)]
async fn every_waiter_is_woken_and_late_ones_are_not_kept_waiting() {
    let lifecycle = lifecycle();
    let early = [lifecycle.draining(), lifecycle.draining()].map(tokio::spawn);
    tokio::task::yield_now().await;
    assert!(early.iter().all(|waiter| !waiter.is_finished()));
    lifecycle.begin_drain();
    for waiter in early {
        waiter.await.unwrap();
    }
    lifecycle.draining().await;
    tokio::time::advance(DELAY + SETTLE).await;
    let late = Instant::now();
    lifecycle.stop_accepting().await;
    assert!(late.elapsed() < Duration::from_millis(5));
}

#[tokio::test(start_paused = true)]
async fn the_longest_durations_wait_instead_of_overflowing() {
    let lifecycle = Lifecycle::builder()
        .drain_delay(Duration::MAX)
        .drain_deadline(Duration::MAX)
        .build()
        .unwrap();
    lifecycle.begin_drain();
    let stop = tokio::time::timeout(Duration::from_secs(3_600), lifecycle.stop_accepting());
    assert!(stop.await.is_err());
}

#[tokio::test]
async fn each_change_of_readiness_is_told_once() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let lifecycle = Lifecycle::builder()
        .telemetry(&Telemetry::new(move |event: &Event<'_>| {
            if let Event::ReadinessChanged(ReadinessChanged { readiness, .. }) = event {
                log.lock().unwrap().push(*readiness);
            }
        }))
        .build()
        .unwrap();
    assert_eq!(lifecycle.readiness(), Readiness::Starting);
    lifecycle.started();
    lifecycle.started();
    assert_eq!(lifecycle.readiness(), Readiness::Ready);
    lifecycle.begin_drain();
    lifecycle.begin_drain();
    lifecycle.started();
    assert_eq!(lifecycle.readiness(), Readiness::Draining);
    assert_eq!(*seen.lock().unwrap(), [Readiness::Ready, Readiness::Draining]);
}

#[test]
fn every_mistake_is_listed_at_once_also_outside_a_runtime() {
    let checks = Checks::builder().add_check(Check::new("a", || async { Ok(()) })).build().unwrap();
    let error =
        Lifecycle::builder().checks(checks).drain_deadline(Duration::ZERO).build().unwrap_err();
    assert_eq!(error.mistakes(), [Mistake::ZeroDrainDeadline, Mistake::NoRuntime { checks: 1 }]);
    let error = Lifecycle::builder().drain_deadline(SETTLE).build().unwrap_err();
    assert!(error.to_string().contains("settle time 50ms is not shorter than the drain deadline"));
    assert!(Lifecycle::builder().build().is_ok(), "without checks, no runtime is needed");
}

#[test]
fn a_drain_that_does_not_fit_into_the_grace_period_is_a_mistake() {
    let second = Duration::from_secs(1);
    // 5 s of delay, 20 s of deadline and 1 s to exit.
    let fits = || Lifecycle::builder().grace_period(26 * second);
    assert!(fits().build().is_ok());
    let hook = || async { Ok::<_, Infallible>(()) };
    let error = fits().add_hook("flush", 2 * second, hook).build().unwrap_err();
    let (takes, grace_period) = (28 * second, 26 * second);
    assert_eq!(error.mistakes(), [Mistake::GracePeriodTooShort { takes, grace_period }]);
    assert!(error.to_string().contains("grant 28s"), "{error}");
    assert!(Lifecycle::builder().grace_period(second).drain_delay(Duration::MAX).build().is_err());
}

#[tokio::test(start_paused = true)]
async fn hooks_run_in_order_and_a_failure_changes_only_a_clean_exit_code() {
    for (ended, fails, code) in
        [(Ended::Drained, false, 0), (Ended::Drained, true, 70), (Ended::DeadlinePassed, true, 75)]
    {
        let order = Arc::new(Mutex::new(Vec::new()));
        let hook = |name, fails| {
            let order = Arc::clone(&order);
            move || async move {
                order.lock().unwrap().push(name);
                if fails { Err("failed") } else { Ok(()) }
            }
        };
        let lifecycle = Lifecycle::builder()
            .add_hook("first", DELAY, hook("first", fails))
            .add_hook("second", DELAY, future::pending::<Result<(), Infallible>>)
            .add_hook("third", DELAY, hook("third", false));
        let lifecycle = if fails { lifecycle } else { Lifecycle::builder() };
        assert_eq!(lifecycle.build().unwrap().finish(ended).await, code);
        let expected: &[_] = if fails { &["first", "third"] } else { &[] };
        assert_eq!(*order.lock().unwrap(), expected);
    }
}

#[tokio::test]
async fn a_hook_that_panics_before_its_future_ends_no_other() {
    let ran = Arc::new(Mutex::new(false));
    let last = Arc::clone(&ran);
    let lifecycle = Lifecycle::builder()
        .add_hook("panics", DELAY, || -> future::Ready<Result<(), Infallible>> { panic!("broken") })
        .add_hook("last", DELAY, move || async move {
            *last.lock().unwrap() = true;
            Ok::<_, Infallible>(())
        })
        .build()
        .unwrap();
    assert_eq!(lifecycle.finish(Ended::Drained).await, 70);
    assert!(*ran.lock().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_guard_holds_the_drain_until_the_deadline() {
    for (held_for, code) in [(DELAY + DEADLINE / 2, 0), (DELAY + DEADLINE * 2, 75)] {
        let lifecycle = lifecycle();
        let (_sender, signals) = mpsc::unbounded_channel();
        let guard = lifecycle.hold();
        assert!(!guard.is_draining());
        lifecycle.begin_drain();
        assert!(guard.is_draining());
        tokio::spawn(async move {
            tokio::time::sleep(held_for).await;
            drop(guard);
        });
        let start = Instant::now();
        let ended = lifecycle.drive(idle(&lifecycle), signals).await;
        assert_eq!(ended.code(), code);
        assert!(start.elapsed() >= held_for.min(DELAY + DEADLINE));
    }
}
