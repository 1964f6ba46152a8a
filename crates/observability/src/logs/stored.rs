//! The fields of a span, kept for the events inside it.

use std::{
    fmt::{self, Write},
    ops::Range,
};

use tracing::field::Field;

use super::{
    escape::{Cut, VALUE_MAX},
    export::Fields,
    line::{Chain, Value},
    roles::Roles,
    visit::{Each, Take},
};
use crate::redact::{self, HIDDEN, Redactor};

/// How many fields need no list of their own. The span of a request has three.
const INLINE: usize = 3;

/// Room for the texts of a request's span: its id, and those of its trace and its span.
const TEXTS: usize = 96;

/// The fields of a span.
#[derive(Debug, Default)]
pub(super) struct SpanFields {
    first: [Option<(&'static str, Stored)>; INLINE],
    more: Vec<(&'static str, Stored)>,
    /// All texts, in one allocation. Redacted when they are stored, once for all events.
    texts: String,
}

/// The value of a field.
#[derive(Clone, Debug)]
enum Stored {
    Bool(bool),
    F64(f64),
    I64(i64),
    I128(i128),
    /// Its place among the texts.
    Text(Range<usize>),
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
    pub(super) fn extend(&mut self, later: &Self) {
        for (name, value) in later.iter() {
            let value = match value {
                Stored::Text(place) => {
                    let start = self.append(later.texts.get(place.clone()).unwrap_or(""));
                    Stored::Text(start..self.texts.len())
                }
                other => other.clone(),
            };
            self.set(name, value);
        }
    }

    /// Writes the fields that the line does not have yet.
    pub(super) fn write<F: Fields + ?Sized>(&self, line: &mut F) {
        for (name, value) in self.iter() {
            line.inherited(name, self.value(value));
        }
    }

    /// The text of a field.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.iter().find_map(|(known, value)| match value {
            Stored::Text(place) if known == name => self.texts.get(place.clone()),
            _ => None,
        })
    }

    fn iter(&self) -> impl Iterator<Item = (&'static str, &Stored)> {
        self.first.iter().flatten().chain(&self.more).map(|(name, value)| (*name, value))
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut (&'static str, Stored)> {
        self.first.iter_mut().flatten().chain(&mut self.more)
    }

    fn value(&self, value: &Stored) -> Value<'_> {
        match value {
            Stored::Bool(bool) => Value::Bool(*bool),
            Stored::F64(number) => Value::F64(*number),
            Stored::I64(number) => Value::I64(*number),
            Stored::I128(number) => Value::I128(*number),
            Stored::Text(place) => Value::Clean(self.texts.get(place.clone()).unwrap_or("")),
            Stored::U64(number) => Value::U64(*number),
            Stored::U128(number) => Value::U128(*number),
        }
    }

    fn set(&mut self, name: &'static str, value: Stored) {
        let known = self.iter_mut().find(|(known, _)| *known == name);
        if let Some((_, slot)) = known {
            if let Stored::Text(old) = std::mem::replace(slot, value) {
                self.remove(&old);
            }
        } else if let Some(free) = self.first.iter_mut().find(|slot| slot.is_none()) {
            *free = Some((name, value));
        } else {
            self.more.push((name, value));
        }
    }

    /// Removes a text, so that one that is recorded again and again takes the room of one.
    fn remove(&mut self, old: &Range<usize>) {
        self.texts.replace_range(old.clone(), "");
        for (_, value) in self.iter_mut() {
            if let Stored::Text(place) = value
                && place.start >= old.end
            {
                *place = place.start - old.len()..place.end - old.len();
            }
        }
    }

    /// Stores a value. `None` is no value.
    fn store(&mut self, value: Value<'_>, redactor: &Redactor) -> Option<Stored> {
        Some(match value {
            Value::Bool(bool) => Stored::Bool(bool),
            Value::Clean(clean) => self.unformatted(clean, &redact::OFF),
            Value::Debug(value) => self.formatted(format_args!("{value:?}"), redactor),
            Value::Error(error) => self.formatted(format_args!("{}", Chain(error)), redactor),
            Value::F64(number) => Stored::F64(number),
            Value::I64(number) => Stored::I64(number),
            Value::I128(number) => Stored::I128(number),
            Value::Json(json) => self.unformatted(json, redactor),
            Value::Null => return None,
            Value::Text(text) => self.unformatted(text, redactor),
            Value::U64(number) => Stored::U64(number),
            Value::U128(number) => Stored::U128(number),
        })
    }

    fn formatted(&mut self, text: fmt::Arguments<'_>, redactor: &Redactor) -> Stored {
        let start = self.begin_text(0);
        // Fails if the caller's `Debug` fails. The text written so far is kept.
        let _ = Cut::new(&mut self.texts).write_fmt(text);
        redactor.redact_from(&mut self.texts, start);
        Stored::Text(start..self.texts.len())
    }

    fn unformatted(&mut self, text: &str, redactor: &Redactor) -> Stored {
        if text.len() > VALUE_MAX {
            return self.formatted(format_args!("{text}"), redactor);
        }
        let start = self.append(text);
        redactor.redact_from(&mut self.texts, start);
        Stored::Text(start..self.texts.len())
    }

    /// Appends a text and returns where it begins.
    fn append(&mut self, text: &str) -> usize {
        let start = self.begin_text(text.len());
        self.texts.push_str(text);
        start
    }

    /// Where the next text begins, which has at least this length.
    fn begin_text(&mut self, len: usize) -> usize {
        if self.texts.is_empty() {
            self.texts.reserve(TEXTS.max(len));
        }
        self.texts.len()
    }
}

/// Stores the fields of a span.
pub(super) struct Storing<'a> {
    fields: &'a mut SpanFields,
    redactor: &'a Redactor,
    roles: Roles,
}

impl Take for Storing<'_> {
    fn take(&mut self, field: &Field, value: Value<'_>) {
        let value = if self.roles.hide(field) { Value::Clean(HIDDEN) } else { value };
        if let Some(value) = self.fields.store(value, self.redactor) {
            self.fields.set(field.name(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(fields: &mut SpanFields, name: &'static str, text: &str) {
        if let Some(value) = fields.store(Value::Text(text), &Redactor::new()) {
            fields.set(name, value);
        }
    }

    #[test]
    fn a_text_that_is_recorded_again_takes_the_room_of_one_and_the_others_stay() {
        const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
        let mut fields = SpanFields::default();
        for name in NAMES {
            set(&mut fields, name, &format!("{name}1"));
        }
        for round in 0..1_000 {
            set(&mut fields, "b", &"\u{e9}".repeat(round % 7));
            set(&mut fields, "d", "d2");
        }
        let found = NAMES.map(|name| fields.text(name).unwrap());
        assert_eq!(found, ["a1", &"\u{e9}".repeat(999 % 7), "c1", "d2", "e1"]);
        assert_eq!(fields.texts.len(), found.iter().map(|text| text.len()).sum::<usize>());
        assert!(fields.texts.capacity() <= TEXTS);
    }

    #[test]
    fn fields_that_are_recorded_later_replace_and_follow() {
        let (mut fields, mut later) = (SpanFields::default(), SpanFields::default());
        set(&mut fields, "user", "a@example.org");
        set(&mut later, "order", "7");
        set(&mut later, "user", "b");
        fields.extend(&later);
        assert_eq!((fields.text("user"), fields.text("order")), (Some("b"), Some("7")));
        set(&mut fields, "user", "a@example.org");
        assert_eq!(fields.text("user"), Some("[redacted:email]"));
    }
}
