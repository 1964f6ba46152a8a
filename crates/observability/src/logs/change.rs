//! The filter of a layer, which can be replaced while the program runs.

use std::{
    fmt,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use arc_swap::ArcSwap;
use tracing::{
    Metadata, Subscriber,
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
    subscriber::Interest,
};
use tracing_log::{AsLog, log::set_max_level};
use tracing_subscriber::{
    EnvFilter, Registry,
    layer::{Context, Filter},
    registry::LookupSpan,
};

use super::{ConfigError, filter};

/// The filters of all layers of one `Logs`, and the time at which they return to what was
/// configured.
#[derive(Default)]
pub(super) struct Filters {
    layers: Mutex<Vec<Arc<Replaceable>>>,
    changes: Mutex<Changes>,
    changed: Condvar,
    /// Whether the records of the `log` crate are ours, whose own level follows.
    owns_log: AtomicBool,
}

#[derive(Default)]
struct Changes {
    /// Counts the calls, so that an older one does not undo a newer one.
    number: u64,
}

/// The filter of one layer.
pub(super) struct Replaceable {
    current: ArcSwap<EnvFilter>,
    /// What a temporary filter returns to.
    configured: Mutex<String>,
    /// Whether the filter asks for the fields of spans. Otherwise it needs to know of none.
    asks_spans: AtomicBool,
}

/// [`Replaceable`] as tracing takes it.
pub(super) struct Shared(pub(super) Arc<Replaceable>);

impl Filters {
    /// Adds the filter of a layer.
    pub(super) fn add(&self, text: &str) -> Result<Shared, ConfigError> {
        let added = Arc::new(Replaceable {
            current: ArcSwap::from_pointee(filter::parse(text)?),
            configured: Mutex::new(text.to_owned()),
            asks_spans: AtomicBool::new(asks_spans(text)),
        });
        lock(&self.layers).push(Arc::clone(&added));
        Ok(Shared(added))
    }

    /// Makes the level of the `log` crate follow.
    pub(super) fn own_log(&self) {
        self.owns_log.store(true, Ordering::Relaxed);
    }

    /// Replaces all filters, for good or for some time.
    pub(super) fn set(
        self: &Arc<Self>,
        text: &str,
        within: Option<Duration>,
    ) -> Result<(), ConfigError> {
        filter::parse(text)?;
        let mut changes = lock(&self.changes);
        if let Some(within) = within {
            let (own, number) = (Arc::clone(self), changes.number + 1);
            thread::Builder::new()
                .name("hardpoint-log-filter".to_owned())
                .spawn(move || own.revert(number, within))
                .map_err(|error| ConfigError::Thread { kind: error.kind() })?;
        }
        changes.number += 1;
        self.changed.notify_all();
        for layer in lock(&self.layers).iter() {
            if within.is_none() {
                text.clone_into(&mut lock(&layer.configured));
            }
            layer.replace(text);
        }
        self.announce();
        Ok(())
    }

    /// Waits, and returns to what was configured, unless another change has come.
    fn revert(&self, number: u64, within: Duration) {
        let changes = lock(&self.changes);
        let waited =
            self.changed.wait_timeout_while(changes, within, |changes| changes.number == number);
        let (changes, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if changes.number == number {
            for layer in lock(&self.layers).iter() {
                let configured = lock(&layer.configured).clone();
                layer.replace(&configured);
            }
            self.announce();
        }
    }

    /// Lets tracing and `log` ask again what is wanted.
    fn announce(&self) {
        tracing::callsite::rebuild_interest_cache();
        if self.owns_log.load(Ordering::Relaxed) {
            let hints = lock(&self.layers);
            let level = hints.iter().map(|layer| level(&layer.current.load())).max();
            set_max_level(level.unwrap_or(LevelFilter::TRACE).as_log());
        }
    }
}

impl Replaceable {
    /// Replaces the filter by this text, which was parsed before.
    fn replace(&self, text: &str) {
        if let Ok(filter) = filter::parse(text) {
            self.asks_spans.store(asks_spans(text), Ordering::Relaxed);
            self.current.store(Arc::new(filter));
        }
    }

    fn asks_spans(&self) -> bool {
        self.asks_spans.load(Ordering::Relaxed)
    }
}

/// The most detailed level of a filter.
fn level(filter: &EnvFilter) -> LevelFilter {
    Filter::<Registry>::max_level_hint(filter).unwrap_or(LevelFilter::TRACE)
}

/// Whether a directive is about spans: only then [`EnvFilter`] has to follow them, which takes its
/// locks.
fn asks_spans(text: &str) -> bool {
    text.contains('[')
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S> Filter<S> for Shared
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    fn enabled(&self, metadata: &Metadata<'_>, context: &Context<'_, S>) -> bool {
        Filter::enabled(&**self.0.current.load(), metadata, context)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        Filter::<S>::callsite_enabled(&**self.0.current.load(), metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Filter::<S>::max_level_hint(&**self.0.current.load())
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if self.0.asks_spans() {
            Filter::on_new_span(&**self.0.current.load(), attributes, id, context);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if self.0.asks_spans() {
            Filter::on_record(&**self.0.current.load(), id, values, context);
        }
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        if self.0.asks_spans() {
            Filter::on_enter(&**self.0.current.load(), id, context);
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        if self.0.asks_spans() {
            Filter::on_exit(&**self.0.current.load(), id, context);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        if self.0.asks_spans() {
            Filter::on_close(&**self.0.current.load(), id, context);
        }
    }
}

impl fmt::Debug for Filters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filters").field("layers", &lock(&self.layers).len()).finish_non_exhaustive()
    }
}
