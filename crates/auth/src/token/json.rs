//! JSON as tokens have it: read without allocating, and without letting anything pass unread.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The most members of an object: more are a mistake, or an attempt to keep us busy.
const MAX_MEMBERS: usize = 256;

/// A member that should be a string.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Text<'a> {
    #[default]
    Absent,
    Is(Cow<'a, str>),
    Wrong,
}

impl Text<'_> {
    pub(super) fn as_str(&self) -> Option<&str> {
        if let Self::Is(text) = self { Some(text) } else { None }
    }
}

/// A member that should be a NumericDate (RFC 7519 §2), in whole seconds: a fraction is cut off,
/// never rounded up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Date {
    #[default]
    Absent,
    At(u64),
    Wrong,
}

/// Any value, read to its end: strings are UTF-8 with whole escapes, numbers are in range, and
/// nesting has a bound. serde's `IgnoredAny` checks none of that.
pub(super) struct Skipped;

/// The names of an object's members, of which none may stand there twice: which of the two would
/// count is left open (RFC 7515 §4, RFC 7519 §4).
#[derive(Default)]
pub(super) struct Names<'a> {
    seen: Vec<Cow<'a, str>>,
}

impl<'a> Names<'a> {
    /// Takes note of a name.
    pub(super) fn note<E: Error>(&mut self, name: Cow<'a, str>) -> Result<(), E> {
        if self.seen.contains(&name) {
            return Err(E::custom("a member stands there twice"));
        }
        if self.seen.len() == MAX_MEMBERS {
            return Err(E::custom("more members than a token has"));
        }
        if self.seen.is_empty() {
            self.seen.reserve(8);
        }
        self.seen.push(name);
        Ok(())
    }
}

/// Reads an object to its end. No name stands there twice at any depth: of two, another reader may take
/// the other.
pub(super) fn skip_members<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    let mut names = Names::default();
    while let Some(name) = map.next_key::<Text<'de>>()? {
        if let Text::Is(name) = name {
            names.note(name)?;
        }
        map.next_value::<Skipped>()?;
    }
    Ok(())
}

macro_rules! of_any_type {
    ($type:ty, $lifetime:lifetime, borrowed: $borrowed:expr, owned: $owned:expr,
     whole: $whole:expr, number: $number:expr, other: $other:expr) => {
        impl<$lifetime> Deserialize<$lifetime> for $type {
            fn deserialize<D: Deserializer<$lifetime>>(deserializer: D) -> Result<Self, D::Error> {
                struct Value;

                impl<$lifetime> Visitor<$lifetime> for Value {
                    type Value = $type;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("a value")
                    }

                    fn visit_borrowed_str<E>(self, text: &$lifetime str) -> Result<$type, E> {
                        Ok($borrowed(text))
                    }

                    fn visit_str<E>(self, text: &str) -> Result<$type, E> {
                        Ok($owned(text))
                    }

                    fn visit_u64<E>(self, number: u64) -> Result<$type, E> {
                        Ok($whole(number))
                    }

                    fn visit_i64<E>(self, _: i64) -> Result<$type, E> {
                        Ok($other)
                    }

                    fn visit_f64<E>(self, number: f64) -> Result<$type, E> {
                        Ok($number(number))
                    }

                    fn visit_bool<E>(self, _: bool) -> Result<$type, E> {
                        Ok($other)
                    }

                    fn visit_unit<E>(self) -> Result<$type, E> {
                        Ok($other)
                    }

                    fn visit_seq<A: SeqAccess<$lifetime>>(
                        self,
                        mut seq: A,
                    ) -> Result<$type, A::Error> {
                        while seq.next_element::<Skipped>()?.is_some() {}
                        Ok($other)
                    }

                    fn visit_map<A: MapAccess<$lifetime>>(
                        self,
                        mut map: A,
                    ) -> Result<$type, A::Error> {
                        skip_members(&mut map)?;
                        Ok($other)
                    }
                }

                deserializer.deserialize_any(Value)
            }
        }
    };
}

of_any_type!(Text<'de>, 'de,
    borrowed: |text| Text::Is(Cow::Borrowed(text)),
    owned: |text: &str| Text::Is(Cow::Owned(text.to_owned())),
    whole: |_| Text::Wrong, number: |_| Text::Wrong, other: Text::Wrong);
of_any_type!(Date, 'de,
    borrowed: |_| Date::Wrong, owned: |_: &str| Date::Wrong,
    whole: Date::At, number: whole_seconds, other: Date::Wrong);
of_any_type!(Skipped, 'de,
    borrowed: |_| Skipped, owned: |_: &str| Skipped,
    whole: |_| Skipped, number: |_| Skipped, other: Skipped);

fn whole_seconds(number: f64) -> Date {
    if !(0.0..9.0e15).contains(&number) {
        return Date::Wrong;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within the bounds checked above the cast cuts off the fraction"
    )]
    Date::At(number as u64)
}
