//! The text of a one-time token, and the parts of it that a store keeps. Pure.

use aws_lc_rs::{digest, hmac};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hardpoint_core::Secret;
use zeroize::{Zeroize, Zeroizing};

use super::Purpose;
use crate::session::root::{DerivedKey, first};

/// The label of the derived keys.
pub(super) const LABEL: &str = "one-time token v1";

const PREFIX: &str = "hot_";
const VERSION: u8 = 1;
const HEAD: usize = 2;
const SECRET: usize = 32;
const LENGTH: usize = HEAD + SLOT + SECRET;

/// The length of the name of a slot.
pub(super) const SLOT: usize = 16;

/// The place of the tokens of a purpose and a subject: one place, so that the newest replaces all
/// others. It reveals neither to a reader without the key.
pub(super) fn slot(key: &DerivedKey, purpose: Purpose, subject: &str) -> [u8; SLOT] {
    key.tag(&[b"slot", &[purpose.number()], subject.as_bytes()])
}

/// A token of a link: the slot, and 256 random bits.
pub(super) struct LinkToken {
    pub(super) purpose: Purpose,
    pub(super) slot: [u8; SLOT],
    secret: Zeroizing<[u8; SECRET]>,
}

debug_only!(LinkToken { purpose });

impl LinkToken {
    /// A new token; `None` if the system returned no random bytes.
    pub(super) fn random(purpose: Purpose, slot: [u8; SLOT]) -> Option<Self> {
        let mut secret = Zeroizing::new([0; SECRET]);
        getrandom::fill(&mut *secret).ok()?;
        Some(Self { purpose, slot, secret })
    }

    /// Parses a token; `None` if the text is not a token of this purpose.
    pub(super) fn parse(purpose: Purpose, text: &str) -> Option<Self> {
        let text = text.strip_prefix(PREFIX)?;
        let mut bytes = Zeroizing::new([0; LENGTH]);
        if URL_SAFE_NO_PAD.decode_slice(text, &mut *bytes).ok()? != LENGTH {
            return None;
        }
        let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
        let (slot, rest) = rest.split_first_chunk::<SLOT>()?;
        let secret = Zeroizing::new(*rest.first_chunk::<SECRET>()?);
        (*head == [VERSION, purpose.number()]).then_some(Self { purpose, slot: *slot, secret })
    }

    pub(super) fn text(&self) -> Secret<str> {
        let head = [VERSION, self.purpose.number()];
        let bytes = Zeroizing::new([&head[..], &self.slot, &*self.secret].concat());
        // The whole length at once: growing would leave a copy behind.
        let mut text = String::with_capacity(PREFIX.len() + LENGTH.div_ceil(3) * 4);
        text.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(&*bytes, &mut text);
        let secret = Secret::from(text.as_str());
        text.zeroize();
        secret
    }

    /// What a store finds the token by: it is bound to the purpose, so that the token of a magic link
    /// finds nothing as one of a reset. A fast hash is enough for 256 random bits.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&[self.purpose.number()]);
        context.update(&*self.secret);
        first(context.finish().as_ref())
    }

    /// The proof that a store compares when the token is consumed. It is bound to the state, and
    /// its key is the token's secret, so a reader of the store cannot test guesses of the state.
    pub(super) fn proof(&self, state: &[u8]) -> [u8; 32] {
        let mut context =
            hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &*self.secret));
        context.update(b"hardpoint one-time state v1");
        context.update(&[self.purpose.number()]);
        context.update(state);
        first(context.sign().as_ref())
    }
}

/// The digest that a store compares before the proof of a code: a client that does not know the state has
/// no tries.
pub(super) fn code_digest(key: &DerivedKey, slot: &[u8; SLOT], state: &[u8]) -> [u8; 32] {
    key.tag(&[b"code state", slot, state])
}

/// The proof that a store compares when a code is consumed. A code is short, so it is authenticated
/// with a key that the store does not have.
pub(super) fn code_proof(
    key: &DerivedKey,
    slot: &[u8; SLOT],
    code: &str,
    state: &[u8],
) -> [u8; 32] {
    let length = u64::try_from(code.len()).unwrap_or(u64::MAX).to_be_bytes();
    key.tag(&[b"code", slot, &length, code.as_bytes(), state])
}

/// A random number of so many decimal digits; `None` if the system returned no random bytes.
pub(super) fn random_code(digits: u32) -> Option<Secret<str>> {
    let count = 10_u64.checked_pow(digits)?;
    // The remainder of 64 random bits favours small numbers by less than one in 10^9.
    let number = getrandom::u64().ok()? % count;
    let width = usize::try_from(digits).ok()?;
    Some(Secret::from(format!("{number:0width$}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::RootSecret;

    #[test]
    fn a_text_is_read_for_its_purpose_only_and_in_one_spelling() {
        let token = LinkToken::random(Purpose::PasswordReset, [7; SLOT]).unwrap();
        let text = token.text();
        let text = text.expose();
        let read = LinkToken::parse(Purpose::PasswordReset, text).unwrap();
        assert_eq!((read.slot, read.digest()), (token.slot, token.digest()));
        assert!(LinkToken::parse(Purpose::MagicLink, text).is_none());
        for wrong in [&text[1..], &text[..text.len() - 1], "hot_", "", &format!("{text}A")] {
            assert!(LinkToken::parse(Purpose::PasswordReset, wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_proof_depends_on_secret_purpose_and_state() {
        let random = || LinkToken::random(Purpose::MagicLink, [0; 16]).unwrap();
        let (one, other) = (random(), random());
        let proof = one.proof(b"state");
        assert_eq!(proof, one.proof(b"state"));
        assert_ne!(proof, one.proof(b"State"));
        assert_ne!(proof, other.proof(b"state"));
        let reset = LinkToken { purpose: Purpose::PasswordReset, ..one };
        assert_ne!(proof, reset.proof(b"state"));
    }

    #[test]
    fn a_code_and_a_state_are_not_confused() {
        let root = RootSecret::new(Secret::from(&[7; 32][..])).unwrap().keys(LABEL);
        let key = root.current();
        let slot = slot(key, Purpose::Code, "alice");
        assert_ne!(code_proof(key, &slot, "12", b"3"), code_proof(key, &slot, "1", b"23"));
    }

    #[test]
    fn codes_have_all_their_digits() {
        for digits in [6, 8] {
            let codes: Vec<_> = (0..2_000).map(|_| random_code(digits).unwrap()).collect();
            assert!(codes.iter().all(|code| code.expose().len() == digits as usize));
            assert!(codes.iter().any(|code| code.expose().starts_with('0')));
        }
    }
}
