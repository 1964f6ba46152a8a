//! Making, finding and consuming one-time tokens.

use std::{collections::HashMap, net::IpAddr, num::NonZeroU32, sync::Arc, time::Duration};

use hardpoint_core::{
    Secret, Telemetry,
    event::{OneTimeResult, OneTimeTokenUsed, StoreFailed, StoreKind},
};

use super::{
    Found, OneTimeError, Purpose, Put, Request, Slot, Taken, TokenStore,
    token::{LABEL, LinkToken, code_digest, code_proof, random_code, slot},
};
use crate::{
    rate::Rate,
    session::{RootSecret, root::DerivedKeys},
    store::StoreError,
};

/// Makes one-time tokens and consumes them. See the [module docs](super).
///
/// Clones share the tokens.
#[derive(Clone)]
pub struct OneTimeTokens {
    inner: Arc<Inner>,
}

struct Inner {
    store: TokenStore,
    keys: DerivedKeys,
    /// Those that differ from the defaults.
    lifetimes: HashMap<Purpose, Duration>,
    digits: u32,
    tries: NonZeroU32,
    per_recipient: Rate,
    per_network: Rate,
    telemetry: Telemetry,
}

debug_only!(Inner { store, lifetimes, digits, tries, per_recipient, per_network });
debug_only!(OneTimeTokens { inner });

/// Sets up [`OneTimeTokens`].
///
/// | setting | default |
/// |---|---|
/// | [`lifetime`](Self::lifetime) | [`Purpose::lifetime`] |
/// | [`code_digits`](Self::code_digits) | 8 |
/// | [`code_tries`](Self::code_tries) | 5 |
/// | [`per_recipient`](Self::per_recipient) | 6 an hour, 5 at once |
/// | [`per_network`](Self::per_network) | 60 an hour, 60 at once |
/// | [`telemetry`](Self::telemetry) | no observer |
#[must_use]
pub struct OneTimeTokensBuilder {
    inner: Inner,
}

debug_only!(OneTimeTokensBuilder { inner });

impl OneTimeTokensBuilder {
    /// How long tokens of a purpose live. Default: [`Purpose::lifetime`]. A longer life gives a thief
    /// of the mailbox more time; with a shorter one, tokens expire before slow mail arrives.
    pub fn lifetime(mut self, purpose: Purpose, lifetime: Duration) -> Self {
        self.inner.lifetimes.insert(purpose, lifetime);
        self
    }

    /// How many digits a code has, from 6 to 10. Default: 8, so that an attacker who requests codes for
    /// many subjects and tries five of each hits one in 20 million.
    pub fn code_digits(mut self, digits: u32) -> Self {
        self.inner.digits = digits.clamp(6, 10);
        self
    }

    /// How many wrong tries void a code. Default: 5.
    pub const fn code_tries(mut self, tries: NonZeroU32) -> Self {
        self.inner.tries = tries;
        self
    }

    /// How many tokens of a purpose may be requested for one recipient, whether it exists or not.
    /// Default: 6 an hour, 5 at once: a mailbox is not flooded, and a user who mistypes gets another.
    pub const fn per_recipient(mut self, rate: Rate) -> Self {
        self.inner.per_recipient = rate;
        self
    }

    /// How many tokens one network of clients may request. Default: 60 an hour, 60 at once.
    pub const fn per_network(mut self, rate: Rate) -> Self {
        self.inner.per_network = rate;
        self
    }

    /// Reports every token to this observer. Default: to none.
    pub fn telemetry(mut self, telemetry: &Telemetry) -> Self {
        self.inner.telemetry = telemetry.clone();
        self
    }

    /// The tokens.
    #[must_use]
    pub fn build(self) -> OneTimeTokens {
        OneTimeTokens { inner: Arc::new(self.inner) }
    }
}

/// A token that is to be made.
#[derive(Clone, Copy)]
#[must_use]
pub struct NewOneTimeToken<'a> {
    purpose: Purpose,
    subject: &'a str,
    state: &'a [u8],
    data: &'a [u8],
}

debug_only!(NewOneTimeToken<'_> { purpose });

impl<'a> NewOneTimeToken<'a> {
    /// A token for a subject: an account's id, or an address that has no account yet.
    pub const fn new(purpose: Purpose, subject: &'a str) -> Self {
        Self { purpose, subject, state: &[], data: &[] }
    }

    /// Binds the token to a state of the subject, which must be the same when the token is
    /// consumed. With a fingerprint of the password hash as the state, changing the password voids
    /// all links. For a code, also add a random secret of the browser that requested it:
    /// otherwise a stranger who knows the subject can use up its tries. Default: empty.
    pub const fn state(mut self, state: &'a [u8]) -> Self {
        self.state = state;
        self
    }

    /// Keeps up to 4 KiB with the token, such as the account that a verified address opens. The
    /// store keeps it in clear. Default: nothing.
    pub const fn data(mut self, data: &'a [u8]) -> Self {
        self.data = data;
        self
    }
}

/// The most bytes of data, and of a subject.
const MAX_DATA: usize = 4096;

impl OneTimeTokens {
    /// Keeps tokens in `store`. The names of slots and the proofs of codes are made with keys that are
    /// derived from `root`.
    pub fn builder(store: TokenStore, root: &RootSecret) -> OneTimeTokensBuilder {
        const HOUR: Duration = Duration::from_secs(60 * 60);
        const FIVE: NonZeroU32 = NonZeroU32::new(5).unwrap();
        const SIX: NonZeroU32 = NonZeroU32::new(6).unwrap();
        const SIXTY: NonZeroU32 = NonZeroU32::new(60).unwrap();

        OneTimeTokensBuilder {
            inner: Inner {
                store,
                keys: root.keys(LABEL),
                lifetimes: HashMap::new(),
                digits: 8,
                tries: FIVE,
                per_recipient: Rate::new(SIX, HOUR).burst(FIVE),
                per_network: Rate::new(SIXTY, HOUR),
                telemetry: Telemetry::none(),
            },
        }
    }

    /// Counts a request of a client in this network for a token to this recipient, in one spelling.
    /// Call it before the recipient is looked up, so that unknown ones are counted alike.
    ///
    /// # Errors
    /// [`OneTimeError::TooManyRequests`], or [`OneTimeError::Store`] if the store did not answer.
    pub async fn admit(
        &self,
        purpose: Purpose,
        recipient: &str,
        network: Option<IpAddr>,
    ) -> Result<(), OneTimeError> {
        let inner = &self.inner;
        let Inner { per_recipient, per_network, .. } = &**inner;
        let request = Request { purpose, recipient, network, per_recipient, per_network };
        let wait = inner.store.admit(&request).await.map_err(|error| inner.failed(error))?;
        if wait.is_zero() {
            return Ok(());
        }
        let retry_after = Duration::from_secs(crate::store::millis(wait).div_ceil(1_000));
        let capped = OneTimeError::TooManyRequests { retry_after };
        Err(inner.refuse(purpose, OneTimeResult::Capped, capped))
    }

    /// Makes a token for a link, in place of the subject's earlier one of this purpose. Send it to the
    /// subject and keep it nowhere.
    ///
    /// # Errors
    /// [`OneTimeError::Store`] if the store did not answer or is full, or [`OneTimeError::Randomness`].
    pub async fn issue(&self, new: NewOneTimeToken<'_>) -> Result<Secret<str>, OneTimeError> {
        let slot = slot(self.inner.keys.current(), new.purpose, new.subject);
        let token = LinkToken::random(new.purpose, slot).ok_or(OneTimeError::Randomness)?;
        self.put(new, &slot, &token.digest(), &token.proof(new.state)).await?;
        Ok(token.text())
    }

    /// Finds the token of a link, and leaves it there until [`FoundToken::consume`]. Call both only for
    /// requests that a person confirmed, such as `POST`: programs that check mail for malware open
    /// every link with `GET` and `HEAD`.
    ///
    /// # Errors
    /// [`OneTimeError::Invalid`], or [`OneTimeError::Store`] if the store did not answer.
    pub async fn find(&self, purpose: Purpose, token: &str) -> Result<FoundToken, OneTimeError> {
        let inner = &self.inner;
        let Some(token) = LinkToken::parse(purpose, token) else {
            return Err(inner.refuse(purpose, OneTimeResult::Unknown, OneTimeError::Invalid));
        };
        let found = inner.store.find(&token.slot, &token.digest()).await;
        match found.map_err(|error| inner.failed(error))? {
            Some(found) => Ok(FoundToken { tokens: self.clone(), token, found }),
            None => Err(inner.refuse(purpose, OneTimeResult::Unknown, OneTimeError::Invalid)),
        }
    }

    /// Makes a code, in place of the subject's earlier one. Send it to a device of the subject and keep
    /// it nowhere. The purpose of `new` must be [`Purpose::Code`]; its data is ignored.
    ///
    /// # Errors
    /// As [`issue`](Self::issue).
    pub async fn issue_code(&self, new: NewOneTimeToken<'_>) -> Result<Secret<str>, OneTimeError> {
        let new = NewOneTimeToken { purpose: Purpose::Code, data: &[], ..new };
        let inner = &self.inner;
        let key = inner.keys.current();
        let slot = slot(key, new.purpose, new.subject);
        let code = random_code(inner.digits).ok_or(OneTimeError::Randomness)?;
        let proof = code_proof(key, &slot, code.expose(), new.state);
        self.put(new, &slot, &code_digest(key, &slot, new.state), &proof).await?;
        Ok(code)
    }

    /// Consumes a code of a subject. A wrong code is a try; five tries void the code. Another state is not
    /// a try: if it is a secret of the browser, such as a cookie, other clients cannot use the tries up.
    ///
    /// # Errors
    /// [`OneTimeError::Invalid`], also for a subject without a code, or [`OneTimeError::Store`] if the
    /// store did not answer.
    pub async fn consume_code(
        &self,
        subject: &str,
        code: &str,
        state: &[u8],
    ) -> Result<(), OneTimeError> {
        let inner = &self.inner;
        for key in inner.keys.all() {
            let slot = slot(key, Purpose::Code, subject);
            let proof = code_proof(key, &slot, code, state);
            let digest = code_digest(key, &slot, state);
            let taken = inner.store.guess(&slot, &digest, &proof, inner.tries.get()).await;
            let taken = taken.map_err(|error| inner.failed(error))?;
            if taken != Taken::Unknown {
                return inner.taken(Purpose::Code, taken);
            }
        }
        inner.taken(Purpose::Code, Taken::Unknown)
    }

    /// Removes the token of a purpose and a subject, if it exists.
    ///
    /// # Errors
    /// [`OneTimeError::Store`] if the store did not answer.
    pub async fn void(&self, purpose: Purpose, subject: &str) -> Result<(), OneTimeError> {
        for key in self.inner.keys.all() {
            let voided = self.inner.store.void(&slot(key, purpose, subject)).await;
            voided.map_err(|error| self.inner.failed(error))?;
        }
        Ok(())
    }

    async fn put(
        &self,
        new: NewOneTimeToken<'_>,
        current: &Slot,
        digest: &[u8; 32],
        proof: &[u8; 32],
    ) -> Result<(), OneTimeError> {
        let NewOneTimeToken { purpose, subject, data, .. } = new;
        if subject.len() > MAX_DATA || data.len() > MAX_DATA {
            let error = StoreError::new(hardpoint_core::event::StoreErrorKind::Unavailable);
            return Err(OneTimeError::Store(error.with_source("more than 4 KiB of data")));
        }
        let inner = &self.inner;
        let lifetime = inner.lifetimes.get(&purpose).copied().unwrap_or(purpose.lifetime());
        let former = inner.keys.previous().iter().map(|key| slot(key, purpose, subject));
        let former: &[Slot] = &former.collect::<Vec<_>>();
        let put = Put { purpose, slot: current, former, digest, proof, subject, data, lifetime };
        inner.store.put(&put).await.map_err(|error| inner.failed(error))?;
        inner.report(purpose, OneTimeResult::Issued);
        Ok(())
    }
}

impl Inner {
    fn report(&self, purpose: Purpose, result: OneTimeResult) {
        self.telemetry.on(&OneTimeTokenUsed::new(purpose.as_str(), result).into());
    }

    fn refuse(&self, purpose: Purpose, result: OneTimeResult, error: OneTimeError) -> OneTimeError {
        self.report(purpose, result);
        tracing::debug!(
            target: "hardpoint::auth::one_time",
            purpose = purpose.as_str(),
            reason = result.as_str(),
            "one-time token refused"
        );
        error
    }

    /// The result of consuming a token.
    fn taken(&self, purpose: Purpose, taken: Taken) -> Result<(), OneTimeError> {
        match taken {
            Taken::Consumed => {
                self.report(purpose, OneTimeResult::Consumed);
                Ok(())
            }
            Taken::Unknown => {
                Err(self.refuse(purpose, OneTimeResult::Unknown, OneTimeError::Invalid))
            }
            Taken::Void => Err(self.refuse(purpose, OneTimeResult::Void, OneTimeError::Invalid)),
        }
    }

    fn failed(&self, error: StoreError) -> OneTimeError {
        self.telemetry.on(&StoreFailed::new(StoreKind::OneTime, error.kind()).into());
        OneTimeError::Store(error)
    }
}

/// A token of a link that was found and is not consumed yet. First do everything that may fail,
/// such as hashing the new password, and then [`consume`](Self::consume) it.
#[must_use = "a token is consumed by `consume`"]
pub struct FoundToken {
    tokens: OneTimeTokens,
    token: LinkToken,
    found: Found,
}

debug_only!(FoundToken { token });

impl FoundToken {
    /// The subject.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.found.subject
    }

    /// What the application keeps with the token.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.found.data
    }

    /// Consumes the token, if the subject's state is the one that the token was made for. Of any
    /// number of concurrent calls with one token, exactly one succeeds.
    ///
    /// # Errors
    /// [`OneTimeError::Invalid`] if the token was consumed or replaced meanwhile, or was made for
    /// another state; it is gone then. [`OneTimeError::Store`] if the store did not answer: the token
    /// may be consumed or not.
    pub async fn consume(self, state: &[u8]) -> Result<(), OneTimeError> {
        let inner = &self.tokens.inner;
        let Self { token, .. } = &self;
        let taken = inner.store.take(&token.slot, &token.digest(), &token.proof(state)).await;
        inner.taken(token.purpose, taken.map_err(|error| inner.failed(error))?)
    }
}
