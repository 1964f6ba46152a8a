//! What a token says.

use std::fmt;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Value};

use super::json::{Date, Names, Skipped, Text, skip_members};

/// The claims of a verified token.
///
/// `Debug` shows the names of the claims and none of their values.
#[derive(Clone, Default)]
pub struct Claims {
    members: Map<String, Value>,
}

impl Claims {
    /// All members of an object in which none stands twice.
    pub(super) fn parse(json: &str) -> Self {
        // What comes here was read once before, so it is an object.
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

    /// Whether a claim is `expected`, or a list with it: `roles`, or, for one within others, a JSON
    /// pointer (RFC 6901) such as `/realm_access/roles`.
    #[must_use]
    pub fn has(&self, name: &str, expected: &str) -> bool {
        let value = match name.strip_prefix('/') {
            None => self.members.get(name),
            Some(path) => {
                let (first, rest) = path
                    .split_once('/')
                    .map_or((path, None), |(first, _)| (first, path.get(first.len()..)));
                let first = first.replace("~1", "/").replace("~0", "~");
                self.members.get(&first).and_then(|value| match rest {
                    None => Some(value),
                    Some(rest) => value.pointer(rest),
                })
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

/// The claims that have a meaning to a verifier, borrowed from the payload.
#[derive(Default)]
pub(super) struct Registered<'a> {
    pub(super) issuer: Text<'a>,
    pub(super) subject: Text<'a>,
    pub(super) client_id: Text<'a>,
    pub(super) token_id: Text<'a>,
    pub(super) session_id: Text<'a>,
    pub(super) scope: Text<'a>,
    pub(super) audience: Audience,
    pub(super) expires: Date,
    pub(super) issued: Date,
    pub(super) not_before: Date,
    pub(super) logged_in: Date,
}

/// Whether `aud` is the expected audience, or a list of strings with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Audience {
    /// Absent, somebody else's, or of the wrong type.
    #[default]
    NotOurs,
    Ours,
}

impl<'a> Registered<'a> {
    /// Reads the payload; `None` if it is no object, or has a member twice.
    pub(super) fn parse(json: &'a str, audience: &str) -> Option<Self> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let registered = RegisteredSeed { audience }.deserialize(&mut deserializer).ok()?;
        deserializer.end().ok()?;
        Some(registered)
    }
}

struct RegisteredSeed<'e> {
    audience: &'e str,
}

impl<'de> DeserializeSeed<'de> for RegisteredSeed<'_> {
    type Value = Registered<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RegisteredSeed<'_> {
    type Value = Registered<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Registered<'de>, A::Error> {
        let mut claims = Registered::default();
        let mut others = Names::default();
        let mut seen = 0_u16;
        while let Some(name) = map.next_key::<Text<'de>>()? {
            let Text::Is(name) = name else { return Err(Error::custom("a name is a string")) };
            let bit = match name.as_ref() {
                "iss" => 0,
                "sub" => 1,
                "aud" => 2,
                "exp" => 3,
                "iat" => 4,
                "nbf" => 5,
                "jti" => 6,
                "client_id" => 7,
                "scope" => 8,
                "sid" => 9,
                "auth_time" => 10,
                _ => {
                    others.note(name)?;
                    map.next_value::<Skipped>()?;
                    continue;
                }
            };
            if seen & 1 << bit != 0 {
                return Err(Error::custom("a claim stands there twice"));
            }
            seen |= 1 << bit;
            match bit {
                0 => claims.issuer = map.next_value()?,
                1 => claims.subject = map.next_value()?,
                2 => claims.audience = map.next_value_seed(AudienceSeed(self.audience))?,
                3 => claims.expires = map.next_value()?,
                4 => claims.issued = map.next_value()?,
                5 => claims.not_before = map.next_value()?,
                6 => claims.token_id = map.next_value()?,
                7 => claims.client_id = map.next_value()?,
                8 => claims.scope = map.next_value()?,
                9 => claims.session_id = map.next_value()?,
                _ => claims.logged_in = map.next_value()?,
            }
        }
        Ok(claims)
    }
}

struct AudienceSeed<'e>(&'e str);

impl<'de> DeserializeSeed<'de> for AudienceSeed<'_> {
    type Value = Audience;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Audience, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AudienceSeed<'_> {
    type Value = Audience;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an audience")
    }

    fn visit_str<E>(self, own: &str) -> Result<Audience, E> {
        Ok(if own == self.0 { Audience::Ours } else { Audience::NotOurs })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Audience, A::Error> {
        let (mut found, mut all_strings) = (false, true);
        while let Some(own) = seq.next_element::<Text<'de>>()? {
            all_strings &= own != Text::Wrong;
            found |= own.as_str() == Some(self.0);
        }
        Ok(if found && all_strings { Audience::Ours } else { Audience::NotOurs })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Audience, A::Error> {
        skip_members(&mut map)?;
        Ok(Audience::NotOurs)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Audience, E> {
        Ok(Audience::NotOurs)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Audience, E> {
        Ok(Audience::NotOurs)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Audience, E> {
        Ok(Audience::NotOurs)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Audience, E> {
        Ok(Audience::NotOurs)
    }

    fn visit_unit<E>(self) -> Result<Audience, E> {
        Ok(Audience::NotOurs)
    }
}
