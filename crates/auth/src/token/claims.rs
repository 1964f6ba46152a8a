//! What a token says.

use std::fmt;

use serde::{
    Deserialize,
    de::{DeserializeOwned, Deserializer, Error, MapAccess, Visitor},
};
use serde_json::{Map, Value};

/// The claims of a verified token.
///
/// `Debug` shows the names of the claims and none of their values.
#[derive(Clone)]
pub struct Claims {
    members: Map<String, Value>,
}

impl Claims {
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

    /// Whether there is such a claim.
    pub(super) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// A NumericDate (RFC 7519 §2) in whole seconds: a fraction is cut off, never rounded up.
    /// `Err` for anything that is no number from 0 on.
    pub(super) fn date(&self, name: &str) -> Result<Option<u64>, ()> {
        match self.members.get(name) {
            None => Ok(None),
            Some(Value::Number(number)) => whole_seconds(number).map(Some).ok_or(()),
            Some(_) => Err(()),
        }
    }

    /// Whether `aud` is `audience` or a list of strings with it. `Err` if it is neither.
    pub(super) fn is_for(&self, audience: &str) -> Result<bool, ()> {
        match self.members.get("aud") {
            Some(Value::String(own)) => Ok(own == audience),
            Some(Value::Array(all)) if all.iter().all(Value::is_string) => {
                Ok(all.iter().any(|own| own == audience))
            }
            _ => Err(()),
        }
    }
}

fn whole_seconds(number: &serde_json::Number) -> Option<u64> {
    if let Some(seconds) = number.as_u64() {
        return Some(seconds);
    }
    let seconds = number.as_f64().filter(|seconds| (0.0..9.0e15).contains(seconds))?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within the bounds checked above the cast cuts off the fraction"
    )]
    Some(seconds as u64)
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.members.keys()).finish()
    }
}

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Claims;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of claims")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Claims, A::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    // RFC 7519 §4 leaves it open which of two wins: so neither does.
                    if members.insert(name, value).is_some() {
                        return Err(Error::custom("a claim stands there twice"));
                    }
                }
                Ok(Claims { members })
            }
        }

        deserializer.deserialize_map(Members)
    }
}
