//! JSON, read without allocating and without skipping a check. Pure.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The most members of an object. More are a mistake, or an attempt to keep the verifier busy.
const MAX_MEMBERS: usize = 256;

/// How a value of any JSON type is read. Every value is read to its end: strings are UTF-8 with
/// complete escapes, numbers are in range, nesting is bounded, and no object has a duplicate member.
/// serde's `IgnoredAny` checks none of that.
pub(crate) trait Form<'de>: Sized {
    type Value;

    /// The value of every type that the methods below do not override.
    fn other(self) -> Self::Value;

    fn text(self, _text: Cow<'de, str>) -> Self::Value {
        self.other()
    }

    fn whole(self, _number: u64) -> Self::Value {
        self.other()
    }

    fn fraction(self, _number: f64) -> Self::Value {
        self.other()
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element_seed(Read(Skipped))?.is_some() {}
        Ok(self.other())
    }

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        members(&mut object, |_, _| Ok(None))?;
        Ok(self.other())
    }
}

/// Reads a value in a form.
#[derive(Clone, Copy)]
pub(crate) struct Read<F>(pub(crate) F);

impl<'de, F: Form<'de>> Read<F> {
    /// Reads a whole text, and nothing may follow the value; `None` if it is not JSON.
    pub(crate) fn read_str(self, json: &'de str) -> Option<F::Value> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let value = self.deserialize(&mut deserializer).ok()?;
        deserializer.end().ok()?;
        Some(value)
    }
}

impl<'de, F: Form<'de>> DeserializeSeed<'de> for Read<F> {
    type Value = F::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<F::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, F: Form<'de>> Visitor<'de> for Read<F> {
    type Value = F::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<F::Value, E> {
        Ok(self.0.text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<F::Value, E> {
        Ok(self.0.text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<F::Value, E> {
        Ok(self.0.whole(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<F::Value, E> {
        Ok(self.0.other())
    }

    fn visit_f64<E>(self, number: f64) -> Result<F::Value, E> {
        Ok(self.0.fraction(number))
    }

    fn visit_bool<E>(self, _: bool) -> Result<F::Value, E> {
        Ok(self.0.other())
    }

    fn visit_unit<E>(self) -> Result<F::Value, E> {
        Ok(self.0.other())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<F::Value, A::Error> {
        self.0.list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<F::Value, A::Error> {
        self.0.object(object)
    }
}

/// Reads the members of an object. `known` reads a member it knows, and returns its number below
/// 32; all others are skipped. A duplicate member is an error, since another reader may use the
/// other one (RFC 7515 §4, RFC 7519 §4).
pub(crate) fn members<'de, A: MapAccess<'de>>(
    object: &mut A,
    mut known: impl FnMut(&str, &mut A) -> Result<Option<usize>, A::Error>,
) -> Result<(), A::Error> {
    let (mut seen, mut others) = (0_u32, Vec::new());
    while let Some(name) = object.next_key_seed(Read(AsText))? {
        let Text::Is(name) = name else { return Err(A::Error::custom("a name is a string")) };
        let is_duplicate = match known(&name, object)? {
            Some(number) => {
                let before = seen;
                seen |= 1 << number;
                before == seen
            }
            None => {
                object.next_value_seed(Read(Skipped))?;
                if others.is_empty() {
                    others.reserve(8);
                }
                let is_duplicate = others.contains(&name) || others.len() == MAX_MEMBERS;
                others.push(name);
                is_duplicate
            }
        };
        if is_duplicate {
            return Err(A::Error::custom("a duplicate member, or too many members"));
        }
    }
    Ok(())
}

/// A value that is only checked.
#[derive(Clone, Copy)]
pub(crate) struct Skipped;

impl Form<'_> for Skipped {
    type Value = ();

    fn other(self) {}
}

/// A member that should be a string.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Text<'a> {
    #[default]
    Absent,
    Is(Cow<'a, str>),
    Wrong,
}

impl Text<'_> {
    pub(crate) fn as_str(&self) -> Option<&str> {
        if let Self::Is(text) = self { Some(text) } else { None }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct AsText;

impl<'de> Form<'de> for AsText {
    type Value = Text<'de>;

    fn other(self) -> Text<'de> {
        Text::Wrong
    }

    fn text(self, text: Cow<'de, str>) -> Text<'de> {
        Text::Is(text)
    }
}

/// A member that should be a NumericDate (RFC 7519 §2), in whole seconds: a fraction is cut off,
/// never rounded up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Date {
    #[default]
    Absent,
    At(u64),
    Wrong,
}

#[derive(Clone, Copy)]
pub(crate) struct AsDate;

impl Form<'_> for AsDate {
    type Value = Date;

    fn other(self) -> Date {
        Date::Wrong
    }

    fn whole(self, number: u64) -> Date {
        Date::At(number)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within the bounds checked here the cast cuts off the fraction"
    )]
    fn fraction(self, number: f64) -> Date {
        if (0.0..9.0e15).contains(&number) { Date::At(number as u64) } else { Date::Wrong }
    }
}
