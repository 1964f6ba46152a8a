//! The contents of a token.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeOwned, MapAccess, SeqAccess};
use serde_json::{Map, Value};

use crate::json::{AsDate, AsText, Date, Form, Read, Text, members};

/// The claims of a verified token.
///
/// `Debug` shows the names of the claims and none of their values.
#[derive(Clone, Default)]
pub struct Claims {
    members: Map<String, Value>,
}

impl Claims {
    /// The claims of a payload that was verified before, so it is an object.
    pub(super) fn parse(json: &str) -> Self {
        Self { members: serde_json::from_str(json).unwrap_or_default() }
    }

    /// The claim with this name as a `T`; `None` if it is absent or of another type.
    #[must_use]
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        T::deserialize(self.members.get(name)?).ok()
    }

    /// The claim with this name, if it is a string.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name)?.as_str()
    }

    /// Whether a claim equals `expected` or is an array that contains it. The name of a nested claim
    /// is a JSON pointer (RFC 6901), such as `/realm_access/roles`.
    #[must_use]
    pub fn has(&self, name: &str, expected: &str) -> bool {
        let value = match name.strip_prefix('/') {
            None => self.members.get(name),
            Some(path) => {
                let first = path.split('/').next().unwrap_or_default();
                let value = self.members.get(&first.replace("~1", "/").replace("~0", "~"));
                value.and_then(|value| value.pointer(path.get(first.len()..)?))
            }
        };
        match value {
            Some(Value::String(own)) => own == expected,
            Some(Value::Array(all)) => all.iter().any(|own| own == expected),
            _ => false,
        }
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.members.keys()).finish()
    }
}

/// A claim that is a text and has a meaning to a verifier.
#[derive(Clone, Copy)]
pub(super) enum Name {
    Issuer,
    Subject,
    ClientId,
    TokenId,
    SessionId,
    Scope,
}

/// The claims that have a meaning to a verifier; `aud` is behind the texts and the times.
const NAMES: [&str; 11] =
    ["iss", "sub", "client_id", "jti", "sid", "scope", "exp", "iat", "nbf", "auth_time", "aud"];
pub(super) const TEXTS: usize = 6;

/// The claims that have a meaning to a verifier, borrowed from the payload.
#[derive(Default)]
pub(super) struct Registered<'a> {
    pub(super) texts: [Text<'a>; TEXTS],
    pub(super) dates: [Date; 4],
    /// Whether `aud` is an expected audience, or an array of strings that contains one.
    pub(super) is_for_us: bool,
}

impl<'a> Registered<'a> {
    /// Reads the payload; `None` if it is not an object or has a duplicate member.
    pub(super) fn parse(json: &'a str, audiences: &[String]) -> Option<Self> {
        Read(AsRegistered { audiences }).read_str(json)?
    }

    pub(super) fn text(&self, name: Name) -> &Text<'a> {
        self.texts.get(name as usize).unwrap_or(&Text::Absent)
    }
}

#[derive(Clone, Copy)]
struct AsRegistered<'e> {
    audiences: &'e [String],
}

impl<'de> Form<'de> for AsRegistered<'_> {
    type Value = Option<Registered<'de>>;

    fn other(self) -> Self::Value {
        None
    }

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut claims = Registered::default();
        members(&mut object, |name, object| {
            let Some(number) = NAMES.iter().position(|known| *known == name) else {
                return Ok(None);
            };
            if let Some(text) = claims.texts.get_mut(number) {
                *text = object.next_value_seed(Read(AsText))?;
            } else if let Some(date) = claims.dates.get_mut(number - TEXTS) {
                *date = object.next_value_seed(Read(AsDate))?;
            } else {
                let audiences = AsAudience { expected: self.audiences };
                claims.is_for_us = object.next_value_seed(Read(audiences))?;
            }
            Ok(Some(number))
        })?;
        Ok(Some(claims))
    }
}

/// Whether an audience is expected.
#[derive(Clone, Copy)]
struct AsAudience<'e> {
    expected: &'e [String],
}

impl AsAudience<'_> {
    fn contains(self, audience: &str) -> bool {
        self.expected.iter().any(|expected| expected == audience)
    }
}

impl<'de> Form<'de> for AsAudience<'_> {
    type Value = bool;

    fn other(self) -> bool {
        false
    }

    fn text(self, audience: Cow<'de, str>) -> bool {
        self.contains(&audience)
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
        let (mut found, mut all_texts) = (false, true);
        while let Some(audience) = list.next_element_seed(Read(AsText))? {
            all_texts &= audience != Text::Wrong;
            found |= audience.as_str().is_some_and(|audience| self.contains(audience));
        }
        Ok(found && all_texts)
    }
}

/// The issuer that an unverified payload names, to choose between issuers that share a key id.
/// Nothing is allocated for a payload that is JSON.
pub(super) fn peek_issuer<R>(payload: &[u8], look: impl FnOnce(&str) -> Option<R>) -> Option<R> {
    let payload = std::str::from_utf8(payload).ok()?;
    let claims = Read(AsIssuer).read_str(payload)?;
    look(claims.as_str()?)
}

#[derive(Clone, Copy)]
struct AsIssuer;

impl<'de> Form<'de> for AsIssuer {
    type Value = Text<'de>;

    fn other(self) -> Text<'de> {
        Text::Wrong
    }

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<Text<'de>, A::Error> {
        let mut issuer = Text::Absent;
        while let Some(name) = object.next_key_seed(Read(AsText))? {
            if name.as_str() == Some("iss") {
                issuer = object.next_value_seed(Read(AsText))?;
            } else {
                object.next_value::<serde::de::IgnoredAny>()?;
            }
        }
        Ok(issuer)
    }
}
