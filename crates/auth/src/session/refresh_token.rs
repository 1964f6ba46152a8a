//! The text of a refresh token. Pure.
//!
//! A token authenticates itself: its tag is an HMAC under a derived key, so garbage is refused
//! without asking the store. The tag by itself opens nothing, because the store also compares a
//! digest of the family's *proof*, 128 random bits that only tokens contain. So neither a leaked
//! store nor a leaked key forges a token, and not even both do without a token of that family.

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hardpoint_core::Secret;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{
    SessionId,
    root::{DerivedKeys, first},
};

/// The label of the keys that authenticate refresh tokens.
pub(super) const LABEL: &str = "hardpoint refresh token v1";

/// What a secret scanner recognises a token by.
const PREFIX: &str = "hrt_";
const VERSION: u8 = 1;
const TAG: usize = 16;
/// Version, key id, session, generation, proof.
const BODY: usize = 1 + 4 + 16 + 8 + 16;
const BYTES: usize = BODY + TAG;
/// The length of a token's text.
const TEXT: usize = PREFIX.len() + (BYTES * 4).div_ceil(3);

/// The random bits that all tokens of a family contain, and the store only as a digest.
#[derive(Clone)]
pub(super) struct Proof(Zeroizing<[u8; 16]>);

debug_only!(Proof {});

impl Proof {
    pub(super) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; 16]);
        getrandom::fill(&mut *bytes)?;
        Ok(Self(bytes))
    }

    /// What the store keeps. The input has 128 random bits, so a plain hash hides it.
    pub(super) fn digest(&self, session: SessionId) -> [u8; 16] {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"hardpoint refresh proof v1");
        context.update(session.as_bytes());
        context.update(&*self.0);
        first(context.finish().as_ref())
    }
}

/// What an authentic token says.
#[derive(Clone, Debug)]
pub(super) struct RefreshToken {
    pub(super) session: SessionId,
    pub(super) generation: u64,
    pub(super) proof: Proof,
}

impl RefreshToken {
    /// The text of the token, made with the key `key_id`; `None` if that key is not known here.
    pub(super) fn seal(
        &self,
        keys: &DerivedKeys,
        key_id: u32,
        binding: &[u8],
    ) -> Option<Secret<str>> {
        let key = keys.find(key_id)?;
        let mut bytes = Zeroizing::new([0; BYTES]);
        let (body, tag) = bytes.split_at_mut_checked(BODY)?;
        let parts: [&[u8]; 5] = [
            &[VERSION],
            &key_id.to_be_bytes(),
            self.session.as_bytes(),
            &self.generation.to_be_bytes(),
            &*self.proof.0,
        ];
        let parts = parts.iter().copied().flatten();
        body.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
        tag.copy_from_slice(&key.tag::<TAG>(&[body, binding]));
        let mut text = Zeroizing::new([0; TEXT]);
        let (prefix, encoded) = text.split_at_mut_checked(PREFIX.len())?;
        prefix.copy_from_slice(PREFIX.as_bytes());
        URL_SAFE_NO_PAD.encode_slice(bytes.as_slice(), encoded).ok()?;
        std::str::from_utf8(&*text).ok().map(Secret::from)
    }

    /// Reads a token and checks its tag; `None` for anything that this service did not make for a
    /// client with this binding.
    pub(super) fn open(text: &str, keys: &DerivedKeys, binding: &[u8]) -> Option<Self> {
        let encoded = text.strip_prefix(PREFIX).filter(|_| text.len() == TEXT)?;
        let mut bytes = Zeroizing::new([0; BYTES]);
        // The engine refuses padding and non-canonical trailing bits, so one token has one text.
        let length = URL_SAFE_NO_PAD.decode_slice(encoded, &mut *bytes).ok()?;
        let (body, tag) = bytes.split_at_checked(BODY).filter(|_| length == BYTES)?;
        let (version, rest) = body.split_first()?;
        let (key_id, rest) = rest.split_first_chunk()?;
        let (session, rest) = rest.split_first_chunk()?;
        let (generation, proof) = rest.split_first_chunk()?;
        let key = keys.find(u32::from_be_bytes(*key_id)).filter(|_| *version == VERSION)?;
        if !bool::from(key.tag::<TAG>(&[body, binding]).ct_eq(tag)) {
            return None;
        }
        let mut own = Proof(Zeroizing::new([0; 16]));
        own.0.copy_from_slice(proof);
        let generation = u64::from_be_bytes(*generation);
        Some(Self { session: SessionId::from_bytes(*session), generation, proof: own })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::session::RootSecret;

    fn keys(byte: u8) -> DerivedKeys {
        RootSecret::new(Secret::from(&[byte; 32][..])).unwrap().keys(LABEL)
    }

    fn token(generation: u64) -> RefreshToken {
        let session = SessionId::from_bytes([3; 16]);
        RefreshToken { session, generation, proof: Proof(Zeroizing::new([5; 16])) }
    }

    fn seal(token: &RefreshToken, keys: &DerivedKeys, binding: &[u8]) -> String {
        let id = keys.current().id();
        token.seal(keys, id, binding).unwrap().expose().to_owned()
    }

    #[test]
    fn a_token_is_read_as_it_was_made_and_its_text_is_determined_by_its_contents() {
        let keys = keys(1);
        let text = seal(&token(7), &keys, b"");
        assert_eq!(text, seal(&token(7), &keys, b""));
        assert_eq!(text.len(), TEXT);
        let read = RefreshToken::open(&text, &keys, b"").unwrap();
        assert_eq!((read.session, read.generation), (SessionId::from_bytes([3; 16]), 7));
        assert_eq!(*read.proof.0, [5; 16]);
    }

    #[test]
    fn no_altered_byte_is_accepted() {
        let keys = keys(1);
        let text = seal(&token(7), &keys, b"");
        for index in 0..text.len() {
            for other in "Aa0_-=.\u{e9}".chars() {
                let mut altered: Vec<char> = text.chars().collect();
                altered[index] = other;
                let altered: String = altered.into_iter().collect();
                if altered != text {
                    assert!(RefreshToken::open(&altered, &keys, b"").is_none(), "{index} {other}");
                }
            }
        }
        for bad in [&text[1..], &text[..text.len() - 1], &format!("{text}A"), &format!("{text}=")] {
            assert!(RefreshToken::open(bad, &keys, b"").is_none());
        }
    }

    #[test]
    fn a_token_of_another_root_or_for_another_client_is_not_accepted() {
        let text = seal(&token(7), &keys(1), b"phone");
        assert!(RefreshToken::open(&text, &keys(1), b"phone").is_some());
        for (byte, binding) in [(2, &b"phone"[..]), (1, b"laptop"), (1, b""), (1, b"phone ")] {
            assert!(RefreshToken::open(&text, &keys(byte), binding).is_none());
        }
    }

    #[test]
    fn digests_differ_by_session_and_proof() {
        let proof = |byte| Proof(Zeroizing::new([byte; 16]));
        let digest = |session, byte| proof(byte).digest(SessionId::from_bytes([session; 16]));
        assert_eq!(digest(1, 1), digest(1, 1));
        assert!(digest(1, 1) != digest(2, 1) && digest(1, 1) != digest(1, 2));
        assert_ne!(digest(1, 1), [1; 16]);
        assert!(Proof::random().unwrap().0 != Proof::random().unwrap().0);
    }

    /// Made by another implementation of HKDF and HMAC. Instances of two versions run side by side
    /// during a deployment, so the format must not change under one version number.
    #[test]
    fn the_format_stays_the_same() {
        let text = "hrt_\
                    Af9EbhwAAQIDBAUGBwgJCgsMDQ4PAAAAAAAAAAMQERITFBUWFxgZGhscHR4fMCK85Q0rA2ngOA1ath9CXA";
        let read = RefreshToken::open(text, &keys(7), b"").unwrap();
        let session = *b"\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f";
        assert_eq!((read.session, read.generation), (SessionId::from_bytes(session), 3));
        assert_eq!(*read.proof.0, session.map(|byte| byte + 16));
        assert_eq!(seal(&read, &keys(7), b""), text);
    }

    proptest! {
        #[test]
        fn garbage_is_refused_and_never_panics(text in "(hrt_)?[a-zA-Z0-9_-]{0,90}|\\PC{0,40}") {
            prop_assert!(RefreshToken::open(&text, &keys(1), b"").is_none());
        }
    }
}
