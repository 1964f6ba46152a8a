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

    /// The issuer that the key is restricted to, as keys of Entra can be.
    pub(super) fn issuer(&self) -> Option<&str> {
        self.text("issuer")
    }

    /// Whether the JWK names its algorithm.
    pub(super) fn names_algorithm(&self) -> bool {
        self.member("alg").is_some()
    }

    /// The algorithm of the key, if it does not contradict itself and is for this operation.
    pub(super) fn algorithm_for(&self, operation: &str) -> Result<Algorithm, KeyError> {
        if self.has_duplicate {
            return Err(JWK_DUPLICATE);
        }
        let kind = self.kind()?;
        self.check_use(operation)?;
        let mut private = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].into_iter();
        if operation == VERIFY
            && let Some(name) = private.find(|name| self.member(name).is_some())
        {
            return Err(JWK_PRIVATE.on(name));
        }
        // A restriction that cannot be read must not be none.
        if self.member("issuer").is_some_and(|issuer| !issuer.is_string()) {
            return Err(JWK_MEMBER.on("issuer"));
        }
        if self.member("kid").is_some() && self.key_id().is_none() {
            return Err(BAD_KEY_ID);
        }
        match self.member("alg") {
            None => Ok(kind),
            Some(name) => name
                .as_str()
                .and_then(Algorithm::from_name)
                .filter(|algorithm| algorithm.kind() == kind)
                .ok_or(JWK_ALGORITHM),
        }
    }

    fn kind(&self) -> Result<Algorithm, KeyError> {
        match (self.text("kty"), self.member("crv").map(Value::as_str)) {
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
        let usage = self.member("use");
        if usage.is_some_and(|usage| usage != "sig") {
            return Err(JWK_USE);
        }
        let operations = match self.member("key_ops") {
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
    pub(super) fn bytes(&self, name: &'static str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let value = self.member(name).ok_or(JWK_MISSING.on(name))?;
        let text = value.as_str().ok_or(JWK_MEMBER.on(name))?;
        URL_SAFE_NO_PAD.decode(text).map(Zeroizing::new).map_err(|_| JWK_MEMBER.on(name))
    }

    /// A member of exactly this many bytes (RFC 8037 §2).
    pub(super) fn exactly(
        &self,
        name: &'static str,
        len: usize,
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let bytes = self.bytes(name)?;
        if bytes.len() == len { Ok(bytes) } else { Err(JWK_MEMBER.on(name)) }
    }

    /// A coordinate, or another number of this many bytes. RFC 7518 §6.2.1.2 demands the zeros at its
    /// beginning, and some issuers omit them or write one more; the number is the same.
    pub(super) fn padded(
        &self,
        name: &'static str,
        len: usize,
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let number = self.number(name)?;
        let zeros = len.checked_sub(number.len()).ok_or(JWK_MEMBER.on(name))?;
        let mut padded = Zeroizing::new(vec![0; zeros]);
        padded.extend_from_slice(&number);
        Ok(padded)
    }

    /// A point, uncompressed: 4, x, y.
    pub(super) fn point(&self, curve: Algorithm) -> Result<Vec<u8>, KeyError> {
        let len = curve.coordinate_len();
        Ok([&[4], self.padded("x", len)?.as_slice(), self.padded("y", len)?.as_slice()].concat())
    }

    /// A number above 0, without the zeros at its beginning that RFC 7518 §6.3.1.1 forbids and some
    /// issuers write.
    pub(super) fn number(&self, name: &'static str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let bytes = self.bytes(name)?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        match bytes.get(zeros..) {
            Some(number) if !number.is_empty() => Ok(Zeroizing::new(number.to_vec())),
            _ => Err(JWK_MEMBER.on(name)),
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.member(name)?.as_str()
    }

    /// The member, unless it is empty: several issuers write `null`, `[]` or `""` for an absent one.
    fn member(&self, name: &str) -> Option<&Value> {
        self.members.get(name).filter(|value| match value {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(list) => !list.is_empty(),
            _ => true,
        })
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
