//! Access tokens to verify.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::{
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use hardpoint_auth::{
    Algorithm, KeySet, SigningKey, TokenIssuer, TokenVerifier, TokenVerifierBuilder, VerifyingKey,
};
use hardpoint_core::{ManualClock, Secret, Time};

/// Who issues all tokens of the benchmarks.
pub const ISSUER: &str = "https://hardened-api.example";
/// Whom they are for.
pub const AUDIENCE: &str = "hardened-api";
/// What they allow.
pub const SCOPES: &str = "notes:read notes:write";

/// The algorithms that a token may be signed with.
pub const ALGORITHMS: [Algorithm; 3] = [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256];

/// A token that is the same for ever, with the public key it was signed for.
///
/// Instruction counts have to repeat, and signatures of ES256 are random: so these were made once.
/// They are valid by a [`ManualClock`], which begins in 2027; the private keys were not kept.
#[derive(Clone, Copy, Debug)]
pub struct Fixture {
    /// The public key in PEM.
    pub key: &'static str,
    /// The token.
    pub token: &'static str,
}

impl Fixture {
    /// The one of this algorithm.
    #[must_use]
    pub fn signed_with(algorithm: Algorithm) -> Self {
        let (key, token) = match algorithm {
            Algorithm::EdDsa => {
                (include_str!("../fixtures/eddsa.pem"), include_str!("../fixtures/eddsa.jwt"))
            }
            Algorithm::Es256 => {
                (include_str!("../fixtures/es256.pem"), include_str!("../fixtures/es256.jwt"))
            }
            Algorithm::Rs256 => {
                (include_str!("../fixtures/rs256.pem"), include_str!("../fixtures/rs256.jwt"))
            }
            _ => panic!("there is no token of {}", algorithm.as_str()),
        };
        Self { key, token: token.trim_ascii_end() }
    }

    /// What verifies it, by a clock that stands still.
    #[must_use]
    pub fn verifier(self, clock: ManualClock) -> TokenVerifier {
        let key = VerifyingKey::from_pem(self.key).expect("the fixture is a key");
        builder(key).time(clock).build().expect("an issuer and an audience")
    }
}

/// Tokens of different subjects, signed with one fresh key.
#[derive(Debug)]
pub struct TokenSet {
    /// The key that verifies them.
    pub key: VerifyingKey,
    /// The public key as the primitive takes it; with HS256 the secret.
    pub public: Vec<u8>,
    /// The tokens.
    pub tokens: Vec<Secret<str>>,
    /// Tokens of the same key that nobody here may accept: of another issuer, for another audience,
    /// and expired.
    pub unwelcome: Vec<Secret<str>>,
}

impl TokenSet {
    /// `count` tokens signed with a new key.
    #[must_use]
    pub fn generate(algorithm: Algorithm, count: usize) -> Self {
        let (key, public) = if algorithm.is_symmetric() {
            let secret: Vec<u8> = (0_u8..64).map(|byte| byte.wrapping_mul(89) ^ 7).collect();
            (SigningKey::symmetric(algorithm, &Secret::from(secret.clone())), secret)
        } else {
            let (private, public) = generate_key(algorithm);
            (SigningKey::from_pkcs8(&private), public)
        };
        let key = Arc::new(key.expect("the key was just made"));
        let issuer = |issuer: &str, audience: &str, age| {
            let clock = ManualClock::at_unix(Time::system().unix().saturating_sub(age));
            let builder = TokenIssuer::builder(Arc::clone(&key)).issuer(issuer).audience(audience);
            builder.time(clock).build().expect("an issuer and an audience")
        };
        let issue = |issuer: &TokenIssuer, index| {
            let subject = format!("0190b5a2-7c3e-7d44-9d1b-{index:012x}");
            let token = issuer.token(&subject).scopes(SCOPES.split(' ')).sign();
            token.expect("a token is minted").into_secret()
        };
        let ours = issuer(ISSUER, AUDIENCE, AGE);
        let strangers = [
            issuer("https://elsewhere.example", AUDIENCE, AGE),
            issuer(ISSUER, "elsewhere", AGE),
            issuer(ISSUER, AUDIENCE, Duration::from_hours(1)),
        ];
        Self {
            key: key.verifying_key(),
            public,
            tokens: (0..count).map(|index| issue(&ours, index)).collect(),
            unwelcome: strangers.iter().map(|stranger| issue(stranger, 0)).collect(),
        }
    }

    /// What verifies them.
    #[must_use]
    pub fn verifier(&self) -> TokenVerifier {
        self.builder().build().expect("an issuer and an audience")
    }

    /// What sets up a verifier of them.
    pub fn builder(&self) -> TokenVerifierBuilder {
        builder(self.key.clone())
    }
}

fn builder(key: VerifyingKey) -> TokenVerifierBuilder {
    let keys = KeySet::new([key]).expect("one key");
    TokenVerifier::builder().issuer(ISSUER, keys).audience(AUDIENCE)
}

/// How long ago tokens were issued. There are verifiers that refuse one in the second of its birth.
const AGE: Duration = Duration::from_mins(1);

/// A private key in PKCS#8, and the public half as the primitive takes it.
fn generate_key(algorithm: Algorithm) -> (Vec<u8>, Vec<u8>) {
    const MADE: &str = "the system gives randomness for a key";

    match algorithm {
        Algorithm::EdDsa => {
            let pair = Ed25519KeyPair::generate().expect(MADE);
            let private = pair.to_pkcs8v1().expect(MADE).as_ref().to_vec();
            (private, pair.public_key().as_ref().to_vec())
        }
        Algorithm::Es256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect(MADE);
            let private = pair.to_pkcs8v1().expect(MADE).as_ref().to_vec();
            (private, pair.public_key().as_ref().to_vec())
        }
        Algorithm::Rs256 => {
            use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};

            let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect(MADE);
            let private: Pkcs8V1Der<'_> = pair.as_der().expect(MADE);
            (private.as_ref().to_vec(), pair.public_key().as_ref().to_vec())
        }
        _ => panic!("there is no key for {}", algorithm.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use hardpoint_auth::VerifyErrorKind;

    use super::*;

    #[test]
    fn every_token_is_accepted_by_its_verifier_and_the_unwelcome_are_not() {
        for algorithm in ALGORITHMS {
            let fixture = Fixture::signed_with(algorithm);
            let verifier = fixture.verifier(ManualClock::default());
            assert!(verifier.verify(fixture.token).is_ok(), "{algorithm:?}");
        }
        for algorithm in [ALGORITHMS.as_slice(), &[Algorithm::Hs256]].concat() {
            let set = TokenSet::generate(algorithm, 2);
            for token in &set.tokens {
                assert!(set.verifier().verify(token.expose()).is_ok(), "{algorithm:?}");
            }
            let kinds = set.unwelcome.iter().map(|token| {
                let refused = set.verifier().verify(token.expose());
                refused.expect_err("it is not welcome").kind()
            });
            let expected =
                [VerifyErrorKind::Issuer, VerifyErrorKind::Audience, VerifyErrorKind::Expired];
            assert_eq!(kinds.collect::<Vec<_>>(), expected, "{algorithm:?}");
        }
    }
}
