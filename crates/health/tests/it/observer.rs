//! What an observer is told when two threads tell it at the same time.

use std::{
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use hardpoint_core::{Event, Readiness, Telemetry};
use hardpoint_health::Lifecycle;

#[test]
fn the_last_readiness_that_is_told_is_true_though_two_tell_at_once() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let (entered, go_on) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let first = Arc::new(AtomicBool::new(true));
    let lifecycle = Lifecycle::builder()
        .telemetry(&Telemetry::new({
            let (told, entered, go_on) = (told.clone(), entered.clone(), go_on.clone());
            move |event: &Event<'_>| {
                let Event::ReadinessChanged(change) = event else { return };
                if first.swap(false, Ordering::Relaxed) {
                    // Held up until the drain was told.
                    entered.wait();
                    go_on.wait();
                }
                told.lock().unwrap().push(change.readiness);
            }
        }))
        .build()
        .unwrap();
    thread::scope(|scope| {
        scope.spawn(|| lifecycle.started());
        entered.wait();
        lifecycle.begin_drain();
        assert_eq!(*told.lock().unwrap(), [Readiness::Draining]);
        go_on.wait();
    });
    let told = told.lock().unwrap();
    assert_eq!(*told, [Readiness::Draining, Readiness::Ready, Readiness::Draining]);
}
