//! Several issuers in one verifier.

use std::fmt;

use hardpoint_core::{Clock, SystemClock};

use super::peek;
use crate::{TokenVerifier, Verified, VerifyError, VerifyErrorKind};

/// Checks access tokens of several issuers, each with its own [`TokenVerifier`].
///
/// Which one is asked is what the token claims, not yet verified; that one then checks everything,
/// the issuer too. So the keys of one issuer never vouch for the tokens of another. Clones share the
/// keys.
///
/// ```
/// use hardpoint_auth::{KeySet, SigningKey, TokenIssuer, TokenVerifier, VerifyErrorKind};
/// use hardpoint_auth::remote::TokenVerifiers;
///
/// let (ours, theirs) = ("https://ours.example", "https://theirs.example");
/// let (our_key, their_key) = (SigningKey::generate()?, SigningKey::generate()?);
/// let our_keys = KeySet::new([our_key.verifying_key()])?;
/// let their_keys = KeySet::new([their_key.verifying_key()])?;
/// let verifiers = TokenVerifiers::new()
///     .add_issuer(ours, TokenVerifier::new(our_keys, ours, "api"))
///     .add_issuer(theirs, TokenVerifier::new(their_keys, theirs, "api"));
///
/// let token = TokenIssuer::new(our_key, ours, "api").issue("alice", &"".parse()?)?;
/// assert_eq!(verifiers.verify(token.expose())?.subject(), "alice");
///
/// // Their key signs for our issuer.
/// let forged = TokenIssuer::new(their_key, ours, "api").issue("alice", &"".parse()?)?;
/// assert_eq!(verifiers.verify(forged.expose()).unwrap_err().kind(), VerifyErrorKind::KeyId);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TokenVerifiers<C = SystemClock> {
    all: Vec<(String, TokenVerifier<C>)>,
}

impl<C> TokenVerifiers<C> {
    /// Accepts no token: add issuers.
    #[must_use]
    pub const fn new() -> Self {
        Self { all: Vec::new() }
    }

    /// Accepts the tokens of `issuer` that `verifier` accepts. It takes the place of one that was
    /// added for the same issuer before.
    #[must_use]
    pub fn add_issuer(mut self, issuer: impl Into<String>, verifier: TokenVerifier<C>) -> Self {
        let issuer = issuer.into();
        self.all.retain(|(other, _)| *other != issuer);
        self.all.push((issuer, verifier));
        self
    }
}

impl<C: Clock> TokenVerifiers<C> {
    /// Verifies a token.
    ///
    /// # Errors
    /// [`VerifyError`] says why, for a log; of the kind `Issuer` if the token claims to be from none of
    /// the issuers, or from nobody that can be read.
    pub fn verify(&self, token: &str) -> Result<Verified, VerifyError> {
        let verifier = peek::with_issuer(token, |claimed| {
            self.all.iter().find_map(|(issuer, verifier)| (issuer == claimed).then_some(verifier))
        });
        match verifier {
            Some(verifier) => verifier.verify(token),
            None => Err(VerifyError::new(VerifyErrorKind::Issuer)),
        }
    }
}

impl<C> Default for TokenVerifiers<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C> fmt::Debug for TokenVerifiers<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all.iter().map(|(_, verifier)| verifier)).finish()
    }
}
