//! Which fields of a place in the code are hidden by their names: decided once for each place.

use std::{
    cell::RefCell,
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

use tracing::{Metadata, callsite::Identifier, field::Field};

use crate::redact::Redactor;

/// The most places that a thread remembers. A program has a few hundred.
const PLACES: usize = 4096;

/// A layer's decisions. Each thread remembers those it needed, so that none takes a lock.
#[derive(Debug)]
pub(super) struct Hidden {
    /// Distinguishes the decisions of this layer from those of other layers.
    layer: u64,
}

/// Fields of one place, by their index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FieldSet(u64);

thread_local! {
    static DECIDED: RefCell<HashMap<(u64, Identifier), FieldSet>> = RefCell::default();
}

impl Hidden {
    pub(super) fn new() -> Self {
        static LAYERS: AtomicU64 = AtomicU64::new(0);

        Self { layer: LAYERS.fetch_add(1, Ordering::Relaxed) }
    }

    /// The hidden fields of a place.
    pub(super) fn of(&self, place: &'static Metadata<'static>, redactor: &Redactor) -> FieldSet {
        let decide = || FieldSet::hidden(place, redactor);
        let key = (self.layer, place.callsite());
        // The map is gone if the thread is ending.
        let known = DECIDED.try_with(|decided| {
            let mut decided = decided.try_borrow_mut().ok()?;
            if decided.len() >= PLACES && !decided.contains_key(&key) {
                decided.clear();
            }
            Some(*decided.entry(key).or_insert_with(decide))
        });
        known.ok().flatten().unwrap_or_else(decide)
    }
}

impl FieldSet {
    const SIZE: usize = 64;

    fn hidden(place: &Metadata<'_>, redactor: &Redactor) -> Self {
        let secret = |field: &Field| redactor.hides(field.name());
        let bit = |field: Field| 1 << field.index();
        let first = place.fields().iter().take(Self::SIZE);
        Self(first.filter(secret).map(bit).fold(0, |all, bit: u64| all | bit))
    }

    /// Whether the field is hidden. Beyond the 64th every field is: a place in the code has at most 32.
    pub(super) fn contains(self, field: &Field) -> bool {
        field.index() >= Self::SIZE || self.0 & (1 << field.index()) != 0
    }
}
