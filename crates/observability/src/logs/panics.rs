//! Panics, as lines of the log.

use std::{
    env,
    panic::{self, PanicHookInfo},
    thread,
};

use tracing::{Level, enabled, error};

const TARGET: &str = "hardpoint::panic";

/// Logs each panic of the process from now on. `only` leaves out the text on standard error.
pub(super) fn log(only: bool) {
    let previous = panic::take_hook();
    let only = only && env::var_os("RUST_BACKTRACE").is_none();
    panic::set_hook(Box::new(move |info| {
        write(info);
        // A filter that hides the line must not hide the panic, nor must an abort before it is written.
        if !only || cfg!(panic = "abort") || !enabled!(target: TARGET, Level::ERROR) {
            previous(info);
        }
    }));
}

fn write(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string);
    let thread = thread::current();
    error!(
        target: TARGET,
        place,
        thread = thread.name(),
        "panicked: {}",
        info.payload_as_str().unwrap_or("(not a text)")
    );
}
