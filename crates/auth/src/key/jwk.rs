//! JSON Web Keys (RFC 7517) as they come from elsewhere.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{
    Deserialize,
    de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};
use zeroize::{Zeroize, Zeroizing};

use super::{
    Algorithm,
    algorithm::Family,
    error::{
        BAD_KEY_ID, JWK_ALGORITHM, JWK_DUPLICATE, JWK_KIND, JWK_MEMBER, JWK_NOT_OBJECT, JWK_OPS,
        JWK_PRIVATE, JWK_USE, KeyError,
    },
};

/// The longest key id, in bytes.
pub(crate) const MAX_KEY_ID: usize = 128;

/// The members of a JWK. They are wiped, since one of them may be private.
#[derive(Default)]
pub(super) struct Jwk {
    members: Map<String, Value>,
    is_object: bool,
    has_duplicate: bool,
}

/// What a key is needed for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Sign,
    Verify,
}

/// What a JWK says about itself, checked to be without contradictions.
pub(super) struct Described {
    pub(super) family: Family,
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
}

impl Jwk {
    pub(super) fn parse(json: &[u8]) -> Result<Self, KeyError> {
        serde_json::from_slice(json).map_err(|_| JWK_NOT_OBJECT)
    }

    /// The key id, if there is one that can be shown.
    pub(super) fn key_id(&self) -> Option<String> {
        self.text("kid").filter(|id| is_key_id(id)).map(str::to_owned)
    }

    /// Kind, algorithm and id, if all that is said of them fits together.
    pub(super) fn describe(&self, purpose: Purpose) -> Result<Described, KeyError> {
        if !self.is_object {
            return Err(JWK_NOT_OBJECT);
        }
        if self.has_duplicate {
            return Err(JWK_DUPLICATE);
        }
        let family = self.family()?;
        self.check_use(purpose)?;
        let is_private = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]
            .iter()
            .any(|name| self.members.contains_key(*name));
        if purpose == Purpose::Verify && is_private {
            return Err(JWK_PRIVATE);
        }
        let key_id = match self.members.get("kid") {
            None => None,
            Some(Value::String(id)) if is_key_id(id) => Some(id.clone()),
            Some(_) => return Err(BAD_KEY_ID),
        };
        Ok(Described { family, algorithm: self.algorithm(family)?, key_id })
    }

    fn family(&self) -> Result<Family, KeyError> {
        match (self.text("kty"), self.text("crv")) {
            (Some("OKP"), Some("Ed25519")) => Ok(Family::Ed25519),
            (Some("EC"), Some("P-256")) => Ok(Family::P256),
            (Some("EC"), Some("P-384")) => Ok(Family::P384),
            (Some("RSA"), None) if !self.members.contains_key("crv") => Ok(Family::Rsa),
            (Some("oct"), None) if !self.members.contains_key("crv") => Ok(Family::Secret),
            _ => Err(JWK_KIND),
        }
    }

    /// Without `alg` an RSA key is one of RS256, as Entra's are, and a secret one of HS256.
    fn algorithm(&self, family: Family) -> Result<Algorithm, KeyError> {
        match self.members.get("alg") {
            None => Ok(match family {
                Family::Ed25519 => Algorithm::EdDsa,
                Family::P256 => Algorithm::Es256,
                Family::P384 => Algorithm::Es384,
                Family::Rsa => Algorithm::Rs256,
                Family::Secret => Algorithm::Hs256,
            }),
            Some(Value::String(name)) => Algorithm::from_name(name)
                .filter(|algorithm| algorithm.family() == family)
                .ok_or(JWK_ALGORITHM),
            Some(_) => Err(JWK_ALGORITHM),
        }
    }

    /// RFC 7517 §4.2 and §4.3.
    fn check_use(&self, purpose: Purpose) -> Result<(), KeyError> {
        match self.members.get("use") {
            None => {}
            Some(Value::String(name)) if name == "sig" => {}
            Some(_) => return Err(JWK_USE),
        }
        let operations = match self.members.get("key_ops") {
            None => return Ok(()),
            Some(Value::Array(operations)) => operations,
            Some(_) => return Err(JWK_OPS),
        };
        let mut names = Vec::with_capacity(operations.len());
        for operation in operations {
            let name = operation.as_str().ok_or(JWK_OPS)?;
            let contradicts =
                self.members.contains_key("use") && !matches!(name, "sign" | "verify");
            if names.contains(&name) || contradicts {
                return Err(JWK_OPS);
            }
            names.push(name);
        }
        let needed = if purpose == Purpose::Sign { "sign" } else { "verify" };
        if names.contains(&needed) { Ok(()) } else { Err(JWK_OPS) }
    }

    /// A member that is base64url without padding.
    pub(super) fn bytes(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let text = self.text(name).ok_or(JWK_MEMBER)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| JWK_MEMBER)?;
        if bytes.is_empty() { Err(JWK_MEMBER) } else { Ok(Zeroizing::new(bytes)) }
    }

    /// A member of exactly this many bytes (RFC 7518 §6.2.1.2, RFC 8037 §2).
    pub(super) fn exactly(
        &self,
        name: &str,
        length: usize,
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        self.bytes(name).and_then(
            |bytes| {
                if bytes.len() == length { Ok(bytes) } else { Err(JWK_MEMBER) }
            },
        )
    }

    /// A number without leading zeros (RFC 7518 §6.3.1.1).
    pub(super) fn number(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        self.bytes(name)
            .and_then(|bytes| if bytes.first() == Some(&0) { Err(JWK_MEMBER) } else { Ok(bytes) })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name)?.as_str()
    }
}

/// Whether a key may be called this: it stands in headers and logs.
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

/// Whatever stands in a key set's place for a key is read: only what is no JSON at all is an error.
impl<'de> Deserialize<'de> for Jwk {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JwkVisitor)
    }
}

struct JwkVisitor;

impl<'de> Visitor<'de> for JwkVisitor {
    type Value = Jwk;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON Web Key")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Jwk, A::Error> {
        let mut jwk = Jwk::default();
        jwk.is_object = true;
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            jwk.has_duplicate |= jwk.members.insert(name, value).is_some();
        }
        Ok(jwk)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Jwk, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Jwk::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Jwk, E> {
        Ok(Jwk::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Jwk, E> {
        Ok(Jwk::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Jwk, E> {
        Ok(Jwk::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Jwk, E> {
        Ok(Jwk::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Jwk, E> {
        Ok(Jwk::default())
    }

    fn visit_unit<E>(self) -> Result<Jwk, E> {
        Ok(Jwk::default())
    }
}
