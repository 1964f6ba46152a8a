//! Signed bytes in compact form: JSON Web Signature (RFC 7515), as strict as it goes.
//!
//! Nothing of a token is believed before its signature was verified, and the key alone says which
//! algorithm that takes (RFC 8725 §3.1). Headers that point to keys (`jwk`, `jku`, `x5u`, `x5c`) are
//! not looked at.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{
    Deserialize,
    de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor},
};

use super::{VerifyError, VerifyErrorKind};
use crate::KeySet;

/// The longest token that is looked at, in bytes.
pub(super) const MAX_TOKEN: usize = 8 * 1024;
/// The longest header that is decoded, in base64url characters.
const MAX_HEADER: usize = 1024;
/// The longest key id that is looked up, in bytes.
const MAX_KEY_ID: usize = 128;

/// A token whose signature was verified.
#[derive(Debug)]
pub(super) struct Opened {
    /// The `typ` of the header.
    pub(super) kind: Option<String>,
    /// The signed bytes.
    pub(super) payload: Vec<u8>,
}

/// Verifies a token's signature with the key of `keys` that its header names.
pub(super) fn open(token: &str, keys: &KeySet) -> Result<Opened, VerifyError> {
    let fail = |kind| Err(VerifyError::new(kind));
    if token.len() > MAX_TOKEN {
        return fail(VerifyErrorKind::TooLong);
    }
    let Some((signed, signature)) = token.rsplit_once('.') else {
        return fail(VerifyErrorKind::Malformed);
    };
    let Some((header, payload)) = signed.split_once('.') else {
        return fail(VerifyErrorKind::Malformed);
    };
    if header.len() > MAX_HEADER {
        return fail(VerifyErrorKind::TooLong);
    }
    // A third dot is no base64url, so it fails right here.
    let (signature, payload) = (decode(signature)?, decode(payload)?);
    let header: Header = serde_json::from_slice(&decode(header)?)
        .map_err(|_| VerifyError::new(VerifyErrorKind::Header))?;
    if header.demands_extension {
        return fail(VerifyErrorKind::CriticalHeader);
    }
    let key = match &header.key_id {
        Some(key_id) if key_id.len() > MAX_KEY_ID => None,
        Some(key_id) => keys.find(key_id),
        // Without an id there is no guessing: only a set of one key leaves no choice.
        None => keys.only(),
    };
    let Some(key) = key else {
        return fail(VerifyErrorKind::KeyId);
    };
    if !key.algorithm().is_named(&header.algorithm) {
        return fail(VerifyErrorKind::Algorithm);
    }
    if !key.accepts(signed.as_bytes(), &signature) {
        return fail(VerifyErrorKind::Signature);
    }
    Ok(Opened { kind: header.kind, payload })
}

/// base64url without padding, blanks, or bits behind the end.
fn decode(part: &str) -> Result<Vec<u8>, VerifyError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| VerifyError::new(VerifyErrorKind::Malformed))
}

/// The members of a header that mean something to us.
struct Header {
    algorithm: String,
    kind: Option<String>,
    key_id: Option<String>,
    demands_extension: bool,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JOSE header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let (mut algorithm, mut kind, mut key_id) = (None, None, None);
        let mut demands_extension = false;
        let mut names: Vec<String> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if names.contains(&name) {
                return Err(Error::custom("a member stands there twice"));
            }
            match name.as_str() {
                "alg" => algorithm = Some(map.next_value()?),
                "typ" => kind = Some(map.next_value()?),
                "kid" => key_id = Some(map.next_value()?),
                // We understand no extension, so whatever is critical is refused (RFC 7515 §4.1.11,
                // RFC 7797 §6), an empty list included.
                "crit" | "b64" => {
                    demands_extension = true;
                    map.next_value::<IgnoredAny>()?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            names.push(name);
        }
        let algorithm = algorithm.ok_or_else(|| Error::missing_field("alg"))?;
        Ok(Header { algorithm, kind, key_id, demands_extension })
    }
}
