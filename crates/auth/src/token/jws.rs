//! Signed bytes in compact form: JSON Web Signature (RFC 7515), as strict as it goes.
//!
//! Nothing of a token is believed before its signature was verified, and the key alone says which
//! algorithm that takes (RFC 8725 §3.1). Headers that point to keys (`jwk`, `jku`, `x5u`, `x5c`) are
//! not looked at. What names no key of ours is refused without allocating, but for the error that
//! serde_json makes of a header that is no JSON.

use std::{borrow::Cow, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::{
    VerifyError, VerifyErrorKind,
    json::{Names, Skipped, Text},
};
use crate::{
    Algorithm, KeySet, VerifyingKey,
    key::{MAX_KEY_ID, Member},
};

/// The longest token that is looked at, in bytes.
pub(crate) const MAX_TOKEN: usize = 8 * 1024;
/// The longest header that is decoded, in base64url characters.
pub(crate) const MAX_HEADER: usize = 1024;
/// The longest signature, in bytes: that of an RSA key of 8192 bits.
const MAX_SIGNATURE: usize = 1024;

/// Bytes whose signature was verified.
#[derive(Clone)]
pub struct SignedBytes {
    payload: Vec<u8>,
    key: VerifyingKey,
    kind: Option<String>,
}

impl SignedBytes {
    /// The bytes that were signed. They need not be JSON, or text.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The bytes that were signed, without the rest.
    #[must_use]
    pub fn into_payload(self) -> Vec<u8> {
        self.payload
    }

    /// The id of the key that signed them.
    #[must_use]
    pub fn key_id(&self) -> &str {
        self.key.key_id()
    }

    /// The algorithm of that key.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// The header's `typ`: what kind of thing it is, if it says so.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }
}

impl std::fmt::Debug for SignedBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignedBytes").field("key", &self.key).finish_non_exhaustive()
    }
}

impl KeySet {
    /// Verifies a JSON Web Signature in compact form (RFC 7515 §7.1) with the key that its header
    /// names, at a time since 1970, and gives the signed bytes.
    ///
    /// This is the layer below [`TokenVerifier`](crate::TokenVerifier), for signed things that are no
    /// tokens: it knows nothing of issuers, audiences and expiry, and whoever calls it checks
    /// [`kind`](SignedBytes::kind). Refused are texts above 8 KiB, headers above 1 KiB, JSON
    /// serialisation, padding, blanks, bits behind the end, signatures of another length than the
    /// key's, members that stand there twice, extensions (`crit`, `b64`), and any other algorithm than
    /// the key's one.
    ///
    /// # Errors
    /// [`VerifyError`] says why, for a log: do not pass the kind on to the client.
    pub fn verify_jws(&self, text: &str, now: Duration) -> Result<SignedBytes, VerifyError> {
        let opened = open(text, self, now).map_err(VerifyError::new)?;
        let payload = opened.decode_payload().map_err(VerifyError::new)?;
        let kind = opened.kind.as_deref().map(str::to_owned);
        Ok(SignedBytes { payload, key: opened.key.clone(), kind })
    }
}

/// A text whose signature was verified.
pub(super) struct Opened<'a> {
    pub(super) key: &'a VerifyingKey,
    /// The `typ` of the header.
    pub(super) kind: Option<Cow<'a, str>>,
    payload: &'a str,
}

impl Opened<'_> {
    /// The signed bytes.
    pub(super) fn decode_payload(&self) -> Result<Vec<u8>, VerifyErrorKind> {
        URL_SAFE_NO_PAD.decode(self.payload).map_err(|_| VerifyErrorKind::Malformed)
    }
}

/// The three parts of a text.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    header: &'a str,
    pub(super) payload: &'a str,
    pub(super) signature: &'a str,
    signed: &'a str,
}

impl<'a> Parts<'a> {
    pub(super) fn of(text: &'a str) -> Result<Self, VerifyErrorKind> {
        if text.len() > MAX_TOKEN {
            return Err(VerifyErrorKind::TooLong);
        }
        // Dots in between are no base64url, so they fail later.
        let (signed, signature) = text.rsplit_once('.').ok_or(VerifyErrorKind::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(VerifyErrorKind::Malformed)?;
        if header.len() > MAX_HEADER {
            return Err(VerifyErrorKind::TooLong);
        }
        Ok(Self { header, payload, signature, signed })
    }
}

/// Verifies a text's signature with the key of `keys` that its header names.
pub(super) fn open<'a>(
    text: &'a str,
    keys: &'a KeySet,
    now: Duration,
) -> Result<Opened<'a>, VerifyErrorKind> {
    let parts = Parts::of(text)?;
    // An issuer writes the same header for a key again and again: the one that was verified last time
    // was checked then.
    if let Some((member, kind)) = keys.remembered(parts.header) {
        check(member, &parts, now)?;
        let kind = kind.map(Cow::Borrowed);
        return Ok(Opened { key: &member.key, kind, payload: parts.payload });
    }
    let mut buffer = [0; MAX_HEADER / 4 * 3];
    let length = URL_SAFE_NO_PAD
        .decode_slice(parts.header, &mut buffer)
        .map_err(|_| VerifyErrorKind::Malformed)?;
    let header = Header::parse(buffer.get(..length).unwrap_or_default())?;
    let member = header.member(keys)?;
    check(member, &parts, now)?;
    let kind = header.kind.as_str();
    member.remember(parts.header, kind);
    let kind = kind.map(|kind| Cow::Owned(kind.to_owned()));
    Ok(Opened { key: &member.key, kind, payload: parts.payload })
}

/// Whether the signature is the key's, after what is cheaper to tell.
fn check(member: &Member, parts: &Parts<'_>, now: Duration) -> Result<(), VerifyErrorKind> {
    if now >= member.until {
        return Err(VerifyErrorKind::KeyId);
    }
    if !is_base64url(parts.payload) || !is_base64url(parts.signature) {
        return Err(VerifyErrorKind::Malformed);
    }
    let length = member.key.signature_len();
    if length > MAX_SIGNATURE || parts.signature.len() != (length * 4).div_ceil(3) {
        return Err(VerifyErrorKind::Signature);
    }
    let mut buffer = [0; MAX_SIGNATURE + 2];
    let length = URL_SAFE_NO_PAD
        .decode_slice(parts.signature, &mut buffer)
        .map_err(|_| VerifyErrorKind::Malformed)?;
    let signature = buffer.get(..length).unwrap_or_default();
    if member.key.accepts(parts.signed.as_bytes(), signature) {
        Ok(())
    } else {
        Err(VerifyErrorKind::Signature)
    }
}

/// Without a branch for each byte, so that it runs over many at once.
fn is_base64url(part: &str) -> bool {
    part.bytes().fold(true, |all, byte| {
        let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
        let digit = byte.wrapping_sub(b'0') < 10;
        all & (letter | digit | (byte == b'-') | (byte == b'_'))
    })
}

/// The members of a header that mean something to us.
#[derive(Default)]
struct Header<'a> {
    algorithm: Text<'a>,
    kind: Text<'a>,
    key_id: Text<'a>,
    demands_extension: bool,
}

impl<'a> Header<'a> {
    fn parse(json: &'a [u8]) -> Result<Self, VerifyErrorKind> {
        if json.is_empty() {
            return Err(VerifyErrorKind::Header);
        }
        let header: Self = std::str::from_utf8(json)
            .ok()
            .and_then(|json| serde_json::from_str(json).ok())
            .ok_or(VerifyErrorKind::Header)?;
        let is_wrong = header.kind == Text::Wrong || header.key_id == Text::Wrong;
        if is_wrong || header.algorithm.as_str().is_none() {
            return Err(VerifyErrorKind::Header);
        }
        if header.demands_extension {
            return Err(VerifyErrorKind::CriticalHeader);
        }
        Ok(header)
    }

    /// The key that this header names, if it is one of the header's algorithm.
    fn member<'k>(&self, keys: &'k KeySet) -> Result<&'k Member, VerifyErrorKind> {
        let member = match self.key_id.as_str() {
            Some(key_id) if key_id.len() > MAX_KEY_ID => None,
            Some(key_id) => keys.member(key_id),
            // Without an id there is no guessing: only a set of one key leaves no choice.
            None => keys.only_member(),
        }
        .ok_or(VerifyErrorKind::KeyId)?;
        let is_ours =
            self.algorithm.as_str().is_some_and(|name| member.key.algorithm().is_named(name));
        if is_ours { Ok(member) } else { Err(VerifyErrorKind::Algorithm) }
    }
}

impl<'de> Deserialize<'de> for Header<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JOSE header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header<'de>, A::Error> {
        let mut header = Header::default();
        let mut others = Names::default();
        while let Some(name) = map.next_key::<Text<'de>>()? {
            let Text::Is(name) = name else { return Err(Error::custom("a name is a string")) };
            let slot = match name.as_ref() {
                "alg" => &mut header.algorithm,
                "typ" => &mut header.kind,
                "kid" => &mut header.key_id,
                // We understand no extension, so whatever is critical is refused (RFC 7515 §4.1.11,
                // RFC 7797 §6), an empty list included.
                "crit" | "b64" => {
                    header.demands_extension = true;
                    others.note(name)?;
                    map.next_value::<Skipped>()?;
                    continue;
                }
                _ => {
                    others.note(name)?;
                    map.next_value::<Skipped>()?;
                    continue;
                }
            };
            if *slot != Text::Absent {
                return Err(Error::duplicate_field("alg, typ or kid"));
            }
            *slot = map.next_value()?;
        }
        Ok(header)
    }
}
