//! JSON Web Keys (RFC 7517) from other parties.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};
use zeroize::{Zeroize, Zeroizing};

use super::{Algorithm, KeyError, error::*};

/// The longest key id, in bytes.
pub(crate) const MAX_KEY_ID: usize = 128;

/// The members of a JWK. They are wiped, since one of them may be private.
#[derive(Default)]
pub(super) struct Jwk {
    members: Map<String, Value>,
    has_duplicate: bool,
}

/// What a key is needed for: the operation in `key_ops`.
pub(super) const SIGN: &str = "sign";
pub(super) const VERIFY: &str = "verify";

impl Jwk {
    pub(super) fn parse(json: &[u8]) -> Result<Self, KeyError> {
        let mut reader = serde_json::Deserializer::from_slice(json);
        let jwk = reader.deserialize_map(Self::default()).map_err(|_| JWK_NOT_OBJECT)?;
        reader.end().map_err(|_| JWK_NOT_OBJECT)?;
        Ok(jwk)
    }

    /// The key id, if the key has one that may be shown.
    pub(super) fn key_id(&self) -> Option<&str> {
        self.text("kid").filter(|id| is_key_id(id))
    }

    /// Whether the key is restricted to another issuer than this one, as keys of Entra can be.
    pub(super) fn is_of_another(&self, issuer: &str) -> bool {
        self.members.get("issuer").is_some_and(|own| own != issuer)
    }

    /// The algorithm of the key, if it does not contradict itself and is for this operation.
    pub(super) fn algorithm_for(&self, operation: &str) -> Result<Algorithm, KeyError> {
        if self.has_duplicate {
            return Err(JWK_DUPLICATE);
        }
        let kind = self.kind()?;
        self.check_use(operation)?;
        let mut private = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].into_iter();
        if operation == VERIFY && private.any(|name| self.members.contains_key(name)) {
            return Err(JWK_PRIVATE);
        }
        if self.members.contains_key("kid") && self.key_id().is_none() {
            return Err(BAD_KEY_ID);
        }
        match self.members.get("alg") {
            None => Ok(kind),
            Some(name) => name
                .as_str()
                .and_then(Algorithm::from_name)
                .filter(|algorithm| algorithm.kind() == kind)
                .ok_or(JWK_ALGORITHM),
        }
    }

    fn kind(&self) -> Result<Algorithm, KeyError> {
        match (self.text("kty"), self.members.get("crv").map(Value::as_str)) {
            (Some("OKP"), Some(Some("Ed25519"))) => Ok(Algorithm::EdDsa),
            (Some("EC"), Some(Some("P-256"))) => Ok(Algorithm::Es256),
            (Some("EC"), Some(Some("P-384"))) => Ok(Algorithm::Es384),
            (Some("RSA"), None) => Ok(Algorithm::Rs256),
            (Some("oct"), None) => Ok(Algorithm::Hs256),
            _ => Err(JWK_KIND),
        }
    }

    /// RFC 7517 §4.2 and §4.3.
    fn check_use(&self, needed: &str) -> Result<(), KeyError> {
        let usage = self.members.get("use");
        if usage.is_some_and(|usage| usage != "sig") {
            return Err(JWK_USE);
        }
        let operations = match self.members.get("key_ops") {
            None => return Ok(()),
            Some(Value::Array(operations)) => operations,
            Some(_) => return Err(JWK_OPS),
        };
        let is_fine = |(index, name): (usize, &Value)| {
            name.is_string()
                && !operations.iter().take(index).any(|earlier| earlier == name)
                && (usage.is_none() || name == SIGN || name == VERIFY)
        };
        let allows = operations.iter().any(|name| name == needed);
        if allows && operations.iter().enumerate().all(is_fine) { Ok(()) } else { Err(JWK_OPS) }
    }

    /// A member that is base64url without padding.
    pub(super) fn bytes(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let text = self.text(name).ok_or(JWK_MEMBER)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| JWK_MEMBER)?;
        if bytes.is_empty() { Err(JWK_MEMBER) } else { Ok(Zeroizing::new(bytes)) }
    }

    /// A member of exactly this many bytes (RFC 7518 §6.2.1.2, RFC 8037 §2).
    pub(super) fn exactly(&self, name: &str, len: usize) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let bytes = self.bytes(name)?;
        if bytes.len() == len { Ok(bytes) } else { Err(JWK_MEMBER) }
    }

    /// A point, uncompressed: 4, x, y.
    pub(super) fn point(&self, curve: Algorithm) -> Result<Vec<u8>, KeyError> {
        let len = curve.coordinate_len();
        Ok([&[4], self.exactly("x", len)?.as_slice(), self.exactly("y", len)?.as_slice()].concat())
    }

    /// A number without leading zeros (RFC 7518 §6.3.1.1).
    pub(super) fn number(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let bytes = self.bytes(name)?;
        if bytes.first() == Some(&0) { Err(JWK_MEMBER) } else { Ok(bytes) }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name)?.as_str()
    }
}

/// Whether a key may have this id, which appears in headers and logs.
pub(super) fn is_key_id(id: &str) -> bool {
    (1..=MAX_KEY_ID).contains(&id.len()) && !id.chars().any(char::is_control)
}

impl Drop for Jwk {
    fn drop(&mut self) {
        for (_, value) in &mut self.members {
            if let Value::String(text) = value {
                text.zeroize();
            }
        }
    }
}

impl<'de> Visitor<'de> for Jwk {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<Self, A::Error> {
        while let Some((name, value)) = object.next_entry::<String, Value>()? {
            self.has_duplicate |= self.members.insert(name, value).is_some();
        }
        Ok(self)
    }
}
