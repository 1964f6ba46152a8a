//! Signed bytes in compact form: JSON Web Signature (RFC 7515), checked strictly. Pure.
//!
//! Nothing of a token is believed before its signature was verified, and only the key decides the
//! algorithm (RFC 8725 §3.1). Header members that point to keys (`jwk`, `jku`, `x5u`, `x5c`) are
//! ignored. A token that names no known key is refused without allocating, except for the error that
//! serde_json makes of a header that begins like an object and is not one.

use std::{iter, time::Duration};

use memchr::memrchr;
use serde::Deserialize;

use super::{KeyIdRule, VerifyError, VerifyErrorKind as Kind, base64url, profile::Limits};
use crate::{
    KeySet, VerifyingKey,
    json::{self, Json},
    key::{MAX_KEY_ID, Member},
};

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
        let parts = Parts::split(text, Limits::DEFAULT)?;
        parts.with_header(|header| {
            let signer = parts.signer(header, self, KeyIdRule::Kid, now)?;
            let (key, kind) = (signer.member.key.clone(), header.kind().map(str::to_owned));
            parts.with_payload(|payload| Ok(SignedBytes { payload: payload.to_vec(), key, kind }))
        })
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
    pub(super) fn split(text: &'a str, limits: Limits) -> Result<Self, Kind> {
        if text.len() > limits.token {
            return Err(Kind::TooLong);
        }
        // Further dots are not base64url, so they fail later.
        let dot = memrchr(b'.', text.as_bytes()).ok_or(Kind::Malformed)?;
        let (signed, dotted) = text.split_at_checked(dot).ok_or(Kind::Malformed)?;
        let signature = dotted.strip_prefix('.').ok_or(Kind::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Kind::Malformed)?;
        if header.len() > limits.header {
            return Err(Kind::TooLong);
        }
        Ok(Self { header, payload, signature, signed })
    }

    /// Whether the token is within these limits, which are an issuer's own.
    pub(super) fn check_limits(&self, limits: Limits) -> Result<(), Kind> {
        let length = self.signed.len() + 1 + self.signature.len();
        let fits = length <= limits.token && self.header.len() <= limits.header;
        if fits { Ok(()) } else { Err(Kind::TooLong) }
    }

    /// Calls `run` with the decoded header, which is not verified.
    pub(super) fn with_header<R, E: From<Kind>>(
        &self,
        run: impl FnOnce(&Header<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        decoded(self.header, |json| {
            let json = std::str::from_utf8(json).map_err(|_| Kind::Header)?;
            run(&Header::parse(json)?)
        })
    }

    /// Calls `run` with the decoded payload.
    pub(super) fn with_payload<R, E: From<Kind>>(
        &self,
        run: impl FnOnce(&[u8]) -> Result<R, E>,
    ) -> Result<R, E> {
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

        let named = self.with_payload::<_, Kind>(|payload| {
            let named: Named<'_> = serde_json::from_slice(payload).map_err(|_| Kind::Claims)?;
            Ok(named.iss.as_str().and_then(look))
        });
        named.ok()?
    }

    /// The key that signed the token: one of those that the header names by id and algorithm.
    ///
    /// An id that the issuer does not know, because it is the default of a key without one, is never
    /// compared: where the set has no key with the header's id, those keys are tried.
    pub(super) fn signer<'k>(
        &self,
        header: &Header<'_>,
        keys: &'k KeySet,
        rule: KeyIdRule,
        now: Duration,
    ) -> Result<Signer<'k>, Kind> {
        let members = keys.members();
        let fits = |member: &&Member| header.fits(member);
        let Some(key_id) = header.key_id(rule) else {
            // Without an id nothing is guessed: only one key of the algorithm leaves no choice.
            let mut fitting = members.iter().filter(fits);
            return match (fitting.next(), fitting.next()) {
                (Some(only), None) => self.try_each(iter::once(only), now),
                (None, _) if !members.is_empty() => Err(Kind::Algorithm),
                _ => Err(Kind::KeyId),
            };
        };
        let mut named = members.iter().filter(|member| member.key.key_id() == key_id).peekable();
        if named.peek().is_some() {
            return match self.try_each(named.filter(fits), now) {
                Err(Kind::KeyId) if !header.names_key(members, rule) => Err(Kind::Algorithm),
                tried => tried,
            };
        }
        let unnamed = members.iter().filter(|member| !member.key.is_named()).filter(fits);
        let is_id = key_id.len() <= MAX_KEY_ID;
        let tried = self.try_each(unnamed.take(if is_id { KeySet::MAX_SAME } else { 0 }), now);
        tried.map_err(|_| Kind::KeyId)
    }

    /// The first of these keys that verifies the signature; the last one's error if none does.
    fn try_each<'k>(
        &self,
        members: impl Iterator<Item = &'k Member> + Clone,
        now: Duration,
    ) -> Result<Signer<'k>, Kind> {
        let is_only = members.clone().nth(1).is_none();
        let mut error = Kind::KeyId;
        for member in members {
            match self.check(member, now) {
                Ok(()) => return Ok(Signer { member, is_only }),
                Err(kind) => error = kind,
            }
        }
        Err(error)
    }

    /// Verifies the signature with this key, after the checks that cost less.
    fn check(&self, member: &Member, now: Duration) -> Result<(), Kind> {
        // A payload with another spelling is malformed, whether its header is new or was seen before.
        self.with_payload::<_, Kind>(|_| Ok(()))?;
        self.check_signature(member, now)
    }

    /// The same for a token whose payload was decoded before.
    pub(super) fn check_signature(&self, member: &Member, now: Duration) -> Result<(), Kind> {
        if now >= member.until {
            return Err(Kind::KeyId);
        }
        if !is_base64url(self.signature) {
            return Err(Kind::Malformed);
        }
        let length = member.key.signature_len();
        if length > MAX_SIGNATURE || self.signature.len() != (length * 4).div_ceil(3) {
            return Err(Kind::Signature);
        }
        let signed = self.signed.as_bytes();
        decoded(self.signature, |signature| {
            if member.key.accepts(signed, signature) { Ok(()) } else { Err(Kind::Signature) }
        })
    }
}

/// Calls `run` with a decoded part of a token, in a buffer on the stack.
fn decoded<R, E: From<Kind>>(part: &str, run: impl FnOnce(&[u8]) -> Result<R, E>) -> Result<R, E> {
    // Only the buffer that is used is filled with zeros: 6 KiB of them take a tenth of a
    // verification with HS256. Longer parts pass only where a profile allows them.
    let (mut short, mut long, mut longer);
    let buffer: &mut [u8] = if part.len() <= SHORT_PART {
        short = [0; SHORT_PART / 4 * 3];
        &mut short
    } else if part.len() <= Limits::DEFAULT.token {
        long = [0; Limits::DEFAULT.token / 4 * 3];
        &mut long
    } else {
        longer = vec![0; part.len() / 4 * 3 + 3];
        &mut longer
    };
    let length = base64url::decode(part, buffer).map_err(|_| Kind::Malformed)?;
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

/// The key that signed a token.
pub(super) struct Signer<'k> {
    pub(super) member: &'k Member,
    /// Whether no other key of the set could have signed a token with this header.
    pub(super) is_only: bool,
}

/// The members of a header that have a meaning to a verifier.
pub(super) struct Header<'a> {
    algorithm: Json<'a>,
    kind: Json<'a>,
    key_id: Json<'a>,
    thumbprint: Json<'a>,
}

impl<'a> Header<'a> {
    fn parse(json: &'a str) -> Result<Self, Kind> {
        let mut found = [const { Json::Absent }; 6];
        let names = ["alg", "typ", "kid", "x5t", "crit", "b64"];
        json::object(json, &names, &mut found, |_, _| ()).ok_or(Kind::Header)?;
        let [algorithm, kind, key_id, thumbprint, crit, b64] = found;
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
        Ok(Self { algorithm, kind, key_id, thumbprint })
    }

    pub(super) fn kind(&self) -> Option<&str> {
        self.kind.as_str()
    }

    /// The id of the key, if the header has one.
    pub(super) fn key_id(&self, rule: KeyIdRule) -> Option<&str> {
        let own = self.key_id.as_str();
        if rule == KeyIdRule::KidOrX5t { own.or(self.thumbprint.as_str()) } else { own }
    }

    /// Whether one of the keys has the id and the algorithm of this header.
    pub(super) fn names_key(&self, keys: &[Member], rule: KeyIdRule) -> bool {
        let key_id = self.key_id(rule);
        keys.iter().any(|member| Some(member.key.key_id()) == key_id && self.fits(member))
    }

    /// Whether the header has the key's algorithm.
    fn fits(&self, member: &Member) -> bool {
        self.algorithm.as_str().is_some_and(|name| member.key.algorithm().is_named(name))
    }
}
