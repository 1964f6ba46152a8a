//! Converts tracing's fields to those of a line.

use std::{collections::HashMap, error::Error, fmt};

use serde::de::IgnoredAny;
use tracing::{
    Event,
    field::{Field, Visit},
};

use super::{
    escape::VALUE_MAX,
    export::Fields,
    roles::{FieldSet, Role, Roles},
    value::Value,
};
use crate::redact::{HIDDEN, Redactor};

/// The field in which tracing stores an event's message.
pub(super) const MESSAGE: &str = "message";

/// Passes the message of an event on. It is text, regardless of the type it was recorded as.
pub(super) struct Message<'a, F: ?Sized>(pub(super) &'a mut F);

impl<F: Fields + ?Sized> Visit for Message<'_, F> {
    fn record_str(&mut self, field: &Field, text: &str) {
        if field.name() == MESSAGE {
            self.0.message(Value::Text(text));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == MESSAGE {
            self.0.message(Value::Debug(value));
        }
    }
}

/// Receives each visited value as a [`Value`].
pub(super) trait Take {
    fn take(&mut self, field: &Field, value: Value<'_>);
}

/// A visitor with one method for all types.
pub(super) struct Each<T>(pub(super) T);

impl<T: Take> Visit for Each<T> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.take(field, Value::F64(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.take(field, Value::I64(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.take(field, Value::U64(value));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.0.take(field, Value::I128(value));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.0.take(field, Value::U128(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.take(field, Value::Bool(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.take(field, Value::Text(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.0.take(field, Value::Error(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.take(field, Value::Debug(value));
    }
}

/// Writes the message and the fields of an event.
pub(super) fn write<F: Fields + ?Sized>(
    event: &Event<'_>,
    to: &mut F,
    roles: Roles,
    redactor: &Redactor,
) -> FieldSet {
    // The macros of tracing record it first, so this second pass is rare.
    if event.fields().next().is_some_and(|first| first.name() != MESSAGE) {
        event.record(&mut Message(to));
    }
    let mut fields =
        Each(EventFields { to, roles, redactor, visited: FieldSet::default(), has_message: false });
    event.record(&mut fields);
    fields.0.visited
}

struct EventFields<'a, F: ?Sized> {
    to: &'a mut F,
    roles: Roles,
    redactor: &'a Redactor,
    /// The fields that have a value.
    visited: FieldSet,
    /// Whether the field that became the message was visited. A later one is a field.
    has_message: bool,
}

impl<F: Fields + ?Sized> Take for EventFields<'_, F> {
    fn take(&mut self, field: &Field, value: Value<'_>) {
        self.visited.insert(field);
        match (self.roles.of(field), value) {
            (Role::Message, value) if !std::mem::replace(&mut self.has_message, true) => {
                self.to.message(value);
            }
            (Role::Repeated, _) => {}
            (Role::Hidden, _) => self.to.field(field, Value::Clean(HIDDEN)),
            // Ours, or what the line is about.
            (Role::Own, value) => self.to.own_field(field, value),
            (Role::Personal(what), Value::Text(text)) => {
                let shown = self.redactor.show(what, text);
                let value = shown.as_deref().map_or(Value::Null, Value::Clean);
                self.to.own_field(field, value);
            }
            (Role::Personal(_), _) => self.to.own_field(field, Value::Null),
            (Role::Notes, Value::Debug(value)) => {
                // Any event may use this target, so the text is checked to keep the line valid
                // JSON.
                let text = format!("{value:?}");
                let object = text.len() <= VALUE_MAX
                    && !text.bytes().any(|byte| byte < 0x20)
                    && serde_json::from_str::<HashMap<String, IgnoredAny>>(&text).is_ok();
                let value = if object { Value::Json(&text) } else { Value::Text(&text) };
                self.to.field(field, value);
            }
            (_, value) => self.to.field(field, value),
        }
    }
}
