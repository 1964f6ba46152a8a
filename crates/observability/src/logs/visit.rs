//! Converts tracing's fields to those of a line.

use std::{
    collections::HashMap,
    error::Error,
    fmt::{self, Write},
};

use serde::de::IgnoredAny;
use tracing::{
    Event,
    field::{Field, Visit},
};

use super::{
    escape::{Cut, VALUE_MAX},
    export::Fields,
    line::{Chain, Value},
    roles::{FieldSet, Role, Roles},
};
use crate::{
    record::notes,
    redact::{self, HIDDEN, Redactor},
};

/// The field in which tracing stores an event's message.
pub(super) const MESSAGE: &str = "message";

/// Passes the message of an event on. It is text, regardless of the type it was recorded as.
pub(super) struct Message<'a, F: ?Sized>(pub(super) &'a mut F);

impl<F: Fields + ?Sized> Visit for Message<'_, F> {
    fn record_str(&mut self, field: &Field, text: &str) {
        self.record_debug(field, &format_args!("{text}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == MESSAGE {
            self.0.message(value);
        }
    }
}

/// Receives each visited value as a [`Value`].
trait Take {
    fn take(&mut self, field: &Field, value: Value<'_>);
}

/// A visitor with one method for all types.
pub(super) struct Each<T>(T);

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
                self.to.message(&value);
            }
            (Role::Repeated, _) => {}
            (Role::Hidden, _) => self.to.field(field.name(), Value::Clean(HIDDEN)),
            // Ours, or what the line is about.
            (Role::Own, value) => self.to.own_field(field.name(), value),
            (Role::Personal(what), Value::Text(text)) => {
                let shown = self.redactor.show(what, text);
                let value = shown.as_deref().map_or(Value::Null, Value::Clean);
                self.to.own_field(field.name(), value);
            }
            (Role::Personal(_), _) => self.to.own_field(field.name(), Value::Null),
            (Role::Notes, Value::Debug(value)) => {
                // Any event may use this target, so the text is checked to keep the line valid
                // JSON.
                let text = format!("{value:?}");
                let object = text.len() <= VALUE_MAX
                    && !text.bytes().any(|byte| byte < 0x20)
                    && serde_json::from_str::<HashMap<String, IgnoredAny>>(&text).is_ok();
                let value = if object { Value::Json(&text) } else { Value::Text(&text) };
                self.to.field(notes::FIELD, value);
            }
            (_, value) => self.to.field(field.name(), value),
        }
    }
}

/// The fields of a span, kept for the events inside it.
#[derive(Debug, Default)]
pub(super) struct SpanFields {
    /// Redacted when they are stored, once for all events.
    fields: Vec<(&'static str, Stored)>,
}

/// Stores the fields of a span.
pub(super) struct Storing<'a> {
    fields: &'a mut SpanFields,
    redactor: &'a Redactor,
    roles: Roles,
}

/// An owned value.
#[derive(Debug)]
enum Stored {
    Bool(bool),
    F64(f64),
    I64(i64),
    I128(i128),
    Text(String),
    U64(u64),
    U128(u128),
}

impl SpanFields {
    /// Returns a visitor that stores the fields it visits.
    pub(super) fn visitor<'a>(
        &'a mut self,
        redactor: &'a Redactor,
        roles: Roles,
    ) -> Each<Storing<'a>> {
        Each(Storing { fields: self, redactor, roles })
    }

    /// Adds the fields of `later`. A value that was recorded again replaces the previous one.
    pub(super) fn extend(&mut self, later: Self) {
        for (name, value) in later.fields {
            self.set(name, value);
        }
    }

    /// Writes the fields that the line does not have yet.
    pub(super) fn write<F: Fields + ?Sized>(&self, line: &mut F) {
        for (name, value) in &self.fields {
            line.inherited(name, value.as_value());
        }
    }

    /// The text of a field.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.fields.iter().find_map(|(known, value)| match value {
            Stored::Text(text) if *known == name => Some(text.as_str()),
            _ => None,
        })
    }

    fn set(&mut self, name: &'static str, value: Stored) {
        match self.fields.iter_mut().find(|(known, _)| *known == name) {
            Some((_, slot)) => *slot = value,
            None => self.fields.push((name, value)),
        }
    }
}

impl Take for Storing<'_> {
    fn take(&mut self, field: &Field, value: Value<'_>) {
        let value = if self.roles.hide(field) { Value::Clean(HIDDEN) } else { value };
        if let Some(value) = Stored::of(value, self.redactor) {
            self.fields.set(field.name(), value);
        }
    }
}

impl Stored {
    fn of(value: Value<'_>, redactor: &Redactor) -> Option<Self> {
        let text = |text: fmt::Arguments<'_>| Self::text(text, redactor);
        Some(match value {
            Value::Bool(bool) => Self::Bool(bool),
            Value::Clean(clean) => Self::plain(clean, &redact::OFF),
            Value::Debug(value) => text(format_args!("{value:?}")),
            Value::Error(error) => text(format_args!("{}", Chain(error))),
            Value::F64(number) => Self::F64(number),
            Value::I64(number) => Self::I64(number),
            Value::I128(number) => Self::I128(number),
            Value::Json(json) => text(format_args!("{json}")),
            Value::Null => return None,
            Value::Text(value) => Self::plain(value, redactor),
            Value::U64(number) => Self::U64(number),
            Value::U128(number) => Self::U128(number),
        })
    }

    fn text(text: fmt::Arguments<'_>, redactor: &Redactor) -> Self {
        // Long enough for the ids that nearly every span has.
        let mut stored = String::with_capacity(64);
        // Fails if the caller's `Debug` fails. The text written so far is kept.
        let _ = Cut::new(&mut stored).write_fmt(text);
        redactor.redact_from(&mut stored, 0);
        Self::Text(stored)
    }

    /// A text that needs no formatting.
    fn plain(text: &str, redactor: &Redactor) -> Self {
        if text.len() > VALUE_MAX {
            return Self::text(format_args!("{text}"), redactor);
        }
        let mut stored = text.to_owned();
        redactor.redact_from(&mut stored, 0);
        Self::Text(stored)
    }

    fn as_value(&self) -> Value<'_> {
        match self {
            Self::Bool(bool) => Value::Bool(*bool),
            Self::F64(number) => Value::F64(*number),
            Self::I64(number) => Value::I64(*number),
            Self::I128(number) => Value::I128(*number),
            Self::Text(text) => Value::Clean(text),
            Self::U64(number) => Value::U64(*number),
            Self::U128(number) => Value::U128(*number),
        }
    }
}
