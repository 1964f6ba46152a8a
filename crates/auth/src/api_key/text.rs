//! The text of an API key, and the parts of it that a store keeps. Pure.

use std::{fmt, str::FromStr};

use aws_lc_rs::digest;
use hardpoint_core::Secret;
use zeroize::Zeroizing;

use crate::session::root::first;

/// The digits of a key, in the order of their values.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 95 bits: ids do not collide.
const ID: usize = 16;
/// 256 bits.
const SECRET: usize = 43;
/// A checksum of 32 bits.
const CHECK: usize = 6;
const BODY: usize = ID + SECRET + CHECK;

/// The longest prefix.
const MAX_PREFIX: usize = 32;

/// The id of an API key: 16 letters and digits behind the prefix of its text.
///
/// It is not a credential: list it, log it, and use it as the last segment of a path.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApiKeyId([u8; ID]);

impl ApiKeyId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only digits become an id.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for ApiKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ApiKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ApiKeyId").field(&self.as_str()).finish()
    }
}

impl FromStr for ApiKeyId {
    type Err = ParseApiKeyIdError;

    fn from_str(text: &str) -> Result<Self, ParseApiKeyIdError> {
        let id = <[u8; ID]>::try_from(text.as_bytes()).map_err(|_| ParseApiKeyIdError)?;
        if id.iter().all(u8::is_ascii_alphanumeric) {
            Ok(Self(id))
        } else {
            Err(ParseApiKeyIdError)
        }
    }
}

/// The text is not an API key id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an API key id is 16 ASCII letters and digits")]
pub struct ParseApiKeyIdError;

/// What all keys of a service begin with, and an underscore.
#[derive(Clone, Debug)]
pub(super) struct Prefix(Box<str>);

impl Prefix {
    /// `None` unless the text is 2 to 32 of `a-z`, `0-9` and `_`, of which the first is a letter and the
    /// last is not an underscore.
    pub(super) fn new(text: &str) -> Option<Self> {
        let is_allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
        let is_prefix = (2..=MAX_PREFIX).contains(&text.len())
            && text.bytes().all(is_allowed)
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && !text.ends_with('_');
        is_prefix.then(|| Self(format!("{text}_").into()))
    }

    /// A new key; `None` if the system returned no random bytes.
    pub(super) fn generate(&self) -> Option<(ApiKeyId, Secret<str>)> {
        let random = random_digits()?;
        let (id, _) = random.split_first_chunk::<ID>()?;
        // The whole length at once: growing would leave a copy behind.
        let mut text = String::with_capacity(self.0.len() + BODY);
        text.push_str(&self.0);
        text.extend(random.iter().map(|digit| char::from(*digit)));
        let check = check_digits(text.as_bytes());
        text.extend(check.iter().map(|digit| char::from(*digit)));
        Some((ApiKeyId(*id), text.into()))
    }

    /// Reads a credential; `None` if it does not begin with the prefix.
    pub(super) fn parse(&self, text: &str) -> Option<Result<ParsedKey, Malformed>> {
        let body = text.strip_prefix(&*self.0)?;
        Some(ParsedKey::parse(text, body).ok_or(Malformed))
    }
}

/// The text starts with the prefix but is not a valid key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// A key that a client presents.
pub(super) struct ParsedKey {
    pub(super) id: ApiKeyId,
    /// What the store compares.
    pub(super) digest: [u8; 32],
}

debug_only!(ParsedKey { id });

impl ParsedKey {
    fn parse(text: &str, body: &str) -> Option<Self> {
        let body = body.as_bytes();
        if body.len() != BODY || !body.iter().all(u8::is_ascii_alphanumeric) {
            return None;
        }
        let (head, check) = text.as_bytes().split_last_chunk::<CHECK>()?;
        let (id, _) = body.split_first_chunk::<ID>()?;
        (check_digits(head) == *check).then(|| Self { id: ApiKeyId(*id), digest: digest(text) })
    }
}

/// What the store keeps of a key instead of its text. A fast hash is enough for 256 random bits.
pub(super) fn digest(text: &str) -> [u8; 32] {
    first(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

/// The random digits of an id and a secret; `None` if the system returned no random bytes.
fn random_digits() -> Option<Zeroizing<[u8; ID + SECRET]>> {
    /// The largest multiple of the number of digits: the bytes above would favour some of them.
    const FAIR: u8 = 62 * 4;

    let mut digits = Zeroizing::new([0; ID + SECRET]);
    let mut rest = digits.iter_mut();
    let mut bytes = Zeroizing::new([0_u8; 2 * (ID + SECRET)]);
    loop {
        getrandom::fill(&mut *bytes).ok()?;
        for byte in bytes.iter().filter(|byte| **byte < FAIR) {
            let Some(digit) = rest.next() else { return Some(digits) };
            *digit = DIGITS[usize::from(byte % 62)];
        }
    }
}

/// The checksum of the text before it. It rejects typing errors and shortened copies without a look-up,
/// and lets scanners of source code confirm that a text is a key.
fn check_digits(text: &[u8]) -> [u8; CHECK] {
    let (mut check, mut digits) = (crc32fast::hash(text), [0; CHECK]);
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(check % 62) as usize];
        check /= 62;
    }
    digits
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn prefix() -> Prefix {
        Prefix::new("acme_live").unwrap()
    }

    #[test]
    fn the_checksum_is_the_one_of_gzip_in_base_62() {
        // 0xcbf43926, the check value of CRC-32/ISO-HDLC (RFC 1952).
        let digits = check_digits(b"123456789")
            .map(|digit| DIGITS.iter().position(|own| *own == digit).unwrap() as u64);
        assert_eq!(digits.iter().fold(0, |number, digit| number * 62 + digit), 0xcbf4_3926);
    }

    #[test]
    fn a_generated_key_is_read_again() {
        let (id, text) = prefix().generate().unwrap();
        let text = text.expose();
        assert_eq!(text.len(), "acme_live_".len() + 65);
        assert!(text.starts_with(&format!("acme_live_{id}")));
        let read = prefix().parse(text).unwrap().unwrap();
        assert_eq!((read.id, read.digest), (id, digest(text)));
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn keys_of_other_prefixes_are_left_to_other_authenticators() {
        let (_, text) = prefix().generate().unwrap();
        let others = ["acme_test", "acme", "acme_live_eu"].map(|other| Prefix::new(other).unwrap());
        assert!(others[0].parse(text.expose()).is_none());
        // A shorter prefix reads it as one of its own, and the length is wrong.
        assert!(others[1].parse(text.expose()).unwrap().is_err());
        assert!(others[2].parse(text.expose()).is_none());
        for none in ["", "acme_live", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln"] {
            assert!(prefix().parse(none).is_none(), "{none}");
        }
    }

    #[test]
    fn prefixes_are_lowercase_words() {
        for good in ["ab", "acme", "acme_live", "a1", &"a".repeat(32)] {
            assert!(Prefix::new(good).is_some(), "{good}");
        }
        for bad in
            ["", "a", "Acme", "acme-live", "acme_", "_acme", "1a", "ac me", "é1", &"a".repeat(33)]
        {
            assert!(Prefix::new(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn all_digits_are_equally_likely() {
        let mut counts = [0_u32; 256];
        for _ in 0..2_000 {
            random_digits().unwrap().iter().for_each(|digit| counts[usize::from(*digit)] += 1);
        }
        // 118,000 digits: 1,903 of each, with a standard deviation of 43.
        assert!(DIGITS.iter().all(|digit| (1_550..2_250).contains(&counts[usize::from(*digit)])));
        assert_eq!(counts.iter().sum::<u32>(), 118_000);
    }

    #[test]
    fn no_two_keys_are_alike() {
        let texts: HashSet<_> =
            (0..1_000).map(|_| prefix().generate().unwrap().1.expose().to_owned()).collect();
        assert_eq!(texts.len(), 1_000);
    }

    proptest! {
        #[test]
        fn one_wrong_character_is_noticed_without_a_look_up(place in 10_usize..75, digit in 0_usize..62) {
            let (_, text) = prefix().generate().unwrap();
            let mut bytes = text.expose().as_bytes().to_vec();
            prop_assume!(bytes[place] != DIGITS[digit]);
            bytes[place] = DIGITS[digit];
            let changed = String::from_utf8(bytes).unwrap();
            prop_assert!(prefix().parse(&changed).unwrap().is_err());
        }

        #[test]
        fn any_text_behind_the_prefix_is_read_without_a_panic(rest in ".{0,80}") {
            let text = format!("acme_live_{rest}");
            prop_assert!(prefix().parse(&text).unwrap().is_err());
        }
    }
}
