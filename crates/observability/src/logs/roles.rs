//! What the fields of a place in the code are, by their names: decided once for each place.

use std::{
    cell::{OnceCell, RefCell},
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    rc::Rc,
    sync::atomic::{AtomicU64, Ordering},
};

use tracing::{Metadata, field::Field};

use super::{
    line::{self, Format},
    names::WrittenName,
    visit::MESSAGE,
};
use crate::{
    record::{entry::TARGET, notes},
    redact::{Personal, Redactor},
};

/// The most places that a thread remembers. A program has a few hundred.
const PLACES: usize = 4096;

/// The fields of an access line that are not redacted: a client chooses none of them but its address,
/// its subject and an id of a few harmless characters.
const ACCESS: [&str; 10] = [
    "request_id",
    "correlation_id",
    "trace_id",
    "span_id",
    "method",
    "route",
    "outcome",
    "client",
    "subject",
    "status",
];

/// The fields of an access line that are absent without a value. The others are `null` then, so that
/// every line has them.
const OPTIONAL: [&str; 6] =
    ["correlation_id", "error", "grpc_status", notes::FIELD, "query", "unlogged"];

/// A layer's decisions. Each thread remembers those it needed, so that none takes a lock.
#[derive(Debug)]
pub(super) struct Places {
    /// Distinguishes the decisions of this layer from those of other layers.
    layer: u64,
}

/// What a layer decided about one place.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) roles: Roles,
    /// Only for events: the fields of a span are written under the names that a line has left.
    names: OnceCell<Box<[WrittenName]>>,
}

/// Fields of one place, by their index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FieldSet(u64);

/// The roles of the fields of one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Roles {
    hidden: FieldSet,
    /// Not redacted.
    own: FieldSet,
    /// Neither of those, nor plain.
    special: FieldSet,
    /// Absent without a value.
    optional: FieldSet,
}

/// What a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Its value is not written.
    Hidden,
    Message,
    /// The notes of an access line, which are an object.
    Notes,
    /// The personal data of an access line, which is not shown as it is.
    Personal(Personal),
    /// Needs no redaction.
    Own,
    Plain,
    /// Repeats the metadata of a record of the `log` crate.
    Repeated,
}

/// What is decided about places, by the layer and the address of the place.
type Decisions = HashMap<(u64, usize), Rc<Decided>, BuildHasherDefault<PlaceHasher>>;

thread_local! {
    static DECIDED: RefCell<Decisions> = RefCell::default();
}

impl Places {
    pub(super) fn new() -> Self {
        static LAYERS: AtomicU64 = AtomicU64::new(0);

        Self { layer: LAYERS.fetch_add(1, Ordering::Relaxed) }
    }

    /// What is decided about a place.
    pub(super) fn decided(
        &self,
        place: &'static Metadata<'static>,
        redactor: &Redactor,
    ) -> Rc<Decided> {
        let decide = || {
            let roles = Roles::decide(place, redactor);
            Rc::new(Decided { roles, names: OnceCell::new() })
        };
        // Metadata lives as long as the program, so no two places have one address.
        let key = (self.layer, std::ptr::from_ref(place).addr());
        // The map is gone if the thread is ending.
        let known = DECIDED.try_with(|decided| {
            let mut decided = decided.try_borrow_mut().ok()?;
            if let Some(known) = decided.get(&key) {
                return Some(Rc::clone(known));
            }
            if decided.len() >= PLACES {
                decided.clear();
            }
            Some(Rc::clone(decided.entry(key).or_insert_with(decide)))
        });
        known.ok().flatten().unwrap_or_else(decide)
    }
}

impl Decided {
    /// The names of the place's fields, as its lines show them.
    pub(super) fn names(&self, place: &Metadata<'_>, format: Format) -> &[WrittenName] {
        self.names.get_or_init(|| {
            line::written_names(place.fields().iter().map(|field| field.name()), format)
        })
    }
}

impl FieldSet {
    const SIZE: usize = 64;

    /// Adds a field. One beyond the 64th is not remembered: a place in the code has at most 32.
    pub(super) fn insert(&mut self, field: &Field) {
        self.0 |= Self::bit(field);
    }

    pub(super) fn contains(self, field: &Field) -> bool {
        self.0 & Self::bit(field) != 0
    }

    fn bit(field: &Field) -> u64 {
        if field.index() < Self::SIZE { 1 << field.index() } else { 0 }
    }
}

impl Roles {
    fn decide(place: &Metadata<'_>, redactor: &Redactor) -> Self {
        let access = place.target() == TARGET;
        let mut roles = Self::default();
        for field in place.fields() {
            let name = field.name();
            if name == MESSAGE || is_repeated(name) || access && name == notes::FIELD {
                roles.special.insert(&field);
            }
            if redactor.hides(name) {
                roles.hidden.insert(&field);
            }
            let personal = Personal::of(name).filter(|what| access && redactor.changes(*what));
            if personal.is_some() {
                roles.special.insert(&field);
            } else if access && ACCESS.contains(&name) {
                roles.own.insert(&field);
            }
            if access && OPTIONAL.contains(&name) {
                roles.optional.insert(&field);
            }
        }
        roles
    }

    /// The role of a field.
    pub(super) fn of(self, field: &Field) -> Role {
        if self.special.contains(field) {
            match field.name() {
                MESSAGE => return Role::Message,
                name if is_repeated(name) => return Role::Repeated,
                notes::FIELD if !self.hide(field) => return Role::Notes,
                name if !self.hide(field) => {
                    if let Some(what) = Personal::of(name) {
                        return Role::Personal(what);
                    }
                }
                _ => {}
            }
        }
        if self.hide(field) {
            Role::Hidden
        } else if self.own.contains(field) {
            Role::Own
        } else {
            Role::Plain
        }
    }

    /// Whether a field without a value is absent instead of null.
    pub(super) fn is_optional(self, field: &Field) -> bool {
        self.optional.contains(field)
    }

    /// Whether the value of a field is not written. That of one beyond the 64th is not.
    pub(super) fn hide(self, field: &Field) -> bool {
        field.index() >= FieldSet::SIZE || self.hidden.contains(field)
    }
}

fn is_repeated(name: &str) -> bool {
    matches!(name, "log.target" | "log.module_path" | "log.file" | "log.line")
}

/// Hashes the number of a layer and an address, which no client chooses.
#[derive(Default)]
struct PlaceHasher(u64);

impl PlaceHasher {
    fn add(&mut self, number: u64) {
        // An odd number near 2^64 divided by the golden ratio.
        self.0 = (self.0.rotate_left(32) ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

impl Hasher for PlaceHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.add(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        self.add(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.add(u64::try_from(number).unwrap_or_default());
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
