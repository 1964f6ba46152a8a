//! JSON, read without allocating and without skipping a check. Pure.

use std::{borrow::Cow, fmt, mem};

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The most members of an object. More are a mistake, or an attempt to keep the verifier busy.
const MAX_MEMBERS: usize = 256;

/// The value of a member. The contents of lists and objects are only checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Json<'a> {
    #[default]
    Absent,
    Text(Cow<'a, str>),
    Whole(u64),
    Fraction(f64),
    List,
    Null,
    Other,
}

impl Json<'_> {
    pub(crate) fn as_str(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The text of a member that may be absent; `None` if it is of another type.
    pub(crate) fn optional_text(&self) -> Option<Option<&str>> {
        if *self == Self::Absent { Some(None) } else { self.as_str().map(Some) }
    }

    /// The seconds of a NumericDate (RFC 7519 §2) that may be absent; `None` if it is something else.
    /// A fraction is cut off, never rounded up.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within the bounds checked here the cast cuts off the fraction"
    )]
    pub(crate) fn optional_seconds(&self) -> Option<Option<u64>> {
        match *self {
            Self::Absent => Some(None),
            Self::Whole(seconds) => Some(Some(seconds)),
            Self::Fraction(seconds) if (0.0..9.0e15).contains(&seconds) => {
                Some(Some(seconds as u64))
            }
            _ => None,
        }
    }
}

/// Reads the members with these names, of the object that is all of `json`, into the slots of the same
/// positions; `None` if it is not an object, or has a duplicate member, which another reader may use
/// instead (RFC 7515 §4, RFC 7519 §4). If a member is a list, `element` gets its position and each
/// element.
///
/// Every value is read to its end: strings are UTF-8 with complete escapes, numbers are in range,
/// nesting is bounded, and no object has a duplicate member. serde's `IgnoredAny` checks none of that.
pub(crate) fn object<'a, N: AsRef<str>>(
    json: &'a str,
    names: &[N],
    found: &mut [Json<'a>],
    mut element: impl FnMut(usize, &Json<'a>),
) -> Option<()> {
    // For anything else serde_json would allocate an error.
    if !json.trim_start().starts_with('{') {
        return None;
    }
    let mut reader = serde_json::Deserializer::from_str(json);
    let members = Members { names, found, element: &mut element };
    reader.deserialize_map(members).ok()?;
    reader.end().ok()
}

/// Reads any value, and gives the elements of a list to the function.
struct Any<'f, 'de>(&'f mut dyn FnMut(&Json<'de>));

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Any(&mut |_| ()).deserialize(deserializer)
    }
}

impl<'de> DeserializeSeed<'de> for Any<'_, 'de> {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any<'_, 'de> {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json<'de>, E> {
        Ok(Json::Whole(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json<'de>, E> {
        Ok(Json::Fraction(number))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json<'de>, A::Error> {
        while let Some(element) = list.next_element()? {
            (self.0)(&element);
        }
        Ok(Json::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Json<'de>, A::Error> {
        Members::<&str> { names: &[], found: &mut [], element: &mut |_, _| () }
            .visit_map(object)?;
        Ok(Json::Other)
    }
}

/// Reads the members of an object.
struct Members<'r, 'de, N> {
    names: &'r [N],
    found: &'r mut [Json<'de>],
    element: &'r mut dyn FnMut(usize, &Json<'de>),
}

impl<'de, N: AsRef<str>> Visitor<'de> for Members<'_, 'de, N> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let mut others: Vec<Json<'de>> = Vec::new();
        while let Some(name) = object.next_key::<Json<'de>>()? {
            let text = name.as_str().unwrap_or_default();
            let place = self.names.iter().position(|known| is_same(known.as_ref(), text));
            let mut element = |value: &Json<'de>| {
                if let Some(place) = place {
                    (self.element)(place, value);
                }
            };
            let value = object.next_value_seed(Any(&mut element))?;
            let is_duplicate = if let Some(slot) = place.and_then(|at| self.found.get_mut(at)) {
                mem::replace(slot, value) != Json::Absent
            } else {
                let is_duplicate = others.contains(&name) || others.len() == MAX_MEMBERS;
                others.push(name);
                is_duplicate
            };
            if is_duplicate {
                return Err(A::Error::custom("a duplicate member, or too many members"));
            }
        }
        Ok(())
    }
}

/// Compares the first bytes before the function that compares texts is called: most names differ there.
fn is_same(known: &str, name: &str) -> bool {
    known.as_bytes().first() == name.as_bytes().first() && known == name
}
