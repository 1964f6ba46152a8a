//! The contents of a token.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::json::{self, Json};

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

/// The claims that have a meaning to a verifier.
const NAMES: [&str; 11] =
    ["iss", "sub", "client_id", "jti", "sid", "scope", "exp", "iat", "nbf", "auth_time", "aud"];
pub(super) const TEXTS: usize = 6;

/// The claims that have a meaning to a verifier, borrowed from the payload.
pub(super) struct Registered<'a> {
    pub(super) texts: [Json<'a>; TEXTS],
    dates: [Json<'a>; 4],
    /// Whether `aud` is an expected audience, or an array of strings that contains one.
    pub(super) is_for_us: bool,
}

impl<'a> Registered<'a> {
    /// Reads the payload; `None` if it is not an object or has a duplicate member.
    pub(super) fn parse(json: &'a str, audiences: &[String]) -> Option<Self> {
        let is_ours = |audience: &Json<'_>| {
            audience.as_str().is_some_and(|audience| audiences.iter().any(|own| own == audience))
        };
        let (mut has_ours, mut all_texts) = (false, true);
        let claims = json::object(json, NAMES, |name, element| {
            if name == "aud" {
                has_ours |= is_ours(element);
                all_texts &= element.as_str().is_some();
            }
        });
        let [iss, sub, client_id, jti, sid, scope, exp, iat, nbf, auth_time, aud] = claims?;
        Some(Self {
            texts: [iss, sub, client_id, jti, sid, scope],
            dates: [exp, iat, nbf, auth_time],
            is_for_us: if aud == Json::List { has_ours && all_texts } else { is_ours(&aud) },
        })
    }

    pub(super) fn claim(&self, name: Name) -> &Json<'a> {
        self.texts.get(name as usize).unwrap_or(&Json::Absent)
    }

    /// `None` if one of the times is not one, or the expiry is missing.
    pub(super) fn times(&self) -> Option<Times> {
        let [expires, issued, not_before, logged_in] =
            self.dates.each_ref().map(Json::optional_seconds);
        let (issued, not_before, logged_in) = (issued?, not_before?, logged_in?);
        Some(Times { expires: expires??, issued, not_before, logged_in })
    }
}

/// The times of a token, in seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) expires: u64,
    pub(super) issued: Option<u64>,
    pub(super) not_before: Option<u64>,
    pub(super) logged_in: Option<u64>,
}
