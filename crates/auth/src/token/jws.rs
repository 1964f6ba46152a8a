//! Signed bytes in compact form: JSON Web Signature (RFC 7515), checked strictly. Pure.
//!
//! Nothing of a token is believed before its signature was verified, and only the key decides the
//! algorithm (RFC 8725 §3.1). Header members that point to keys (`jwk`, `jku`, `x5u`, `x5c`) are
//! ignored. A token that names no known key is refused without allocating, except for the error that
//! serde_json makes of a header that begins like an object and is not one.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use super::{VerifyError, VerifyErrorKind as Kind};
use crate::{
    KeySet, VerifyingKey,
    json::{self, Json},
    key::{MAX_KEY_ID, Member},
};

/// The longest token that is read, in bytes.
pub(super) const MAX_TOKEN: usize = 8 * 1024;
/// The longest header that is decoded, in base64url characters.
const MAX_HEADER: usize = 1024;
/// The longest part that is decoded into the short buffer, in base64url characters.
const SHORT_PART: usize = 1024;
/// The longest signature, in bytes: that of an RSA key of 8192 bits.
const MAX_SIGNATURE: usize = 1024;

/// Bytes whose signature was verified.
#[derive(Clone)]
#[non_exhaustive]
pub struct SignedBytes {
    /// The bytes that were signed. They need not be JSON, or text.
    pub payload: Vec<u8>,
    /// The key that signed them.
    pub key: VerifyingKey,
    /// The header's `typ`, if it has one.
    pub kind: Option<String>,
}

debug_only!(SignedBytes { key });

impl KeySet {
    /// Verifies a JSON Web Signature in compact form (RFC 7515 §7.1) at a time since 1970, with the
    /// key that its header names.
    ///
    /// This is the layer below [`TokenVerifier`](crate::TokenVerifier), for signed data other than
    /// tokens: it does not know issuers, audiences and expiry, and its caller checks the
    /// [`kind`](SignedBytes::kind). It refuses texts above 8 KiB, headers above 1 KiB, JSON
    /// serialization, padding, blanks, trailing bits, signatures of another length than the key's,
    /// duplicate members, extensions (`crit`, `b64`), and every algorithm but the key's.
    ///
    /// # Errors
    /// [`VerifyError`] says why, for a log: do not send the kind to the client.
    pub fn verify_jws(&self, text: &str, now: Duration) -> Result<SignedBytes, VerifyError> {
        let parts = Parts::split(text)?;
        let signed = parts.with_header(|header| {
            let member = header.member(self)?;
            parts.check(member, now)?;
            let (key, kind) = (member.key.clone(), header.kind().map(str::to_owned));
            parts.with_payload(|payload| Ok(SignedBytes { payload: payload.to_vec(), key, kind }))
        });
        Ok(signed?)
    }
}

/// The three parts of a token.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) header: &'a str,
    payload: &'a str,
    pub(super) signature: &'a str,
    /// Header and payload, which are signed.
    pub(super) signed: &'a str,
}

impl<'a> Parts<'a> {
    pub(super) fn split(text: &'a str) -> Result<Self, Kind> {
        if text.len() > MAX_TOKEN {
            return Err(Kind::TooLong);
        }
        // Further dots are not base64url, so they fail later.
        let (signed, signature) = text.rsplit_once('.').ok_or(Kind::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Kind::Malformed)?;
        if header.len() > MAX_HEADER {
            return Err(Kind::TooLong);
        }
        Ok(Self { header, payload, signature, signed })
    }

    /// Calls `run` with the decoded header, which is not verified.
    pub(super) fn with_header<R>(
        &self,
        run: impl FnOnce(&Header<'_>) -> Result<R, Kind>,
    ) -> Result<R, Kind> {
        decoded(self.header, |json| {
            run(&Header::parse(std::str::from_utf8(json).map_err(|_| Kind::Header)?)?)
        })
    }

    /// Calls `run` with the decoded payload.
    pub(super) fn with_payload<R>(
        &self,
        run: impl FnOnce(&[u8]) -> Result<R, Kind>,
    ) -> Result<R, Kind> {
        decoded(self.payload, run)
    }

    /// Calls `look` with the issuer that the payload names, which is not verified: it chooses between
    /// issuers that share a key id. Nothing is allocated for an object that names one issuer.
    pub(super) fn with_issuer<R>(&self, look: impl FnOnce(&str) -> Option<R>) -> Option<R> {
        #[derive(Deserialize)]
        struct Named<'a> {
            #[serde(borrow, default)]
            iss: Json<'a>,
        }

        let named = self.with_payload(|payload| {
            let named: Named<'_> = serde_json::from_slice(payload).map_err(|_| Kind::Claims)?;
            Ok(named.iss.as_str().and_then(look))
        });
        named.ok()?
    }

    /// Verifies the signature with this key, after the checks that cost less.
    pub(super) fn check(&self, member: &Member, now: Duration) -> Result<(), Kind> {
        if now >= member.until {
            return Err(Kind::KeyId);
        }
        if !is_base64url(self.payload) || !is_base64url(self.signature) {
            return Err(Kind::Malformed);
        }
        let length = member.key.signature_len();
        if length > MAX_SIGNATURE || self.signature.len() != (length * 4).div_ceil(3) {
            return Err(Kind::Signature);
        }
        let signed = self.signed.as_bytes();
        let is_valid =
            decoded(self.signature, |signature| Ok(member.key.accepts(signed, signature)))?;
        if is_valid { Ok(()) } else { Err(Kind::Signature) }
    }
}

/// Calls `run` with a decoded part of a token, in a buffer on the stack.
fn decoded<R>(part: &str, run: impl FnOnce(&[u8]) -> Result<R, Kind>) -> Result<R, Kind> {
    // Only the buffer that is used is filled with zeros: 6 KiB of them take a tenth of a
    // verification with HS256.
    let (mut short, mut long);
    let buffer: &mut [u8] = if part.len() <= SHORT_PART {
        short = [0; SHORT_PART / 4 * 3];
        &mut short
    } else {
        long = [0; MAX_TOKEN / 4 * 3];
        &mut long
    };
    let length = URL_SAFE_NO_PAD.decode_slice(part, buffer).map_err(|_| Kind::Malformed)?;
    run(buffer.get(..length).ok_or(Kind::Malformed)?)
}

/// Without a branch for each byte, so that the compiler checks many at once.
fn is_base64url(part: &str) -> bool {
    part.bytes().fold(true, |all, byte| {
        let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
        let digit = byte.wrapping_sub(b'0') < 10;
        all & (letter | digit | (byte == b'-') | (byte == b'_'))
    })
}

/// The members of a header that have a meaning to a verifier.
pub(super) struct Header<'a> {
    algorithm: Json<'a>,
    kind: Json<'a>,
    key_id: Json<'a>,
}

impl<'a> Header<'a> {
    fn parse(json: &'a str) -> Result<Self, Kind> {
        let members = json::object(json, ["alg", "typ", "kid", "crit", "b64"], |_, _| ());
        let [algorithm, kind, key_id, crit, b64] = members.ok_or(Kind::Header)?;
        let is_readable = algorithm.as_str().is_some()
            && kind.optional_text().is_some()
            && key_id.optional_text().is_some();
        if !is_readable {
            return Err(Kind::Header);
        }
        // We understand no extension, so all critical ones are refused, an empty list included
        // (RFC 7515 §4.1.11, RFC 7797 §6).
        if crit != Json::Absent || b64 != Json::Absent {
            return Err(Kind::CriticalHeader);
        }
        Ok(Self { algorithm, kind, key_id })
    }

    pub(super) fn kind(&self) -> Option<&str> {
        self.kind.as_str()
    }

    pub(super) fn key_id(&self) -> Option<&str> {
        self.key_id.as_str()
    }

    /// The key that this header names, if the header has the key's algorithm.
    pub(super) fn member<'k>(&self, keys: &'k KeySet) -> Result<&'k Member, Kind> {
        let member = match self.key_id() {
            Some(key_id) if key_id.len() > MAX_KEY_ID => None,
            Some(key_id) => keys.member(key_id),
            // Without an id nothing is guessed: only a set of one key leaves no choice.
            None => keys.only_member(),
        };
        let member = member.ok_or(Kind::KeyId)?;
        let names = |name| member.key.algorithm().is_named(name);
        if self.algorithm.as_str().is_some_and(names) { Ok(member) } else { Err(Kind::Algorithm) }
    }
}
