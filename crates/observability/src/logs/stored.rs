//! The fields of a span, kept for the events inside it.

use std::{
    fmt::{self, Write},
    ops::Range,
};

use tracing::field::Field;

use super::{
    escape::{Cut, VALUE_MAX, is_plain},
    export::{Fields, Member},
    roles::Roles,
    value::{Chain, Value},
    visit::{Each, Take},
};
use crate::redact::{self, HIDDEN, Redactor};

/// How many fields are kept outside the list. The span of a request has three.
const INLINE: usize = 3;

/// Room for the texts of a request's span: the ids of the request, the trace and the span, as
/// members.
const TEXTS: usize = 128;

/// The fields of a span.
#[derive(Debug, Default)]
pub(super) struct SpanFields {
    first: [Option<(&'static str, Stored)>; INLINE],
    more: Vec<(&'static str, Stored)>,
    /// All texts, in one allocation, each encoded as a member of a JSON line, the usual format.
    /// They are redacted once, when they are stored.
    texts: String,
}

/// The value of a field.
#[derive(Clone, Debug)]
enum Stored {
    Bool(bool),
    F64(f64),
    I64(i64),
    I128(i128),
    Text(Place),
    U64(u64),
    U128(u128),
}

/// The place of a text among the texts.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Where `,"name":"value"` begins.
    start: usize,
    /// Where its value begins and ends.
    begin: usize,
    end: usize,
    /// Whether it can be written as a member unchanged: neither its name nor its value needs
    /// escaping.
    is_member: bool,
}

impl Place {
    const fn whole(self) -> Range<usize> {
        // With the closing quote.
        self.start..self.end + 1
    }
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
                Stored::Text(place) => self.unformatted(name, later.get(place), &redact::OFF),
                other => other.clone(),
            };
            self.set(name, value);
        }
    }

    /// Writes the fields that the line does not have yet.
    pub(super) fn write<F: Fields + ?Sized>(&self, line: &mut F) {
        for (name, value) in self.iter() {
            match value {
                Stored::Text(place) if place.is_member => {
                    let member = self.texts.get(place.whole()).unwrap_or_default();
                    line.inherited_member(Member { name, member });
                }
                other => line.inherited(name, self.value(other)),
            }
        }
    }

    /// The text of a field.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.iter().find_map(|(known, value)| match value {
            Stored::Text(place) if known == name => Some(self.get(place)),
            _ => None,
        })
    }

    fn get(&self, place: &Place) -> &str {
        self.texts.get(place.begin..place.end).unwrap_or_default()
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
            Stored::Text(place) => Value::Clean(self.get(place)),
            Stored::U64(number) => Value::U64(*number),
            Stored::U128(number) => Value::U128(*number),
        }
    }

    fn set(&mut self, name: &'static str, value: Stored) {
        let known = self.iter_mut().find(|(known, _)| *known == name);
        if let Some((_, slot)) = known {
            if let Stored::Text(old) = std::mem::replace(slot, value) {
                self.remove(&old.whole());
            }
        } else if let Some(free) = self.first.iter_mut().find(|slot| slot.is_none()) {
            *free = Some((name, value));
        } else {
            self.more.push((name, value));
        }
    }

    /// Removes a text, so that a field that is recorded repeatedly takes the room of one text.
    fn remove(&mut self, old: &Range<usize>) {
        self.texts.replace_range(old.clone(), "");
        for (_, value) in self.iter_mut() {
            if let Stored::Text(place) = value
                && place.start >= old.end
            {
                for at in [&mut place.start, &mut place.begin, &mut place.end] {
                    *at -= old.len();
                }
            }
        }
    }

    /// Stores a value. Returns `None` for [`Value::Null`].
    fn store(
        &mut self,
        name: &'static str,
        value: Value<'_>,
        redactor: &Redactor,
    ) -> Option<Stored> {
        Some(match value {
            Value::Bool(bool) => Stored::Bool(bool),
            Value::Clean(clean) => self.unformatted(name, clean, &redact::OFF),
            Value::Debug(value) => self.formatted(name, format_args!("{value:?}"), redactor),
            Value::Error(error) => self.formatted(name, format_args!("{}", Chain(error)), redactor),
            Value::F64(number) => Stored::F64(number),
            Value::I64(number) => Stored::I64(number),
            Value::I128(number) => Stored::I128(number),
            Value::Json(json) => self.unformatted(name, json, redactor),
            Value::Null => return None,
            Value::Text(text) => self.unformatted(name, text, redactor),
            Value::U64(number) => Stored::U64(number),
            Value::U128(number) => Stored::U128(number),
        })
    }

    fn formatted(
        &mut self,
        name: &'static str,
        text: fmt::Arguments<'_>,
        redactor: &Redactor,
    ) -> Stored {
        self.text_of(name, redactor, |texts| {
            // Fails if the caller's `Debug` fails. The text written so far is kept.
            let _ = Cut::new(texts).write_fmt(text);
        })
    }

    fn unformatted(&mut self, name: &'static str, text: &str, redactor: &Redactor) -> Stored {
        if text.len() > VALUE_MAX {
            return self.formatted(name, format_args!("{text}"), redactor);
        }
        self.text_of(name, redactor, |texts| texts.push_str(text))
    }

    /// Appends the member with this name and the value that `write` appends.
    fn text_of(
        &mut self,
        name: &'static str,
        redactor: &Redactor,
        write: impl FnOnce(&mut String),
    ) -> Stored {
        if self.texts.is_empty() {
            self.texts.reserve(TEXTS);
        }
        let texts = &mut self.texts;
        let start = texts.len();
        texts.push_str(",\"");
        texts.push_str(name);
        texts.push_str("\":\"");
        let begin = texts.len();
        write(texts);
        redactor.redact_from(texts, begin);
        let end = texts.len();
        texts.push('"');
        let is_member = is_plain(name.as_bytes())
            && is_plain(texts.get(begin..end).unwrap_or_default().as_bytes())
            // `r#` is not part of a field's name.
            && !name.starts_with("r#");
        Stored::Text(Place { start, begin, end, is_member })
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
        if let Some(value) = self.fields.store(field.name(), value, self.redactor) {
            self.fields.set(field.name(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(fields: &mut SpanFields, name: &'static str, text: &str) {
        if let Some(value) = fields.store(name, Value::Text(text), &Redactor::new()) {
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
        let lengths = found.iter().map(|text| text.len() + r#","a":"""#.len());
        assert_eq!(fields.texts.len(), lengths.sum::<usize>());
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
